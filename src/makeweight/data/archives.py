"""Images that come as arrays: NumPy archives and named sets."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makeweight.data.arrays import LARGEST
from makeweight.data.npz import Npz, open_npz
from makeweight.data.wording import label_fault, listed, shown
from makeweight.errors import InputError

KEYS = (("x_train", "y_train"), ("train_images", "train_labels"), ("x", "y"), ("images", "labels"))
TEST_KEYS = (("x_test", "y_test"), ("test_images", "test_labels"))
OTHER_SPLIT_KEYS = {"test": ("x_test", "test_images"), "val": ("x_val", "val_images", "x_valid")}
CHANNELS = (1, 3, 4)


@dataclass(frozen=True)
class ArraySet:
    """Images and labels of a training part, held in memory.

    Parameters
    ----------
    name : str
        The archive's stem or the set's name.
    X : ndarray of shape (n, h, w) or (n, h, w, c)
        uint8, uint16 (grey only) or float.
    labels : ndarray of shape (n,), str
        One label per image.
    other_splits : dict of str to int
        Number of images of each split that is not learnt from.
    groups : ndarray of shape (n,), str, optional
        What each image belongs to, where the set tells.
    """

    name: str
    X: NDArray[Any]
    labels: NDArray[np.str_]
    other_splits: dict[str, int] = field(default_factory=dict)
    groups: NDArray[np.str_] | None = None


def read_archive(path: Path) -> ArraySet:
    """Read images and labels from an ``.npz`` file.

    The arrays are called ``X`` and ``y``, ``images`` and ``labels``, ``x_train`` and ``y_train``, or ``train_images``
    and ``train_labels``, in any case. Nothing pickled is ever loaded.

    Parameters
    ----------
    path : Path
        The archive.

    Returns
    -------
    ArraySet

    Raises
    ------
    InputError
        If the file is no archive, arrays are missing, or they do not fit together.
    """
    where = shown(path)
    with open_npz(path) as archive:
        X, y, splits = _arrays(where, archive)
    return array_set(where, path.stem, X, y, splits)


def read_test_part(path: Path) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Read images and labels of the test part of an ``.npz`` file; None where it has none.

    Raises
    ------
    InputError
        If the file is no archive, or damaged.
    """
    with open_npz(path) as archive:
        keys = {key.lower(): key for key in archive.names}
        for images, labels in TEST_KEYS:
            if images in keys and labels in keys:
                return archive[keys[images]], archive[keys[labels]]
    return None


def _arrays(where: str, archive: Npz) -> tuple[NDArray[Any], NDArray[Any], dict[str, int]]:
    """Find images and labels by their names, and count the images of other splits."""
    keys = {key.lower(): key for key in archive.names}
    found = next(((images, labels) for images, labels in KEYS if images in keys and labels in keys), None)
    if found is None:
        raise InputError(
            f"{where} holds {listed(archive.names) or 'nothing'}: give it the images as an array X and the labels as "
            f"an array y."
        )
    splits = {
        split: sum(archive.shape(keys[name])[:1])
        for split, names in OTHER_SPLIT_KEYS.items()
        for name in names
        if name in keys
    }
    return archive[keys[found[0]]], archive[keys[found[1]]], splits


def array_set(
    where: str, name: str, X: NDArray[Any], y: NDArray[Any], other_splits: dict[str, int] | None = None
) -> ArraySet:
    """Check images and labels against each other and bring them into one form.

    Parameters
    ----------
    where : str
        What messages call the data.
    name : str
        The set's name.
    X : ndarray of shape (n, h, w), (n, h, w, c) or (n, c, h, w)
        Integers of 0…255 or 0…65535, or finite floats.
    y : ndarray of shape (n,) or (n, 1)
        Labels of any plain type.
    other_splits : dict of str to int, optional
        Number of images of each other split.

    Returns
    -------
    ArraySet

    Raises
    ------
    InputError
        In one sentence, if the arrays cannot be used.

    Examples
    --------
    >>> array_set("X", "tiny", np.zeros((2, 8, 8), np.int64), np.array([0, 1])).labels.tolist()
    ['0', '1']
    """
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise InputError(f"the labels of {where} have shape {y.shape}: give one label per image, shape (n,).")
    if X.ndim == 0 or len(X) != len(y):
        n_images = 0 if X.ndim == 0 else len(X)
        raise InputError(f"{where} holds {n_images:,} images but {len(y):,} labels: give one label per image.")
    if len(X) == 0:
        raise InputError(f"{where} holds no images: give at least two classes of them.")
    images = _depth(where, _channels_last(where, X))
    if images.dtype == np.uint16 and images.ndim == 4:
        raise InputError(
            f"{where} holds colour images of 16 bits a channel, which PNG files are not written with here: "
            f"divide by 257 and save them as uint8."
        )
    return ArraySet(name, images, _text_labels(where, y), other_splits or {})


def _channels_last(where: str, X: NDArray[Any]) -> NDArray[Any]:
    if X.ndim == 3 and min(X.shape[1:]) > 0:
        return X
    if X.ndim != 4 or min(X.shape[1:]) == 0:
        raise InputError(f"the images of {where} have shape {X.shape}: reshape them to (n, h, w) or (n, h, w, c).")
    first, last = X.shape[1] in CHANNELS, X.shape[3] in CHANNELS
    if first == last:
        reason = "could be channels first or last" if first else "has neither 1, 3 nor 4 channels"
        raise InputError(f"the shape {X.shape} of the images of {where} {reason}: save them as (n, h, w, 1, 3 or 4).")
    images = np.moveaxis(X, 1, 3) if first else X
    return images[..., 0] if images.shape[3] == 1 else images


def _depth(where: str, X: NDArray[Any]) -> NDArray[Any]:
    """Bring integers to uint8 or uint16 and keep floats."""
    if X.dtype.kind == "f":
        rows = tuple(range(1, X.ndim))
        bad = np.flatnonzero(~np.isfinite(X).all(axis=rows))
        if bad.size:
            verb = "holds" if bad.size == 1 else "hold"
            raise InputError(
                f"{where}: {'image' if bad.size == 1 else 'images'} {listed(bad)} {verb} NaN or infinite values: "
                f"mend or remove them (rows are counted from 0)."
            )
        return np.ascontiguousarray(X, dtype=X.dtype.newbyteorder("="))
    if X.dtype.kind not in "iu":
        raise InputError(f"the images of {where} are of type {X.dtype}: save them as uint8, uint16 or float.")
    if X.dtype == np.uint8:
        return np.ascontiguousarray(X)
    low, high = int(X.min()), int(X.max())
    if low < 0 or high > 65535:
        raise InputError(f"the images of {where} have values from {low} to {high}: save them as uint8 or uint16.")
    small = high <= 255 and X.dtype.newbyteorder("=") != np.uint16
    return np.ascontiguousarray(X, dtype=np.uint8 if small else np.uint16)


def _text_labels(where: str, y: NDArray[Any]) -> NDArray[np.str_]:
    if y.dtype.kind == "f":
        if not np.isfinite(y).all():
            raise InputError(f"the labels of {where} hold NaN or infinite values: give every image a label.")
        if (y == np.rint(y)).all() and (np.abs(y) < LARGEST["i"]).all():
            y = y.astype(np.int64)
    if y.dtype.kind == "S":
        try:
            y = np.char.decode(y, "utf-8")
        except UnicodeDecodeError:
            raise InputError(f"the labels of {where} hold bytes that are no UTF-8: save them as strings.") from None
    labels = y.astype(np.str_)
    for label in np.unique(labels).tolist():
        fault = label_fault(label)
        if fault is not None:
            raise InputError(f"the label {shown(label)!r} of {where} {fault}: rename the class.")
    return labels
