"""The choice of a family by the shape of the images."""

from __future__ import annotations

from typing import ClassVar

from makeweight.errors import InputError
from makeweight.networks.base import NETWORKS, NetworkPair, Networks, Shape, size_problem
from makeweight.networks.dcgan import DCGAN, LARGEST_DCGAN
from makeweight.networks.mlp import MLP
from makeweight.networks.resnet import ResNet
from makeweight.ranges import Ranges, whole


@NETWORKS.register("by_shape")
class ByShape(Networks):
    """`DCGAN` for images of 8 to 64 pixels a side, `ResNet` up to 128, `MLP` for flat rows.

    Parameters
    ----------
    width : int, default=32
        As for `DCGAN`.
    generator_width : int, default=64
        As for `DCGAN`. `ResNet` has the same trunk width, and half the generator's, since each of its doublings has
        three convolutions.
    row_width : int, default=128
        As `MLP`'s width.
    """

    ranges: ClassVar[Ranges] = {"width": whole(1), "generator_width": whole(1), "row_width": whole(1)}

    def __init__(self, *, width: int = 32, generator_width: int = 64, row_width: int = 128) -> None:
        self.width = width
        self.generator_width = generator_width
        self.row_width = row_width

    def build(self, shape: Shape, n_classes: int, latent_dim: int) -> NetworkPair:
        """Build for images of 8 to 128 pixels a side, or for rows, which are images of a single pixel."""
        return self.family(shape).build(shape, n_classes, latent_dim)

    def family(self, shape: Shape) -> Networks:
        """Choose the family; sides that none has are refused."""
        _, height, width = shape
        if (height, width) == (1, 1):
            return MLP(width=self.row_width)
        problem = size_problem(height, width)
        if problem:
            raise InputError(problem)
        if max(height, width) <= LARGEST_DCGAN:
            return DCGAN(width=self.width, generator_width=self.generator_width)
        return ResNet(width=self.width, generator_width=max(1, self.generator_width // 2))
