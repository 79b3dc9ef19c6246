"""Splits of the images into training and test parts, and what leaks between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances_chunked

from makeweight.data.wording import counted, listed, shown
from makeweight.errors import InputError
from makeweight.quality.crossfit import grouped_folds

NEAR = 0.01
MAX_NAMED = 3
GRID = 16

Codes = NDArray[np.int64]
Told = Callable[[int, NDArray[np.intp]], NDArray[np.bool_]]


@dataclass(frozen=True, eq=False)
class Images:
    """Everything that a comparison looks at.

    Attributes
    ----------
    X : array of shape (n, ...)
        Training images, and after them the test images where these are given.
    codes : array of int of shape (n,)
        Class codes.
    classes : array of shape (n_classes,)
        Labels, in the order of the codes.
    clusters : array of int of shape (n,)
        Group of each image, 0 to the number of groups − 1; a group of its own where none is given.
    grouped : bool
        Whether groups are given.
    n_train : int
        Number of training images; all of them where the test images are folds.
    """

    X: NDArray[Any]
    codes: Codes
    classes: NDArray[Any]
    clusters: Codes
    grouped: bool
    n_train: int

    @property
    def tested(self) -> slice:
        """Which images are tested: the test images, or all where there are folds."""
        return slice(self.n_train if self.n_train < len(self.codes) else 0, len(self.codes))

    @property
    def class_counts(self) -> Codes:
        """Training images of each class."""
        return np.bincount(self.codes[: self.n_train], minlength=len(self.classes))


@dataclass(frozen=True, eq=False)
class Split:
    """One training and test part: seed, fold, and which images are in them."""

    seed: int
    fold: int
    train: NDArray[np.intp]
    test: NDArray[np.intp]


def make_splits(images: Images, seeds: Sequence[int], folds: int | None) -> list[Split]:
    """Give the splits of every seed: the given test set, or stratified folds that part no group.

    Parameters
    ----------
    images : Images
        What to split.
    seeds : sequence of int
        Each shuffles the folds anew.
    folds : int or None
        Number of folds, at least 2; None for the given test set.

    Returns
    -------
    list of Split

    Raises
    ------
    InputError
        If a class has too few images, or groups, for every training part to hold it.
    """
    n_train, n = images.n_train, len(images.codes)
    if folds is None:
        return [Split(seed, 0, np.arange(n_train), np.arange(n_train, n)) for seed in seeds]
    _check_folds(images, folds)
    splits = [Split(seed, fold, *part) for seed in seeds for fold, part in enumerate(_parts(images, seed, folds))]
    for split in splits:
        held = np.bincount(images.codes[split.train], minlength=len(images.classes))
        if not held.all():
            raise InputError(
                f"all images of class {shown(images.classes[int(held.argmin())])!r} fall into one fold, since groups "
                f"are kept together: give more groups of it, fewer folds, or a test set."
            )
    return splits


def _parts(images: Images, seed: int, folds: int) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    dealt = grouped_folds(images.codes, images.clusters, folds, seed)
    return [(np.flatnonzero(dealt != fold), np.flatnonzero(dealt == fold)) for fold in range(folds)]


def _check_folds(images: Images, folds: int) -> None:
    if folds < 2:
        raise InputError(f"folds={folds} is impossible: give 2 or more.")
    counts = np.bincount(images.codes)
    small = [f"{shown(images.classes[code])!r} has {counts[code]}" for code in np.flatnonzero(counts < folds)]
    if small:
        fewer = f"at most {counts.min()} folds, or " if counts.min() > 1 else ""
        raise InputError(
            f"folds={folds} is impossible where a class has fewer images ({listed(small)}): give {fewer}test images, "
            f"or leave such a class out (--leave-out)."
        )


def near_copies(
    X: NDArray[Any], first: NDArray[np.intp], second: NDArray[np.intp], told: Told | None = None
) -> list[tuple[int, int]]:
    """Find images of one set that are the same as one of another set, or hardly differ from it.

    Parameters
    ----------
    X : array of shape (n, ...)
        Images or rows.
    first, second : array of int
        The two sets, as indices into `X`.
    told : callable, optional
        Which of some images of the second set, of shape (n,), are told beside one of the first; all by default.

    Returns
    -------
    list of (int, int)
        An image of the first set and the first of the second whose root mean square difference to it is at most 1 % of
        the range of all values.

    Examples
    --------
    >>> X = np.array([[0, 9], [0, 9], [9, 0]], np.uint8)
    >>> near_copies(X, np.array([0]), np.array([1, 2]))
    [(0, 1)]
    """
    small = _small(X)
    spread = float(X.max()) - float(X.min()) or 1.0
    reach = NEAR * spread
    # Means of blocks differ hardly more than their pixels, so that nothing is lost here; the pixels decide below.
    limit = 1.3 * reach * np.sqrt(small.shape[1]) + 1e-6 * spread
    found: list[tuple[int, int]] = []
    start = 0
    for distances in pairwise_distances_chunked(small[first], small[second], working_memory=256):
        for row in np.flatnonzero((distances <= limit).any(axis=1)):
            one = int(first[start + row])
            others = second[distances[row] <= limit]
            near = (int(other) for other in (others if told is None else others[told(one, others)]))
            copies = (other for other in near if other != one and _apart(X[one], X[other]) <= reach)
            if (copy := next(copies, None)) is not None:
                found.append((one, copy))
        start += len(distances)
    return found


def leaks(images: Images, splits: Sequence[Split], names: Sequence[str] | None = None) -> list[str]:
    """Say what makes the test part less untouched than it seems.

    Parameters
    ----------
    images : Images
        What was split.
    splits : sequence of Split
        How.
    names : sequence of str, optional
        What messages call the images; their numbers by default.

    Returns
    -------
    list of str
        A sentence for near-copies and one for groups that lie on both sides.
    """
    called = [str(number) for number in range(len(images.codes))] if names is None else list(names)
    given, every = images.n_train < len(images.codes), np.arange(len(images.codes))
    sides = np.stack([np.isin(every, split.test) for split in splits])

    def parted(one: int, others: NDArray[np.intp]) -> NDArray[np.bool_]:
        mask: NDArray[np.bool_] = (sides[:, [one]] != sides[:, others]).any(axis=0)
        return mask

    train, test = (splits[0].train, splits[0].test) if given else (every, every)
    pairs = near_copies(images.X, np.asarray(test), np.asarray(train), parted)
    sentences = []
    if pairs:
        n_near = len(pairs)
        named = pairs if given else sorted({(min(pair), max(pair)) for pair in pairs})
        examples = listed([f"{called[one]} and {called[other]}" for one, other in named], limit=MAX_NAMED)
        advice = "remove them from one side" if given else "name what belongs together with --groups"
        sentences.append(
            f"{counted(n_near, 'test image is a near-copy', 'test images are near-copies')} of training images "
            f"({examples}), so recall is flattered: {advice}."
        )
    shared = np.intersect1d(images.clusters[: images.n_train], images.clusters[images.n_train :])
    if images.grouped and shared.size:
        sentences.append(
            f"{counted(len(shared), 'group lies', 'groups lie')} both in the training and in the test part, so recall "
            f"is flattered: move each group to one side."
        )
    return sentences


def _small(X: NDArray[Any]) -> NDArray[np.float32]:
    """Flatten images, larger ones after averaging blocks of pixels down to at most 16 × 16."""
    if X.ndim < 3:
        return np.asarray(X.reshape(len(X), -1), np.float32)
    planes = X if X.ndim == 4 else X[..., None]
    height, width = (max(1, -(-side // GRID)) for side in planes.shape[1:3])
    kept = planes[:, : planes.shape[1] // height * height, : planes.shape[2] // width * width]
    n, rows, columns, channels = kept.shape
    blocks = kept.reshape(n, rows // height, height, columns // width, width, channels)
    means: NDArray[np.float32] = blocks.mean(axis=(2, 4), dtype=np.float32)
    return means.reshape(n, -1)


def _apart(one: NDArray[Any], other: NDArray[Any]) -> float:
    return float(np.sqrt(np.square(one.astype(np.float64) - other).mean()))
