"""NumPy's archives from anybody: every array's header is held against the archive before memory is taken for it."""

from __future__ import annotations

import lzma
import math
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from makeweight.data.files import open_regular, room_for
from makeweight.data.wording import listed, shown
from makeweight.errors import InputError

SUFFIX = ".npy"
# What damaged archives make zipfile, its unpackers and NumPy raise.
DAMAGE = (
    ArithmeticError, AttributeError, EOFError, LookupError, OSError, RuntimeError, SyntaxError, TokenError, TypeError,
    ValueError, lzma.LZMAError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


class Npz:
    """The arrays of an open archive. Nothing pickled is ever loaded, and nothing is unpacked to disk.

    Parameters
    ----------
    archive : ZipFile
        The archive.
    where : str
        What messages call it.

    Attributes
    ----------
    names : list of str
        Names of the arrays.
    """

    def __init__(self, archive: zipfile.ZipFile, where: str) -> None:
        self._archive = archive
        self._where = where
        self._members = [info for info in archive.infolist() if info.filename.endswith(SUFFIX)]
        self.names = [info.filename.removesuffix(SUFFIX) for info in self._members]
        twice = [name for name, number in Counter(name.lower() for name in self.names).items() if number > 1]
        if twice:
            raise InputError(f"{where} holds more than one array called {listed(twice)}: keep one of each.")

    def shape(self, name: str) -> tuple[int, ...]:
        """Give the shape of an array, which is not read for that."""
        with self._open(name) as (_, shape, _):
            return shape

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Read an array.

        Raises
        ------
        InputError
            If it holds Python objects, or does not fit into memory.
        """
        with self._open(name) as (stream, shape, dtype):
            n_bytes = math.prod(shape) * dtype.itemsize
            if n_bytes > room_for():
                raise InputError(f"{self._where} does not fit into memory: split it, or give a folder of images.")
            array: NDArray[Any] = npy.read_array(stream, allow_pickle=False)
        if dtype.kind == "U" and array.size and int(_letters(array).max(initial=0)) > sys.maxunicode:
            raise ValueError("an array holds letters that there are not")
        return array

    @contextmanager
    def _open(self, name: str) -> Iterator[tuple[IO[bytes], tuple[int, ...], np.dtype[Any]]]:
        """Give an array's stream at its beginning, its shape and dtype; the sizes agree with the archive's."""
        info = self._members[self.names.index(name)]
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others unpack without bounds
            raise ValueError("an array is packed as NumPy does not pack")
        with self._archive.open(info) as stream:
            shape, _, dtype = _header(stream)
            start = stream.tell()
        if dtype.hasobject:
            raise InputError(
                f"{self._where} holds Python objects, which are not loaded for safety: save plain arrays with "
                f"numpy.savez."
            )
        if min(shape, default=0) < 0 or start + math.prod(shape) * dtype.itemsize != info.file_size:
            raise ValueError("an array is not as long as its header says")
        with self._archive.open(info) as stream:
            yield stream, shape, dtype


@contextmanager
def open_npz(path: Path) -> Iterator[Npz]:
    """Open an archive for reading; what goes wrong becomes a sentence.

    Parameters
    ----------
    path : Path
        The ``.npz`` file.

    Yields
    ------
    Npz

    Raises
    ------
    InputError
        If the file is no archive, is damaged, or holds Python objects.
    """
    where = shown(path)
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            yield Npz(archive, where)
    except InputError:
        raise
    except PermissionError:
        raise InputError(f"{where} cannot be read (permission denied): check its permissions.") from None
    except MemoryError:
        raise InputError(f"{where} does not fit into memory: split it, or give a folder of images.") from None
    except DAMAGE:
        raise InputError(f"{where} is damaged or no .npz archive: save it again with numpy.savez.") from None


def _letters(array: NDArray[Any]) -> NDArray[np.uint32]:
    """Give the letters of an array of text as numbers."""
    text = np.ascontiguousarray(array).reshape(-1)
    return text.view(np.dtype(np.uint32).newbyteorder(text.dtype.byteorder))


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read shape, order and dtype; headers of structured arrays with names in other alphabets are not known here."""
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    header: tuple[tuple[int, ...], bool, np.dtype[Any]] = readers[npy.read_magic(stream)](stream)
    return header
