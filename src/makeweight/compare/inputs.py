"""What a comparison reads: training images, test images, and which images belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from makeweight.compare.splits import Images
from makeweight.data.archives import array_set, read_test_part
from makeweight.data.arrays import check_finite, check_labels
from makeweight.data.base import ImageSource
from makeweight.data.checks import check_options
from makeweight.data.groups import Membership, number_groups
from makeweight.data.images import OnProgress
from makeweight.data.source import Found, find_source, open_found
from makeweight.data.stores import ArraySource
from makeweight.data.wording import counted, listed, shown
from makeweight.errors import InputError

Groups = Sequence[Any] | NDArray[Any] | None
TEST_NAMES = frozenset({"test", "testing"})


@dataclass(frozen=True)
class Reading:
    """How images are read: the options of `open_source`, and of test images the range of the training's."""

    labels: str | Path | None = None
    resize: int | None = None
    mode: str | None = None
    skip_bad: bool = False
    data_dir: str | Path | None = None
    download: bool = False
    progress: OnProgress | None = None
    value_range: tuple[float, float] | None = None


def find_images(source: str | Path, reading: Reading) -> Found:
    """Find what training images, and those of the test part that belongs to them, are opened from."""
    check_options(reading.resize, reading.mode)
    return find_source(source, labels=reading.labels, data_dir=reading.data_dir, download=reading.download)


def open_train(found: Found, reading: Reading) -> ImageSource:
    """Open the training images."""
    return open_found(
        found, resize=reading.resize, mode=reading.mode, skip_bad=reading.skip_bad, progress=reading.progress
    )


def open_test(test: str | Path, reading: Reading) -> ImageSource:
    """Open the test images that are given."""
    check_options(reading.resize, reading.mode)
    return open_found(
        find_source(test),
        resize=reading.resize,
        mode=reading.mode,
        skip_bad=reading.skip_bad,
        progress=reading.progress,
        value_range=reading.value_range,
    )


def own_test(source: str | Path, found: Found, reading: Reading) -> ImageSource | None:
    """Open the test images that belong to a source: a folder's test/, an archive's arrays, a known set's test part.

    Parameters
    ----------
    source : str or Path
        As in `open_source`.
    found : Found
        What `find_images` found there.
    reading : Reading
        How images are read.

    Returns
    -------
    ImageSource or None
        None where there are none.
    """
    if found.listing is not None:
        splits = [name for name in found.listing.other_splits if name.lower() in TEST_NAMES]
        return open_test(Path(source) / splits[0], reading) if splits and reading.labels is None else None
    part = read_test_part(Path(source)) if found.test is None else found.test
    return None if part is None else _from_arrays(found.name, *part, reading)


def gather(
    X: ArrayLike,
    y: ArrayLike,
    X_test: ArrayLike | None = None,
    y_test: ArrayLike | None = None,
    groups: Groups = None,
    groups_test: Groups = None,
) -> Images:
    """Bring arrays into the form of a comparison.

    Parameters
    ----------
    X, X_test : array of shape (n, ...)
        Training images, and test images where these are given.
    y, y_test : array of shape (n,)
        Labels.
    groups, groups_test : array of shape (n,), optional
        What each image belongs to: a track, a patient.

    Returns
    -------
    Images

    Raises
    ------
    InputError
        If images and labels do not fit together, or the test set holds other classes.
    """
    train, labels = np.asarray(X), np.asarray(y)
    check_labels(labels)
    if y_test is not None:
        check_labels(y_test)
    classes, codes = np.unique(labels, return_inverse=True)
    if labels.ndim != 1 or len(train) != len(labels) or len(classes) < 2:
        raise InputError(
            f"there are {len(train)} images, labels of shape {labels.shape} and {counted(len(classes), 'class')}: "
            f"give one label an image, of two classes or more."
        )
    if (X_test is None) != (y_test is None) or (X_test is None and groups_test is not None):
        parts = {"X_test": X_test, "y_test": y_test, "groups_test": groups_test}
        given = [name for name, part in parts.items() if part is not None]
        raise InputError(f"of the test set, only {' and '.join(given)} are given: give X_test and y_test together.")
    _check_numbers("X", train)
    if X_test is None or y_test is None:
        clusters = _clusters(groups, None, len(codes), 0)
        return Images(train, codes.astype(np.int64), classes, clusters, groups is not None, len(codes))
    test, test_labels = np.asarray(X_test), np.asarray(y_test)
    _check_test(train, classes, test, test_labels)
    _check_numbers("X_test", test)
    clusters = _clusters(groups, groups_test, len(codes), len(test))
    all_codes = np.concatenate([codes, np.searchsorted(classes, test_labels)]).astype(np.int64)
    grouped = groups is not None or groups_test is not None
    return Images(np.concatenate([train, test]), all_codes, classes, clusters, grouped, len(codes))


@dataclass(frozen=True, eq=False)
class Taken:
    """Those images of a source that are compared.

    Attributes
    ----------
    X : array of shape (n, ...)
        Images.
    y : array of str of shape (n,)
        Labels.
    names : list of str
        What messages call them: class folder and file.
    groups : list or None
        What each belongs to.
    """

    X: NDArray[Any]
    y: NDArray[Any]
    names: list[str]
    groups: Membership | None


def take(source: ImageSource, groups: Membership | None, leave_out: Sequence[str], prefix: str = "") -> Taken:
    """Read the images of a source, without those of classes that are left out; `prefix` begins their names."""
    rows = np.flatnonzero(~np.isin(source.labels, list(leave_out)))
    return Taken(
        source.load(rows),
        source.labels[rows],
        [f"{prefix}{source.labels[row]}/{source.files[row]}" for row in rows],
        None if groups is None else [groups[row] for row in rows],
    )


def check_left_out(leave_out: Sequence[str], train: ImageSource, test: ImageSource | None) -> None:
    """Refuse to leave out what is no class of the training images, nor of the test images."""
    classes = sorted({*train.classes, *(() if test is None else test.classes)})
    unknown = sorted(set(leave_out) - set(classes))
    if unknown:
        raise InputError(
            f"there is no class {listed(unknown)} to leave out: {shown(train.name)} has the classes {listed(classes)}."
        )


def _from_arrays(name: str, X: NDArray[Any], y: NDArray[Any], reading: Reading) -> ImageSource:
    part = array_set(f"the test part of {name}", name, X, y)
    return ArraySource(part, resize=reading.resize, mode=reading.mode, value_range=reading.value_range)


def _check_numbers(name: str, X: NDArray[Any]) -> None:
    if X.dtype.kind not in "biuf":
        raise InputError(f"{name} holds {X.dtype} values: give numbers.")
    check_finite(X, name)


def _check_test(train: NDArray[Any], classes: NDArray[Any], test: NDArray[Any], labels: NDArray[Any]) -> None:
    if labels.ndim != 1 or len(test) != len(labels):
        raise InputError(f"there are {len(test)} test images and labels of shape {labels.shape}: give one an image.")
    if test.shape[1:] != train.shape[1:] or test.dtype != train.dtype:
        raise InputError(
            f"test images of shape {test.shape[1:]}, {test.dtype}, do not fit training images of shape "
            f"{train.shape[1:]}, {train.dtype}: bring both to one size and mode (--resize, --mode)."
        )
    unknown, missing = np.setdiff1d(labels, classes), np.setdiff1d(classes, labels)
    if unknown.size:
        raise InputError(
            f"the test set holds classes that training does not: {listed(unknown)}; remove them, or leave them "
            f"out (--leave-out)."
        )
    if missing.size:
        raise InputError(
            f"the test set has no images of {listed(missing)}: add some, compare with --folds, or leave such a class "
            f"out (--leave-out)."
        )


def _clusters(groups: Groups, groups_test: Groups, n_train: int, n_test: int) -> NDArray[np.int64]:
    """Give each group a number; an image without a group is one of its own."""
    named: list[Any] = []
    for given, number in ((groups, n_train), (groups_test, n_test)):
        part: list[Any] = [None] * number if given is None else list(given)
        if len(part) != number:
            raise InputError(f"there are {len(part)} groups for {number} images: give one an image.")
        named.extend(part)
    return number_groups(named)
