"""What keeps a small-data game alive: order and mixture of batches, limits in the discriminator, averaged weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import parametrize

from makeweight.component import Component, Registry
from makeweight.ranges import Ranges, above, whole


def balanced_epoch(codes: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    """Order one epoch with every class duplicated up to the largest, shuffled.

    Whole passes over a class come first and a random part of one fills up, so that no image is seen twice more often
    than another.

    Parameters
    ----------
    codes : array of int of shape (n,)
        Class codes; every code from 0 to its maximum occurs.
    random : numpy Generator
        Source of the order.

    Returns
    -------
    array of int of shape (n_classes * largest class,)
        Indices into `codes`.

    Examples
    --------
    >>> import numpy as np
    >>> epoch = balanced_epoch(np.array([0, 0, 0, 1]), np.random.default_rng(0))
    >>> sorted(epoch.tolist())
    [0, 1, 2, 3, 3, 3]
    """
    members = [np.flatnonzero(codes == code) for code in range(codes.max() + 1)]
    largest = max(len(own) for own in members)
    return random.permutation(np.concatenate([taken(own, largest, random) for own in members]))


def taken(own: NDArray[np.int64], number: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Take a number of images: whole passes first, then a random part; none of none."""
    passes = [random.permutation(own) for _ in range(math.ceil(number / max(len(own), 1)))]
    return np.concatenate([own[:0], *passes])[:number]


def plain_epoch(codes: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    """Order one epoch as the data come, shuffled."""
    return random.permutation(len(codes))


def endless_batches(epoch: Callable[[], NDArray[np.int64]], batch_size: int) -> Iterator[NDArray[np.int64]]:
    """Cut an endless sequence of epochs into batches of exactly `batch_size`; batches may straddle epochs."""
    waiting = epoch()
    while True:
        while len(waiting) < batch_size:
            waiting = np.concatenate([waiting, epoch()])
        yield waiting[:batch_size]
        waiting = waiting[batch_size:]


def batches_of(
    codes: NDArray[np.int64], random: np.random.Generator, batch_size: int, *, balanced: bool
) -> Iterator[NDArray[np.int64]]:
    """Give endless batches, as indices into `codes`, with every class equally often or as the data come."""
    epoch = balanced_epoch if balanced else plain_epoch
    return endless_batches(lambda: epoch(codes, random), batch_size)


class AveragedWeights:
    """Exponential moving average of a network's weights and of its running statistics.

    The decay starts low, min(decay, (1 + t)/(10 + t)), so that the first steps do not linger.

    Parameters
    ----------
    module : Module
        Network that receives the average; its weights are the start.
    decay : float
        Share of the old average kept a step, in [0, 1).

    References
    ----------
    Yazıcı et al., 2019, "The Unusual Effectiveness of Averaging in GAN Training".
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module = module
        self.decay = decay

    @torch.no_grad()
    def update(self, current: nn.Module, n_steps: int) -> None:
        """Move towards `current`, which has taken `n_steps` steps."""
        decay = min(self.decay, (1 + n_steps) / (10 + n_steps))
        mine = [*self.module.parameters(), *self.module.buffers()]
        theirs = [*current.parameters(), *current.buffers()]
        pairs = list(zip(mine, theirs, strict=True))
        averages = [average for average in mine if average.is_floating_point()]
        values = [value for average, value in pairs if average.is_floating_point()]
        torch._foreach_lerp_(averages, values, 1 - decay)
        for average, value in pairs:
            if not average.is_floating_point():
                average.copy_(value)


class Mixing(Component):
    """How far real and drawn images share the batches that the discriminator judges at once."""

    def share(self, epoch: int) -> float:
        """Share of each batch that changes places with the other, 0 to 0.5, in an epoch counted from 0."""
        return 0.0


MIXINGS: Registry[Mixing] = Registry("mixed_batches", Mixing)
MIXINGS.register("none")(Mixing)


@MIXINGS.register("mixed")
class Mixed(Mixing):
    """Batches that hold real and drawn images, so that batch norm cannot tell them apart by how labels are mixed.

    Parameters
    ----------
    rate : float, default=0.01
        What the share grows by each epoch, up to one half; 0.5 mixes in full at once. Above 0.
    start : int, default=0
        Epochs before any mixing, at least 0.

    Notes
    -----
    The generator's step sees mixed batches, too. A discriminator that judges each image by itself is not affected, and
    nothing is computed for it.

    References
    ----------
    Cho and Yoon, 2020, "Conditional Activation GAN: Improved Auxiliary Classifier GAN", section 4; the ramp is that of
    the authors' code.
    """

    ranges: ClassVar[Ranges] = {"rate": above(0), "start": whole(0)}

    def __init__(self, *, rate: float = 0.01, start: int = 0) -> None:
        self.rate = rate
        self.start = start

    def share(self, epoch: int) -> float:
        """Return min(rate · (epochs since the start), ½)."""
        if self.rate >= 0.5 and epoch >= self.start:
            return 0.5
        return min(self.rate * max(0, epoch - self.start), 0.5)


class SpectralNorm(nn.Module):
    """Divides a weight by its largest singular value, as found by vectors that advance once a step of the game.

    Unlike torch's, which advances in every forward pass of training, it answers alike all through a step.

    Parameters
    ----------
    weight : Tensor of shape (n, ...)
        A layer's weight, taken as a matrix of n rows.

    References
    ----------
    Miyato et al., 2018, "Spectral Normalization for Generative Adversarial Networks", Algorithm 1.
    """

    left: Tensor
    right: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        matrix = weight.detach().flatten(1)
        self.register_buffer("left", nn.functional.normalize(torch.randn(matrix.shape[0]), dim=0))
        self.register_buffer("right", nn.functional.normalize(torch.randn(matrix.shape[1]), dim=0))
        for _ in range(15):
            self.advance(weight)

    @torch.no_grad()
    def advance(self, weight: Tensor) -> None:
        """Take one step of the power iteration."""
        matrix = weight.flatten(1)
        self.right.copy_(nn.functional.normalize(matrix.T @ self.left, dim=0))
        self.left.copy_(nn.functional.normalize(matrix @ self.right, dim=0))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight, normalised."""
        largest: Tensor = self.left @ (weight.flatten(1) @ self.right)
        return weight / largest.clamp(min=1e-12)


def normalise_spectrally(network: nn.Module) -> None:
    """Put a `SpectralNorm` on the weight of every convolution, linear layer and embedding."""
    for layer in list(network.modules()):
        if isinstance(layer, (nn.Conv2d, nn.Linear, nn.Embedding)):
            _normalise(layer, SpectralNorm(layer.weight))


def _normalise(layer: nn.Module, norm: SpectralNorm) -> None:
    """Put a norm on a layer's weight, and let the layer be pickled, which torch refuses."""
    parametrize.register_parametrization(layer, "weight", norm)
    type(layer).__reduce__ = _pickled  # type: ignore[method-assign, assignment]  # the class is this layer's alone


def _pickled(layer: nn.Module) -> tuple[Any, ...]:
    state, own = dict(vars(layer)), layer.get_submodule("parametrizations.weight")
    if len(list(layer.get_submodule("parametrizations").children())) > 1 or len(list(own.children())) > 1:
        raise TypeError("a layer with parametrizations of its own is not pickled: save the model instead.")
    state["_modules"] = {name: part for name, part in state["_modules"].items() if name != "parametrizations"}
    state["_parameters"] = {"weight": own.get_parameter("original"), **state["_parameters"]}
    return _normalised, (parametrize.type_before_parametrizations(layer), state, own.get_submodule("0"))


def _normalised(kind: type[nn.Module], state: dict[str, Any], norm: SpectralNorm) -> nn.Module:
    """Make a layer of its class, its state without the norm, and the norm."""
    layer = kind.__new__(kind)
    layer.__setstate__(state)  # type: ignore[no-untyped-call]
    _normalise(layer, norm)
    return layer


def advance_norms(network: nn.Module) -> None:
    """Let every `SpectralNorm` of a network follow its weight by one step."""
    for part in network.modules():
        if isinstance(part, parametrize.ParametrizationList) and isinstance(part[0], SpectralNorm):
            part[0].advance(part.original)


class MinibatchDeviation(nn.Module):
    """Adds a feature: the mean over the features of their standard deviation over the batch.

    References
    ----------
    Karras et al., 2018, "Progressive Growing of GANs for Improved Quality, Stability, and Variation", section 3.

    Examples
    --------
    >>> import torch
    >>> MinibatchDeviation()(torch.tensor([[0.0, 1.0], [2.0, 5.0]])).tolist()
    [[0.0, 1.0, 1.5], [2.0, 5.0, 1.5]]
    """

    def forward(self, features: Tensor) -> Tensor:
        """Return features of shape (batch, n_features + 1)."""
        variance = features.var(dim=0, correction=0)
        spread = (variance + 1e-8).sqrt().mean()
        return torch.cat([features, spread.expand(len(features), 1)], dim=1)
