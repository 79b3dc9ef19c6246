"""What every family shares: the pair, the registry, how labels enter a generator, the range of sizes."""

from __future__ import annotations

import copy
import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from makeweight.component import Component, Registry
from makeweight.errors import InputError

Shape = tuple[int, int, int]
SMALLEST_SIDE, LARGEST_SIDE = 8, 128


class NetworkPair(NamedTuple):
    """A generator, a trunk, and the number of features that the trunk gives."""

    generator: nn.Module
    trunk: nn.Module
    n_features: int


def with_channels_last(pair: NetworkPair) -> NetworkPair:
    """Lay out weights, and so what is computed with them, with channels last, for which convolutions are quicker."""
    for network in (pair.generator, pair.trunk):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return pair


class Unflatten(nn.Unflatten):
    """As torch's, with maps laid out channels last, as the convolutions after it, and their gradients, want them."""

    def forward(self, features: Tensor) -> Tensor:
        """Map (batch, channels · h · w) to (batch, channels, h, w), laid out with channels last."""
        maps: Tensor = super().forward(features)
        return maps.contiguous(memory_format=torch.channels_last)


class Networks(Component):
    """A family of networks; builds the pair for an image shape (channels, height, width)."""

    def build(self, shape: Shape, n_classes: int, latent_dim: int) -> NetworkPair:
        """Build freshly initialised networks, using torch's global random state."""
        raise TypeError(f"{type(self).__name__} must say how networks are built")


NETWORKS: Registry[Networks] = Registry("networks", Networks)


class LabelledGenerator(nn.Module):
    """Put the one-hot label in front of the noise, and hand both to `body`.

    Parameters
    ----------
    body : Module
        Maps (batch, n_classes + latent_dim) to images at least as large as `shape`; the middle is kept.
    shape : (channels, height, width)
        Shape of the images.
    n_classes : int
        Number of classes.
    """

    def __init__(self, body: nn.Module, shape: Shape, n_classes: int) -> None:
        super().__init__()
        self.body = body
        self.shape = shape
        self.n_classes = n_classes

    def forward(self, noise: Tensor, codes: Tensor) -> Tensor:
        """Draw images of shape (batch, channels, height, width) in [-1, 1]."""
        # Not one_hot, which looks at the codes and so waits for the device.
        labels = codes.unsqueeze(1) == torch.arange(self.n_classes, device=codes.device)
        labelled = torch.cat([labels.to(noise.dtype), noise], dim=1)
        images: Tensor = self.body(labelled)
        _, height, width = self.shape
        top, left = (images.shape[2] - height) // 2, (images.shape[3] - width) // 2
        return images[:, :, top : top + height, left : left + width]


@torch.no_grad()
def check_single(network: nn.Module, *inputs: Tensor) -> None:
    """Refuse to train a network on batches of one image where batch norm has a single value of them to normalise by.

    Parameters
    ----------
    network : Module
        Tried in training mode, in a copy.
    *inputs : Tensor of shape (1, ...)
        What it is shown.

    Raises
    ------
    InputError
        If torch refuses.
    """
    try:
        copy.deepcopy(network).train()(*inputs)
    except ValueError:
        raise InputError(
            "a batch of one image gives batch norm nothing to normalise by: give a larger batch_size, or networks "
            "without batch norm."
        ) from None


def size_problem(height: int, width: int) -> str | None:
    """Say why images of a size cannot be learnt; None if they can."""
    if min(height, width) >= SMALLEST_SIDE and max(height, width) <= LARGEST_SIDE:
        return None
    return (
        f"images of {width}×{height} pixels are outside the {SMALLEST_SIDE} to {LARGEST_SIDE} pixels a side that "
        f"networks learn here: bring them to such a size (on the command line, --resize {LARGEST_SIDE}, or 64, which "
        "is several times faster)."
    )


def doublings(height: int, width: int) -> tuple[int, tuple[int, int]]:
    """Say how often a generator doubles its sides, and the sides that it begins with, the shorter one of 4 to 7.

    Examples
    --------
    >>> doublings(28, 28), doublings(100, 128)
    ((2, (7, 7)), (4, (7, 8)))
    """
    n_doublings = int(math.log2(min(height, width) / 4))
    return n_doublings, (math.ceil(height / 2**n_doublings), math.ceil(width / 2**n_doublings))
