"""Assembly: the rules, networks and players that settings ask for, and the generator that draws at the end."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from makeweight.errors import InputError
from makeweight.individual import Individual, Population, detached_copy
from makeweight.judges import Judge
from makeweight.networks import NetworkPair, OwnNetworks, Shape, check_single
from makeweight.rules import Game, Players, judges_alike
from makeweight.stabilisers import AveragedWeights, MinibatchDeviation, normalise_spectrally
from makeweight.starts import Material, Setting, Start
from makeweight.team import team

DRAWS = ("average", "best", "last")


class Assembly:
    """What settings make of images of a shape and of classes: a game, its networks and its players.

    Networks are made with torch's global random state.

    Parameters
    ----------
    setting : callable
        Gives the value of a parameter of `RecipeSampler` that is in force, parts resolved.
    shape : (channels, height, width)
        Shape of the images.
    class_counts : array of int of shape (n_classes,)
        Real images of each class.
    """

    def __init__(self, setting: Callable[[str], Any], shape: Shape, class_counts: NDArray[np.int64]) -> None:
        self.setting = setting
        self.place = Setting(setting("networks"), shape, class_counts, setting("latent_dim"), setting("prior"))
        self.start: Start = setting("start")
        self.head, self.penalty, self.evolution = setting("head"), setting("penalty"), setting("evolution")

    def game(
        self, device: torch.device, autocast: Callable[[], AbstractContextManager[object]], steps_per_epoch: int = 1
    ) -> Game:
        """Give the rules.

        Parameters
        ----------
        device, autocast
            Where, and in which context, to compute.
        steps_per_epoch : int, default=1
            Steps in which every class, or image, is shown once.

        Raises
        ------
        InputError
            For parts that make no sense together.
        """
        mutations, acceptance = self.evolution.parts()
        return Game(
            objective=self.setting("objective"),
            mutations=mutations,
            acceptance=acceptance,
            evolution=self.evolution,
            head=self.head,
            prior=self.place.prior,
            augmentation=self.setting("augmentation"),
            penalty=self.penalty,
            mixing=self.setting("mixed_batches"),
            feature_matching=self.setting("feature_matching"),
            discriminator_steps=self.setting("discriminator_steps"),
            discriminator_speed=self.setting("discriminator_speed"),
            spectral_norm=self.setting("spectral_norm"),
            steps_per_epoch=steps_per_epoch,
            class_counts=self.place.class_counts,
            latent_dim=self.place.latent_dim,
            batch_size=self.setting("batch_size"),
            device=device,
            autocast=autocast,
            team=team(),
        )

    def players(self, game: Game, material: Material | None = None) -> Players:
        """Build the players; without material, as they are before they have begun from anything."""
        rate, betas, decay = self.setting("learning_rate"), self.setting("betas"), self.setting("average_decay")
        pair, *others = self._pairs()
        founders = [pair.generator, *(other.generator for other in others)]
        if material is not None:
            self.start.begin(founders, pair.trunk, self.place, material)
        discriminator = self._discriminator(pair).to(game.device)
        generators = [Individual(founder.to(game.device), rate, betas) for founder in founders]
        players = Players(
            generator=generators[0],
            discriminator=Individual(discriminator, rate, betas),
            judges_alike=judges_alike(discriminator, self.place.shape),
            average=AveragedWeights(detached_copy(generators[0].network), decay) if decay else None,
        )
        _house(players, game, generators)
        return players

    def networks(self) -> tuple[nn.Module, Judge]:
        """Build a generator and a discriminator alone, to look at their tensors."""
        pair = self._pairs()[0]
        return pair.generator, self._discriminator(pair)

    def least_networks(self) -> list[nn.Module]:
        """Build the networks that a saved model holds at the least; the user's own are built as the user says."""
        self.evolution.parts()
        if isinstance(self.place.networks, OwnNetworks):
            return []
        pair = self._pair()
        return [*[pair.generator] * self.evolution.n_survivors, pair.trunk]

    def _pairs(self) -> list[NetworkPair]:
        """Build a pair for each generator that survives a step; the first one's trunk is the one that judges."""
        pairs = [self._pair() for _ in range(self.evolution.n_survivors)]
        if self.setting("batch_size") == team().size:
            check_single(pairs[0].generator, torch.zeros(1, self.place.latent_dim), torch.zeros(1, dtype=torch.long))
            check_single(pairs[0].trunk, torch.zeros(1, *self.place.shape))
        return pairs

    def _pair(self) -> NetworkPair:
        place = self.place
        pair = place.networks.build(place.shape, len(place.class_counts), place.latent_dim)
        return pair._replace(generator=self.start.framed(pair.generator, place))

    def _discriminator(self, pair: NetworkPair) -> Judge:
        """Put the head on a pair's trunk, with what limits it."""
        deviation = self.setting("minibatch_deviation")
        trunk = nn.Sequential(pair.trunk, MinibatchDeviation()) if deviation else pair.trunk
        discriminator: Judge = self.head.build(trunk, pair.n_features + int(deviation), len(self.place.class_counts))
        self.penalty.prepare(discriminator)
        if self.setting("spectral_norm"):
            normalise_spectrally(discriminator)
        return discriminator


def continued(players: Players, game: Game) -> Players:
    """Copy players, to go on with by the rules of a game, so that an interruption leaves them as they were."""
    copied = copy.deepcopy(replace(players, population=None))
    _house(copied, game, [copied.generator, *players.parents[1:]])
    return copied


def _house(players: Players, game: Game, founders: list[Individual]) -> None:
    """Give as many generators as survive a step places for as many offspring as the game has mutations for them."""
    parents = list(itertools.islice(itertools.cycle(founders), game.evolution.n_survivors))
    players.population = None if game.plain else Population(parents, len(parents) * len(game.mutations))
    if players.population is not None:
        players.generator = players.population.parent


def check_draws(draws: str, average_decay: float, best_every: int, n_steps: int | None) -> None:
    """Refuse, before a training of `n_steps`, a choice of the generator that draws that there will not be.

    Raises
    ------
    InputError
        For one that is not kept, or none of `DRAWS`.
    """
    kept = {"average": average_decay > 0, "best": best_every > 0 and (n_steps is None or best_every <= n_steps)}
    if draws not in DRAWS or not kept.get(draws, True):
        raise InputError(_no_drawer(draws))


def drawer(players: Players, draws: str) -> nn.Module:
    """Copy the generator that draws, in evaluation mode.

    Parameters
    ----------
    players : Players
        As they ended.
    draws : "average", "best" or "last"
        Which generator.

    Raises
    ------
    InputError
        For one that the players do not have.
    """
    networks = {
        "average": None if players.average is None else players.average.module,
        "best": None if players.best is None else players.best.network,
        "last": players.generator.network,
    }
    network = networks[draws] if draws in DRAWS else None
    if network is None:
        raise InputError(_no_drawer(draws))
    return detached_copy(network).eval()


def _no_drawer(draws: str) -> str:
    return (
        f"draws={draws!r} is impossible here: 'average' needs average_decay above 0, 'best' a best_every above 0 "
        f"and no more than the steps taken, and {', '.join(DRAWS)} are all there is."
    )
