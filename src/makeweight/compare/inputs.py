"""What a comparison reads: training images, test images, and which images belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from makeweight.compare.splits import Images
from makeweight.data.archives import array_set, read_test_part
from makeweight.data.arrays import check_finite, check_labels
from makeweight.data.base import ImageSource
from makeweight.data.checks import check_options
from makeweight.data.groups import number_groups
from makeweight.data.images import OnProgress
from makeweight.data.source import Found, find_source, open_found
from makeweight.data.wording import counted, listed, no_such
from makeweight.errors import InputError

Groups = Sequence[Any] | NDArray[Any] | None
TEST_NAMES = frozenset({"test", "testing"})


@dataclass(frozen=True)
class Reading:
    """How images are read: the options of `open_source`, the range of test images, and classes that are left out."""

    labels: str | Path | None = None
    resize: int | None = None
    mode: str | None = None
    skip_bad: bool = False
    data_dir: str | Path | None = None
    download: bool = False
    progress: OnProgress | None = None
    value_range: tuple[float, float] | None = None
    leave_out: Sequence[str] = ()


def find_images(source: str | Path, reading: Reading) -> Found:
    """Find what training images, and those of the test part that belongs to them, are opened from."""
    check_options(reading.resize, reading.mode)
    return find_source(source, labels=reading.labels, data_dir=reading.data_dir, download=reading.download)


def find_test(source: str | Path, test: str | Path | None, found: Found, reading: Reading) -> Found | None:
    """Find the test images: those that are given, else what belongs to a source.

    Parameters
    ----------
    source : str or Path
        As in `open_source`.
    test : str or Path or None
        What is given; by default a folder's test/, an archive's arrays, a known set's test part.
    found : Found
        What `find_images` found at the source.
    reading : Reading
        How images are read.

    Returns
    -------
    Found or None
        None where there are none.
    """
    if test is not None:
        return find_source(test)
    if found.listing is not None:
        splits = [name for name in found.listing.other_splits if name.lower() in TEST_NAMES]
        return find_source(Path(source) / splits[0]) if splits and reading.labels is None else None
    part = read_test_part(Path(source)) if found.test is None else found.test
    if part is None:
        return None
    where = f"the test part of {found.name}"
    return Found(where, found.name, arrays=array_set(where, found.name, *part))


def check_left_out(reading: Reading, train: Found, test: Found | None) -> None:
    """Refuse to leave out what is no class, of the training images nor of the test images."""
    if isinstance(reading.leave_out, str):
        raise InputError(f"leave_out={reading.leave_out!r} is one text: give a list of class names.")
    classes = sorted({label for found in (train, test) if found is not None for label in _labels(found)})
    for name in reading.leave_out:
        if name not in classes:
            raise InputError(no_such("class to leave out", name, classes))
    if reading.leave_out and len(left := _labels(train) - set(reading.leave_out)) < 2:
        raise InputError(f"too many classes are left out, since {listed(left) or 'none'} is left: leave two or more.")


def open_images(found: Found, reading: Reading) -> ImageSource:
    """Open the images that were found, without the classes that are left out, whose files are not opened."""
    return open_found(
        _without(found, reading.leave_out),
        resize=reading.resize,
        mode=reading.mode,
        skip_bad=reading.skip_bad,
        progress=reading.progress,
        value_range=reading.value_range,
    )


def image_names(train: ImageSource, test: ImageSource | None) -> list[str]:
    """Name the images for messages: class folder and file, the test's marked as such."""
    sources = [("", train)] if test is None else [("", train), (f"{test.name}/", test)]
    return [
        f"{prefix}{label}/{file}"
        for prefix, source in sources
        for file, label in zip(source.files, source.labels.tolist(), strict=True)
    ]


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
        told = counted(len(classes), "class", "classes")
        raise InputError(
            f"there are {len(train)} images, labels of shape {labels.shape} and {told}: give one label an image, of "
            f"two classes or more."
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


def _labels(found: Found) -> set[str]:
    if found.listing is not None:
        return {entry.label for entry in found.listing.entries}
    return set() if found.arrays is None else set(found.arrays.labels.tolist())


def _without(found: Found, leave_out: Sequence[str]) -> Found:
    """Give what was found without some classes."""
    if not leave_out:
        return found
    if found.listing is not None:
        entries = [entry for entry in found.listing.entries if entry.label not in leave_out]
        return replace(found, listing=replace(found.listing, entries=entries))
    assert found.arrays is not None
    arrays, kept = found.arrays, ~np.isin(found.arrays.labels, list(leave_out))
    groups = None if arrays.groups is None else arrays.groups[kept]
    return replace(found, arrays=replace(arrays, X=arrays.X[kept], labels=arrays.labels[kept], groups=groups))


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
