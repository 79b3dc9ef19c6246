"""Plain convolutions: DCGAN for small images, and the pair of AGGAN's authors."""

from __future__ import annotations

import itertools
from typing import Any, ClassVar

from torch import nn

from makeweight.errors import InputError
from makeweight.networks.base import (
    NETWORKS,
    SMALLEST_SIDE,
    LabelledGenerator,
    NetworkPair,
    Networks,
    Shape,
    Unflatten,
    doublings,
    with_channels_last,
)
from makeweight.ranges import SWITCH, Ranges, whole

LARGEST_DCGAN = 64


def initialise(module: nn.Module) -> None:
    """Start as DCGAN does: weights N(0, 0.02), batch norm's scales N(1, 0.02), biases 0.

    References
    ----------
    Radford et al., 2016, "Unsupervised Representation Learning with Deep Convolutional GANs", section 4.
    """
    for part in module.modules():
        if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            nn.init.normal_(part.weight, 0.0, 0.02)
        elif isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.weight, 1.0, 0.02)
        bias = getattr(part, "bias", None)
        if isinstance(bias, nn.Parameter):
            nn.init.zeros_(bias)


@NETWORKS.register("dcgan")
class DCGAN(Networks):
    """Strided convolutions for images of 8 to 64 pixels a side, square or not.

    The trunk has neither dropout nor, by default, batch norm, so it answers for each image alone and alike in training
    and evaluation; evolution relies on that to reuse gradients. The generator has batch norm.

    Parameters
    ----------
    width : int, default=32
        Channels of the trunk after its first halving of the sides; they double with each further one.
    generator_width : int, default=64
        Channels of the generator before its last doubling of the sides, likewise.
    batch_norm : bool, default=False
        Whether the trunk, too, has batch norm, from its second convolution on, as in the paper.

    References
    ----------
    Radford et al., 2016, "Unsupervised Representation Learning with Deep Convolutional GANs", section 3.
    """

    ranges: ClassVar[Ranges] = {"width": whole(1), "generator_width": whole(1), "batch_norm": SWITCH}
    later: ClassVar[dict[str, Any]] = {"batch_norm": False}

    def __init__(self, *, width: int = 32, generator_width: int = 64, batch_norm: bool = False) -> None:
        self.width = width
        self.generator_width = generator_width
        self.batch_norm = batch_norm

    def build(self, shape: Shape, n_classes: int, latent_dim: int) -> NetworkPair:
        """Build for `shape`; sides outside 8 to 64 pixels are refused."""
        channels, height, width = shape
        if min(height, width) < SMALLEST_SIDE or max(height, width) > LARGEST_DCGAN:
            raise InputError(
                f"images of {width}×{height} pixels are outside the {SMALLEST_SIDE} to {LARGEST_DCGAN} pixels a side "
                "that DCGAN learns: use networks='by_shape', or bring them to such a size."
            )
        n_doublings, bottom = doublings(height, width)
        body = self._generator(channels, bottom, n_doublings, n_classes + latent_dim)
        trunk, n_features = self._trunk(channels, (height, width))
        for module in (body, trunk):
            initialise(module)
        return with_channels_last(NetworkPair(LabelledGenerator(body, shape, n_classes), trunk, n_features))

    def _generator(self, channels: int, bottom: tuple[int, int], n_doublings: int, n_inputs: int) -> nn.Module:
        widths = [self.generator_width * 2**level for level in reversed(range(n_doublings))]
        layers: list[nn.Module] = [
            nn.Linear(n_inputs, widths[0] * bottom[0] * bottom[1], bias=False),
            Unflatten(1, (widths[0], *bottom)),
        ]
        for before, after in itertools.pairwise(widths):
            layers += [
                nn.BatchNorm2d(before),
                nn.ReLU(inplace=True),
                nn.ConvTranspose2d(before, after, kernel_size=4, stride=2, padding=1, bias=False),
            ]
        # The last doubling shuffles channels into pixels: a transposed convolution to so few channels is slow.
        last = nn.Conv2d(widths[-1], 4 * channels, kernel_size=3, padding=1)
        layers += [nn.BatchNorm2d(widths[-1]), nn.ReLU(inplace=True), last, nn.PixelShuffle(2), nn.Tanh()]
        return nn.Sequential(*layers)

    def _trunk(self, channels: int, sides: tuple[int, int]) -> tuple[nn.Module, int]:
        layers: list[nn.Module] = []
        height, width = sides
        before, after = channels, self.width
        while min(height, width) >= SMALLEST_SIDE // 2:
            norm = [nn.BatchNorm2d(after)] if self.batch_norm and layers else []
            layers += [nn.Conv2d(before, after, kernel_size=4, stride=2, padding=1), *norm, nn.LeakyReLU(0.2)]
            height, width = height // 2, width // 2
            before, after = after, 2 * after
        return nn.Sequential(*layers, nn.Flatten()), before * height * width


@NETWORKS.register("published_28")
class Published28(Networks):
    """The pair of AGGAN's authors for 28×28 images: wide, with dropout and batch norm in the discriminator.

    References
    ----------
    Hao et al., 2020, "Annealing Genetic GAN for Minority Oversampling", public code. The paper states no networks.
    """

    def build(self, shape: Shape, n_classes: int, latent_dim: int) -> NetworkPair:
        """Build for images of 28×28 pixels; other sides are refused."""
        channels, height, width = shape
        if (height, width) != (28, 28):
            raise InputError(f"the authors' networks draw 28×28 pixels, not {width}×{height}: use networks='dcgan'.")
        body = nn.Sequential(
            nn.Linear(n_classes + latent_dim, 512, bias=False),
            nn.Unflatten(1, (512, 1, 1)),
            nn.ConvTranspose2d(512, 256, kernel_size=7, bias=False),
            nn.BatchNorm2d(256),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(256, 128, kernel_size=4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(128, channels, kernel_size=4, stride=2, padding=1, bias=False),
            nn.Tanh(),
        )
        trunk = nn.Sequential(
            nn.Conv2d(channels, 128, kernel_size=4, stride=2, padding=1, bias=False),
            nn.LeakyReLU(0.2),
            nn.Dropout(0.5),
            nn.Conv2d(128, 256, kernel_size=4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(256),
            nn.LeakyReLU(0.2),
            nn.Dropout(0.5),
            nn.Conv2d(256, 512, kernel_size=7, bias=False),
            nn.BatchNorm2d(512),
            nn.LeakyReLU(0.2),
            nn.Dropout(0.5),
            nn.Flatten(),
        )
        for module in (body, trunk):
            initialise(module)
        return NetworkPair(LabelledGenerator(body, shape, n_classes), trunk, 512)
