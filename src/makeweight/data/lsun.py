"""Reader of five scenes of LSUN, an LMDB database of encoded images for each scene and part.

Yu et al., 2015, "LSUN: Construction of a Large-scale Image Dataset using Deep Learning with Humans in the Loop". The
first 16,000 training images of each scene are read, in the order of the keys, and all those for validation as test
images. All five take 4 GB of memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from makeweight.data.crops import centre_square, crop_of, new_images
from makeweight.data.images import UnreadableImageError, map_in_threads, strict_pillow
from makeweight.data.lmdb_pages import DATA_FILE, count_entries, read_entries
from makeweight.data.official import Bytes, Splits
from makeweight.data.wording import shown
from makeweight.errors import InputError

# The AGGAN papers take five scenes and name the first two; the other three are our choice.
SCENES = {
    "church": "church_outdoor",
    "classroom": "classroom",
    "bridge": "bridge",
    "tower": "tower",
    "restaurant": "restaurant",
}
PARTS = ("train", "val")
LSUN_FILES = tuple(f"{scene}_{part}_lmdb" for scene in SCENES.values() for part in PARTS)
FORMATS = ("WEBP", "JPEG")
SIDE = 128
MOST_IMAGES = 16_000
# Of encoded images that wait for being decoded.
_BLOCK_IMAGES, _BLOCK_BYTES = 256, 1 << 25


def missing_lsun(folder: Path) -> list[str]:
    """Name the databases that a folder lacks."""
    return [name for name in LSUN_FILES if not (folder / name / DATA_FILE).is_file()]


def read_lsun_splits(folder: Path) -> Splits:
    """Read five scenes of LSUN.

    Parameters
    ----------
    folder : Path
        Folder that lacks none of the databases.

    Returns
    -------
    Splits
        Images are (n, 128, 128, 3): the square in the middle, scaled bilinearly. Codes follow the order of `SCENES`.

    Raises
    ------
    InputError
        If a database or an image is damaged, or there is not enough memory.
    """
    train, test = (_part(folder, part) for part in PARTS)
    return Splits(*train, *test)


def _part(folder: Path, part: str) -> tuple[Bytes, Bytes]:
    databases = [folder / f"{scene}_{part}_lmdb" for scene in SCENES.values()]
    counts = [min(MOST_IMAGES, count_entries(database)) for database in databases]
    if not all(counts):
        raise InputError(f"{shown(databases[counts.index(0)])} holds no images: get it anew.")
    images = new_images(sum(counts), SIDE, folder)
    first = 0
    with strict_pillow():
        for database, count in zip(databases, counts, strict=True):
            _fill(images[first : first + count], database)
            first += count
    return images, np.repeat(np.arange(len(counts), dtype=np.uint8), counts)


def _fill(images: Bytes, database: Path) -> None:
    """Decode as many images as there are rows, a block at a time."""

    def decoded(entry: tuple[bytes, bytes]) -> Bytes:
        key, content = entry
        try:
            return crop_of(content, FORMATS, SIDE, centre_square)
        except UnreadableImageError as error:
            name = shown(key[:64].decode("ascii", "backslashreplace"))
            raise InputError(f"the image {name} of {shown(database)} {error}: get the database anew.") from error

    first = 0
    for block in _blocks(islice(read_entries(database), len(images))):
        images[first : first + len(block)] = map_in_threads(decoded, block)
        first += len(block)


def _blocks(entries: Iterator[tuple[bytes, bytes]]) -> Iterator[list[tuple[bytes, bytes]]]:
    block: list[tuple[bytes, bytes]] = []
    n_bytes = 0
    for entry in entries:
        block.append(entry)
        n_bytes += len(entry[1])
        if len(block) == _BLOCK_IMAGES or n_bytes >= _BLOCK_BYTES:
            yield block
            block, n_bytes = [], 0
    if block:
        yield block
