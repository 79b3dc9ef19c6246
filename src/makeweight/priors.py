"""Which labels and which noise the fakes are drawn from."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.covariance import OAS, LedoitWolf
from torch import Tensor, nn

from makeweight.component import Component, Registry
from makeweight.ranges import Ranges, one_of

FEWEST = 4  # images of a class from which its own covariance is estimated
TINY = 1e-6  # added to a covariance, relative to its mean variance, so that it has a root
ESTIMATORS = {"ledoit_wolf": LedoitWolf, "oas": OAS}


class Request(NamedTuple):
    """What a generator is asked to draw: noise of shape (batch, latent_dim) and codes of shape (batch,)."""

    noise: Tensor
    codes: Tensor


class Prior(Component):
    """Labels while training. Noise is standard normal, in training and in drawing.

    Attributes
    ----------
    fitted : bool
        Whether the noise is mapped into a Gaussian of each class, fitted to encoded images, before it is drawn from.
    """

    fitted: ClassVar[bool] = False

    def draw(self, n: int, latent_dim: int, class_counts: NDArray[np.int64], generator: torch.Generator) -> Request:
        """Draw a request for `n` images from `generator`, on the processor."""
        noise = torch.randn(n, latent_dim, generator=generator)
        return Request(noise, self.codes(n, class_counts, generator))

    def codes(self, n: int, class_counts: NDArray[np.int64], generator: torch.Generator) -> Tensor:
        """Draw `n` class codes."""
        weights = torch.as_tensor(self.weights(class_counts), dtype=torch.float32)
        return torch.multinomial(weights, n, True, generator=generator)

    def weights(self, class_counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give numbers in proportion to which classes are asked for, from numbers of real images (n_classes,)."""
        raise TypeError(f"{type(self).__name__} must say which labels are asked for")


PRIORS: Registry[Prior] = Registry("prior", Prior)


@PRIORS.register("uniform")
class Uniform(Prior):
    """Every class is asked for equally often."""

    def codes(self, n: int, class_counts: NDArray[np.int64], generator: torch.Generator) -> Tensor:
        """Draw codes with equal chances."""
        return torch.randint(len(class_counts), (n,), generator=generator)

    def weights(self, class_counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give every class a one."""
        return np.ones_like(class_counts)


@PRIORS.register("empirical")
class Empirical(Prior):
    """Classes are asked for as often as the data have them."""

    def weights(self, class_counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the numbers of real images."""
        return class_counts


@PRIORS.register("missing")
class Missing(Prior):
    """Classes are asked for by how many images they lack to the largest; all alike where none lacks any.

    References
    ----------
    Mullick et al., 2019, "Generative Adversarial Minority Oversampling", section 3.
    """

    def weights(self, class_counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give n_max − n_i."""
        lacking: NDArray[np.int64] = class_counts.max() - class_counts
        return lacking if lacking.any() else np.ones_like(lacking)


@PRIORS.register("class_gaussian")
class ClassGaussian(Uniform):
    """Uniform labels, and latent vectors from a Gaussian of each class, fitted to encoded images and then fixed.

    Parameters
    ----------
    shrinkage : {"ledoit_wolf", "oas"}, default="ledoit_wolf"
        Estimator of a covariance from fewer images than the latent vector has entries.

    Notes
    -----
    A class of fewer than four images takes the covariance within all classes, about its own mean. Deviations are from
    means of the same images, so covariances are divided by n − 1 for a class, and by n − n_classes within all, in place
    of n: of four images the variances would be too small by a quarter.

    References
    ----------
    Mariani et al., 2018, "BAGAN: Data Augmentation with Balancing GAN", section 4; Ledoit and Wolf, 2004, "A
    Well-conditioned Estimator for Large-dimensional Covariance Matrices", for the shrinkage.

    Examples
    --------
    >>> latent = np.random.default_rng(0).normal(3.0, 2.0, (500, 2))
    >>> means, factors = ClassGaussian().fit(latent, np.zeros(500, int), n_classes=1)
    >>> means.round().tolist(), (factors[0] @ factors[0].T).round().tolist()
    ([[3.0, 3.0]], [[4.0, 0.0], [0.0, 4.0]])
    """

    fitted = True
    ranges: ClassVar[Ranges] = {"shrinkage": one_of(*ESTIMATORS)}

    def __init__(self, *, shrinkage: str = "ledoit_wolf") -> None:
        self.shrinkage = shrinkage

    def fit(
        self, latent: NDArray[np.floating], codes: NDArray[np.int64], n_classes: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Fit a Gaussian to each class.

        Parameters
        ----------
        latent : array of shape (n, latent_dim)
            Encoded images.
        codes : array of int of shape (n,)
            Their classes; each has one at least.
        n_classes : int
            Number of classes.

        Returns
        -------
        means : array of shape (n_classes, latent_dim)
        factors : array of shape (n_classes, latent_dim, latent_dim)
            Lower triangular, F Fᵀ = Σ.
        """
        latent = latent.astype(np.float64)
        means = np.stack([latent[codes == code].mean(axis=0) for code in range(n_classes)])
        within = latent - means[codes]
        factors = []
        for code in range(n_classes):
            own = within[codes == code]
            enough = len(own) >= FEWEST
            factors.append(self._factor(own, len(own) - 1) if enough else self._factor(within, len(within) - n_classes))
        return means, np.stack(factors)

    def _factor(self, within: NDArray[np.float64], freedom: int) -> NDArray[np.float64]:
        """Root of the covariance of deviations from means, of so many degrees of freedom."""
        d = within.shape[1]
        if len(within) < FEWEST:
            covariance = np.diag(within.var(axis=0))
        else:
            covariance = ESTIMATORS[self.shrinkage](assume_centered=True).fit(within).covariance_
        covariance = covariance * len(within) / max(freedom, 1)
        covariance = covariance + (TINY * np.trace(covariance) / d + TINY**2) * np.eye(d)
        factor: NDArray[np.float64] = np.linalg.cholesky(covariance)
        return factor


class InGaussians(nn.Module):
    """A generator behind the map from standard normal noise into the Gaussian of each class.

    The Gaussians are part of the network: they are saved with it, and every image stays a function of noise and class.

    Parameters
    ----------
    generator : Module
        Maps latent vectors (batch, latent_dim) and codes (batch,) to images.
    n_classes, latent_dim : int
        Numbers of Gaussians and of their dimensions. They begin as standard ones.
    """

    def __init__(self, generator: nn.Module, n_classes: int, latent_dim: int) -> None:
        super().__init__()
        self.generator = generator
        self.means = nn.Parameter(torch.zeros(n_classes, latent_dim), requires_grad=False)
        self.factors = nn.Parameter(torch.eye(latent_dim).repeat(n_classes, 1, 1), requires_grad=False)

    def place(self, means: NDArray[np.float64], factors: NDArray[np.float64]) -> None:
        """Take over what `ClassGaussian.fit` found."""
        self.means.copy_(torch.from_numpy(means))
        self.factors.copy_(torch.from_numpy(factors))

    def forward(self, noise: Tensor, codes: Tensor) -> Tensor:
        """Draw images from noise (batch, latent_dim): x = G(μ_c + F_c·noise, c)."""
        spread = (self.factors[codes] * noise.unsqueeze(1)).sum(dim=2)
        images: Tensor = self.generator(self.means[codes] + spread, codes)
        return images


def row_noise(seed: int, code: int, rows: NDArray[np.int64], latent_dim: int) -> Tensor:
    """Noise of numbered rows, each a function of seed, class code and row alone.

    A counter-based generator (Philox) makes any row reachable without its neighbours.

    Parameters
    ----------
    seed : int
        Seed of the drawing, 0 to 2**63 - 1.
    code : int
        Class code.
    rows : array of int of shape (n,)
        Row numbers, at least 0.
    latent_dim : int
        Entries a row.

    Returns
    -------
    Tensor of shape (n, latent_dim)
        Standard normal noise, float32.

    Examples
    --------
    >>> import numpy as np
    >>> many = row_noise(7, 2, np.arange(5), latent_dim=3)
    >>> bool((row_noise(7, 2, np.array([4]), latent_dim=3)[0] == many[4]).all())
    True
    """
    streams = (np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, int(row), code])) for row in rows)
    noise = [stream.standard_normal(latent_dim, dtype=np.float32) for stream in streams]
    return torch.from_numpy(np.stack(noise))
