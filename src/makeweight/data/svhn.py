"""Reader of SVHN's cropped digits: two MATLAB files.

Netzer et al., 2011, "Reading Digits in Natural Images with Unsupervised Feature Learning".
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from makeweight.data.mat_files import read_mat_arrays
from makeweight.data.official import Bytes, Splits
from makeweight.data.wording import shown
from makeweight.errors import InputError

SVHN_FILES = ("train_32x32.mat", "test_32x32.mat")
SIDE = 32
# The official training images have 225 MB.
LARGEST = 1 << 29


def missing_svhn(folder: Path) -> list[str]:
    """Name the files of SVHN's cropped digits that a folder lacks."""
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
    arrays = read_mat_arrays(path, {"X", "y"}, LARGEST)
    X, y = arrays.get("X"), arrays.get("y")
    if (
        X is None
        or y is None
        or X.shape != (SIDE, SIDE, 3, X.shape[-1])
        or X.dtype != np.uint8
        or y.shape != (X.shape[-1], 1)
    ):
        raise InputError(
            f"{shown(path)} does not hold bytes X of shape ({SIDE}, {SIDE}, 3, n) and labels y of shape (n, 1): "
            "replace it by the official file."
        )
    if not np.isin(y, np.arange(1, 11)).all():
        raise InputError(f"{shown(path)} holds labels other than 1 to 10: replace it by the official file.")
    return np.ascontiguousarray(X.transpose(3, 0, 1, 2)), (y[:, 0] % 10).astype(np.uint8)
