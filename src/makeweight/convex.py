"""Generators that blend the real images of a class: convex combinations, with weights from a network."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

LEAST_SPREAD = 0.5  # of the random logits of a class of one image or two


class Blend(nn.Module):
    """Convex combinations of the points of a class: x = Σ_i a_i·x_i, a = softmax(r(z) + t·tanh(f(z, c)/t)).

    The logits r(z) are random, linear in the noise, and do not learn; f is the network that does.

    Parameters
    ----------
    counts : sequence of int
        Points of each class, at least 1. They begin as zeros and are set by `place`; none of them learns.
    n_values, latent_dim : int
        Entries of a point, and of the noise.
    width : int
        Units of both hidden layers of f, which all classes share.
    tilt : float or None
        The most t by which learnt logits depart from the random ones, above 0; None leaves them free.

    Notes
    -----
    The random logits have the standard deviation √log n, so that a fresh generator blends a few points at a time: about
    4 of 10, 7 of 40 and 14 of 300. The paper has none. With usual initial weights alone, a generator would begin by
    answering every noise with the mean of the class, and nothing in the game would keep it from one blend for all.

    References
    ----------
    Mullick et al., 2019, "Generative Adversarial Minority Oversampling", section 3.
    """

    owners: Tensor

    def __init__(
        self, counts: Sequence[int], n_values: int, latent_dim: int, width: int, tilt: float | None = None
    ) -> None:
        super().__init__()
        self.n_classes = len(counts)
        self.tilt = tilt
        owners = torch.cat([torch.full((count,), code) for code, count in enumerate(counts)])
        self.register_buffer("owners", owners, persistent=False)
        self.shared = nn.Sequential(
            nn.Linear(len(counts) + latent_dim, width), nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2)
        )
        self.learnt = nn.Linear(width, len(owners))
        nn.init.zeros_(self.learnt.weight)
        nn.init.zeros_(self.learnt.bias)
        spreads = [max(LEAST_SPREAD, math.sqrt(math.log(count))) / math.sqrt(latent_dim) for count in counts]
        rows = [torch.randn(count, latent_dim) * spread for count, spread in zip(counts, spreads, strict=True)]
        self.random = nn.Parameter(torch.cat(rows), requires_grad=False)
        self.points = nn.Parameter(torch.zeros(len(owners), n_values), requires_grad=False)

    @torch.no_grad()
    def place(self, points: Tensor) -> None:
        """Set the points, (n, n_values), those of the first class first."""
        self.points.copy_(points)

    def weights(self, noise: Tensor, codes: Tensor) -> Tensor:
        """Return the weights of all points, (batch, n); those of other classes are 0."""
        labels = codes.unsqueeze(1) == torch.arange(self.n_classes, device=codes.device)
        learnt = self.learnt(self.shared(torch.cat([labels.to(noise.dtype), noise], dim=1))).float()
        if self.tilt is not None:
            learnt = self.tilt * (learnt / self.tilt).tanh()
        logits = (noise @ self.random.T).float() + learnt
        shares: Tensor = logits.masked_fill(self.owners != codes.unsqueeze(1), -math.inf).softmax(dim=1)
        return shares

    def forward(self, noise: Tensor, codes: Tensor) -> Tensor:
        """Blend points of the classes `codes`, of shape (batch, n_values)."""
        blended: Tensor = self.weights(noise, codes) @ self.points
        return blended


class BlendOfImages(nn.Module):
    """A generator of blended images; the points are their pixels.

    Parameters
    ----------
    blend : Blend
        Of points of as many values as an image of `shape` has.
    shape : (channels, height, width)
        Shape of the images.
    """

    def __init__(self, blend: Blend, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.blend = blend
        self.shape = shape

    def forward(self, noise: Tensor, codes: Tensor) -> Tensor:
        """Draw images (batch, channels, height, width) in [-1, 1]."""
        images: Tensor = self.blend(noise, codes).unflatten(1, self.shape)
        return images


class BlendOfCodes(nn.Module):
    """A generator of blended latent vectors, decoded by a network that does not learn.

    Parameters
    ----------
    blend : Blend
        Of latent vectors.
    decoder : Module
        A generator of a single class, as an autoencoder has it.
    """

    def __init__(self, blend: Blend, decoder: nn.Module) -> None:
        super().__init__()
        self.blend = blend
        self.decoder = decoder.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> BlendOfCodes:
        """Set the mode of the blend; the decoder's batch norms stay as they were learnt."""
        super().train(mode)
        self.decoder.eval()
        return self

    def forward(self, noise: Tensor, codes: Tensor) -> Tensor:
        """Draw images (batch, channels, height, width) in [-1, 1]."""
        images: Tensor = self.decoder(self.blend(noise, codes), torch.zeros_like(codes))
        return images
