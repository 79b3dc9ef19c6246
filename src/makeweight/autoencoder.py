"""Autoencoders: a family's trunk with a latent output, and its generator without labels, that give images back."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from makeweight.checkpoints import Checkpoints, State, check_alike
from makeweight.data.arrays import ImageCodec
from makeweight.data.batches import Batches, read_batches
from makeweight.data.lazy import LazyImages
from makeweight.errors import InputError
from makeweight.individual import Individual
from makeweight.loop import Loop
from makeweight.networks import LabelledGenerator, NetworkPair, Networks, OwnNetworks, Shape
from makeweight.networks.resnet import keep_scale
from makeweight.progress import Progress, Report, timing
from makeweight.schedule import Schedule
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


class AutoencoderTraining(Loop):
    """The training of an autoencoder to give images back, by their mean squared error.

    Parameters
    ----------
    learner : Individual
        An `Autoencoder` with its optimiser; changed in place.
    schedule : Schedule
        How long to train; `best_every` is of no account.
    random : torch.Generator
        Source of all chance, on the processor.
    exchange_weight : float, default=0.0
        Weight of the error between each image and what another one of its class in the batch is decoded to.
    autocast : callable, optional
        Context in which networks compute.
    together : Team, optional
        The processes that train together; by default this one alone.
    checkpoints : Checkpoints, optional
        Where to keep the state, and to go on from; none by default.
    callback : callable, optional
        Told each `AutoencoderReport`.
    """

    reports = AutoencoderReport
    n_figures = 2
    advice = "a smaller learning_rate, or precision 32-true"

    def __init__(
        self,
        learner: Individual,
        schedule: Schedule,
        random: torch.Generator,
        *,
        exchange_weight: float = 0.0,
        autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
        together: Team | None = None,
        checkpoints: Checkpoints | None = None,
        callback: Callable[[AutoencoderReport], None] | None = None,
    ) -> None:
        super().__init__(schedule, random, learner.weights.device, together or Team(), checkpoints, callback)
        self.learner, self.exchange_weight, self.autocast = learner, exchange_weight, autocast
        self._begin()

    def run(self, batches: Batches) -> Progress:
        """Train to the end, and leave the autoencoder in evaluation mode.

        Parameters
        ----------
        batches : generator of (Tensor, Tensor)
            Images (batch, c, h, w) in [-1, 1] and class codes (batch,), on the learner's device, without the
            `progress.n_batches` that were taken before. Of several processes, each has its own part of a batch.

        Raises
        ------
        TrainingError
            If the training breaks down again and again.
        """
        self.learner.network.train()
        progress = super().run(batches)
        self.learner.network.eval()
        return progress

    def _step(self, images: Tensor, codes: Tensor) -> Tensor:
        learner, partner = self.learner, partners(codes, self.random)
        learner.learning_rate = self._rate
        with self.autocast():
            given_back = learner.network(images, codes)
        # What a partner is decoded to is already here, since partners are the same batch in another order.
        losses = torch.stack([mse_loss(given_back, images), mse_loss(given_back[partner], images)])
        gradient = learner.gradient(losses[0] + self.exchange_weight * losses[1])
        self.together.average(gradient, losses)
        learner.step(gradient)
        self.together.average(learner.statistics)
        self.progress.done += 1
        return losses.detach()

    def _state(self) -> State:
        return State(self.learner.named_tensors(), {"n_steps": self.progress.done, "temperature": None})

    def _restore(self, state: State) -> None:
        self.learner.restore(state.tensors)

    def _check(self, state: State, progress: Progress) -> None:
        check_alike(state.tensors, self.learner.named_tensors())

    def _summary(self, figures: list[list[float]]) -> AutoencoderReport:
        progress, (reconstruction, exchange) = self.progress, np.mean(figures, axis=0).tolist()
        return AutoencoderReport(
            **timing(progress.done, progress.n_steps, progress.seconds, self.schedule.budget),
            reconstruction_loss=reconstruction,
            exchange_loss=exchange,
            notes=tuple(progress.notes),
        )
