"""Readers of CelebA: classes of hair colour, and people with and without eyeglasses.

Liu et al., 2015, "Deep Learning Face Attributes in the Wild". Of each class at most the first 20,000 training images in
the order of the files are read. So hair colours take about 1 GB of memory, eyeglasses about 0.6 GB. Only images that
are taken are decoded.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from makeweight.data.crops import Box, centre_square, read_crop, read_crops
from makeweight.data.images import UnreadableImageError
from makeweight.data.official import Bytes, Splits, read_lines
from makeweight.data.wording import listed, shown
from makeweight.errors import InputError

IMAGES = "img_align_celeba"
ATTRIBUTES = "list_attr_celeba.txt"
PARTITION = "list_eval_partition.txt"
CELEBA_FILES = (IMAGES, ATTRIBUTES, PARTITION)
# The authors' own folders, and all in one.
_FOLDERS = {IMAGES: (".", "Img"), ATTRIBUTES: (".", "Anno"), PARTITION: (".", "Eval")}
HAIR = {
    "blond": "Blond_Hair",
    "black": "Black_Hair",
    "bald": "Bald",
    "brown": "Brown_Hair",
    "grey": "Gray_Hair",
}
EYEGLASSES = "Eyeglasses"
EYEGLASSES_NAMES = ("eyeglasses", "none")

SIZE = (178, 218)
SIDE = 64
MOST_TRAIN = 20_000
TRAIN, TEST = "0", "2"
# The official lists have 202,599 lines: 26 MB and 3 MB.
MOST_IMAGES = 300_000
LARGEST_LIST = 1 << 26
_NAME = re.compile(r"\d{6}\.jpg", re.ASCII)

Coding = Callable[[Sequence[bool]], int | None]


def missing_celeba(folder: Path) -> list[str]:
    """Name what a folder lacks of CelebA."""
    return [name for name in CELEBA_FILES if _found(folder, name) is None]


def read_hair_splits(folder: Path) -> Splits:
    """Read the people with exactly one of five hair colours, baldness among them.

    Parameters
    ----------
    folder : Path
        Folder that lacks none of `CELEBA_FILES`; the list of attributes may lie in `Anno`, that of the partition in
        `Eval` and the images in `Img`.

    Returns
    -------
    Splits
        Images are (n, 64, 64, 3): the middle 178×178 pixels, scaled bilinearly. Codes follow the order of `HAIR`.
        Training images are those of partition 0, test images those of partition 2.

    Raises
    ------
    InputError
        If a list or an image is missing or damaged.
    """
    return _read(folder, tuple(HAIR.values()), _only)


def read_eyeglasses_splits(folder: Path) -> Splits:
    """Read people with eyeglasses (code 0) and without (code 1); see `read_hair_splits`."""
    return _read(folder, (EYEGLASSES,), lambda has: 0 if has[0] else 1)


def _only(has: Sequence[bool]) -> int | None:
    return has.index(True) if sum(has) == 1 else None


def _read(folder: Path, attributes: Sequence[str], coding: Coding) -> Splits:
    places = [_found(folder, name) for name in CELEBA_FILES]
    images, attribute_list, partition_list = (place or folder for place in places)
    parts = _partition(partition_list)
    taken: dict[str, list[tuple[str, int]]] = {TRAIN: [], TEST: []}
    n_train: Counter[int] = Counter()
    for name, has in _attributes(attribute_list, attributes).items():
        code, part = coding(has), parts.get(name)
        if part is None:
            raise InputError(f"{shown(partition_list)} lacks {name}: replace it by the official file.")
        if code is None or part not in taken or (part == TRAIN and n_train[code] >= MOST_TRAIN):
            continue
        taken[part].append((name, code))
        n_train[code] += part == TRAIN
    empty = [part for part, rows in taken.items() if not rows]
    if empty:
        raise InputError(
            f"the lists of {shown(folder)} name no images of the classes in partition {listed(empty)}: "
            "replace them by the official files."
        )
    train, test = (_images_and_codes(images, rows) for rows in taken.values())
    return Splits(*train, *test)


def _images_and_codes(folder: Path, rows: Sequence[tuple[str, int]]) -> tuple[Bytes, Bytes]:
    images = read_crops(len(rows), SIDE, lambda row: read_crop(folder / rows[row][0], ("JPEG",), SIDE, _middle), folder)
    return images, np.array([code for _, code in rows], np.uint8)


def _middle(width: int, height: int) -> Box:
    if (width, height) != SIZE:
        raise UnreadableImageError(f"has {width}×{height} pixels in place of {SIZE[0]}×{SIZE[1]}")
    return centre_square(width, height)


def _attributes(path: Path, wanted: Sequence[str]) -> dict[str, tuple[bool, ...]]:
    """Read the wanted attributes of each image: a count, a line of names, a line of 1 and -1 for each image."""
    count, names, *rows = [*read_lines(path, LARGEST_LIST), "", ""][: MOST_IMAGES + 4]
    rows = rows[:-2]
    columns = names.split()
    if not set(wanted) <= set(columns) or count.strip() != str(len(rows)) or not rows:
        raise InputError(
            f"{shown(path)} does not start with the number of its images and the names of their attributes: "
            "replace it by the official file."
        )
    places = [columns.index(name) + 1 for name in wanted]
    found: dict[str, tuple[bool, ...]] = {}
    for number, row in enumerate(rows, start=3):
        name, *_ = cells = row.split() or [""]
        fits = _NAME.fullmatch(name) and name not in found and len(cells) == len(columns) + 1
        if not fits or not {cells[place] for place in places} <= {"1", "-1"}:
            raise InputError(
                f"line {number} of {shown(path)} is no row of attributes: replace it by the official file."
            )
        found[name] = tuple(cells[place] == "1" for place in places)
    return found


def _partition(path: Path) -> dict[str, str]:
    """Read which part each image belongs to: 0 for training, 1 for validation, 2 for testing."""
    parts: dict[str, str] = {}
    for number, row in enumerate(read_lines(path, LARGEST_LIST), start=1):
        match row.split():
            case [name, ("0" | "1" | "2") as part]:
                parts[name] = part
            case _:
                raise InputError(
                    f"line {number} of {shown(path)} is no name with 0, 1 or 2: replace it by the official file."
                )
    return parts


def _found(folder: Path, name: str) -> Path | None:
    is_there = Path.is_dir if name == IMAGES else Path.is_file
    return next((path for place in _FOLDERS[name] if is_there(path := folder / place / name)), None)
