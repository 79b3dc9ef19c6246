"""Reads plain arrays of numbers out of MATLAB files of version 5.

SciPy's reader, which reads all that such files may hold, ends the process on some damaged ones. Here every size is
checked before memory is taken, and what is no plain array (text, structures, sparse or complex numbers) is left alone.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Collection
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makeweight.data.files import open_regular, room_for
from makeweight.data.official import DEFLATE_RATIO
from makeweight.data.wording import reason_of, shown
from makeweight.errors import InputError

MOST_VARIABLES = 16
MOST_AXES = 8
LONGEST_NAME = 63

_HEADER = 128
_BYTE_ORDERS = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}
_CHUNK = 1 << 18
# Kinds of elements: numbers as they are stored, and what holds other elements.
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_INT8, _INT32, _UINT32, _MATRIX, _PACKED = 1, 5, 6, 14, 15
# Classes of arrays. Numbers of a class may be stored in a smaller type.
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_LOGICAL_OR_COMPLEX = 0x0A00


class _DamagedError(Exception):
    """What is wrong with a file, in a few words."""


def read_mat_arrays(path: Path, wanted: Collection[str], limit: int) -> dict[str, NDArray[Any]]:
    """Read arrays of numbers by their names.

    Parameters
    ----------
    path : Path
        A MATLAB file of version 5, its variables packed or not.
    wanted : collection of str
        Names of variables.
    limit : int
        The most bytes that an array may have in the file once it is unpacked.

    Returns
    -------
    dict of ndarray
        Those that there are and that are plain, in the order of MATLAB (first axis fastest).

    Raises
    ------
    InputError
        If it is no such file, is damaged, holds a name twice, or an array is too large.
    """
    try:
        with open_regular(path) as file:
            return _variables(file, wanted, room_for(limit))
    except (OSError, struct.error, zlib.error, _DamagedError) as error:
        raise InputError(
            f"{shown(path)} cannot be read ({reason_of(error)}): replace it by the official file."
        ) from error


def _variables(file: BufferedReader, wanted: Collection[str], limit: int) -> dict[str, NDArray[Any]]:
    order = _BYTE_ORDERS.get(file.read(_HEADER)[_HEADER - 4 :])
    if order is None:
        raise _DamagedError("it is no MATLAB file of version 5")
    size = os.fstat(file.fileno()).st_size
    found: dict[str, NDArray[Any]] = {}
    seen: set[str] = set()
    for _ in range(MOST_VARIABLES):
        if file.tell() == size:
            return found
        kind, length = struct.unpack(f"{order}II", file.read(8))
        end = file.tell() + length
        if end > size:
            raise _DamagedError(f"it is cut off after {size:,} bytes")
        stream: _Plain = _Packed(file, length, order) if kind == _PACKED else _Plain(file, length, order)
        if kind == _PACKED:
            kind, _ = stream.words(2)
        if kind != _MATRIX:
            raise _DamagedError("it holds something that is no variable")
        name, array = _variable(stream, wanted, limit)
        if name in seen:
            raise _DamagedError(f"it holds {name} twice")
        if name in wanted:
            seen.add(name)
        if array is not None:
            found[name] = array
        file.seek(end)
    raise _DamagedError(f"it holds more than {MOST_VARIABLES - 1} variables")


def _variable(stream: _Plain, wanted: Collection[str], limit: int) -> tuple[str, NDArray[Any] | None]:
    """Read the name of a variable, and its numbers where they are wanted and plain."""
    flags = stream.element({_UINT32}, 8)
    axes = stream.element({_INT32}, 4 * MOST_AXES)
    name = stream.element({_INT8}, LONGEST_NAME).tobytes().decode("latin-1")
    dtype = _CLASSES.get(int(flags[0]) & 0xFF) if flags.size == 2 and not int(flags[0]) & _LOGICAL_OR_COMPLEX else None
    if name not in wanted or dtype is None:
        return name, None
    shape = axes.tolist()
    if min(shape, default=0) < 1:
        raise _DamagedError(f"its array {name} has no numbers")
    numbers = stream.element(set(_STORED), limit, math.prod(shape))
    stream.check_end()
    return name, numbers.astype(dtype, copy=False).reshape(shape, order="F")


class _Plain:
    """A part of a file, read from its beginning in numbers of the file's byte order."""

    def __init__(self, file: BufferedReader, length: int, order: str) -> None:
        self._file = file
        self._left = length
        self._order = order

    def words(self, number: int) -> tuple[int, ...]:
        """Read unsigned numbers of 32 bits."""
        return struct.unpack(f"{self._order}{number}I", self._bytes(4 * number).tobytes())

    def element(self, kinds: Collection[int], limit: int, number: int | None = None) -> NDArray[Any]:
        """Read an element: its kind, its size, its numbers (as many as are asked for), and what fills it up to 8 bytes.

        Up to four bytes may stand in the place of the size, which then is the upper half of the kind.
        """
        (kind,) = self.words(1)
        is_small = bool(kind >> 16)
        size = kind >> 16 if is_small else self.words(1)[0]
        kind &= 0xFFFF
        if kind not in kinds or (is_small and size > 4):
            raise _DamagedError("a variable is not laid out as version 5 has it")
        dtype = np.dtype(f"{self._order}{_STORED[kind]}")
        if size % dtype.itemsize or number not in (None, size // dtype.itemsize):
            raise _DamagedError(f"it has {size:,} bytes where its shape asks for other numbers")
        if size > min(limit, self._most()):
            raise _DamagedError(f"a part of it says to have {size:,} bytes, which is too many")
        content = self._bytes(size)
        if number is None:  # numbers end a variable, and what follows is skipped
            self._bytes(4 - size if is_small else -size % 8)
        return content.view(dtype)

    def check_end(self) -> None:
        """Hold what was read against a checksum, where there is one."""

    def _bytes(self, size: int) -> NDArray[np.uint8]:
        content = np.empty(size, np.uint8)
        first = 0
        while first < size:
            piece = self._piece(min(_CHUNK, size - first))
            if not piece:
                raise _DamagedError("a variable is cut off")
            content[first : first + len(piece)] = np.frombuffer(piece, np.uint8)
            first += len(piece)
        return content

    def _piece(self, most: int) -> bytes:
        piece = self._file.read(min(most, self._left))
        self._left -= len(piece)
        return piece

    def _most(self) -> int:
        return self._left


class _Packed(_Plain):
    """The same, unpacked on the way."""

    def __init__(self, file: BufferedReader, length: int, order: str) -> None:
        super().__init__(file, length, order)
        self._longest = DEFLATE_RATIO * length
        self._unpacker = zlib.decompressobj()

    def check_end(self) -> None:
        """Unpack what fills up the numbers to 8 bytes, whereupon zlib compares its checksum."""
        n_bytes = 0
        while n_bytes < 8 and (piece := self._piece(8)):
            n_bytes += len(piece)
        if not self._unpacker.eof:
            raise _DamagedError("a variable goes on for longer than it should, or is cut off")

    def _piece(self, most: int) -> bytes:
        packed = self._unpacker.unconsumed_tail
        while not (piece := self._unpacker.decompress(packed, most)) and not self._unpacker.eof:
            packed = super()._piece(_CHUNK)
            if not packed:
                break
        return piece

    def _most(self) -> int:
        return self._longest
