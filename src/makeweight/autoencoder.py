"""Autoencoders: a family's trunk with a latent output, and its generator without labels, that give images back."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from makeweight.checkpoints import (
    Checkpoints,
    State,
    Whole,
    chance_of,
    check_alike,
    check_chance,
    joined,
    numbers_as,
    part_of,
    restore_chance,
)
from makeweight.data.arrays import ImageCodec
from makeweight.data.batches import read_batches
from makeweight.data.lazy import LazyImages
from makeweight.errors import InputError, TrainingError
from makeweight.individual import Individual
from makeweight.networks import LabelledGenerator, NetworkPair, Networks, OwnNetworks, Shape
from makeweight.networks.resnet import keep_scale
from makeweight.progress import Report, timing
from makeweight.schedule import KEEP_EVERY, Schedule, report_every
from makeweight.team import Team

ENCODED = 256  # images encoded at once


class Autoencoder(nn.Module):
    """An encoder, from images to latent vectors, and a decoder back.

    Parameters
    ----------
    pair : NetworkPair
        Of a single class, whose label is a constant, so that the generator works without labels; or of all classes,
        to decode latent vectors by their labels.
    latent_dim : int
        Entries of a latent vector, as many as the generator's noise has.
    labelled : bool, default=False
        Whether the decoder is told the images' labels.
    """

    def __init__(self, pair: NetworkPair, latent_dim: int, *, labelled: bool = False) -> None:
        super().__init__()
        self.labelled = labelled
        self.trunk = pair.trunk
        self.latent = nn.Linear(pair.n_features, latent_dim)
        self.decoder = pair.generator

    def encode(self, images: Tensor) -> Tensor:
        """Map images (batch, c, h, w) in [-1, 1] to latent vectors (batch, latent_dim)."""
        latent: Tensor = self.latent(self.trunk(images))
        return latent.float()

    def decode(self, latent: Tensor, codes: Tensor | None = None) -> Tensor:
        """Map latent vectors (batch, latent_dim), of classes (batch,), to images (batch, c, h, w) in [-1, 1]."""
        return decoded(self.decoder, latent, codes)

    def forward(self, images: Tensor, codes: Tensor | None = None) -> Tensor:
        """Give images back."""
        return self.decode(self.encode(images), codes if self.labelled else None)


def decoded(decoder: nn.Module, latent: Tensor, codes: Tensor | None = None) -> Tensor:
    """Draw float32 images (batch, c, h, w) from latent vectors (batch, latent_dim) of classes, by default the first."""
    if codes is None:
        codes = torch.zeros(len(latent), dtype=torch.long, device=latent.device)
    images: Tensor = decoder(latent, codes)
    return images.float()


@torch.no_grad()
def encoded(
    autoencoder: Autoencoder,
    X: NDArray[Any] | LazyImages,
    codes: NDArray[np.int64],
    codec: ImageCodec,
    device: torch.device,
) -> NDArray[np.float32]:
    """Encode all images, in their order, to latent vectors (n, latent_dim)."""
    parts = np.array_split(np.arange(len(codes)), math.ceil(len(codes) / ENCODED))
    found = [autoencoder.encode(images).cpu().numpy() for images, _ in read_batches(X, codes, parts, codec, device)]
    latent: NDArray[np.float32] = np.concatenate(found)
    return latent


def build_autoencoder(networks: Networks, shape: Shape, latent_dim: int, n_classes: int = 1) -> Autoencoder:
    """Build a fresh autoencoder from a family's pair, using torch's global random state.

    Parameters
    ----------
    networks : Networks
        The family.
    shape : (channels, height, width)
        Shape of the images.
    latent_dim : int
        Entries of a latent vector.
    n_classes : int, default=1
        Classes whose labels the decoder is told; 1 for a decoder without labels.

    Examples
    --------
    >>> import torch
    >>> from makeweight.networks import DCGAN
    >>> autoencoder = build_autoencoder(DCGAN(width=2, generator_width=2), (1, 8, 8), latent_dim=3)
    >>> tuple(autoencoder.encode(torch.zeros(5, 1, 8, 8)).shape), tuple(autoencoder(torch.zeros(5, 1, 8, 8)).shape)
    ((5, 3), (5, 1, 8, 8))
    """
    autoencoder = Autoencoder(networks.build(shape, n_classes, latent_dim), latent_dim, labelled=n_classes > 1)
    if not isinstance(networks, OwnNetworks):
        # GANs begin with weights so small that an encoder without batch norm would tell no image from another.
        keep_scale(autoencoder.trunk)
        keep_scale(autoencoder.latent)
    return autoencoder


@torch.no_grad()
def hand_over(autoencoder: Autoencoder, pair: NetworkPair) -> None:
    """Start a pair of the same family from an autoencoder: trunk from trunk, generator from decoder.

    Every label starts as the autoencoder's single one, so the generator draws from a latent vector what the decoder
    does, whatever the label.

    Parameters
    ----------
    autoencoder : Autoencoder
        Where weights come from; it is not changed.
    pair : NetworkPair
        Of any number of classes and equal latent size; overwritten.

    Raises
    ------
    InputError
        If the pair is of another family, shape or latent size.
    """
    more = pair.generator.n_classes - 1 if isinstance(pair.generator, LabelledGenerator) else 0
    own = pair.generator.state_dict()
    given = autoencoder.decoder.state_dict()
    wider = {
        name: torch.cat([value[:, :1].expand(-1, more), value], dim=1)
        if name in own and value.ndim == 2 and own[name].shape != value.shape
        else value
        for name, value in given.items()
    }
    try:
        pair.generator.load_state_dict(wider)
        pair.trunk.load_state_dict(autoencoder.trunk.state_dict())
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"the autoencoder's weights do not fit the networks ({reason}): build both alike.") from None


@dataclass(frozen=True, kw_only=True)
class AutoencoderReport(Report):
    """What a callback is told of an autoencoder.

    Attributes
    ----------
    reconstruction_loss, exchange_loss : float
        Mean squared error of the images given back, and of those given back for another image of the class.
    """

    reconstruction_loss: float
    exchange_loss: float


def partners(codes: Tensor, random: torch.Generator) -> Tensor:
    """Give each image of a batch another of its class, so that each is taken once; a class's only one gets itself.

    Parameters
    ----------
    codes : Tensor of shape (batch,)
        Class codes.
    random : torch.Generator
        Source of chance, on the processor.

    Returns
    -------
    Tensor of shape (batch,)
        Indices into the batch.

    Examples
    --------
    >>> import torch
    >>> partners(torch.tensor([4, 2, 4]), torch.Generator()).tolist()
    [2, 1, 0]
    """
    n = len(codes)
    order = torch.randperm(n, generator=random).to(codes.device)
    order = order[codes[order].argsort(stable=True)]
    ordered = codes[order]
    places = torch.arange(n, device=codes.device)
    following = torch.where(ordered.roll(-1) == ordered, places + 1, n)
    first = torch.searchsorted(ordered, ordered)
    following = torch.where(following < n, following, first)
    found = torch.empty_like(order)
    found[order] = order[following]
    return found


def train_autoencoder(
    learner: Individual,
    batches: Iterator[tuple[Tensor, Tensor]],
    schedule: Schedule,
    random: torch.Generator,
    *,
    exchange_weight: float = 0.0,
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
    team: Team | None = None,
    checkpoints: Checkpoints | None = None,
    callback: Callable[[AutoencoderReport], None] | None = None,
) -> tuple[Autoencoder, list[AutoencoderReport]]:
    """Train an autoencoder to give images back, by their mean squared error.

    Parameters
    ----------
    learner : Individual
        An `Autoencoder` with its optimiser.
    batches : iterator of (Tensor, Tensor)
        Images (batch, c, h, w) in [-1, 1] and class codes (batch,), on the learner's device; of several processes, each
        has its own part of a batch.
    schedule : Schedule
        How long to train; `best_every` is of no account.
    random : torch.Generator
        Source of all chance, on the processor.
    exchange_weight : float, default=0.0
        Weight of the error between each image and what another one of its class in the batch is decoded to.
    autocast : callable, optional
        Context in which networks compute.
    team : Team, optional
        The processes that train together; by default this one alone.
    checkpoints : Checkpoints, optional
        Where to keep the state, and to go on from; none by default. Batches that were learnt before are passed over.
    callback : callable, optional
        Called with an `AutoencoderReport`.

    Returns
    -------
    Autoencoder
        The learner's network, in evaluation mode.
    list of AutoencoderReport
        One report for every hundredth of the training, and the last.

    Raises
    ------
    TrainingError
        If a loss is infinite or not a number.
    InputError
        If the checkpoints are of another training.
    """
    autoencoder, together = learner.network, team or Team()
    assert isinstance(autoencoder, Autoencoder)
    autoencoder.train()
    waiting: list[Tensor] = []
    stand = _resumed(learner, schedule, random, checkpoints, together) or _Stand(schedule.settle(0, 0.0))
    begin, kept_at, pause = time.perf_counter() - stand.seconds, stand.seconds, report_every(learner.weights.device)
    batches = itertools.islice(batches, stand.done, None)
    while stand.n_steps is None or stand.done < stand.n_steps:
        learner.learning_rate = schedule.rate(stand.done, stand.n_steps)
        images, codes = next(batches)
        waiting.append(_step(learner, images, codes, partners(codes, random), exchange_weight, autocast, together))
        stand.done += 1
        stand.seconds = time.perf_counter() - begin
        if stand.n_steps is None:
            stand.n_steps = schedule.settle(stand.done, together.agree(stand.seconds, images.device))
        at_end = stand.done == stand.n_steps
        if stand.done % pause and not at_end:
            continue
        report = _report(waiting, stand, schedule.budget)
        waiting.clear()
        stand.notes.clear()
        if stand.done - stand.noted >= max(1, report.n_steps // 100) or at_end:
            stand.history.append(report)
            stand.noted = stand.done
        try:
            if callback is not None:
                callback(report)
        except Exception:
            _keep(learner, random, checkpoints, together, stand)  # whoever ends a training here may go on later
            raise
        if at_end or stand.seconds - kept_at >= KEEP_EVERY:
            kept_at = stand.seconds
            _keep(learner, random, checkpoints, together, stand)
    autoencoder.eval()
    return autoencoder, stand.history


@dataclass
class _Stand:
    """Where a training stands."""

    n_steps: Whole | None
    done: Whole = 0
    noted: Whole = 0
    seconds: float = 0.0
    history: list[AutoencoderReport] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def _step(
    learner: Individual,
    images: Tensor,
    codes: Tensor,
    partner: Tensor,
    exchange_weight: float,
    autocast: Callable[[], AbstractContextManager[object]],
    together: Team,
) -> Tensor:
    """Take one step; return both losses."""
    with autocast():
        given_back = learner.network(images, codes)
    # What a partner is decoded to is already here, since partners are the same batch in another order.
    losses = torch.stack([mse_loss(given_back, images), mse_loss(given_back[partner], images)])
    gradient = learner.gradient(losses[0] + exchange_weight * losses[1])
    together.average(gradient, losses)
    learner.step(gradient)
    together.average(learner.statistics)
    return losses.detach()


def _keep(
    learner: Individual, random: torch.Generator, checkpoints: Checkpoints | None, together: Team, stand: _Stand
) -> None:
    if checkpoints is None or together.rank > 0:
        return
    parts = {"learner": learner.named_tensors(), "chance": chance_of(random, learner.weights.device)}
    checkpoints.write(stand.done, State(joined(parts), asdict(stand)))
    stand.notes += checkpoints.notes
    checkpoints.notes.clear()


def _resumed(
    learner: Individual,
    schedule: Schedule,
    random: torch.Generator,
    checkpoints: Checkpoints | None,
    together: Team,
) -> _Stand | None:
    """Go on from the last checkpoint, if there is one."""
    if checkpoints is None:
        return None

    def taken(state: State) -> tuple[_Stand, dict[str, Tensor], dict[str, Tensor]]:
        stand = numbers_as(_Stand, state.numbers)
        named, chance = (part_of(state.tensors, f"{part}.") for part in ("learner", "chance"))
        if not schedule.allows(stand.done, stand.n_steps):
            raise ValueError("steps that the schedule does not have")
        check_alike(named, learner.named_tensors())
        check_chance(chance, learner.weights.device)
        return stand, named, chance

    kept = together.gather(checkpoints.latest(taken) if together.rank == 0 else None)[0]
    if kept is None:
        return None
    stand, named, chance = kept
    learner.restore(named)
    restore_chance(chance, random, learner.weights.device)
    stand.notes += [*checkpoints.notes, f"went on from step {stand.done}, where the training was interrupted."]
    checkpoints.notes.clear()
    return stand


def _report(waiting: list[Tensor], stand: _Stand, budget: float | None) -> AutoencoderReport:
    reconstruction, exchange = torch.stack(waiting).mean(dim=0).tolist()
    if not math.isfinite(reconstruction + exchange):
        raise TrainingError(
            f"the training broke down at step {stand.done}: a loss is {reconstruction + exchange}. Try a smaller "
            "learning_rate, or precision 32-true."
        )
    return AutoencoderReport(
        **timing(stand.done, stand.n_steps, stand.seconds, budget),
        reconstruction_loss=reconstruction,
        exchange_loss=exchange,
        notes=tuple(stand.notes),
    )
