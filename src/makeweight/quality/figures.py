"""Figures of quality: what each is called, its interval, its reference, and why it may be missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

LEVEL = 0.95
LARGEST_BLOCK = 1 << 20  # numbers drawn at a time: 8 MB, and as much again for each array made of them


@dataclass(frozen=True)
class Figure:
    """One figure of drawn images, beside what real images reach.

    Attributes
    ----------
    value : float or None
        The figure of the drawn images; None where it is refused.
    low, high : float or None
        95 % interval.
    reference : float or None
        The same figure of held-out real images; None where there are too few.
    refused : str
        Why there is no value; empty where there is one.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    reference: float | None = None
    refused: str = ""


@dataclass(frozen=True)
class MetricInfo:
    """What a figure is called and how it is read.

    Attributes
    ----------
    title : str
        Its name; figures on features also carry the extractor's.
    better : {"higher", "lower", "like the reference"}
        Where good drawn images lie.
    of_features : bool
        Whether it is computed on features.
    """

    title: str
    better: Literal["higher", "lower", "like the reference"]
    of_features: bool = False


METRICS = {
    "accuracy": MetricInfo("accuracy", "higher"),
    "confidence": MetricInfo("confidence", "higher"),
    "frechet": MetricInfo("Fréchet distance", "lower", of_features=True),
    "kernel": MetricInfo("kernel distance", "lower", of_features=True),
    "precision": MetricInfo("precision", "higher", of_features=True),
    "recall": MetricInfo("recall", "higher", of_features=True),
    "density": MetricInfo("density", "higher", of_features=True),
    "coverage": MetricInfo("coverage", "higher", of_features=True),
    "nearest_features": MetricInfo("distance to nearest real", "like the reference", of_features=True),
    "nearest_pixels": MetricInfo("distance to nearest real, pixels", "like the reference"),
    "ssim": MetricInfo("SSIM of pairs", "like the reference"),
}
# The questions that they answer, in the order in which they are told.
GROUPS = (
    ("Do they show the class?", ("accuracy", "confidence")),
    ("Are they like real ones?", ("precision", "density", "frechet", "kernel", "nearest_features")),
    ("Are they varied?", ("recall", "coverage", "ssim")),
    ("Do they copy?", ("nearest_pixels",)),
)


def refused(reason: str, reference: float | None = None) -> Figure:
    """Give a figure without a value, and the reason."""
    return Figure(None, reference=reference, refused=reason)


def bootstrap(
    values: NDArray[np.float64],
    random: np.random.Generator,
    statistic: Callable[..., Any] = np.mean,
    n_resamples: int = 1000,
) -> Figure:
    """Give a statistic of one value per image with its percentile bootstrap interval.

    Resamples are drawn in blocks, so that memory stays below some 32 MB for up to a million values. Blocks change no
    number.

    Parameters
    ----------
    values : array of shape (n,)
        At least one value.
    random : numpy Generator
        Source of the resamples.
    statistic : callable, default=numpy.mean
        Called with an array and ``axis=-1``.
    n_resamples : int, default=1000
        Number of resamples.

    Returns
    -------
    Figure
        Without reference.
    """
    n = len(values)
    resampled = [statistic(values[random.integers(n, size=(size, n))], axis=-1) for size in block_sizes(n_resamples, n)]
    low, high = np.quantile(np.concatenate(resampled), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Figure(float(statistic(values, axis=-1)), float(low), float(high))


def block_sizes(n_resamples: int, n: int) -> Iterator[int]:
    """Give sizes of blocks of resamples, at least 1 each, of n values each, that together hold `n_resamples`."""
    most = max(1, LARGEST_BLOCK // n)
    for start in range(0, n_resamples, most):
        yield min(most, n_resamples - start)


def share(hits: NDArray[np.float64]) -> Figure:
    """Give a share with its Wilson interval, which does not shrink to a point where all images agree.

    Parameters
    ----------
    hits : array of shape (n,)
        One value from 0 to 1 per image; at least one.

    Returns
    -------
    Figure
        Without reference.

    Examples
    --------
    >>> figure = share(np.ones(10))
    >>> figure.value, round(figure.low, 2), figure.high
    (1.0, 0.72, 1.0)
    """
    interval = binomtest(round(float(hits.sum())), len(hits)).proportion_ci(LEVEL, method="wilson")
    return Figure(float(hits.mean()), float(interval.low), float(interval.high))
