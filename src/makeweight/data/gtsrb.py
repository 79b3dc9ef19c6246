"""Readers of GTSRB, the German Traffic Sign Recognition Benchmark.

Stallkamp et al., 2012, "Man vs. computer: Benchmarking machine learning algorithms for traffic sign recognition". The
official layout is read, and one of plain class folders in its place. Images of one physical sign, its track, resemble
each other, so each training image is given its track as its group.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from makeweight.data.crops import Box, read_crop, read_crops, whole
from makeweight.data.images import UnreadableImageError
from makeweight.data.official import Bytes, Splits, read_lines
from makeweight.data.wording import reason_of, shown
from makeweight.errors import InputError

CLASS_NAMES = tuple(f"{code:02d}" for code in range(43))
SIDE = 32
TRAINING = "GTSRB/Final_Training/Images"
TEST = "GTSRB/Final_Test/Images"
TEST_TABLE = "GT-final_test.csv"
GTSRB_FILES = (TRAINING, TEST, TEST_TABLE)
# The table comes in an archive of its own, which people unpack into any of these.
_TABLE_FOLDERS = (".", "GTSRB", TEST)

# The official parts hold 39,209 and 12,630 images.
MOST_IMAGES = 100_000
LARGEST_TABLE = 1 << 22
_COLUMNS = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"
_ROW = re.compile(r"((?:(\d{5})_)?\d{5}\.ppm)" + r";(\d{1,4})" * 7, re.ASCII)
_TRACKED = re.compile(r"track(\d{5})-.+")


class Sign(NamedTuple):
    """One image: where it is, its size and the part of it that is taken, its class and its track."""

    path: Path
    size: tuple[int, int] | None
    box: Box | None
    code: int
    track: str | None

    def read(self) -> Bytes:
        """Decode the part of the image that is taken, or all of it where none is named."""
        return read_crop(self.path, ("PPM",) if self.box else ("PNG",), SIDE, self._place)

    def _place(self, width: int, height: int) -> Box:
        if self.size not in (None, (width, height)):
            raise UnreadableImageError(f"has {width}×{height} pixels, which is not what its table says")
        return self.box or whole(width, height)


def missing_gtsrb(folder: Path) -> list[str]:
    """Name what a folder lacks of the official layout, unless it holds the class folders."""
    return [] if _has_class_folders(folder) else _missing_official(folder)


def read_gtsrb_splits(folder: Path) -> Splits:
    """Read GTSRB from its official layout or, where that is not complete, from class folders.

    Parameters
    ----------
    folder : Path
        It holds `GTSRB/Final_Training/Images` with `00000/GT-00000.csv` and the images of each class,
        `GTSRB/Final_Test/Images`, and `GT-final_test.csv` here, in `GTSRB` or beside the test images; or else
        `train/00` … `train/42` and `test/00` … `test/42` with PNG files, those of training called `trackNNNNN-…`.

    Returns
    -------
    Splits
        Images are (n, 32, 32, 3): of the official ones the region of interest, up to but without its last column and
        row (which leaves equal margins on both sides), scaled bilinearly. Groups are class and track, as "07/00012".

    Raises
    ------
    InputError
        If a table or an image is missing or damaged, or they do not fit together.
    """
    listed = _class_folders if _missing_official(folder) else _official
    train, test = listed(folder)
    for part, signs in (("training", train), ("test", test)):
        if not 0 < len(signs) <= MOST_IMAGES:
            raise InputError(
                f"the {part} part of GTSRB in {shown(folder)} has {len(signs):,} images, which are not 1 to "
                f"{MOST_IMAGES:,}: replace it by the official files."
            )
    groups = np.array([f"{CLASS_NAMES[sign.code]}/{sign.track}" for sign in train])
    return Splits(*_images_and_codes(folder, train), *_images_and_codes(folder, test), groups)


def _images_and_codes(folder: Path, signs: Sequence[Sign]) -> tuple[Bytes, Bytes]:
    codes: NDArray[np.uint8] = np.array([sign.code for sign in signs], np.uint8)
    return read_crops(len(signs), SIDE, lambda row: signs[row].read(), folder), codes


def _missing_official(folder: Path) -> list[str]:
    absent = [name for name in (TRAINING, TEST) if not (folder / name).is_dir()]
    return absent if _test_table(folder) else [*absent, TEST_TABLE]


def _test_table(folder: Path) -> Path | None:
    places = (folder / name / TEST_TABLE for name in _TABLE_FOLDERS)
    return next((path for path in places if path.is_file()), None)


def _official(folder: Path) -> tuple[list[Sign], list[Sign]]:
    train: list[Sign] = []
    for code in range(len(CLASS_NAMES)):
        place = folder / TRAINING / f"{code:05d}"
        train += _signs(place / f"GT-{code:05d}.csv", place, range(code, code + 1), tracked=True)
    table = _test_table(folder)
    assert table is not None
    return train, _signs(table, folder / TEST, range(len(CLASS_NAMES)), tracked=False)


def _signs(table: Path, folder: Path, codes: range, *, tracked: bool) -> list[Sign]:
    """Read a table of images; names are plain, so that none leads out of the folder."""
    first, *rows = read_lines(table, LARGEST_TABLE) or [""]
    if first != _COLUMNS:
        raise InputError(f"{shown(table)} does not start with the columns {_COLUMNS}: replace it by the official file.")
    signs = []
    for number, row in enumerate(rows, start=2):
        sign = _sign(row, folder)
        if sign is None or sign.code not in codes or (sign.track is not None) != tracked:
            raise InputError(
                f"line {number} of {shown(table)} is no row of an image in this place: replace it by the official file."
            )
        signs.append(sign)
    return signs


def _sign(row: str, folder: Path) -> Sign | None:
    match = _ROW.fullmatch(row)
    if match is None:
        return None
    name, track, *cells = match.groups()
    width, height, left, top, right, bottom, code = map(int, cells)
    if not (left < right <= width and top < bottom <= height):
        return None
    return Sign(folder / name, (width, height), (left, top, right, bottom), code, track)


def _has_class_folders(folder: Path) -> bool:
    return all((folder / part / name).is_dir() for part in ("train", "test") for name in CLASS_NAMES)


def _class_folders(folder: Path) -> tuple[list[Sign], list[Sign]]:
    train, test = (
        [
            Sign(path, None, None, code, match.group(1) if (match := _TRACKED.fullmatch(path.name)) else None)
            for code, name in enumerate(CLASS_NAMES)
            for path in _png_files(folder / part / name)
        ]
        for part in ("train", "test")
    )
    nameless = next((sign.path for sign in train if sign.track is None), None)
    if nameless is not None:
        raise InputError(
            f"the name of {shown(nameless)} does not start with its track, as in track00012-: rename the file, or use "
            f"the official layout."
        )
    return train, test


def _png_files(folder: Path) -> list[Path]:
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise InputError(f"the class folder {shown(folder)} cannot be listed ({reason_of(error)}).") from error
    return [folder / name for name in names if name.lower().endswith(".png") and not name.startswith(".")]
