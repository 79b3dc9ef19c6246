"""What keeps a small-data game alive: augmentation before the judge, balanced batches, averaged weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample

from makeweight.component import Component, Registry
from makeweight.transfer import moved

Transform = Callable[[Tensor], Tensor]


class Augmentation(Component):
    """Random changes of images, the same for real and drawn ones, through which gradients flow."""

    def draw(self, n: int, generator: torch.Generator) -> Transform:
        """Draw the changes for a batch of `n`; the answer applies them to any batch of that size."""
        return lambda images: images


AUGMENTATIONS: Registry[Augmentation] = Registry("augmentation", Augmentation)
AUGMENTATIONS.register("none")(Augmentation)


@AUGMENTATIONS.register("affine")
class Affine(Augmentation):
    """Small random rotation, scaling and shift; what lies outside is filled by the nearest pixel of the border.

    Parameters
    ----------
    degrees : float, default=10
        Largest rotation to either side.
    scale : float, default=0.1
        Largest relative change of size.
    shift : float, default=0.1
        Largest shift, as a share of the side.
    mirror : bool, default=False
        Whether half of the images are mirrored left to right. Off by default, since letters and digits do not bear it.

    References
    ----------
    Zhao et al., 2020, "Differentiable Augmentation for Data-Efficient GAN Training", section 3.
    """

    def __init__(self, *, degrees: float = 10.0, scale: float = 0.1, shift: float = 0.1, mirror: bool = False) -> None:
        self.degrees = degrees
        self.scale = scale
        self.shift = shift
        self.mirror = mirror

    def draw(self, n: int, generator: torch.Generator) -> Transform:
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

        grids: dict[tuple[int, ...], Tensor] = {}

        def transform(images: Tensor) -> Tensor:
            if images.shape[2:] == (1, 1):
                return images
            grid = grids.get(tuple(images.shape))
            if grid is None:
                # affine_grid stretches both sides to 2; the aspect keeps a rotation a rotation if they are not equal.
                aspect = images.shape[2] / images.shape[3]
                stretch = torch.tensor([[1.0, aspect, 1.0], [1 / aspect, 1.0, 1.0]])
                grid = affine_grid(moved(maps * stretch, images.device), list(images.shape), align_corners=False)
                grids[tuple(images.shape)] = grid
            return grid_sample(images.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)

        return transform


class Penalty(Component):
    """A cost on the discriminator's slope, added to its step but not to the fitness of generators."""

    every = 0

    def loss(self, discriminator: nn.Module, images: Tensor) -> Tensor:
        """Return the penalty on real images of shape (batch, c, h, w)."""
        raise TypeError(f"{type(self).__name__} must say what it costs")


PENALTIES: Registry[Penalty] = Registry("penalty", Penalty)
PENALTIES.register("none")(Penalty)


@PENALTIES.register("r1")
class R1(Penalty):
    """Zero-centred gradient penalty on real images, γ/2·E‖∇_x s(x)‖², taken every few steps at as much more weight.

    Parameters
    ----------
    gamma : float, default=0.1
        Weight γ, above 0.
    every : int, default=8
        Steps between two penalties; the weight is multiplied by it.

    References
    ----------
    Mescheder et al., 2018, "Which Training Methods for GANs do actually Converge?", eq. 9; Karras et al., 2020,
    "Analyzing and Improving the Image Quality of StyleGAN", appendix B, for taking it now and then.
    """

    def __init__(self, *, gamma: float = 0.1, every: int = 8) -> None:
        self.gamma = gamma
        self.every = every

    def loss(self, discriminator: nn.Module, images: Tensor) -> Tensor:
        """Return every·γ/2·E‖∇_x s(x)‖²."""
        shown = images.detach().requires_grad_()
        (slope,) = torch.autograd.grad(discriminator(shown).scores.sum(), shown, create_graph=True)
        return self.every * self.gamma / 2 * slope.square().sum(dim=(1, 2, 3)).mean()


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
    passes = [[random.permutation(own) for _ in range(math.ceil(largest / len(own)))] for own in members]
    epoch: NDArray[np.int64] = np.concatenate([np.concatenate(own)[:largest] for own in passes])
    return random.permutation(epoch)


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
