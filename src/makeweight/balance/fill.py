"""How far classes are filled: a share of the largest class, or what validation on the training part finds best."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from makeweight.balance.listener import Listener
from makeweight.classifiers.small_cnn import CNNClassifier
from makeweight.data.arrays import Channels
from makeweight.errors import InputError
from makeweight.quality.crossfit import DEFAULT_BATCH, deal_folds
from makeweight.schedule import balanced_steps

FILLS = (0.0, 0.25, 0.5, 1.0)
N_FOLDS, N_SEEDS = 4, 3
BOUNDS = 1000, 5000  # of the steps of its classifiers
PERFECT = 0.9995
Drawer = Callable[[NDArray[np.intp], Mapping[str, int]], Mapping[str, NDArray[Any]]]


@dataclass(frozen=True)
class FillTried:
    """One fill and what a classifier made of it.

    Attributes
    ----------
    fill : float
        Share of the largest class up to which classes are filled; 0 draws nothing.
    n_drawn : int
        How many images that is for the whole training set.
    recall : float
        Mean over the classes of the recall on images that were held out.
    behind : float
        How far it is behind the best.
    error : float
        Standard error of that, over the held-out images.
    """

    fill: float
    n_drawn: int
    recall: float
    behind: float
    error: float


@dataclass(frozen=True)
class FillReport:
    """How a fill was chosen.

    Attributes
    ----------
    tried : tuple of FillTried
        What was tried, in ascending order.
    chosen : float
        The least fill that is at most one standard error behind the best.
    n_held_out : int
        Images that were held out.
    n_folds, n_seeds : int
        Parts that were held out in turn, and classifiers for each of them and each fill.
    not_judged : tuple of str
        Classes without a held-out image.
    """

    tried: tuple[FillTried, ...]
    chosen: float
    n_held_out: int
    n_folds: int
    n_seeds: int
    not_judged: tuple[str, ...]


def totals_at(fill: float, labels: NDArray[np.str_]) -> dict[str, int]:
    """Give the final total of each class that a fill adds to.

    Parameters
    ----------
    fill : float
        Share of the largest class.
    labels : array of shape (n,)
        Label of each image.

    Returns
    -------
    dict of str to int
        In the order of the labels; what has as many already is left out.

    Examples
    --------
    >>> totals_at(0.5, np.array(["a"] * 8 + ["b"] * 3 + ["c"] * 5))
    {'b': 4}
    """
    counts = Counter(labels.tolist())
    wanted = round(fill * max(counts.values()))
    return {str(label): wanted for label in sorted(counts) if counts[label] < wanted}


def strategy_at(fill: float, labels: NDArray[np.str_]) -> dict[str, int]:
    """Give the sampling strategy of a fill.

    Raises
    ------
    InputError
        If every class has as many images already.
    """
    totals = totals_at(fill, labels)
    if not totals:
        counts = Counter(labels.tolist()).values()
        raise InputError(
            f"there is nothing to draw: a fill of {fill:g} asks for {round(fill * max(counts)):,} images of each "
            f"class, and the smallest has {min(counts):,}; give a larger fill."
        )
    return totals


def numbers_at(fill: float, labels: NDArray[np.str_]) -> dict[str, int]:
    """Give how many images a fill adds to each class that gets any."""
    counts = Counter(labels.tolist())
    return {label: total - counts[label] for label, total in totals_at(fill, labels).items()}


def cost_of_choosing(method: str, learns: bool) -> str:
    """Say what choosing a fill takes, before it begins."""
    small = len(FILLS) * (N_SEEDS if learns else N_FOLDS)
    training = f"a second training of {method}, on three quarters of the images, and " if learns else ""
    return f"--fill auto takes {training}about {small} trainings of a small classifier before anything is drawn"


def why_nothing(report: FillReport) -> str:
    """Say why the fill that was chosen draws nothing."""
    if report.tried[0].recall >= PERFECT:
        return "without drawn images every image that was held out is recognised already"
    return "nothing drawn helps on images that were held out"


def held_out_folds(codes: NDArray[np.int64], groups: NDArray[np.int64] | None, seed: int) -> NDArray[np.int64]:
    """Deal images into folds that are held out in turn, so that every class is learnt from whichever is.

    Parameters
    ----------
    codes : array of int of shape (n,)
        Class codes from 0.
    groups : array of int of shape (n,), optional
        Group of each image; groups are never parted. By default each image is one.
    seed : int
        Seed of the order.

    Returns
    -------
    array of int of shape (n,)
        From 0 to 3, and -1 for what is never held out: the only image of a class, or all groups of one that would lie
        in one fold.

    Raises
    ------
    InputError
        If no group can be held out.

    Examples
    --------
    >>> held_out_folds(np.array([0, 0, 0, 1]), np.array([0, 1, 1, 2]), seed=0).tolist()
    [1, 0, 0, -1]
    """
    n = len(codes)
    together = np.arange(n) if groups is None else groups

    def all_in_one(parts: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which images are of groups of a class that has all its images in one part."""
        single = [len(np.unique(parts[codes == code])) < 2 for code in range(int(codes.max()) + 1)]
        return np.isin(together, together[np.array(single)[codes]])

    folds = np.full(n, -1)
    free = np.flatnonzero(~all_in_one(together))
    random = np.random.default_rng(seed)
    if groups is None:
        folds[free] = deal_folds(codes[free], N_FOLDS, random)
        return folds
    most = min(len(np.unique(groups[free])), int(np.bincount(codes[free], minlength=1).max()))
    if most >= 2:
        folds[free] = deal_folds(codes[free], min(N_FOLDS, most), random, groups[free])
        folds[all_in_one(folds)] = -1
    if (folds < 0).all():
        raise InputError(
            "--fill auto holds groups out, and none can be, since a class must not lose all that it has: give more "
            "groups, a ratio such as 0.5, or leave --groups out."
        )
    return folds


def choose_fill(
    X: NDArray[Any],
    labels: NDArray[np.str_],
    draw: Drawer,
    *,
    learns: bool,
    seed: int,
    device: str,
    listener: Listener,
    groups: NDArray[np.int64] | None = None,
    channels: Channels | None = None,
    n_steps: int | None = None,
) -> FillReport:
    """Choose by validation how far classes are filled.

    The images are dealt into four folds, each class as evenly as it can be, and groups kept together. What draws learns
    all but one fold, and so does a small network with augmentation and balanced batches, with drawn images of each fill
    beside the real ones. It then judges the fold that none of them has seen. Methods that learn nothing do so for every
    fold in turn; the others for one, with three classifiers.

    Parameters
    ----------
    X : array of shape (n, ...)
        The training images.
    labels : array of shape (n,)
        Their classes.
    draw : callable
        Learns from the images of these rows, and draws so many images of each class.
    learns : bool
        Whether drawing takes a training.
    seed : int
        Seed of folds and classifiers.
    device : str
        Where the classifiers are trained.
    listener : Listener
        Hears about the progress.
    groups : array of int of shape (n,), optional
        Group of each image; see `held_out_folds`.
    channels : "first" or "last", optional
        Where the channels of a 4-D array are, where its shape leaves that open.
    n_steps : int, optional
        Length of each classifier's training; by default twenty epochs of balanced classes, but 1,000 to 5,000 steps.

    Returns
    -------
    FillReport

    Raises
    ------
    InputError
        If no group can be held out.

    References
    ----------
    Breiman et al., 1984, "Classification and Regression Trees", section 3.4.3, for the rule of one standard error.
    """
    classes, codes = np.unique(labels, return_inverse=True)
    folds = held_out_folds(codes.astype(np.int64), groups, seed)
    fills = [fill for fill in FILLS if not fill or numbers_at(fill, labels)]
    every = np.unique(folds[folds >= 0]).tolist()
    tried_folds, n_seeds = (every[:1], N_SEEDS) if learns else (every, 1)
    base = CNNClassifier(
        n_steps=n_steps or balanced_steps(np.unique(labels, return_counts=True)[1], DEFAULT_BATCH, *BOUNDS),
        batch_size=DEFAULT_BATCH,
        balanced_batches=True,
        device=device,
        channels=channels,
    )
    hits = np.full((len(fills), len(labels)), np.nan)
    total, done = len(tried_folds) * len(fills) * n_seeds, 0
    for fold in tried_folds:
        held_out = folds == fold
        X_real, y_real = X[~held_out], labels[~held_out]
        drawn = draw(np.flatnonzero(~held_out), numbers_at(max(fills), y_real))
        listener.stage("choosing the fill")
        for place, fill in enumerate(fills):
            X_part, y_part = _filled(X_real, y_real, drawn, fill)
            right = []
            for number in range(n_seeds):
                classifier = clone(base).set_params(random_state=(seed + number) % 2**32)
                right.append(classifier.fit(X_part, y_part).predict(X[held_out]) == labels[held_out])
                done += 1
                listener.count(done, total)
            hits[place, held_out] = np.mean(right, axis=0)
    judged = ~np.isnan(hits[0])
    n_drawn = [sum(numbers_at(fill, labels).values()) for fill in fills]
    tried = compare_fills(fills, n_drawn, hits[:, judged], codes[judged], None if groups is None else groups[judged])
    known = set(codes[judged].tolist())
    return FillReport(
        tried=tried,
        chosen=next(row.fill for row in tried if row.behind <= row.error),
        n_held_out=int(judged.sum()),
        n_folds=len(tried_folds),
        n_seeds=n_seeds,
        not_judged=tuple(str(label) for code, label in enumerate(classes) if code not in known),
    )


def compare_fills(
    fills: Sequence[float],
    n_drawn: Sequence[int],
    hits: NDArray[np.float64],
    codes: NDArray[np.int64],
    groups: NDArray[np.int64] | None = None,
) -> tuple[FillTried, ...]:
    """Compare fills by the mean recall of the classes.

    Parameters
    ----------
    fills : sequence of float
        What was tried, ascending.
    n_drawn : sequence of int
        How many images each draws.
    hits : array of shape (n_fills, n)
        Share of the classifiers that were right about each held-out image.
    codes : array of int of shape (n,)
        Classes of these images.
    groups : array of int of shape (n,), optional
        What belongs together; by default each image is a group of its own.

    Returns
    -------
    tuple of FillTried
        Standard errors are of the difference to the best on the same images, of which those of a group count as one
        draw; without groups, a class with one image has the variance of all.
    """
    _, places, counts = np.unique(codes, return_inverse=True, return_counts=True)

    def mean_recall(values: NDArray[np.float64]) -> float:
        return float(np.mean(np.bincount(places, weights=values) / counts))

    recalls = [mean_recall(row) for row in hits]
    best = int(np.argmax(recalls))
    tried = []
    for fill, number, row, recall in zip(fills, n_drawn, hits, recalls, strict=True):
        differences = row - hits[best]
        if groups is None:
            error = _error_of_images(differences, places, counts)
        else:
            error = _error_of_groups(differences, places, counts, groups)
        tried.append(FillTried(fill, number, recall, recalls[best] - recall, error))
    return tuple(tried)


def _error_of_images(differences: NDArray[np.float64], places: NDArray[np.intp], counts: NDArray[np.intp]) -> float:
    """Give the standard error of a mean over classes."""
    of_all = float(differences.var(ddof=1)) if len(differences) > 1 else 0.0
    variances = [
        float(differences[places == place].var(ddof=1)) if count > 1 else of_all for place, count in enumerate(counts)
    ]
    return math.sqrt(sum(variance / count for variance, count in zip(variances, counts, strict=True))) / len(counts)


def _error_of_groups(
    differences: NDArray[np.float64], places: NDArray[np.intp], counts: NDArray[np.intp], groups: NDArray[np.int64]
) -> float:
    """Give the standard error of a mean over classes, by how much each group moves it."""
    means = np.bincount(places, weights=differences) / counts
    moves = (differences - means[places]) / (counts[places] * len(counts))
    sums = np.bincount(np.unique(groups, return_inverse=True)[1], weights=moves)
    n = len(sums)
    return math.sqrt(n / (n - 1) * float((sums**2).sum())) if n > 1 else 0.0


def _filled(
    X: NDArray[Any], labels: NDArray[Any], drawn: Mapping[str, NDArray[Any]], fill: float
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give images and labels with as many of the drawn ones as a fill asks for."""
    added = {label: drawn[label][:number] for label, number in numbers_at(fill, labels).items() if label in drawn}
    names = [np.full(len(images), label, labels.dtype) for label, images in added.items()]
    return np.concatenate([X, *added.values()]), np.concatenate([labels, *names])
