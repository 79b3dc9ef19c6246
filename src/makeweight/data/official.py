"""Readers of the official file formats of known sets: idx (MNIST and its kin) and the binary version of CIFAR-10.

Everything is checked before memory is taken for it: magic numbers, sizes against the file's own length, labels' range.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import tarfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import IO, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from makeweight.data.files import open_regular, read_regular, room_for
from makeweight.data.wording import listed, reason_of, shown
from makeweight.errors import InputError

Bytes = NDArray[np.uint8]

IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
CIFAR10_TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
CIFAR10_TEST = "test_batch.bin"
CIFAR10_FILES = (*CIFAR10_TRAIN, CIFAR10_TEST)
CIFAR10_FOLDER = "cifar-10-batches-bin"
CIFAR10_ARCHIVE = "cifar-10-binary.tar.gz"

# The most that one byte of deflate can unpack to: what a file of a given length can hold at all.
DEFLATE_RATIO = 1032
IMAGE_SIDE = 32
RECORD = 1 + 3 * IMAGE_SIDE * IMAGE_SIDE
LARGEST_BATCH = 10_000 * RECORD
# The official archive unpacks to 184 MB.
LARGEST_ARCHIVE = 256 << 20
# What damaged archives make gzip and tarfile raise.
UNPACKING_FAULTS = (
    ArithmeticError, AttributeError, EOFError, LookupError, OSError, RuntimeError, TypeError, ValueError, struct.error,
    tarfile.TarError, zlib.error,
)  # fmt: skip


class Splits(NamedTuple):
    """The images and label codes of a set's two parts, and what training images belong together."""

    train_images: Bytes
    train_codes: Bytes
    test_images: Bytes
    test_codes: Bytes
    train_groups: NDArray[np.str_] | None = None


def read_lines(path: Path, limit: int) -> list[str]:
    """Read the lines of a text file in ASCII.

    Parameters
    ----------
    path : Path
        The file.
    limit : int
        The most bytes it may have.

    Returns
    -------
    list of str
        Without their ends, and without empty lines at the end.

    Raises
    ------
    InputError
        If it cannot be read, is too large, or is none.
    """
    try:
        return read_regular(path, limit).decode("ascii").rstrip().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"the list {shown(path)} cannot be read ({reason_of(error)}): replace it by the official file."
        ) from error


def missing_idx(folder: Path) -> list[str]:
    """Name the files of a set in idx format that a folder lacks, plain and `.gz` alike.

    Parameters
    ----------
    folder : Path
        Where to look; it need not exist.

    Returns
    -------
    list of str
    """
    return [name for name in IDX_FILES if _plain_or_gz(folder, name) is None]


def missing_cifar10(folder: Path) -> list[str]:
    """Name the files of the binary version of CIFAR-10 that a folder lacks, unless it holds the archive.

    Parameters
    ----------
    folder : Path
        Where to look; it need not exist.

    Returns
    -------
    list of str
    """
    if (folder / CIFAR10_ARCHIVE).is_file():
        return []
    return [name for name in CIFAR10_FILES if not (_batches(folder) / name).is_file()]


def read_idx_splits(folder: Path, *, shape: tuple[int, int] = (28, 28), n_classes: int = 10) -> Splits:
    """Read a set that consists of the four idx files of MNIST.

    Parameters
    ----------
    folder : Path
        Folder that lacks none of the files.
    shape : tuple of int, default=(28, 28)
        Height and width that the images have to have.
    n_classes : int, default=10
        Labels lie in 0 … n_classes - 1.

    Returns
    -------
    Splits

    Raises
    ------
    InputError
        If a file is damaged, or images and labels do not fit together.
    """
    parts: list[tuple[Bytes, Bytes]] = []
    for image_name, label_name in (IDX_FILES[:2], IDX_FILES[2:]):
        image_file, label_file = _found(folder, image_name), _found(folder, label_name)
        images, codes = read_idx(image_file, n_axes=3), read_idx(label_file, n_axes=1)
        if images.shape[1:] != shape:
            raise InputError(
                f"{shown(image_file)} holds images of {'×'.join(map(str, images.shape[1:]))} pixels where "
                f"{'×'.join(map(str, shape))} are expected: it is no file of this set."
            )
        if len(images) != len(codes):
            raise InputError(
                f"{shown(image_file)} holds {len(images)} images and {shown(label_file)} {len(codes)} labels: "
                "take both from the same source."
            )
        _check_codes(codes, n_classes, label_file)
        parts.append((images, codes))
    return Splits(*parts[0], *parts[1])


def read_idx(path: Path, *, n_axes: int) -> Bytes:
    """Read an idx file of unsigned bytes, plain or packed with gzip.

    Parameters
    ----------
    path : Path
        The file; a name that ends in `.gz` is unpacked.
    n_axes : int
        Number of axes that the array has to have.

    Returns
    -------
    ndarray of uint8

    Raises
    ------
    InputError
        If the magic number is another, or the file's length is not what its sizes say.
    """
    try:
        length = _unpacked_length(path)
        with open_regular(path) as file, gzip.open(file) if path.suffix == ".gz" else file as stream:
            return _read_idx_stream(stream, path, n_axes, length)
    except InputError:
        raise
    except UNPACKING_FAULTS as error:
        reason = reason_of(error)
        raise InputError(f"{shown(path)} cannot be read ({reason}): replace it by the official file.") from error


def read_cifar10_splits(folder: Path) -> Splits:
    """Read the binary version of CIFAR-10 from its batches or, where these are not unpacked, its archive.

    Parameters
    ----------
    folder : Path
        Folder that lacks none of the files.

    Returns
    -------
    Splits
        Images are (n, 32, 32, 3).

    Raises
    ------
    InputError
        If a file is damaged.
    """
    batches = _batches(folder)
    if all((batches / name).is_file() for name in CIFAR10_FILES):
        return _cifar10_splits(lambda name: _batch_bytes(batches / name), batches)
    archive = folder / CIFAR10_ARCHIVE
    contents = _archive_bytes(archive)
    return _cifar10_splits(contents.__getitem__, archive)


def _cifar10_splits(load: Callable[[str], bytes], source: Path) -> Splits:
    train = [_records(load(name), f"{shown(source)} ({name})") for name in CIFAR10_TRAIN]
    test = _records(load(CIFAR10_TEST), f"{shown(source)} ({CIFAR10_TEST})")
    return Splits(*_images_and_codes(train), *_images_and_codes([test]))


def _images_and_codes(batches: Sequence[Bytes]) -> tuple[Bytes, Bytes]:
    records = np.concatenate(batches)
    planes = records[:, 1:].reshape(-1, 3, IMAGE_SIDE, IMAGE_SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), records[:, 0].copy()


def _records(content: bytes, place: str) -> Bytes:
    if not content or len(content) % RECORD:
        raise InputError(
            f"{place} has {len(content)} bytes, which is no whole number of records of {RECORD} bytes: "
            "replace it by the official file."
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    _check_codes(records[:, 0], 10, place)
    return records


def _batch_bytes(path: Path) -> bytes:
    try:
        return read_regular(path, LARGEST_BATCH)
    except OSError as error:
        raise InputError(f"{shown(path)} cannot be read ({reason_of(error)}).") from error


def _archive_bytes(archive: Path) -> dict[str, bytes]:
    """Read the batches out of the archive; nothing is unpacked to disk."""
    try:
        with (
            open_regular(archive) as file,
            gzip.open(file) as packed,
            tarfile.open(fileobj=cast(IO[bytes], _Bounded(packed, LARGEST_ARCHIVE)), mode="r:") as tar,
        ):
            contents = _batches_of(tar)
    except InputError:
        raise
    except UNPACKING_FAULTS as error:
        raise InputError(
            f"{shown(archive)} cannot be read ({reason_of(error)}): replace it by the official file."
        ) from error
    if absent := sorted(set(CIFAR10_FILES) - set(contents)):
        raise InputError(f"{shown(archive)} lacks {listed(absent)}: replace it by the official file.")
    return contents


def _batches_of(tar: tarfile.TarFile) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    for member in tar:
        name = Path(member.name).name
        if name not in CIFAR10_FILES or not member.isfile():
            continue
        if name in contents or member.issparse() or member.size > LARGEST_BATCH:
            raise tarfile.TarError(f"{name} is none of its batches")
        stream = tar.extractfile(member)
        assert stream is not None
        with closing(stream):
            contents[name] = stream.read()
    return contents


class _Bounded:
    """A stream to read from that ends with an error where it goes on for longer than it may."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self.tell = stream.tell

    def read(self, size: int = -1) -> bytes:
        """Read `size` bytes, all that is left by default."""
        room = self._limit - self.tell()
        data = self._stream.read(room + 1 if size < 0 else min(size, room + 1))
        if len(data) > room:
            raise tarfile.TarError(f"it unpacks to more than {self._limit:,} bytes")
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place within the bounds."""
        if whence != os.SEEK_SET or not 0 <= offset <= self._limit:
            raise tarfile.TarError(f"it unpacks to more than {self._limit:,} bytes")
        return self._stream.seek(offset)


def _read_idx_stream(stream: IO[bytes] | gzip.GzipFile, path: Path, n_axes: int, length: int) -> Bytes:
    header = stream.read(4 + 4 * n_axes)
    magic = bytes((0, 0, 8, n_axes))
    if len(header) < 4 + 4 * n_axes or header[:4] != magic:
        raise InputError(
            f"{shown(path)} does not start as an idx file of unsigned bytes with {n_axes} axes does "
            f"({header[:4].hex()} in place of {magic.hex()}): replace it by the official file."
        )
    shape = struct.unpack(f">{n_axes}I", header[4:])
    size = math.prod(shape)
    if size == 0 or size != length - len(header):
        raise InputError(
            f"{shown(path)} holds {length - len(header)} bytes of data where its header says {size}: "
            "replace it by the official file."
        )
    if size > room_for():
        raise InputError(f"{shown(path)} does not fit into memory ({size:,} bytes): replace it by the official file.")
    content = stream.read(size)
    if len(content) != size or stream.read(1):
        raise InputError(f"{shown(path)} is damaged (its length is not what it says): replace it by the official file.")
    return np.frombuffer(content, np.uint8).reshape(shape).copy()


def _unpacked_length(path: Path) -> int:
    """Tell how many bytes a file holds; for gzip, what its last four bytes say, as far as its length allows it."""
    with open_regular(path) as stream:
        n_bytes = stream.seek(0, os.SEEK_END)
        if path.suffix != ".gz" or n_bytes < 4:
            return n_bytes
        stream.seek(-4, os.SEEK_END)
        (length,) = struct.unpack("<I", stream.read(4))
        return int(min(length, n_bytes * DEFLATE_RATIO))


def _check_codes(codes: Bytes, n_classes: int, place: Path | str) -> None:
    if codes.max() >= n_classes:
        raise InputError(
            f"{shown(place)} holds the label {codes.max()}, labels go from 0 to {n_classes - 1}: "
            "replace it by the official file."
        )


def _plain_or_gz(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _found(folder: Path, name: str) -> Path:
    path = _plain_or_gz(folder, name)
    if path is None:
        raise InputError(f"{shown(folder)} lacks {name} (plain or .gz).")
    return path


def _batches(folder: Path) -> Path:
    nested = folder / CIFAR10_FOLDER
    return nested if nested.is_dir() else folder
