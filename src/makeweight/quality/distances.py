"""Distances between two sets of features: Fréchet and kernel."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from makeweight.errors import InputError


def frechet_distance(real: ArrayLike, other: ArrayLike) -> float:
    """Measure how far apart two sets of features lie, each taken for a normal distribution.

    Parameters
    ----------
    real, other : array-like of shape (n, n_features) and (m, n_features)
        Features of the two sets; two of each at least.

    Returns
    -------
    float
        ‖μ₁ - μ₂‖² + tr(Σ₁ + Σ₂ - 2(Σ₁Σ₂)^½), at least 0. It falls with the number of images, so compare figures of
        equal sizes only.

    Raises
    ------
    InputError
        If the shapes do not fit, or a set has fewer than two rows.

    Notes
    -----
    The trace of (Σ₁Σ₂)^½ is the sum of the singular values of X₁X₂ᵀ/√((n-1)(m-1)), where X₁ and X₂ are the centred
    features. That needs no root of a matrix, stays exact where a covariance has no full rank, and is fast for few
    images of many features, where torchmetrics takes the eigenvalues of the product of the covariances.

    References
    ----------
    Heusel et al., 2017, "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", eq. 6.

    Examples
    --------
    >>> frechet_distance([[0.0], [2.0]], [[3.0], [5.0]])
    9.0
    """
    one, two = _pair(real, other, at_least=2)
    shift = one.mean(axis=0) - two.mean(axis=0)
    one, two = _centred(one), _centred(two)
    overlap = np.linalg.svd(one @ two.T, compute_uv=False).sum()
    return max(0.0, float(shift @ shift + (one**2).sum() + (two**2).sum() - 2 * overlap))


def kernel_distance(real: ArrayLike, other: ArrayLike) -> float:
    """Measure how far apart two sets of features lie, by the unbiased squared maximum mean discrepancy.

    Parameters
    ----------
    real, other : array-like of shape (n, n_features) and (m, n_features)
        Features of the two sets; two of each at least.

    Returns
    -------
    float
        The estimate with the kernel (x·y/n_features + 1)³; about 0 for two samples of one distribution, and it may fall
        below.

    Raises
    ------
    InputError
        If the shapes do not fit, or a set has fewer than two rows.

    References
    ----------
    Bińkowski et al., 2018, "Demystifying MMD GANs", section 3.

    Examples
    --------
    >>> kernel_distance([[0.0], [0.0]], [[1.0], [1.0]])
    7.0
    """
    one, two = _pair(real, other, at_least=2)

    def kernel(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((left @ right.T / left.shape[1] + 1) ** 3)

    def within(features: NDArray[np.float64]) -> float:
        similarities = kernel(features, features)
        return float((similarities.sum() - np.trace(similarities)) / (len(features) * (len(features) - 1)))

    return within(one) + within(two) - 2 * float(kernel(one, two).mean())


def _pair(real: ArrayLike, other: ArrayLike, at_least: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    one, two = np.asarray(real, np.float64), np.asarray(other, np.float64)
    if one.ndim != 2 or two.ndim != 2 or one.shape[1] != two.shape[1] or min(len(one), len(two)) < at_least:
        raise InputError(
            f"features of shapes {one.shape} and {two.shape} cannot be compared: give (n, n_features) with equal "
            f"n_features and n of {at_least} at least."
        )
    return one, two


def _centred(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows whose cross product is the covariance matrix."""
    return np.asarray((features - features.mean(axis=0)) / np.sqrt(len(features) - 1))
