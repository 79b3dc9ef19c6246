"""What limits the discriminator: costs on its slope or its scores, and bounds on its weights."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from makeweight.component import Component, Registry
from makeweight.judges import Judge
from makeweight.ranges import Ranges, above, below, up_to, whole

TINY = 1e-12  # under a root, whose slope at zero is infinite


class Shown(NamedTuple):
    """What a discriminator is shown in a step, after augmentation.

    Attributes
    ----------
    real, drawn : Tensor of shape (batch, c, h, w)
        Real images, and images of the generator.
    codes, asked : Tensor of shape (batch,)
        Classes of the real images, and those that the drawn ones were asked to show.
    between : Tensor of shape (batch,)
        Random numbers in [0, 1]; empty for penalties that do not interpolate.
    """

    real: Tensor
    codes: Tensor
    drawn: Tensor
    asked: Tensor
    between: Tensor


class Penalty(Component):
    """A cost added to the discriminator's step but not to the fitness of generators, or a bound on its weights.

    Attributes
    ----------
    every : int
        Steps between two costs; 0 if there is none.
    interpolates : bool
        Whether it looks at images between real and drawn ones.
    """

    every = 0
    limits: ClassVar[bool] = True
    interpolates: ClassVar[bool] = False

    def prepare(self, discriminator: nn.Module) -> None:
        """Give the discriminator buffers for what has to be remembered; by default there is nothing."""

    def loss(self, discriminator: nn.Module, shown: Shown) -> Tensor:
        """Return the cost."""
        raise TypeError(f"{type(self).__name__} must say what it costs")

    def bound(self, discriminator: nn.Module) -> None:
        """Change the weights after a step."""


PENALTIES: Registry[Penalty] = Registry("penalty", Penalty)


@PENALTIES.register("none")
class Free(Penalty):
    """No penalty."""

    limits = False


def squared_slopes(discriminator: nn.Module, images: Tensor, codes: Tensor) -> Tensor:
    """‖∇_x s(x)‖² for each image, of shape (batch,), to be differentiated further."""
    seen = images.detach().requires_grad_()
    (slope,) = torch.autograd.grad(discriminator(seen, codes).scores.sum(), seen, create_graph=True)
    squares: Tensor = slope.square().sum(dim=(1, 2, 3))
    return squares


class _ZeroCentred(Penalty):
    """γ/2·E‖∇_x s(x)‖² on real images, on drawn ones, or on both, at more weight where it is taken more rarely."""

    on_real: ClassVar[bool] = True
    on_drawn: ClassVar[bool] = True

    ranges: ClassVar[Ranges] = {"gamma": above(0), "every": whole(1)}

    def __init__(self, *, gamma: float = 0.1, every: int = 8) -> None:
        self.gamma = gamma
        self.every = every

    def loss(self, discriminator: nn.Module, shown: Shown) -> Tensor:
        """Return every·γ/2·E‖∇_x s(x)‖²."""
        costs = []
        if self.on_real:
            costs.append(self.every * self.gamma / 2 * squared_slopes(discriminator, shown.real, shown.codes).mean())
        if self.on_drawn:
            costs.append(self.every * self.gamma / 2 * squared_slopes(discriminator, shown.drawn, shown.asked).mean())
        return sum(costs[1:], costs[0])


@PENALTIES.register("r1")
class R1(_ZeroCentred):
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

    on_drawn = False


@PENALTIES.register("r2")
class R2(_ZeroCentred):
    """The same on drawn images.

    Parameters
    ----------
    gamma : float, default=0.1
        Weight γ, above 0.
    every : int, default=8
        Steps between two penalties; the weight is multiplied by it.

    References
    ----------
    Mescheder et al., 2018, "Which Training Methods for GANs do actually Converge?", eq. 10.
    """

    on_real = False


@PENALTIES.register("r1_r2")
class R1R2(_ZeroCentred):
    """The sum of both, on real and on drawn images.

    Parameters
    ----------
    gamma : float, default=0.1
        Weight γ of either, above 0.
    every : int, default=8
        Steps between two penalties; the weight is multiplied by it.

    References
    ----------
    Huang et al., 2024, "The GAN is dead; long live the GAN! A Modern Baseline GAN", eq. 6.
    """


class _Sloping(Penalty):
    """A cost on the slope halfway, at random places, between real and drawn images."""

    interpolates = True

    ranges: ClassVar[Ranges] = {"weight": above(0), "every": whole(1)}

    def __init__(self, *, weight: float = 10.0, every: int = 1) -> None:
        self.weight = weight
        self.every = every

    def loss(self, discriminator: nn.Module, shown: Shown) -> Tensor:
        """Return every·weight·E[excess²], at points between pairs, under the real image's class."""
        points = torch.lerp(shown.drawn, shown.real, shown.between.view(-1, 1, 1, 1))
        slopes = (squared_slopes(discriminator, points, shown.codes) + TINY).sqrt()
        return self.every * self.weight * self.excess(slopes).square().mean()

    def excess(self, slopes: Tensor) -> Tensor:
        """Return how far slopes are from what they should be."""
        raise TypeError(f"{type(self).__name__} must say which slopes are wrong")


@PENALTIES.register("gradient_penalty")
class GradientPenalty(_Sloping):
    """Slopes of length 1 between real and drawn images, weight · E[(‖∇s‖ − 1)²].

    Parameters
    ----------
    weight : float, default=10.0
        Weight λ, above 0.
    every : int, default=1
        Steps between two penalties; the weight is multiplied by it.

    References
    ----------
    Gulrajani et al., 2017, "Improved Training of Wasserstein GANs", eq. 3.
    """

    def excess(self, slopes: Tensor) -> Tensor:
        """Return ‖∇s‖ − 1."""
        return slopes - 1


@PENALTIES.register("lipschitz_penalty")
class LipschitzPenalty(_Sloping):
    """Slopes of length 1 at most, weight · E[max(0, ‖∇s‖ − 1)²].

    Parameters
    ----------
    weight : float, default=10.0
        Weight λ, above 0.
    every : int, default=1
        Steps between two penalties; the weight is multiplied by it.

    References
    ----------
    Petzka et al., 2018, "On the Regularization of Wasserstein GANs", eq. 7.
    """

    def excess(self, slopes: Tensor) -> Tensor:
        """Return max(0, ‖∇s‖ − 1)."""
        return (slopes - 1).relu()


@PENALTIES.register("weight_clipping")
class WeightClipping(Penalty):
    """After each step, every weight is clipped to [−limit, limit]; those of a class output beside the scores are not.

    Parameters
    ----------
    limit : float, default=0.01
        Largest size of a weight, above 0.

    References
    ----------
    Arjovsky et al., 2017, "Wasserstein Generative Adversarial Networks", Algorithm 1.
    """

    ranges: ClassVar[Ranges] = {"limit": up_to(1_000_000)}

    def __init__(self, *, limit: float = 0.01) -> None:
        self.limit = limit

    @torch.no_grad()
    def bound(self, discriminator: nn.Module) -> None:
        """Clip the weights."""
        spared = discriminator.beside if isinstance(discriminator, Judge) else ()
        for name, parameter in discriminator.named_parameters():
            if name.partition(".")[0] not in spared:
                parameter.clamp_(-self.limit, self.limit)


@PENALTIES.register("lecam")
class LeCam(Penalty):
    """Keeps scores of either kind near the moving average of the other's: E[(s_real − α_F)²] + E[(s_drawn − α_R)²].

    The averages α_R and α_F of real and drawn scores start at 0. They are buffers of the discriminator, and so are
    saved with it. What is limited are scores, not slopes: the Wasserstein objective is then no distance of that name,
    but bounded, too.

    Parameters
    ----------
    weight : float, default=0.3
        Weight λ, above 0.
    decay : float, default=0.99
        Decay of the averages a penalty, 0 or more and below 1.
    every : int, default=1
        Steps between two penalties; the weight is multiplied by it.

    References
    ----------
    Tseng et al., 2021, "Regularizing Generative Adversarial Networks under Limited Data", eq. 3 and 4.
    """

    ranges: ClassVar[Ranges] = {"weight": above(0), "decay": below(1), "every": whole(1)}

    def __init__(self, *, weight: float = 0.3, decay: float = 0.99, every: int = 1) -> None:
        self.weight = weight
        self.decay = decay
        self.every = every

    def prepare(self, discriminator: nn.Module) -> None:
        """Give the discriminator the averages."""
        discriminator.register_buffer("real_average", torch.zeros(()))
        discriminator.register_buffer("drawn_average", torch.zeros(()))

    def loss(self, discriminator: nn.Module, shown: Shown) -> Tensor:
        """Move the averages, and return every·weight·(E[(s_real − α_F)²] + E[(s_drawn − α_R)²])."""
        real, drawn = discriminator(shown.real, shown.codes).scores, discriminator(shown.drawn, shown.asked).scores
        averages = [discriminator.get_buffer("real_average"), discriminator.get_buffer("drawn_average")]
        with torch.no_grad():
            for average, scores in zip(averages, (real, drawn), strict=True):
                average.lerp_(scores.mean(), 1 - self.decay)
        distance: Tensor = (real - averages[1]).square().mean() + (drawn - averages[0]).square().mean()
        return self.every * self.weight * distance
