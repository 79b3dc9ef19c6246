"""Statistics of paired differences: a bootstrap over seeds and test images, Holm, and how many images it takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.stats import norm, t

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

CONFIDENCE = 0.95
N_DRAWS, DRAWS_A_COLUMN = 4000, 40
LARGEST_DRAWS = 1 << 28  # numbers
LARGEST_BLOCK = 4_000_000
MOST_MORE_SEEDS = 5000


@dataclass(frozen=True, eq=False)
class Sample:
    """The test images: what they are of, and which of them belong together.

    Attributes
    ----------
    true : array of int of shape (n_images,)
        Class codes; every class from 0 to n_classes − 1 occurs.
    n_classes : int
        Number of classes.
    clusters : array of int of shape (n_images,)
        Images with the same number are drawn together: frames of a track, or each image alone.
    """

    true: Codes
    n_classes: int
    clusters: Codes

    @property
    def strata(self) -> Codes:
        """Stratum of each cluster, of shape (n_clusters,): clusters are drawn anew within these.

        Clusters that show a class in common are of one stratum, and so are those that others link in this way; where
        each cluster shows one class, its stratum is that class. So all clusters of a class lie in one stratum, and no
        variance between them is lost, as it would be if a cluster of several classes were alone in its stratum.
        """
        shows = sparse.csr_array((np.ones(len(self.true)), (self.clusters, self.true)))
        _, joined = connected_components(shows.T @ shows, directed=False)
        strata = np.zeros(self.clusters.max() + 1, np.int64)
        strata[self.clusters] = joined[self.true]
        return strata


@dataclass(frozen=True, eq=False)
class Differences:
    """Differences of recall between arms and one rival, and how sure they are.

    The last axis holds the classes and, at its end, their mean (the difference of mean recall).

    Attributes
    ----------
    estimate : array of shape (n_arms, n_classes + 1)
        Mean difference over seeds and test images, −1 to 1.
    image_variance, seed_variance : arrays of shape (n_arms, n_classes + 1)
        Parts of the variance of `estimate` that more test images, and more seeds, would make smaller.
    scores : array of shape (n_draws, n_arms, n_classes + 1)
        Bootstrap draws around zero, in standard errors. One draw's seeds and images are those of all arms and classes.
    n_images : array of int of shape (n_classes + 1,)
        Test images of each class, and on average.
    n_seeds : int
        Number of seeds.
    """

    estimate: Floats
    image_variance: Floats
    seed_variance: Floats
    scores: NDArray[np.float32]
    n_images: Codes
    n_seeds: int

    @property
    def error(self) -> Floats:
        """Standard error of `estimate`."""
        return np.sqrt(self.image_variance + self.seed_variance)

    @cached_property
    def _reach(self) -> Floats:
        reach: Floats = np.quantile(np.abs(self.scores), CONFIDENCE, axis=0)
        return reach * self.error

    def interval(self) -> tuple[Floats, Floats]:
        """Give both ends, −1 to 1, of each difference's own 95 % interval, not corrected for anything."""
        reach = self._reach
        return (self.estimate - reach).clip(-1, 1), (self.estimate + reach).clip(-1, 1)

    def p_values(self) -> Floats:
        """Give two-sided p-values of shape (n_arms, n_classes + 1), not corrected for anything."""
        beyond = np.abs(self.scores) >= np.abs(self.estimate / self.error) - 1e-9
        return _p_value(beyond)

    def largest(self, arms: NDArray[np.intp], column: int) -> Largest:
        """Look at the best of several arms in one class, with the choice among them counted in.

        Parameters
        ----------
        arms : array of int
            The arms to choose from, at least one.
        column : int
            The class, or n_classes for the mean.
        """
        peaks = np.abs(self.scores[:, arms, column]).max(axis=1)
        best = (self.estimate[arms, column] / self.error[arms, column]).max()
        return Largest(float(_p_value(peaks >= max(best, 0.0) - 1e-9)), peaks)


@dataclass(frozen=True, eq=False)
class Largest:
    """The best of several arms: its p-value, and draws of the largest score, in standard errors."""

    p_value: float
    peaks: NDArray[np.float32]

    def critical(self, level: float) -> float:
        """Give the score that none of the arms exceeds to either side, save with chance `level`, if all are equal."""
        return float(np.quantile(self.peaks, 1 - level, method="higher"))


def paired_differences(
    correct: NDArray[np.bool_], rival: NDArray[np.bool_], sample: Sample, *, n_draws: int | None = None, seed: int = 0
) -> Differences:
    """Compare arms with a rival on the same seeds and the same test images.

    Parameters
    ----------
    correct : array of bool of shape (n_arms, n_seeds, n_images)
        Which answers are right.
    rival : array of bool of shape (n_seeds, n_images)
        The same of the rival.
    sample : Sample
        The test images.
    n_draws : int, optional
        Bootstrap draws; by default 4,000, and more with more than a hundred classes, so that a class can be told even
        at Holm's level for so many, as far as a gigabyte allows.
    seed : int, default=0
        Seed of the draws.

    Returns
    -------
    Differences

    Notes
    -----
    Seeds and images are crossed: all seeds are judged on the same images. The variance of a mean difference is
    σ²_images/n + σ²_seeds/S + σ²_rest/(S·n). Drawing images anew (whole clusters, within their class, or within all
    classes that clusters link) gives the first and the last part. Drawing clusters of several classes within the class
    of most of their images would take the variance between these strata for fixed, though nobody chose how many
    clusters each has. The seeds' part is the variance of the seeds' means less half of the last part, and is drawn
    with a Student's t of S − 1 degrees of freedom. (Less all of it would be unbiased, but with few seeds the part is
    then cut off at zero too often, and intervals are too short.) One agreement and one disagreement are added to each
    class, as half an image each, so that a small class without any disagreement does not look certain.

    References
    ----------
    Owen, 2007, "The Pigeonhole Bootstrap". Cameron et al., 2011, "Robust Inference With Multiway Clustering", eq. 2.11.
    Davison and Hinkley, 1997, "Bootstrap Methods and their Application", section 3.8. Agresti and Min, 2005, "Simple
    Improved Confidence Intervals for Comparing Matched Proportions".
    """
    random = np.random.default_rng(seed)
    difference = correct.astype(np.int8) - rival.astype(np.int8)
    n_classes, strata = sample.n_classes, sample.strata
    parts = [_class_part(difference, sample, code) for code in range(n_classes)]
    if n_draws is None:
        n_draws = draws_for(len(correct), n_classes)
    whole = np.zeros((*difference.shape[:2], len(strata)))
    for part in parts:
        whole[:, :, part.clusters] += part.influence / n_classes
    doubt = np.array([1 / len(part.clusters) ** 2 for part in parts])
    draws = _image_draws(parts, strata, n_draws, random)
    draws += (random.normal(size=draws.shape) * np.sqrt(doubt)).astype(np.float32)
    draws = np.concatenate([draws, draws.mean(axis=2, keepdims=True)], axis=2)
    by_seed = np.stack([part.by_seed for part in parts], axis=2)
    by_seed = np.concatenate([by_seed, by_seed.mean(axis=2, keepdims=True)], axis=2)
    variances = [_variances(influence) for influence in (*(part.influence for part in parts), whole)]
    image_variance, rest = (np.stack(columns, axis=1) for columns in zip(*variances, strict=True))
    image_variance += np.append(doubt, doubt.sum() / n_classes**2)
    seed_variance, seed_draws = _seeds_part(by_seed, rest, n_draws, random)
    scores = (draws + seed_draws) / np.sqrt(image_variance + seed_variance)
    n_images = np.bincount(sample.true, minlength=n_classes)
    counts = np.append(n_images, round(float(n_images.mean())))
    return Differences(
        by_seed.mean(axis=1), image_variance, seed_variance, scores.astype(np.float32), counts, by_seed.shape[1]
    )


def draws_for(n_arms: int, n_classes: int) -> int:
    """Give the number of bootstrap draws: p-values can be no smaller than its inverse.

    Examples
    --------
    >>> draws_for(20, 10), draws_for(20, 400), draws_for(20, 1000)
    (4000, 16040, 13408)
    """
    columns = n_classes + 1
    return max(N_DRAWS, min(DRAWS_A_COLUMN * columns, LARGEST_DRAWS // (n_arms * columns)))


def holm(p_values: ArrayLike) -> Floats:
    """Adjust p-values of several tests, so that any false one is as rare as in a single test.

    Parameters
    ----------
    p_values : array of shape (n,)
        0 to 1.

    Returns
    -------
    array of shape (n,)

    References
    ----------
    Holm, 1979, "A Simple Sequentially Rejective Multiple Test Procedure".

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, float)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def holm_levels(p_values: ArrayLike, level: float = 1 - CONFIDENCE) -> Floats:
    """Give the level at which Holm's procedure judges each test: an interval at that level tells the same.

    Parameters
    ----------
    p_values : array of shape (n,)
        0 to 1.
    level : float, default=0.05
        Chance of any false rejection.

    Returns
    -------
    array of shape (n,)
        level / (n − rank) up to the first test that is not rejected; that one's level for all that follow.

    Examples
    --------
    >>> holm_levels([0.01, 0.04, 0.03], 0.06).round(3).tolist()
    [0.02, 0.06, 0.03]
    >>> holm_levels([0.01, 0.05, 0.04], 0.06).round(3).tolist()
    [0.02, 0.03, 0.03]
    """
    values = np.asarray(p_values, float)
    order = np.argsort(values, kind="stable")
    steps = level / np.arange(len(values), 0, -1)
    failed = np.flatnonzero(values[order] > steps)
    if failed.size:
        steps[failed[0] :] = steps[failed[0]]
    levels = np.empty_like(values)
    levels[order] = steps
    return levels


def images_needed(
    gap: float, critical: float, image_variance: float, seed_variance: float, n_images: int
) -> int | None:
    """Estimate how many more test images bring an interval's half-width down to a gap.

    Parameters
    ----------
    gap : float
        Half-width that is wanted, such as the observed difference.
    critical : float
        Half-width in standard errors.
    image_variance, seed_variance : float
        Parts of the variance; the first falls with the number of images, the second does not.
    n_images : int
        Number of images that there are.

    Returns
    -------
    int or None
        To two figures, at least 1; None where no number of images is enough.

    Examples
    --------
    >>> images_needed(0.05, 2.0, 0.0025, 0.0, 100)
    300
    >>> images_needed(0.05, 2.0, 0.0025, 0.001, 100) is None
    True
    """
    room = (gap / critical) ** 2 - seed_variance if gap > 0 else 0.0
    if room <= 0:
        return None
    more = n_images * (image_variance / room - 1)
    if more < 1:
        return 1
    unit = int(10 ** max(0, math.floor(math.log10(more)) - 1))
    return math.ceil(round(more / unit, 9)) * unit


def seeds_needed(
    gap: float, tail: float, most: float, image_variance: float, seed_variance: float, n_seeds: int
) -> int | None:
    """Estimate how many more seeds bring an interval's half-width down to a gap; None where no number is enough.

    Parameters
    ----------
    gap : float
        Half-width that is wanted, such as the observed difference.
    tail : float
        Chance beyond one end of the interval: with S seeds it reaches to that quantile of Student's t with S − 1
        degrees of freedom.
    most : float
        What it reaches to now, in standard errors; more seeds do not make it longer.
    image_variance, seed_variance : float
        Parts of the variance; the second falls with the number of seeds.
    n_seeds : int
        Number of seeds that there are.

    Returns
    -------
    int or None
        At least 1, at most 5,000.

    Examples
    --------
    >>> seeds_needed(0.05, 0.025, 9.0, 0.0, 0.0009, 5)
    5
    """
    if gap <= 0 or (gap / min(norm.isf(tail), most)) ** 2 <= image_variance:
        return None
    more = np.arange(1, MOST_MORE_SEEDS + 1)
    total = n_seeds + more
    reach = np.minimum(t.isf(tail, total - 1), most)
    enough = image_variance + seed_variance * n_seeds / total <= (gap / reach) ** 2
    return int(more[enough][0]) if enough.any() else MOST_MORE_SEEDS


@dataclass(frozen=True, eq=False)
class _Part:
    """One class: its clusters, the seeds' means, and what each cluster adds to these."""

    clusters: Codes
    by_seed: Floats
    influence: Floats


def _class_part(difference: NDArray[np.int8], sample: Sample, code: int) -> _Part:
    members = np.flatnonzero(sample.true == code)
    values = difference[:, :, members].astype(np.float64)
    by_seed = values.mean(axis=2)
    clusters, place = np.unique(sample.clusters[members], return_inverse=True)
    belongs = sparse.csr_array((np.ones(len(members)), (np.arange(len(members)), place)))
    centred = (values - by_seed[:, :, None]) / len(members)
    influence = (centred.reshape(-1, len(members)) @ belongs).reshape(*by_seed.shape, len(clusters))
    return _Part(clusters, by_seed, influence)


def _image_draws(parts: list[_Part], strata: Codes, n_draws: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Draw the clusters of each stratum anew, and give by how much the classes' means move.

    A class's clusters lie in one stratum, where their influences sum to zero. So its draws have the variance that
    `_variances` gives, however many other clusters the stratum has.
    """
    draws = np.zeros((n_draws, len(parts[0].by_seed), len(parts)), np.float32)
    for stratum in np.unique(strata):
        index = np.flatnonzero(strata == stratum)
        n = len(index)
        held = []
        for code, part in enumerate(parts):
            if strata[part.clusters[0]] == stratum:
                few = math.sqrt(len(part.clusters) / max(len(part.clusters) - 1, 1))
                moves = part.influence.mean(axis=1).T * few
                held.append((code, np.searchsorted(index, part.clusters), moves.astype(np.float32)))
        size = max(1, LARGEST_BLOCK // n)
        for start in range(0, n_draws, size):
            block = slice(start, min(start + size, n_draws))
            drawn = random.multinomial(n, np.full(n, 1 / n), size=block.stop - start).astype(np.float32) - 1
            for code, columns, moves in held:
                draws[block, :, code] = drawn[:, columns] @ moves
    return draws


def _variances(influence: Floats) -> tuple[Floats, Floats]:
    """Give the variance of the mean over seeds by images, and the part of it that is neither image nor seed."""
    _, n_seeds, n_clusters = influence.shape
    if n_clusters < 2:
        return np.ones(len(influence)), np.zeros(len(influence))
    few = n_clusters / (n_clusters - 1)
    mean = influence.mean(axis=1)
    left = np.square(influence - mean[:, None]).sum(axis=(1, 2)) / (n_seeds * (n_seeds - 1))
    return few * np.square(mean).sum(axis=1), few * left


def _seeds_part(
    by_seed: Floats, rest: Floats, n_draws: int, random: np.random.Generator
) -> tuple[Floats, NDArray[np.float32]]:
    """Give the variance that seeds add, and draws of it."""
    n_seeds = by_seed.shape[1]
    deviation = by_seed - by_seed.mean(axis=1, keepdims=True)
    raw = np.square(deviation).sum(axis=1) / (n_seeds * (n_seeds - 1))
    variance = np.maximum(raw - rest / 2, 0.0)
    kept = np.sqrt(np.divide(variance, raw, out=np.zeros_like(raw), where=raw > 0))
    scaled = deviation * kept[:, None] / math.sqrt(n_seeds * (n_seeds - 1))
    tails = np.sqrt((n_seeds - 1) / random.chisquare(n_seeds - 1, size=(n_draws, 1)))
    draws = np.einsum("bs,asc->bac", random.normal(size=(n_draws, n_seeds)) * tails, scaled)
    return variance, draws.astype(np.float32)


def _p_value(beyond: NDArray[np.bool_]) -> Floats:
    result: Floats = (beyond.sum(axis=0) + 1) / (len(beyond) + 1)
    return result
