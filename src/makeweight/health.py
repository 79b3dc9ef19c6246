"""The health of a training: what is looked at every hundred steps, and what is said when it is bad."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from makeweight.data.arrays import ImageCodec
from makeweight.data.lazy import LazyImages
from makeweight.data.wording import listed
from makeweight.priors import Request
from makeweight.progress import LOOK_EVERY
from makeweight.rules import Game, Players

N_DRAWN = 8  # images a class
N_CLASSES = 64  # classes a look; of more, others come at the next look
GROWTH = 20.0  # of the norm of the weights since the last look
SAME = 1e-6  # relative difference of features that counts as none
COLLAPSED, LIVELY = 0.02, 0.1  # spread of a class's drawn images, as a share of that of its real ones


@dataclass(frozen=True)
class Finding:
    """What a look found.

    Attributes
    ----------
    broken : str or None
        Why training cannot go on from here, in a few words.
    lively, dull : tuple of int
        Classes drawn with variety; classes whose drawn images are all alike.
    n_looked : int
        How many classes were looked at.
    """

    broken: str | None = None
    lively: tuple[int, ...] = ()
    dull: tuple[int, ...] = ()
    n_looked: int = 0


class Watch:
    """Looks at the players of one training.

    Parameters
    ----------
    game : Game
        The rules.
    spreads : array of shape (n_classes,)
        Mean distance between two real images of each class; 0 where it is not known, and the class is not watched.
    names : sequence
        Labels of the classes, for messages.
    seed : int
        Of the noise on which the generator is looked at, always the same.
    """

    def __init__(self, game: Game, spreads: NDArray[np.float64], names: Sequence[Any], seed: int) -> None:
        self.game = game
        self.watched = np.flatnonzero(spreads > 0)
        self.spreads = spreads
        self.names = names
        random = torch.Generator().manual_seed(seed)
        n_noise = min(N_CLASSES, max(len(self.watched), 1)) * N_DRAWN
        self.noise = torch.randn(n_noise, game.latent_dim, generator=random).to(game.device)

    def named(self, codes: Sequence[int]) -> str:
        """Name classes, at most five."""
        return listed([str(self.names[code]) for code in codes])

    def look(self, players: Players, images: Tensor, norms: Sequence[float]) -> Finding:
        """Look at the players after a step; nothing about them changes.

        Parameters
        ----------
        players : Players
            As they are now.
        images : Tensor of shape (batch, c, h, w)
            Real images, for the discriminator to look at.
        norms : sequence of two floats
            What `weight_norms` gave at the last look.
        """
        names, individuals = ("generator", "discriminator"), (players.generator, players.discriminator)
        for name, individual, before, now in zip(names, individuals, norms, weight_norms(players), strict=True):
            if not bool(individual.row.isfinite().all()):
                return Finding(f"the {name}'s weights are no numbers any more")
            if now > GROWTH * before:
                return Finding(f"the {name}'s weights grew {now / before:.0f}-fold within {LOOK_EVERY} steps")
        if self._is_dead(players, images):
            return Finding("the discriminator answers every image alike")
        codes = self._codes(players.n_steps // LOOK_EVERY)
        spreads = self._drawn_spreads(players, codes)
        shares = {code: own / self.spreads[code] for code, own in zip(codes, spreads, strict=True)}
        return Finding(
            lively=tuple(code for code, share in shares.items() if share >= LIVELY),
            dull=tuple(code for code, share in shares.items() if share < COLLAPSED),
            n_looked=len(codes),
        )

    @torch.no_grad()
    def _is_dead(self, players: Players, images: Tensor) -> bool:
        """Tell whether the discriminator's features are the same for all images, so that nothing can be learnt.

        A batch of one image again and again, as of a class that has no other, tells nothing.
        """
        if not bool((images.amax(0) - images.amin(0)).any()):
            return False
        trunk = players.discriminator.network.get_submodule("trunk")
        was_training = trunk.training
        with self.game.autocast():
            features = trunk.eval()(images).float()
        trunk.train(was_training)
        return bool((features.amax(0) - features.amin(0)).max() <= SAME * features.abs().max())

    def _codes(self, turn: int) -> list[int]:
        """Choose the classes of a look."""
        number = min(N_CLASSES, len(self.watched))
        chosen: list[int] = np.roll(self.watched, -turn * number)[:number].tolist()
        return chosen

    @torch.no_grad()
    def _drawn_spreads(self, players: Players, codes: Sequence[int]) -> list[float]:
        if not codes:
            return []
        generator = players.generator.network
        was_training = generator.training
        asked = torch.tensor(codes, device=self.game.device).repeat_interleave(N_DRAWN)
        images = self.game.draw(generator.eval(), Request(self.noise[: len(asked)], asked))
        generator.train(was_training)
        return [spread(own) for own in images.reshape(len(codes), N_DRAWN, -1)]


def weight_norms(players: Players) -> list[float]:
    """Norms of the generator's and the discriminator's weights."""
    return [
        torch.linalg.vector_norm(each.weights.detach()).item() for each in (players.generator, players.discriminator)
    ]


def spread(images: Tensor) -> float:
    """Mean distance between two of some images, as a root mean square of the differences of their values.

    Parameters
    ----------
    images : Tensor of shape (n, ...)
        At least two images.

    Examples
    --------
    >>> spread(torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
    1.0
    """
    flat = images.flatten(1).float()
    return float(torch.pdist(flat).mean() / math.sqrt(flat.shape[1]))


def real_spreads(
    X: NDArray[Any] | LazyImages, codes: NDArray[np.int64], codec: ImageCodec, n_classes: int
) -> NDArray[np.float64]:
    """Measure the spread of each class on its first few images; 0 for a class of one image, or of equal ones."""
    spreads = np.zeros(n_classes)
    for code in range(n_classes):
        own = np.flatnonzero(codes == code)[:N_DRAWN]
        if len(own) > 1:
            spreads[code] = spread(torch.from_numpy(codec.encode(np.asarray(X[own]))))
    return spreads
