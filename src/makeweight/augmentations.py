"""What is done to real and drawn images before they are judged."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, pad

from makeweight.chance import Changes
from makeweight.component import Component, Registry
from makeweight.ranges import SWITCH, Ranges, at_least, below, whole, within
from makeweight.transfer import moved, widest_float

Transform = Callable[[Tensor], Tensor]


class Augmentation(Component):
    """Random changes of images, the same for real and drawn ones, through which gradients flow."""

    def draw(self, n: int, generator: torch.Generator, n_steps: int = 0) -> Transform:
        """Draw the changes for a batch of `n`; the answer applies them to any batch of that size.

        Parameters
        ----------
        n : int
            Images in the batch.
        generator : torch.Generator
            Source of chance, on the processor.
        n_steps : int, default=0
            Steps of the game so far, for changes that fade.

        Notes
        -----
        On a GPU, steps of a game can be replayed from CUDA graphs where the answer is `Changes`.
        """
        return Changes(lambda images, _: images, torch.empty(0))


AUGMENTATIONS: Registry[Augmentation] = Registry("augmentation", Augmentation)
AUGMENTATIONS.register("none")(Augmentation)


@AUGMENTATIONS.register("affine")
class Affine(Augmentation):
    """Small random rotation, scaling and shift; what lies outside is filled by the nearest pixel of the border.

    Parameters
    ----------
    degrees : float, default=10
        Largest rotation to either side, 0 to 360.
    scale : float, default=0.1
        Largest relative change of size, 0 or more and below 1.
    shift : float, default=0.1
        Largest shift, as a share of the side, 0 to 1.
    mirror : bool, default=False
        Whether half of the images are mirrored left to right. Off by default, since letters and digits do not bear it.

    References
    ----------
    Zhao et al., 2020, "Differentiable Augmentation for Data-Efficient GAN Training", section 3.
    """

    ranges: ClassVar[Ranges] = {"degrees": within(0, 360), "scale": below(1), "shift": within(0, 1), "mirror": SWITCH}

    def __init__(self, *, degrees: float = 10.0, scale: float = 0.1, shift: float = 0.1, mirror: bool = False) -> None:
        self.degrees = degrees
        self.scale = scale
        self.shift = shift
        self.mirror = mirror

    def draw(self, n: int, generator: torch.Generator, n_steps: int = 0) -> Transform:
        """Draw an affine map for each of `n` images. Images of a single pixel (flat rows) stay as they are."""
        uniform = torch.rand(5, n, generator=generator) * 2 - 1
        angle = uniform[0] * (math.pi / 180 * self.degrees)
        zoom = 1 + uniform[1] * self.scale
        flip = torch.where(uniform[2] < 0, -1.0, 1.0) if self.mirror else torch.ones(n)
        cos, sin = zoom * angle.cos(), zoom * angle.sin()
        # affine_grid counts the whole side as 2, so a shift by a share of the side is twice that share.
        rows = [torch.stack([flip * cos, -sin, 2 * self.shift * uniform[3]], 1)]
        rows += [torch.stack([flip * sin, cos, 2 * self.shift * uniform[4]], 1)]
        maps = torch.stack(rows, 1)
        return Changes(warped, maps, grid_of)


def grid_of(maps: Tensor, shape: torch.Size) -> Tensor:
    """Give the places that affine maps of shape (batch, 2, 3) look at, for images of a shape (batch, c, h, w)."""
    if shape[2:] == (1, 1):
        return maps
    # affine_grid stretches both sides to 2; the aspect keeps a rotation a rotation if they are not equal.
    aspect = shape[2] / shape[3]
    stretched = maps.clone()
    stretched[:, 0, 1] *= aspect
    stretched[:, 1, 0] *= 1 / aspect
    with torch.autocast(maps.device.type, enabled=False):  # bfloat16 would miss places by a tenth of a pixel
        return affine_grid(stretched, list(shape), align_corners=False)


def warped(images: Tensor, grid: Tensor) -> Tensor:
    """Look at images through a grid of shape (batch, h, w, 2); flat rows stay as they are."""
    if images.shape[2:] == (1, 1):
        return images
    # Elsewhere torch's own gradient is repeatable, too.
    look = Warp.apply if images.device.type == "cuda" else look_through
    changed: Tensor = look(images.float(), grid)
    return changed


def look_through(images: Tensor, grid: Tensor) -> Tensor:
    """Sample images bilinearly; beyond the border is the nearest pixel of it."""
    return grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


class Warp(torch.autograd.Function):
    """`look_through` with a gradient by the images that is the same to the last bit every time.

    Several places add to one pixel. Floats do not add up to the same in another order, and a GPU keeps none, so what
    they add is rounded to whole numbers, of 2⁻⁴⁶ of the largest, which do.
    """

    @staticmethod
    def forward(context: Any, images: Tensor, grid: Tensor) -> Tensor:
        """Look through the grid."""
        context.save_for_backward(grid)
        context.shape = images.shape
        return look_through(images, grid)

    @staticmethod
    def backward(context: Any, slopes: Tensor) -> tuple[Tensor, None]:
        """Give every pixel the slopes of the places that see it, by how much they see of it."""
        (grid,) = context.saved_tensors
        n, c, h, w = context.shape
        places = [((grid[..., axis] + 1) * side - 1).div(2).clamp(0, side - 1) for axis, side in ((0, w), (1, h))]
        (left, top), (along, down) = zip(*((place.floor(), place.frac()) for place in places), strict=True)
        scale = 2.0**46 / slopes.abs().amax().clamp(min=1e-30)
        summed = torch.zeros(n, c, h * w, dtype=torch.int64, device=slopes.device)
        for right, share in ((0, 1 - along), (1, along)):
            for under, part in ((0, 1 - down), (1, down)):
                pixel = (top + under).clamp(max=h - 1) * w + (left + right).clamp(max=w - 1)
                index = pixel.long().view(n, 1, -1).expand(n, c, -1)
                summed.scatter_add_(2, index, ((share * part).unsqueeze(1) * slopes * scale).long().flatten(2))
        return (summed / scale.to(widest_float(scale.device))).float().view(n, c, h, w), None


@AUGMENTATIONS.register("diff_augment")
class DiffAugment(Augmentation):
    """Differentiable augmentation: random colour, translation with zeros beyond the border, and a grey square cut out.

    Each acts with its own draw on every image. Flat rows stay as they are.

    Parameters
    ----------
    colour : bool, default=True
        Brightness ±0.5, saturation 0 to 2, contrast 0.5 to 1.5.
    translation : float, default=0.125
        Largest shift, as a share of the side, below 1; 0 for none.
    cutout : float, default=0.5
        Side of the square, as a share of the image's, below 1; 0 for none.

    References
    ----------
    Zhao et al., 2020, "Differentiable Augmentation for Data-Efficient GAN Training", sections 3.2 and 4.
    """

    ranges: ClassVar[Ranges] = {"colour": SWITCH, "translation": below(1), "cutout": below(1)}

    def __init__(self, *, colour: bool = True, translation: float = 0.125, cutout: float = 0.5) -> None:
        self.colour = colour
        self.translation = translation
        self.cutout = cutout

    def draw(self, n: int, generator: torch.Generator, n_steps: int = 0) -> Transform:
        """Draw colours, shifts and places for `n` images."""
        return Changes(self.change, torch.rand(7, n, generator=generator))

    def change(self, images: Tensor, chances: Tensor) -> Tensor:
        """Change images by chances in [0, 1], of shape (7, batch)."""
        if images.shape[2:] == (1, 1):
            return images
        changed = images.float()
        if self.colour:
            changed = coloured(changed, *chances[:3].view(3, -1, 1, 1, 1))
        if self.translation:
            changed = translated(changed, chances[3], chances[4], self.translation)
        return cut(changed, chances[5], chances[6], self.cutout) if self.cutout else changed


def coloured(images: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor) -> Tensor:
    """Change brightness by −0.5 to 0.5, saturation by a factor of 0 to 2 and contrast by one of 0.5 to 1.5.

    The three are drawn in [0, 1], of shape (batch, 1, 1, 1).
    """
    images = images + (brightness - 0.5)
    grey = images.mean(dim=1, keepdim=True)
    images = grey + (images - grey) * (saturation * 2)
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (images - mean) * (contrast + 0.5)


def translated(images: Tensor, down: Tensor, right: Tensor, share: float) -> Tensor:
    """Shift images by whole pixels, up to `share` of the side either way, with zeros beyond the border.

    `down` and `right` are drawn in [0, 1], of shape (batch,).
    """
    places = []
    for drawn, side in zip((down, right), images.shape[2:], strict=True):
        most = int(side * share + 0.5)
        shifts = (drawn * (2 * most + 1)).long().clamp(max=2 * most) - most
        # Counted in the image with a border of one zero, in which everything beyond ends.
        places.append((torch.arange(1, side + 1, device=images.device) - shifts.unsqueeze(1)).clamp(0, side + 1))
    batch = torch.arange(len(images), device=images.device).view(-1, 1, 1)
    rows, columns = places[0].unsqueeze(2), places[1].unsqueeze(1)
    return pad(images, (1, 1, 1, 1))[batch, :, rows, columns].movedim(-1, 1)


def cut(images: Tensor, down: Tensor, right: Tensor, share: float) -> Tensor:
    """Set a square of `share` of the side to zero; its middle lies anywhere, and what is outside is lost.

    `down` and `right` are drawn in [0, 1], of shape (batch,).
    """
    inside = []
    for drawn, side in zip((down, right), images.shape[2:], strict=True):
        size = int(side * share + 0.5)
        begin = (drawn * (side + 1 - size % 2)).long().unsqueeze(1) - size // 2
        places = torch.arange(side, device=images.device)
        inside.append((places >= begin) & (places < begin + size))
    hole = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return images * ~hole


@AUGMENTATIONS.register("instance_noise")
class InstanceNoise(Augmentation):
    """Gaussian noise on every pixel, after another augmentation, that fades linearly.

    Parameters
    ----------
    after : str or Augmentation, default="none"
        What is done before.
    deviation : float, default=0.1
        Standard deviation at the first step, where pixels lie in [-1, 1]; at least 0.
    n_steps : int, default=2000
        Steps after which no noise is left, at least 1.

    References
    ----------
    Sønderby et al., 2017, "Amortised MAP Inference for Image Super-resolution", section 3.2.2.
    """

    axes: ClassVar[dict[str, str]] = {"after": "augmentation"}
    ranges: ClassVar[Ranges] = {"deviation": at_least(0), "n_steps": whole(1)}

    def __init__(self, *, after: str | Augmentation = "none", deviation: float = 0.1, n_steps: int = 2000) -> None:
        self.after = after
        self.deviation = deviation
        self.n_steps = n_steps

    def check(self) -> None:
        """Refuse impossible parameters, of what is done before, too."""
        super().check()
        AUGMENTATIONS.resolve(self.after)

    def draw(self, n: int, generator: torch.Generator, n_steps: int = 0) -> Transform:
        """Draw what comes before, and a seed of the noise."""
        before = AUGMENTATIONS.resolve(self.after).draw(n, generator, n_steps)
        deviation = self.deviation * max(0.0, 1 - n_steps / self.n_steps)
        seed = int(torch.randint(2**62, (), generator=generator))

        noises: dict[tuple[int, ...], Tensor] = {}

        def transform(images: Tensor) -> Tensor:
            changed = before(images)
            if not deviation:
                return changed
            shape = tuple(changed.shape)
            if shape not in noises:
                noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
                noises[shape] = moved(deviation * noise, changed.device)
            return changed + noises[shape]

        return transform
