"""Residual networks: a GAN's pair for larger images, and the classifier's trunk of strong comparisons."""

from __future__ import annotations

import itertools
import math
from typing import ClassVar

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu, relu

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
    size_problem,
    with_channels_last,
)
from makeweight.ranges import SWITCH, Ranges, whole

MOST = 8  # times the width, at most, however small the sides become
SLOPE = 0.2
STEM_SIDE = 48  # pixels a side above which a classifier's first convolution halves


class ModulatedNorm(nn.Module):
    """Batch norm whose scales and shifts are a linear function of label and noise.

    References
    ----------
    Chen et al., 2019, "On Self Modulation for Generative Adversarial Networks", section 2; Brock et al., 2019, "Large
    Scale GAN Training for High Fidelity Natural Image Synthesis", section 3.1.
    """

    def __init__(self, channels: int, n_inputs: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.modulation = nn.Linear(n_inputs, 2 * channels)

    def forward(self, images: Tensor, labelled: Tensor) -> Tensor:
        """Normalise (batch, channels, h, w) as `labelled`, (batch, n_inputs), says."""
        scale, shift = self.modulation(labelled)[:, :, None, None].chunk(2, dim=1)
        normed: Tensor = self.norm(images)
        scaled: Tensor = normed * (1 + scale) + shift
        return scaled


class UpBlock(nn.Module):
    """Double the sides: two convolutions, beside a shortcut."""

    def __init__(self, before: int, after: int, n_inputs: int) -> None:
        super().__init__()
        self.first_norm = ModulatedNorm(before, n_inputs)
        self.first = nn.Conv2d(before, after, kernel_size=3, padding=1, bias=False)
        self.second_norm = ModulatedNorm(after, n_inputs)
        self.second = nn.Conv2d(after, after, kernel_size=3, padding=1)
        self.shortcut = nn.Conv2d(before, after, kernel_size=1, bias=False)

    def forward(self, images: Tensor, labelled: Tensor) -> Tensor:
        """Map (batch, before, h, w) to (batch, after, 2h, 2w)."""
        inner = interpolate(relu(self.first_norm(images, labelled)), scale_factor=2.0)
        inner = self.second(relu(self.second_norm(self.first(inner), labelled)))
        both: Tensor = inner + interpolate(self.shortcut(images), scale_factor=2.0)
        return both


class ResidualGenerator(nn.Module):
    """Blocks that double the sides, from label and noise to images at least as large as asked for."""

    def __init__(self, shape: Shape, width: int, n_inputs: int) -> None:
        super().__init__()
        channels, *sides = shape
        n_doublings, bottom = doublings(*sides)
        widths = [width * min(2**level, MOST) for level in reversed(range(n_doublings))]
        self.first = nn.Linear(n_inputs, widths[0] * math.prod(bottom))
        self.shape = Unflatten(1, (widths[0], *bottom))
        self.blocks = nn.ModuleList(UpBlock(before, after, n_inputs) for before, after in itertools.pairwise(widths))
        self.norm = ModulatedNorm(widths[-1], n_inputs)
        # The last doubling shuffles channels into pixels, which costs a quarter of a block at the full size.
        self.last = nn.Conv2d(widths[-1], 4 * channels, kernel_size=3, padding=1)
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, labelled: Tensor) -> Tensor:
        """Draw (batch, channels, height, width) in [-1, 1] from (batch, n_inputs)."""
        images = self.shape(self.first(labelled))
        for block in self.blocks:
            images = block(images, labelled)
        drawn: Tensor = self.shuffle(self.last(relu(self.norm(images, labelled))))
        return drawn.tanh()


class DownBlock(nn.Module):
    """Halve the sides: two convolutions, beside a shortcut; what goes in and what comes out are of one scale."""

    def __init__(self, before: int, after: int, *, batch_norm: bool) -> None:
        super().__init__()
        self.first_norm = nn.BatchNorm2d(before) if batch_norm else nn.Identity()
        self.first = nn.Conv2d(before, after, kernel_size=3, padding=1, bias=not batch_norm)
        self.second_norm = nn.BatchNorm2d(after) if batch_norm else nn.Identity()
        self.second = nn.Conv2d(after, after, kernel_size=3, padding=1)
        self.shortcut = nn.Conv2d(before, after, kernel_size=1, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Map (batch, before, h, w) to (batch, after, h//2, w//2)."""
        inner = avg_pool2d(self.first(leaky_relu(self.first_norm(images), SLOPE)), 2)
        inner = self.second(leaky_relu(self.second_norm(inner), SLOPE))
        both: Tensor = inner + self.shortcut(avg_pool2d(images, 2))
        return both * math.sqrt(0.5)


def keep_scale(module: nn.Module) -> None:
    """Start residual networks so that signals keep their size: weights N(0, gain²/fan-in), biases 0.

    The gain is that of a leaky ReLU for convolutions behind one, and 1 for shortcuts and linear layers. Modulations
    start small.

    References
    ----------
    He et al., 2015, "Delving Deep into Rectifiers", section 2.2.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d) and part.kernel_size != (1, 1):
            nn.init.kaiming_normal_(part.weight, a=SLOPE)
        elif isinstance(part, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(part.weight, nonlinearity="linear")
        bias = getattr(part, "bias", None)
        if isinstance(bias, nn.Parameter):
            nn.init.zeros_(bias)
    for part in module.modules():
        if isinstance(part, ModulatedNorm):
            nn.init.normal_(part.modulation.weight, 0.0, 0.02)


def residual_generator(shape: Shape, width: int, n_classes: int, latent_dim: int) -> LabelledGenerator:
    """Build a generator of residual blocks; sides outside 8 to 128 pixels are refused."""
    problem = size_problem(shape[1], shape[2])
    if problem:
        raise InputError(problem)
    body = ResidualGenerator(shape, width, n_classes + latent_dim)
    keep_scale(body)
    return LabelledGenerator(body, shape, n_classes)


@NETWORKS.register("resnet")
class ResNet(Networks):
    """Residual blocks for images of 8 to 128 pixels a side, square or not; meant for those above 64.

    The generator's batch norms take their scales and shifts from label and noise. The trunk has no batch norm unless
    asked for, so it answers for each image alone and alike in training and evaluation; evolution relies on that to
    reuse gradients. Both work at half the sides at most: the trunk's first convolution halves them, and the
    generator's last one draws four pixels at a time. At 128 pixels that is a quarter of the usual cost.

    Parameters
    ----------
    width : int, default=32
        Channels of the trunk after its first halving of the sides; they double with each further one, up to eightfold.
    generator_width : int, default=32
        Channels of the generator before its last doubling of the sides, likewise.
    batch_norm : bool, default=False
        Whether the trunk has batch norm. Then no gradient is shared between offspring, and a step costs more.

    References
    ----------
    Miyato et al., 2018, "Spectral Normalization for Generative Adversarial Networks", appendix B.4, for the blocks;
    Brock et al., 2019, "Large Scale GAN Training for High Fidelity Natural Image Synthesis", appendix B.
    """

    ranges: ClassVar[Ranges] = {"width": whole(1), "generator_width": whole(1), "batch_norm": SWITCH}

    def __init__(self, *, width: int = 32, generator_width: int = 32, batch_norm: bool = False) -> None:
        self.width = width
        self.generator_width = generator_width
        self.batch_norm = batch_norm

    def build(self, shape: Shape, n_classes: int, latent_dim: int) -> NetworkPair:
        """Build for `shape`; sides outside 8 to 128 pixels are refused."""
        generator = residual_generator(shape, self.generator_width, n_classes, latent_dim)
        trunk, n_features = self._trunk(shape)
        return with_channels_last(NetworkPair(generator, trunk, n_features))

    def _trunk(self, shape: Shape) -> tuple[nn.Module, int]:
        channels, height, width = shape
        layers: list[nn.Module] = [nn.Conv2d(channels, self.width, kernel_size=4, stride=2, padding=1)]
        height, width, before, level = height // 2, width // 2, self.width, 0
        while min(height, width) >= SMALLEST_SIDE:
            level += 1
            after = self.width * min(2**level, MOST)
            layers.append(DownBlock(before, after, batch_norm=self.batch_norm))
            height, width, before = height // 2, width // 2, after
        trunk = nn.Sequential(*layers, nn.LeakyReLU(SLOPE), nn.Flatten())
        keep_scale(trunk)
        return trunk, before * height * width


class PlainBlock(nn.Module):
    """Two convolutions with batch norm, beside a shortcut."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(before, after, kernel_size=3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
            nn.Conv2d(after, after, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.shortcut: nn.Module = nn.Identity()
        if (before, stride) != (after, 1):
            self.shortcut = nn.Sequential(
                nn.Conv2d(before, after, kernel_size=1, stride=stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, images: Tensor) -> Tensor:
        """Map (batch, before, h, w) to (batch, after, h/stride, w/stride), rounded up."""
        return relu(self.inner(images) + self.shortcut(images))


@NETWORKS.register("classifier_resnet")
class ClassifierResNet(Networks):
    """The ResNet with batch norm of strong comparisons: a trunk for classifiers, with the generator of `ResNet`.

    Three stages, of `width`, twice and four times as many channels, each at half the sides of the one before. Images
    above 48 pixels a side are halved by the first convolution, above 96 pixels once more.

    Parameters
    ----------
    depth : int, default=20
        Layers with weights, 6n + 2: 8, 14, 20, 32, 44, 56, ….
    width : int, default=16
        Channels of the first stage.
    generator_width : int, default=32
        As for `ResNet`.

    Notes
    -----
    Where a stage widens, the shortcut is a convolution; the paper pads with zeros. As a discriminator's trunk it ties
    an image's judgement to the others of its batch; `ResNet` does not.

    References
    ----------
    He et al., 2016, "Deep Residual Learning for Image Recognition", section 4.2.
    """

    ranges: ClassVar[Ranges] = {"depth": whole(8), "width": whole(1), "generator_width": whole(1)}

    def __init__(self, *, depth: int = 20, width: int = 16, generator_width: int = 32) -> None:
        self.depth = depth
        self.width = width
        self.generator_width = generator_width

    def build(self, shape: Shape, n_classes: int, latent_dim: int) -> NetworkPair:
        """Build for `shape`; sides outside 8 to 128 pixels are refused, and a depth that is not 6n + 2."""
        n_blocks, rest = divmod(self.depth - 2, 6)
        if rest or n_blocks < 1:
            raise InputError(f"depth={self.depth} is no depth of such a network: give 6n + 2, as 8, 14, 20 or 32.")
        generator = residual_generator(shape, self.generator_width, n_classes, latent_dim)
        channels, *sides = shape
        stride = 2 ** max(0, math.ceil(math.log2(max(sides) / STEM_SIDE)))
        layers: list[nn.Module] = [
            nn.Conv2d(channels, self.width, kernel_size=3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(self.width),
            nn.ReLU(inplace=True),
        ]
        before = self.width
        for stage in range(3):
            after = self.width * 2**stage
            for block in range(n_blocks):
                layers.append(PlainBlock(before, after, stride=2 if stage and not block else 1))
                before = after
        trunk = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        keep_scale(trunk)
        return with_channels_last(NetworkPair(generator, trunk, before))
