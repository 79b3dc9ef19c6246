"""What "fooling the judge" means: the adversarial losses of both players.

``scores`` are unbounded realness scores, higher means more real. Losses are means over the batch, to be minimised.
A discriminator's loss falls into a half on real and a half on drawn images, so that offspring can share the real half.
Only objectives that compare real with drawn images in pairs do not.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor
from torch.nn.functional import softplus

from makeweight.component import Component, Registry
from makeweight.ranges import Ranges, below


class Objective(Component):
    """Adversarial losses; a new one overrides those that it changes.

    Attributes
    ----------
    paired : bool
        Whether real and drawn scores are compared in pairs, so that the loss has no halves.
    bounded : bool
        Whether the discriminator's loss has a least value. Without one it needs a limit on its slope.
    """

    paired: ClassVar[bool] = False
    bounded: ClassVar[bool] = True

    def real_loss(self, real_scores: Tensor) -> Tensor:
        """Discriminator's loss on real images: cross-entropy −E[log σ(s)].

        Parameters
        ----------
        real_scores : Tensor of shape (batch,)
            Realness of real images.
        """
        return softplus(-real_scores).mean()

    def fake_loss(self, fake_scores: Tensor) -> Tensor:
        """Discriminator's loss on drawn images: cross-entropy −E[log(1 − σ(s))].

        Parameters
        ----------
        fake_scores : Tensor of shape (batch,)
            Realness of drawn images.
        """
        return softplus(fake_scores).mean()

    def discriminator_loss(self, real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        """Return both halves together."""
        return self.real_loss(real_scores) + self.fake_loss(fake_scores)

    def generator_loss(self, fake_scores: Tensor) -> Tensor:
        """Return the generator's loss when this objective is used by itself."""
        raise TypeError(f"{type(self).__name__} must say how a generator is judged")

    def mutation_loss(self, fake_scores: Tensor) -> Tensor:
        """Return the generator's loss as one mutation among several, on realness σ(s) in [0, 1]."""
        return self.generator_loss(fake_scores)

    def paired_generator_loss(self, fake_scores: Tensor, real_scores: Tensor) -> Tensor:
        """Return the generator's loss beside real scores, to which only a paired objective looks."""
        return self.generator_loss(fake_scores)


OBJECTIVES: Registry[Objective] = Registry("objective", Objective)


class _Smoothed(Objective):
    """A loss whose target for real images is 1 − `smoothing` in place of 1; cross-entropy unless a part says other."""

    ranges: ClassVar[Ranges] = {"smoothing": below(0.5)}
    later: ClassVar[dict[str, Any]] = {"smoothing": 0.0}

    def __init__(self, *, smoothing: float = 0.0) -> None:
        self.smoothing = smoothing

    def real_loss(self, real_scores: Tensor) -> Tensor:
        """Return −(1 − ε)·E[log σ(s)] − ε·E[log(1 − σ(s))]."""
        loss = super().real_loss(real_scores)
        return loss + self.smoothing * real_scores.mean() if self.smoothing else loss


@OBJECTIVES.register("minimax")
class Minimax(_Smoothed):
    """E[log(1 − σ(s))]: the generator minimises what the discriminator maximises; fades while it loses.

    Parameters
    ----------
    smoothing : float, default=0.0
        One-sided label smoothing ε: the discriminator's target for real images is 1 − ε; 0 or more, below 0.5.

    References
    ----------
    Goodfellow et al., 2014, "Generative Adversarial Nets", eq. 1; Wang et al., 2019, "Evolutionary GAN", eq. 3;
    Salimans et al., 2016, "Improved Techniques for Training GANs", section 3.4, for the smoothing.
    """

    def generator_loss(self, fake_scores: Tensor) -> Tensor:
        """Return −softplus(s), which is log(1 − σ(s)) without overflow."""
        return -softplus(fake_scores).mean()


@OBJECTIVES.register("non_saturating")
class NonSaturating(_Smoothed):
    """−E[log σ(s)]: a strong gradient as long as the discriminator wins.

    Parameters
    ----------
    smoothing : float, default=0.0
        One-sided label smoothing ε: the discriminator's target for real images is 1 − ε; 0 or more, below 0.5.

    References
    ----------
    Goodfellow et al., 2014, "Generative Adversarial Nets", section 3; Wang et al., 2019, "Evolutionary GAN", eq. 4;
    Salimans et al., 2016, "Improved Techniques for Training GANs", section 3.4, for the smoothing.
    """

    def generator_loss(self, fake_scores: Tensor) -> Tensor:
        """Return softplus(−s), which is −log σ(s) without overflow."""
        return softplus(-fake_scores).mean()


@OBJECTIVES.register("least_squares")
class LeastSquares(_Smoothed):
    """Pull fake scores towards 1, with a gradient that fades as they arrive.

    By itself it squares raw scores, with a factor of one half. As a mutation it squares realness, E[(σ(s) − 1)²].

    Parameters
    ----------
    smoothing : float, default=0.0
        One-sided label smoothing ε: the discriminator's target for real images is 1 − ε; 0 or more, below 0.5.

    References
    ----------
    Mao et al., 2017, "Least Squares Generative Adversarial Networks", eq. 9 with a = 0, b = c = 1;
    Wang et al., 2019, "Evolutionary GAN", eq. 5.
    """

    def real_loss(self, real_scores: Tensor) -> Tensor:
        """Return ½ E[(s − 1 + ε)²]."""
        return 0.5 * (real_scores - (1 - self.smoothing)).square().mean()

    def fake_loss(self, fake_scores: Tensor) -> Tensor:
        """Return ½ E[s²]."""
        return 0.5 * fake_scores.square().mean()

    def generator_loss(self, fake_scores: Tensor) -> Tensor:
        """Return ½ E[(s − 1)²]."""
        return 0.5 * (fake_scores - 1).square().mean()

    def mutation_loss(self, fake_scores: Tensor) -> Tensor:
        """Return E[(σ(s) − 1)²]."""
        return (fake_scores.sigmoid() - 1).square().mean()


@OBJECTIVES.register("hinge")
class Hinge(Objective):
    """The discriminator cares for scores within a margin of 1; the generator raises scores by a constant slope.

    References
    ----------
    Lim and Ye, 2017, "Geometric GAN", eq. 12 and 13; Miyato et al., 2018, "Spectral Normalization for Generative
    Adversarial Networks", eq. 16 and 17.
    """

    def real_loss(self, real_scores: Tensor) -> Tensor:
        """Return E[max(0, 1 − s)]."""
        return (1 - real_scores).relu().mean()

    def fake_loss(self, fake_scores: Tensor) -> Tensor:
        """Return E[max(0, 1 + s)]."""
        return (1 + fake_scores).relu().mean()

    def generator_loss(self, fake_scores: Tensor) -> Tensor:
        """Return −E[s], as a mutation, too."""
        return -fake_scores.mean()


@OBJECTIVES.register("wasserstein")
class Wasserstein(Objective):
    """The difference of mean scores, a distance where the discriminator's slope is limited.

    The limit comes from a penalty, or from spectral normalisation.

    References
    ----------
    Arjovsky et al., 2017, "Wasserstein Generative Adversarial Networks", eq. 2 and Algorithm 1.
    """

    bounded = False

    def real_loss(self, real_scores: Tensor) -> Tensor:
        """Return −E[s]."""
        return -real_scores.mean()

    def fake_loss(self, fake_scores: Tensor) -> Tensor:
        """Return E[s]."""
        return fake_scores.mean()

    def generator_loss(self, fake_scores: Tensor) -> Tensor:
        """Return −E[s], as a mutation, too."""
        return -fake_scores.mean()


@OBJECTIVES.register("relativistic")
class Relativistic(Objective):
    """Softplus of the differences between pairs of a real and a drawn image: which of the two looks more real.

    References
    ----------
    Jolicoeur-Martineau, 2019, "The relativistic discriminator", section 4.2; Huang et al., 2024, "The GAN is dead; long
    live the GAN! A Modern Baseline GAN", eq. 2, with f(t) = −log(1 + e^−t).
    """

    paired = True

    def real_loss(self, real_scores: Tensor) -> Tensor:
        """Refuse: there are no halves."""
        raise TypeError("pairs of real and drawn images are judged together")

    def fake_loss(self, fake_scores: Tensor) -> Tensor:
        """Refuse: there are no halves."""
        raise TypeError("pairs of real and drawn images are judged together")

    def discriminator_loss(self, real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        """Return E[softplus(s_drawn − s_real)]."""
        return softplus(fake_scores - real_scores).mean()

    def generator_loss(self, fake_scores: Tensor) -> Tensor:
        """Refuse: there are no halves."""
        raise TypeError("pairs of real and drawn images are judged together")

    def paired_generator_loss(self, fake_scores: Tensor, real_scores: Tensor) -> Tensor:
        """Return E[softplus(s_real − s_drawn)]."""
        return softplus(real_scores - fake_scores).mean()
