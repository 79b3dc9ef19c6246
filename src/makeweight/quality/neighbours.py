"""Fidelity and diversity by nearest neighbours: precision, recall, density, coverage, and nearness."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics.pairwise import euclidean_distances

from makeweight.errors import InputError

K_PRECISION, K_DENSITY = 3, 5
SMALLEST_UNIT = 1e-12
Distances = NDArray[np.float64]


class NeighbourFigures(NamedTuple):
    """What `neighbour_figures` found.

    Attributes
    ----------
    precision : float
        Share of the other images that lie among the real ones: within some real image's neighbourhood, which reaches
        to its third neighbour.
    recall : float
        Share of the real images that lie among the others: precision with the roles exchanged.
    density : float
        In how many real images' neighbourhoods, which reach to the fifth neighbour, an other image lies, on average,
        by five: about 1 for more real images, above 1 where the others crowd in dense places.
    coverage : float
        Share of the real images that have an other image in that neighbourhood. It grows with the number of others.
    nearest : float
        Median distance of an image of the other set to its nearest real one.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    nearest: float


def neighbour_figures(
    real: ArrayLike, other: ArrayLike, k_precision: int = K_PRECISION, k_density: int = K_DENSITY
) -> NeighbourFigures:
    """Compute the figures by neighbours of two sets of features.

    Parameters
    ----------
    real, other : array-like of shape (n, n_features) and (m, n_features)
        Features of real images and of the others; of either more than the numbers of neighbours.
    k_precision : int, default=3
        Which neighbour sets the radius around an image, for precision and recall.
    k_density : int, default=5
        Which neighbour sets it for density and coverage.

    Returns
    -------
    NeighbourFigures

    Raises
    ------
    InputError
        If there are too few.

    References
    ----------
    Kynkäänniemi et al., 2019, "Improved Precision and Recall Metric for Assessing Generative Models", eq. 1 and 2;
    Naeem et al., 2020, "Reliable Fidelity and Diversity Metrics for Generative Models", eq. 4 and 5.

    Examples
    --------
    >>> neighbour_figures([[0.0], [1.0], [2.0]], [[0.5], [9.0]], k_precision=1, k_density=1).precision
    0.5
    """
    n_real = len(np.asarray(real))
    both = np.concatenate([real, other])
    distances = _distances(both, both)
    between, within = distances[:n_real, n_real:], distances[:n_real, :n_real]
    radii, other_radii = _kth(within, k_precision), _kth(distances[n_real:, n_real:], k_precision)
    wide = _kth(within, k_density)
    return NeighbourFigures(
        _inside(between, radii),
        _inside(between.T, other_radii),
        float((between <= wide[:, None]).sum(axis=0).mean() / k_density),
        float((between.min(axis=1) <= wide).mean()),
        float(np.median(between.min(axis=0))),
    )


def reach(real: ArrayLike, other: ArrayLike, k: int = K_PRECISION) -> Distances:
    """Give how far other images lie from the real ones, in units of these's k-th neighbour distance.

    Precision is the share of images for which this is at most 1.

    Parameters
    ----------
    real, other : array-like of shape (n, n_features) and (m, n_features)
        Features; more than `k` real ones.
    k : int, default=3
        Which neighbour sets the unit around a real image.

    Returns
    -------
    array of shape (m,)

    Raises
    ------
    InputError
        If there are too few.

    Examples
    --------
    >>> reach([[0.0], [1.0], [2.0]], [[0.5], [5.0]], k=1).tolist()
    [0.5, 3.0]
    """
    real = np.asarray(real, np.float64)
    # Where k others equal a real image its unit is nothing: an equal one lies among them, any other is far away.
    units = np.maximum(_kth(_distances(real, real), k), SMALLEST_UNIT)[:, None]
    nearest: Distances = (_distances(real, other) / units).min(axis=0)
    return nearest


def _distances(real: ArrayLike, other: ArrayLike) -> Distances:
    """Distances of shape (n real, m others)."""
    distances: Distances = euclidean_distances(np.asarray(real, np.float64), np.asarray(other, np.float64))
    return distances


def _kth(within: Distances, k: int) -> Distances:
    """Distance of each image to its k-th nearest other one, from the distances of all to all."""
    np.fill_diagonal(within, 0)
    if not 0 < k < len(within):
        raise InputError(f"the neighbour number {k} of {len(within)} images does not exist: give more images.")
    return np.partition(within, k, axis=1)[:, k]


def _inside(between: Distances, radii: Distances) -> float:
    """Share of images within some radius."""
    return float((between <= radii[:, None]).any(axis=0).mean())
