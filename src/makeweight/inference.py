"""A generator with an encoder beside it, which learns to give real images back while it plays."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from makeweight.judges import Judge

SMALLEST = 1e-12  # of the features' mean square, so that it can be divided by


class WithEncoder(nn.Module):
    """A generator, and an encoder that gives the mean and the variance of the noise that an image may be drawn from.

    Parameters
    ----------
    generator : Module
        Maps noise (batch, latent_dim) and codes (batch,) to images.
    trunk : Module
        Maps images to features (batch, n_features).
    n_features, latent_dim : int
        Sizes of the features and of the noise.
    weight, prior_weight : float
        Weights of the reconstruction, and of the distance of the encoder's answers from the noise.

    References
    ----------
    Larsen et al., 2016, "Autoencoding beyond Pixels Using a Learned Similarity Metric", section 2.
    """

    def __init__(
        self,
        generator: nn.Module,
        trunk: nn.Module,
        n_features: int,
        latent_dim: int,
        weight: float,
        prior_weight: float,
    ) -> None:
        super().__init__()
        self.generator = generator
        self.trunk = trunk
        self.moments = nn.Linear(n_features, 2 * latent_dim)
        nn.init.zeros_(self.moments.bias)
        self.weight, self.prior_weight = weight, prior_weight

    def forward(self, noise: Tensor, codes: Tensor) -> Tensor:
        """Draw images."""
        images: Tensor = self.generator(noise, codes)
        return images

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and logarithm of the variance, both of shape (batch, latent_dim)."""
        mean, log_variance = self.moments(self.trunk(images)).float().chunk(2, dim=1)
        return mean, log_variance

    def own_loss(self, judge: Judge, images: Tensor, codes: Tensor, noise: Tensor) -> Tensor:
        """Return how far reconstructions are from real images in the judge's features, and codes from the noise.

        The distance is a share of the features' mean square, since a judge without batch norm is free to scale them.

        Parameters
        ----------
        judge : Judge
            The discriminator.
        images : Tensor of shape (batch, c, h, w)
            Real images.
        codes : Tensor of shape (batch,)
            Their classes.
        noise : Tensor of shape (batch, latent_dim)
            Standard normal.
        """
        mean, log_variance = self.encode(images)
        given_back = self.generator(mean + (log_variance / 2).exp() * noise, codes).float()
        with torch.no_grad():
            wanted = judge(images, codes).features.float()
        gap = (judge(given_back, codes).features.float() - wanted).square().mean()
        distance = gap / wanted.square().mean().clamp(min=SMALLEST)
        loss: Tensor = self.weight * distance + self.prior_weight * divergence(mean, log_variance)
        return loss


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of N(mean, variance) from N(0, 1), mean over entries and images.

    References
    ----------
    Kingma and Welling, 2014, "Auto-Encoding Variational Bayes", appendix B.

    Examples
    --------
    >>> divergence(torch.tensor([[2.0, 0.0]]), torch.zeros(1, 2)).item()
    1.0
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
