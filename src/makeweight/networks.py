"""What draws and what judges: a generator and a discriminator's trunk for a given image shape.

A generator maps noise (batch, latent_dim) and codes (batch,) to images (batch, c, h, w) in [-1, 1]. A trunk maps such
images to features (batch, n_features).
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from makeweight.component import Component, Registry
from makeweight.errors import InputError

Shape = tuple[int, int, int]
SMALLEST_SIDE, LARGEST_SIDE = 8, 64


class NetworkPair(NamedTuple):
    """A generator, a trunk, and the number of features that the trunk gives."""

    generator: nn.Module
    trunk: nn.Module
    n_features: int


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


def size_problem(height: int, width: int) -> str | None:
    """Say why images of a size cannot be learnt; None if they can."""
    if min(height, width) >= SMALLEST_SIDE and max(height, width) <= LARGEST_SIDE:
        return None
    return (
        f"images of {width}×{height} pixels are outside the {SMALLEST_SIDE} to {LARGEST_SIDE} pixels a side that GANs "
        f"learn here: bring them to such a size (on the command line, --resize {LARGEST_SIDE})."
    )


@NETWORKS.register("dcgan")
class DCGAN(Networks):
    """Strided convolutions for images of 8 to 64 pixels a side, square or not.

    The trunk has neither batch norm nor dropout, so it answers for each image alone and alike in training and
    evaluation; evolution relies on that to reuse gradients. The generator has batch norm.

    Parameters
    ----------
    width : int, default=32
        Channels of the trunk after its first halving of the sides; they double with each further one.
    generator_width : int, default=64
        Channels of the generator before its last doubling of the sides, likewise.

    References
    ----------
    Radford et al., 2016, "Unsupervised Representation Learning with Deep Convolutional GANs".
    """

    def __init__(self, *, width: int = 32, generator_width: int = 64) -> None:
        self.width = width
        self.generator_width = generator_width

    def build(self, shape: Shape, n_classes: int, latent_dim: int) -> NetworkPair:
        """Build for `shape`; sides outside 8 to 64 pixels are refused."""
        channels, height, width = shape
        problem = size_problem(height, width)
        if problem:
            raise InputError(problem)
        n_doublings = int(math.log2(min(height, width) / 4))
        bottom = (math.ceil(height / 2**n_doublings), math.ceil(width / 2**n_doublings))
        body = self._generator(channels, bottom, n_doublings, n_classes + latent_dim)
        trunk, n_features = self._trunk(channels, (height, width))
        for module in (body, trunk):
            initialise(module)
        return NetworkPair(LabelledGenerator(body, shape, n_classes), trunk, n_features)

    def _generator(self, channels: int, bottom: tuple[int, int], n_doublings: int, n_inputs: int) -> nn.Module:
        widths = [self.generator_width * 2**level for level in reversed(range(n_doublings))]
        layers: list[nn.Module] = [
            nn.Linear(n_inputs, widths[0] * bottom[0] * bottom[1], bias=False),
            nn.Unflatten(1, (widths[0], *bottom)),
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
            layers += [nn.Conv2d(before, after, kernel_size=4, stride=2, padding=1), nn.LeakyReLU(0.2)]
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


@NETWORKS.register("mlp")
class MLP(Networks):
    """Two hidden layers each, for flat rows: every column is a channel of a 1×1 image.

    Parameters
    ----------
    width : int, default=128
        Units of a hidden layer.
    """

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


@NETWORKS.register("by_shape")
class ByShape(Networks):
    """`DCGAN` for images, `MLP` for flat rows.

    Parameters
    ----------
    width, generator_width : int, default=32 and 64
        As for `DCGAN`.
    row_width : int, default=128
        As `MLP`'s width.
    """

    def __init__(self, *, width: int = 32, generator_width: int = 64, row_width: int = 128) -> None:
        self.width = width
        self.generator_width = generator_width
        self.row_width = row_width

    def build(self, shape: Shape, n_classes: int, latent_dim: int) -> NetworkPair:
        """Build for images of 8 to 64 pixels a side, or for rows, which are images of a single pixel."""
        images = DCGAN(width=self.width, generator_width=self.generator_width)
        family: Networks = MLP(width=self.row_width) if shape[1:] == (1, 1) else images
        return family.build(shape, n_classes, latent_dim)


@NETWORKS.register("own")
class OwnNetworks(Networks):
    """The user's own pair. Saved models hold its weights, not its code: give the same networks to ``load``.

    Parameters
    ----------
    generator : Module or callable
        Maps noise (batch, latent_dim) and codes (batch,) to images (batch, c, h, w) in [-1, 1]. A callable is called as
        ``generator(shape, n_classes, latent_dim)`` and returns the module; a module is copied, weights and all.
    trunk : Module or callable
        Maps images to features (batch, n_features). A callable is called as ``trunk(shape)``.
    """

    def __init__(
        self,
        *,
        generator: nn.Module | Callable[[Shape, int, int], nn.Module],
        trunk: nn.Module | Callable[[Shape], nn.Module],
    ) -> None:
        self.generator = generator
        self.trunk = trunk

    def build(self, shape: Shape, n_classes: int, latent_dim: int) -> NetworkPair:
        """Copy or call for the pair, and try it once on two images; a misfit is an InputError."""
        own_generator, own_trunk = self.generator, self.trunk
        if own_generator is None or own_trunk is None:
            raise InputError(
                "the model was trained with its user's own networks, whose code is not saved: give them as networks=, "
                "OwnNetworks(generator=..., trunk=...)."
            )
        generator = (
            copy.deepcopy(own_generator)
            if isinstance(own_generator, nn.Module)
            else own_generator(shape, n_classes, latent_dim)
        )
        trunk = copy.deepcopy(own_trunk) if isinstance(own_trunk, nn.Module) else own_trunk(shape)
        with torch.no_grad():
            images = copy.deepcopy(generator).eval()(torch.zeros(2, latent_dim), torch.zeros(2, dtype=torch.long))
            if tuple(images.shape) != (2, *shape):
                raise InputError(
                    f"the generator given in networks= draws {tuple(images.shape[1:])} where the images are {shape} "
                    "(channels, height, width): change its output."
                )
            features = copy.deepcopy(trunk).eval()(images)
        if features.ndim != 2:
            raise InputError(
                f"the trunk given in networks= answers with shape {tuple(features.shape)} where (batch, n_features) is "
                "needed: flatten its output."
            )
        return NetworkPair(generator.train(), trunk.train(), features.shape[1])
