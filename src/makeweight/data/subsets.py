"""Imbalanced subsets of labelled sets: by counts, by ratio, or of two classes; seeded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import index as whole_number
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from makeweight.data.wording import listed, shown
from makeweight.errors import InputError

Profile = Literal["exponential", "step"]

# Images a class by official class index, as the papers of AGGAN (Table V of the journal version) take them.
PAPER_COUNTS: dict[str, tuple[int, ...]] = {
    "mnist": (4000, 2000, 1000, 750, 500, 350, 200, 100, 60, 40),
    "fashion-mnist": (4000, 2000, 1000, 750, 500, 350, 200, 100, 60, 40),
    "cifar10": (4500, 2000, 1000, 800, 600, 500, 400, 250, 150, 80),
    "svhn": (4500, 2000, 1000, 800, 600, 500, 400, 250, 150, 80),
    "celeba": (15000, 1500, 750, 300, 150),
    "lsun": (15000, 1500, 750, 300, 150),
}
# Majority and minority of the two-class protocols. The papers do not say which is which: the second is the minority.
PAPER_PAIRS: dict[str, tuple[str, str]] = {
    "mnist": ("5", "6"),
    "fashion-mnist": ("sandal", "sneaker"),
    "cifar10": ("airplane", "automobile"),
    "svhn": ("8", "9"),
    "celeba-eyeglasses": ("eyeglasses", "none"),
    "lsun": ("church", "classroom"),
}
PAPER_RATIOS: tuple[int, ...] = (10, 50, 100)


class Subset(NamedTuple):
    """A part of a labelled set.

    Attributes
    ----------
    X : ndarray of shape (n, ...)
        Images or rows.
    y : ndarray of shape (n,)
        Labels.
    indices : ndarray of shape (n,)
        Where they stood in the whole set, ascending.
    """

    X: NDArray[Any]
    y: NDArray[Any]
    indices: NDArray[np.intp]


def imbalanced_subset(
    X: ArrayLike,
    y: ArrayLike,
    counts: Mapping[Any, int] | Sequence[int] | None = None,
    *,
    imbalance_ratio: float | None = None,
    profile: Profile = "exponential",
    classes: Sequence[Any] | None = None,
    random_state: int | np.random.RandomState | None,
) -> Subset:
    """Draw an imbalanced subset, by counts or by ratio.

    Parameters
    ----------
    X : array-like of shape (n, ...)
        Images or rows.
    y : array-like of shape (n,)
        Labels.
    counts : mapping or sequence of int, optional
        Images to keep: by label, where classes that are not named are left out, or in the order of `classes`.
    imbalance_ratio : float, optional
        Largest over smallest class, at least 1; given in place of `counts`. The first of `classes` is the largest and
        kept whole.
    profile : {"exponential", "step"}, default="exponential"
        How counts fall from class to class by `imbalance_ratio`: evenly on a logarithmic scale (a long tail), or at
        once, halfway through the classes. With an odd number of classes the larger half is the minority.
    classes : sequence, optional
        Labels in the order that counts are meant for; by default sorted. Known sets give theirs as `class_names`.
    random_state : int, RandomState or None
        Seed. With the same seed a smaller subset is part of a larger one.

    Returns
    -------
    Subset
        X, y and indices, in the order of the whole set.

    Raises
    ------
    InputError
        If more is asked for than there is, or the request does not fit the labels.

    References
    ----------
    Cui et al., 2019, "Class-Balanced Loss Based on Effective Number of Samples", for the long tail. Buda et al., 2018,
    "A systematic study of the class imbalance problem in convolutional neural networks", for the step.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.arange(12).reshape(12, 1), np.repeat(["cat", "dog", "owl"], 4)
    >>> imbalanced_subset(X, y, {"cat": 3, "owl": 1}, random_state=0).y.tolist()
    ['cat', 'cat', 'cat', 'owl']
    >>> imbalanced_subset(X, y, imbalance_ratio=4, random_state=0).y.tolist()
    ['cat', 'cat', 'cat', 'cat', 'dog', 'dog', 'owl']
    """
    X, y = np.asarray(X), np.asarray(y)
    if y.ndim != 1 or len(X) != len(y):
        raise InputError(f"a subset needs one label an image: there are {len(X)} images and labels of shape {y.shape}.")
    present = _class_counts(y)
    order = list(present) if classes is None else list(classes)
    if counts is None and imbalance_ratio is not None:
        counts = _ratio_counts(present, order, imbalance_ratio, profile)
    elif counts is None or imbalance_ratio is not None:
        raise InputError("a subset is drawn by counts or by imbalance_ratio: give one of the two.")
    wanted = _wanted(counts, order)
    _check(wanted, present)
    indices = _draw(y, wanted, random_state)
    return Subset(X[indices], y[indices], indices)


def two_class_subset(
    X: ArrayLike,
    y: ArrayLike,
    majority: Any,
    minority: Any,
    *,
    n_majority: int,
    imbalance_ratio: float,
    random_state: int | np.random.RandomState | None,
) -> Subset:
    """Draw a subset of two classes.

    Parameters
    ----------
    X : array-like of shape (n, ...)
        Images or rows.
    y : array-like of shape (n,)
        Labels.
    majority, minority : label
        The two classes.
    n_majority : int
        Images of the majority.
    imbalance_ratio : float
        Majority over minority, at least 1; the minority's count is rounded to the nearest whole number.
    random_state : int, RandomState or None
        Seed.

    Returns
    -------
    Subset
        X, y and indices, in the order of the whole set.

    Raises
    ------
    InputError
        If more is asked for than there is, or a class is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.zeros((200, 8, 8)), np.repeat([0, 1], 100)
    >>> subset = two_class_subset(X, y, 1, 0, n_majority=100, imbalance_ratio=50, random_state=0)
    >>> np.bincount(subset.y).tolist()
    [2, 100]
    """
    if majority == minority:
        raise InputError(f"majority and minority are the same class, {shown(majority)}: name two.")
    _check_ratio(imbalance_ratio)
    counts = {majority: n_majority, minority: _scaled(n_majority, imbalance_ratio)}
    return imbalanced_subset(X, y, counts, random_state=random_state)


def exponential_counts(n_largest: int, n_classes: int, imbalance_ratio: float) -> list[int]:
    """Give the counts of a long tail, which fall evenly on a logarithmic scale.

    Parameters
    ----------
    n_largest : int
        Images of the first class.
    n_classes : int
        Number of classes.
    imbalance_ratio : float
        First over last class, at least 1.

    Returns
    -------
    list of int

    Examples
    --------
    >>> exponential_counts(1000, 4, 1000)
    [1000, 100, 10, 1]
    """
    steps = max(n_classes - 1, 1)
    return [_scaled(n_largest, imbalance_ratio ** (position / steps)) for position in range(n_classes)]


def step_counts(n_largest: int, n_classes: int, imbalance_ratio: float) -> list[int]:
    """Give the counts of a step: the first half of the classes whole, the others divided by the ratio.

    Parameters
    ----------
    n_largest : int
        Images of a majority class.
    n_classes : int
        Number of classes; with an odd number the minority has one class more.
    imbalance_ratio : float
        Majority over minority, at least 1.

    Returns
    -------
    list of int

    Examples
    --------
    >>> step_counts(1000, 5, 10)
    [1000, 1000, 100, 100, 100]
    """
    half = n_classes // 2
    return [n_largest] * half + [_scaled(n_largest, imbalance_ratio)] * (n_classes - half)


PROFILES: dict[str, Callable[[int, int, float], list[int]]] = {
    "exponential": exponential_counts,
    "step": step_counts,
}


def _ratio_counts(present: Mapping[Any, int], order: list[Any], ratio: float, profile: str) -> list[int]:
    _check_ratio(ratio)
    if profile not in PROFILES:
        raise InputError(f"there is no profile called {shown(profile)}: take one of {', '.join(PROFILES)}.")
    if not order or order[0] not in present:
        raise InputError(f"there is no image of the first class, {listed(order[:1])}, which is to be the largest.")
    return PROFILES[profile](present[order[0]], len(order), ratio)


def _wanted(counts: Mapping[Any, int] | Sequence[int], order: list[Any]) -> dict[Any, int]:
    if isinstance(counts, Mapping):
        requested: Iterable[tuple[Any, int]] = counts.items()
    elif len(counts) == len(order):
        requested = zip(order, counts, strict=True)
    else:
        raise InputError(
            f"there are {len(counts)} counts for {len(order)} classes ({listed(order)}): give one a class."
        )
    wanted = {label: _count(number, label) for label, number in requested}
    if not wanted:
        raise InputError("a subset needs at least one class: the counts name none.")
    return wanted


def _count(number: Any, label: Any) -> int:
    try:
        count = whole_number(number)
    except TypeError:
        count = 0
    if count < 1:
        raise InputError(f"a class needs a count of at least 1: it is {number!r} for {shown(label)}.")
    return count


def _check(wanted: Mapping[Any, int], present: Mapping[Any, int]) -> None:
    if unknown := [label for label in wanted if label not in present]:
        raise InputError(f"there are no images labelled {listed(unknown)}: the labels are {listed(present, 20)}.")
    short = [
        f"{number} of {shown(label)} where there are {present[label]}"
        for label, number in wanted.items()
        if number > present[label]
    ]
    if short:
        raise InputError(f"the subset asks for more images than there are: {listed(short)}.")


def _check_ratio(ratio: float) -> None:
    if not 1 <= ratio < float("inf"):
        raise InputError(f"an imbalance ratio is a number of at least 1: it is {ratio}.")


def _scaled(number: int, ratio: float) -> int:
    return max(1, round(number / ratio))


def _class_counts(y: NDArray[Any]) -> dict[Any, int]:
    labels, counts = np.unique(y, return_counts=True)
    return dict(zip(labels.tolist(), counts.tolist(), strict=True))


def _draw(y: NDArray[Any], wanted: Mapping[Any, int], random_state: Any) -> NDArray[np.intp]:
    """Shuffle every class whole and in sorted order, so that no count changes what another class gets."""
    from sklearn.utils import check_random_state

    random = check_random_state(random_state)
    kept = [random.permutation(np.flatnonzero(y == label))[: wanted.get(label, 0)] for label in np.unique(y).tolist()]
    return np.sort(np.concatenate(kept))
