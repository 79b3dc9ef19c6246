"""Networks without convolutions, for flat rows."""

from __future__ import annotations

import math
from typing import ClassVar

from torch import nn

from makeweight.networks.base import NETWORKS, LabelledGenerator, NetworkPair, Networks, Shape
from makeweight.ranges import Ranges, whole


@NETWORKS.register("mlp")
class MLP(Networks):
    """Two hidden layers each, for flat rows: every column is a channel of a 1×1 image.

    Parameters
    ----------
    width : int, default=128
        Units of a hidden layer.
    """

    ranges: ClassVar[Ranges] = {"width": whole(1)}

    def __init__(self, *, width: int = 128) -> None:
        self.width = width

    def build(self, shape: Shape, n_classes: int, latent_dim: int) -> NetworkPair:
        """Build for any `shape`."""
        n_values = math.prod(shape)
        body = nn.Sequential(
            nn.Linear(n_classes + latent_dim, self.width),
            nn.LeakyReLU(0.2),
            nn.Linear(self.width, self.width),
            nn.LeakyReLU(0.2),
            nn.Linear(self.width, n_values),
            nn.Tanh(),
            nn.Unflatten(1, shape),
        )
        trunk = nn.Sequential(
            nn.Flatten(),
            nn.Linear(n_values, self.width),
            nn.LeakyReLU(0.2),
            nn.Linear(self.width, self.width),
            nn.LeakyReLU(0.2),
        )
        return NetworkPair(LabelledGenerator(body, shape, n_classes), trunk, self.width)
