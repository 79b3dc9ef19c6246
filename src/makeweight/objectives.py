"""What "fooling the judge" means: the adversarial losses of both players.

``scores`` are unbounded realness scores, higher means more real. Losses are means over the batch, to be minimised.
A discriminator's loss falls into a half on real and a half on drawn images, so that offspring can share the real half.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus

from makeweight.component import Component, Registry


class Objective(Component):
    """Adversarial losses; a new one overrides the three that it changes."""

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

    def generator_loss(self, fake_scores: Tensor) -> Tensor:
        """Return the generator's loss when this objective is used by itself."""
        raise TypeError(f"{type(self).__name__} must say how a generator is judged")

    def mutation_loss(self, fake_scores: Tensor) -> Tensor:
        """Return the generator's loss as one mutation among several, on realness σ(s) in [0, 1]."""
        return self.generator_loss(fake_scores)


OBJECTIVES: Registry[Objective] = Registry("objective", Objective)


@OBJECTIVES.register("minimax")
class Minimax(Objective):
    """E[log(1 − σ(s))]: the generator minimises what the discriminator maximises; fades while it loses.

    References
    ----------
    Goodfellow et al., 2014, "Generative Adversarial Nets", eq. 1; Wang et al., 2019, "Evolutionary GAN", eq. 3.
    """

    def generator_loss(self, fake_scores: Tensor) -> Tensor:
        """Return −softplus(s), which is log(1 − σ(s)) without overflow."""
        return -softplus(fake_scores).mean()


@OBJECTIVES.register("non_saturating")
class NonSaturating(Objective):
    """−E[log σ(s)]: a strong gradient as long as the discriminator wins.

    References
    ----------
    Goodfellow et al., 2014, "Generative Adversarial Nets", section 3; Wang et al., 2019, "Evolutionary GAN", eq. 4.
    """

    def generator_loss(self, fake_scores: Tensor) -> Tensor:
        """Return softplus(−s), which is −log σ(s) without overflow."""
        return softplus(-fake_scores).mean()


@OBJECTIVES.register("least_squares")
class LeastSquares(Objective):
    """Pull fake scores towards 1, with a gradient that fades as they arrive.

    By itself it squares raw scores, with a factor of one half. As a mutation it squares realness, E[(σ(s) − 1)²].

    References
    ----------
    Mao et al., 2017, "Least Squares Generative Adversarial Networks", eq. 9 with a = 0, b = c = 1;
    Wang et al., 2019, "Evolutionary GAN", eq. 5.
    """

    def real_loss(self, real_scores: Tensor) -> Tensor:
        """Return ½ E[(s − 1)²]."""
        return 0.5 * (real_scores - 1).square().mean()

    def fake_loss(self, fake_scores: Tensor) -> Tensor:
        """Return ½ E[s²]."""
        return 0.5 * fake_scores.square().mean()

    def generator_loss(self, fake_scores: Tensor) -> Tensor:
        """Return ½ E[(s − 1)²]."""
        return 0.5 * (fake_scores - 1).square().mean()

    def mutation_loss(self, fake_scores: Tensor) -> Tensor:
        """Return E[(σ(s) − 1)²]."""
        return (fake_scores.sigmoid() - 1).square().mean()
