"""Reader of SVHN's cropped digits: two MATLAB files of version 5.

Netzer et al., 2011, "Reading Digits in Natural Images with Unsupervised Feature Learning". SciPy reads the arrays. What
a file unpacks to is counted first, since SciPy believes the sizes that it finds.
"""

from __future__ import annotations

import math
import os
import struct
import warnings
import zlib
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makeweight.data.files import open_regular, room_for
from makeweight.data.official import Bytes, Splits
from makeweight.data.wording import reason_of, shown
from makeweight.errors import InputError

SVHN_FILES = ("train_32x32.mat", "test_32x32.mat")
SIDE = 32
# The official training file holds 225 MB.
LARGEST = 1 << 29
MOST_VARIABLES = 16
_HEADER = 128
_BYTE_ORDERS = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}
_MATRIX, _PACKED = 14, 15
_CHUNK = 1 << 18


def missing_svhn(folder: Path) -> list[str]:
    """Name the files of SVHN's cropped digits that a folder lacks.

    Parameters
    ----------
    folder : Path
        Where to look; it need not exist.

    Returns
    -------
    list of str
    """
    return [name for name in SVHN_FILES if not (folder / name).is_file()]


def read_svhn_splits(folder: Path) -> Splits:
    """Read SVHN's cropped digits; the set's `extra` part is left alone.

    Parameters
    ----------
    folder : Path
        Folder that lacks none of the files.

    Returns
    -------
    Splits
        Images are (n, 32, 32, 3). Codes are the digits: the files' label 10 is the digit 0.

    Raises
    ------
    InputError
        If a file is damaged, or holds something else.
    """
    train, test = (_part(folder / name) for name in SVHN_FILES)
    return Splits(*train, *test)


def _part(path: Path) -> tuple[Bytes, Bytes]:
    """Read images and digits of one file; SciPy raises nearly anything on damaged ones."""
    try:
        with open_regular(path) as file:
            n_bytes = _unpacked_size(file, path)
            X, y = _arrays(file, path, n_bytes)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{shown(path)} cannot be read ({reason_of(error)}): replace it by the official file."
        ) from error
    if X.dtype != np.uint8 or len(y) != X.shape[-1] or not np.isin(y, np.arange(1, 11)).all():
        raise InputError(
            f"{shown(path)} does not hold bytes of images with labels from 1 to 10: replace it by the official file."
        )
    return np.ascontiguousarray(X.transpose(3, 0, 1, 2)), (y[:, 0] % 10).astype(np.uint8)


def _arrays(file: BufferedReader, path: Path, n_bytes: int) -> tuple[NDArray[Any], NDArray[Any]]:
    from scipy.io import loadmat, whosmat

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # SciPy warns of variables that it cannot read, and goes on
        file.seek(0)
        found = [(shape, kind) for name in ("X", "y") for each, shape, kind in whosmat(file) if each == name]
        n_images = found[0][0][-1] if found and found[0][0] else 0
        if (
            [shape for shape, _ in found] != [(SIDE, SIDE, 3, n_images), (n_images, 1)]
            or found[0][1] != "uint8"
            or found[1][1] not in ("uint8", "double")
            or not 0 < math.prod(found[0][0]) <= n_bytes
        ):
            raise InputError(
                f"{shown(path)} does not hold arrays X of shape ({SIDE}, {SIDE}, 3, n) and y of shape (n, 1): "
                "replace it by the official file."
            )
        # SciPy's array and one in our order.
        if 2 * n_bytes > room_for():
            raise InputError(f"{shown(path)} does not fit into memory ({2 * n_bytes:,} bytes): free some.")
        file.seek(0)
        arrays = loadmat(file, variable_names=["X", "y"])
    return arrays["X"], arrays["y"]


def _unpacked_size(file: BufferedReader, path: Path) -> int:
    """Count what the variables of a file unpack to, without keeping any of it."""
    header = file.read(_HEADER)
    order = _BYTE_ORDERS.get(header[_HEADER - 4 :])
    if order is None:
        raise InputError(f"{shown(path)} is no MATLAB file of version 5: replace it by the official file.")
    size = os.fstat(file.fileno()).st_size
    total = 0
    for _ in range(MOST_VARIABLES):
        tag = file.read(8)
        if not tag:
            return total
        kind, length = struct.unpack(f"{order}II", tag)
        end = file.tell() + length
        if kind not in (_MATRIX, _PACKED) or end > size:
            break
        total += _inflated(file, length, LARGEST - total) if kind == _PACKED else length
        if total > LARGEST:
            break
        file.seek(end)
    raise InputError(
        f"{shown(path)} is cut off, or holds other things than two arrays of at most {LARGEST >> 20} MiB: "
        "replace it by the official file."
    )


def _inflated(file: BufferedReader, length: int, limit: int) -> int:
    """Count the bytes that a packed part unpacks to, as far as a little over the limit."""
    unpacker = zlib.decompressobj()
    total = 0
    while length and total <= limit:
        packed = file.read(min(length, _CHUNK))
        length -= len(packed)
        while packed and total <= limit:
            total += len(unpacker.decompress(packed, _CHUNK))
            packed = unpacker.unconsumed_tail
    return total
