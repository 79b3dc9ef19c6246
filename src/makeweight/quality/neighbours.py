"""Fidelity and diversity by nearest neighbours: precision, recall, density, coverage, and nearness."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics.pairwise import euclidean_distances

from makeweight.errors import InputError

K_PRECISION, K_DENSITY = 3, 5
Distances = NDArray[np.float64]


class NeighbourFigures(NamedTuple):
    """What `neighbour_figures` found.

    Attributes
    ----------
    precision, recall, density, coverage : float
        See the functions of these names.
    nearest : float
        Median distance of an image of the other set to its nearest real one.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    nearest: float


def neighbour_figures(real: ArrayLike, other: ArrayLike) -> NeighbourFigures:
    """Compute all figures by neighbours of two sets of features, with the papers' numbers of neighbours.

    Parameters
    ----------
    real, other : array-like of shape (n, n_features) and (m, n_features)
        Features of real images and of the others; at least 6 of each.

    Returns
    -------
    NeighbourFigures

    Raises
    ------
    InputError
        If there are too few.
    """
    n_real = len(np.asarray(real))
    both = np.concatenate([real, other])
    distances = _distances(both, both)
    between, within = distances[:n_real, n_real:], distances[:n_real, :n_real]
    radii, other_radii = _kth(within, K_PRECISION), _kth(distances[n_real:, n_real:], K_PRECISION)
    wide = _kth(within, K_DENSITY)
    return NeighbourFigures(
        float(_inside(between, radii).mean()),
        float(_inside(between.T, other_radii).mean()),
        _density(between, wide, K_DENSITY),
        _coverage(between, wide),
        float(np.median(between.min(axis=0))),
    )


def precision(real: ArrayLike, other: ArrayLike, k: int = K_PRECISION) -> float:
    """Give the share of other images that lie among the real ones: within some real image's k-th neighbour distance.

    Parameters
    ----------
    real, other : array-like of shape (n, n_features) and (m, n_features)
        Features; more than `k` real ones.
    k : int, default=3
        Which neighbour sets the radius around a real image.

    Returns
    -------
    float
        From 0 to 1.

    References
    ----------
    Kynkäänniemi et al., 2019, "Improved Precision and Recall Metric for Assessing Generative Models", eq. 1 and 2.

    Examples
    --------
    >>> precision([[0.0], [1.0], [2.0]], [[0.5], [9.0]], k=1)
    0.5
    """
    return float(lies_among(real, other, k).mean())


def lies_among(real: ArrayLike, other: ArrayLike, k: int = K_PRECISION) -> NDArray[np.bool_]:
    """Tell of each other image whether it lies among the real ones; `precision` is the share that does.

    Parameters
    ----------
    real, other : array-like of shape (n, n_features) and (m, n_features)
        Features; more than `k` real ones.
    k : int, default=3
        Which neighbour sets the radius around a real image.

    Returns
    -------
    array of bool of shape (m,)
    """
    return _inside(_distances(real, other), _radii(real, k))


def recall(real: ArrayLike, other: ArrayLike, k: int = K_PRECISION) -> float:
    """Give the share of real images that lie among the others: `precision` with the roles exchanged."""
    return precision(other, real, k)


def density(real: ArrayLike, other: ArrayLike, k: int = K_DENSITY) -> float:
    """Count in how many real images' neighbourhoods an other image lies, on average, in units of `k`.

    Parameters
    ----------
    real, other : array-like of shape (n, n_features) and (m, n_features)
        Features; more than `k` real ones.
    k : int, default=5
        Which neighbour sets the radius around a real image.

    Returns
    -------
    float
        At least 0; about 1 for more real images, above 1 where the others crowd in dense places.

    References
    ----------
    Naeem et al., 2020, "Reliable Fidelity and Diversity Metrics for Generative Models", eq. 4.
    """
    return _density(_distances(real, other), _radii(real, k), k)


def coverage(real: ArrayLike, other: ArrayLike, k: int = K_DENSITY) -> float:
    """Give the share of real images that have an other image within their k-th neighbour distance.

    Parameters
    ----------
    real, other : array-like of shape (n, n_features) and (m, n_features)
        Features; more than `k` real ones.
    k : int, default=5
        Which neighbour sets the radius around a real image.

    Returns
    -------
    float
        From 0 to 1. It grows with the number of other images.

    References
    ----------
    Naeem et al., 2020, "Reliable Fidelity and Diversity Metrics for Generative Models", eq. 5.
    """
    return _coverage(_distances(real, other), _radii(real, k))


def _distances(real: ArrayLike, other: ArrayLike) -> Distances:
    """Distances of shape (n real, m others)."""
    distances: Distances = euclidean_distances(np.asarray(real, np.float64), np.asarray(other, np.float64))
    return distances


def _radii(features: ArrayLike, k: int) -> Distances:
    """Distance of each row to its k-th nearest other row."""
    return _kth(_distances(features, features), k)


def _kth(within: Distances, k: int) -> Distances:
    """Distance of each image to its k-th nearest other one, from the distances of all to all."""
    np.fill_diagonal(within, 0)
    if not 0 < k < len(within):
        raise InputError(f"the neighbour number {k} of {len(within)} images does not exist: give more images.")
    return np.partition(within, k, axis=1)[:, k]


def _inside(between: Distances, radii: Distances) -> NDArray[np.bool_]:
    return np.asarray((between <= radii[:, None]).any(axis=0))


def _density(between: Distances, radii: Distances, k: int) -> float:
    return float((between <= radii[:, None]).sum(axis=0).mean() / k)


def _coverage(between: Distances, radii: Distances) -> float:
    return float((between.min(axis=1) <= radii).mean())
