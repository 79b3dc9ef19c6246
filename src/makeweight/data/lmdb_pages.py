"""Reads the entries of an LMDB database in the order of their keys, page by page, out of an open file.

LMDB's own library maps the file into memory and believes what it finds there: a file that is cut off, as an
interrupted download is, ends the process. Here every number is checked, and nothing is locked, mapped or written. The
format is version 1 of the database (LMDB 0.9, little-endian, 64 bits), without sub-databases and repeated keys.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from makeweight.data.files import open_regular
from makeweight.data.wording import reason_of, shown
from makeweight.errors import InputError

DATA_FILE = "data.mdb"
LARGEST_VALUE = 1 << 22
MOST_LEVELS = 32

_MAGIC, _VERSION = 0xBEEFC0DE, 1
_HEADER = 16
# A page's header: own number, padding, flags, end of its pointers, begin of its nodes.
_PAGE = struct.Struct("<QHHHH")
# What follows the header on the first two pages: magic number, version, address and size of the map, the trees of free
# pages and of entries, the last page, and the number of the transaction.
_META = struct.Struct("<IIQQ48s48sQQ")
# A tree: page size (or 0), flags, depth, numbers of its pages of three kinds, number of entries, page of the root.
_TREE = struct.Struct("<IHHQQQQQ")
# A node: its number in two halves (size of the value, or page of the branch), flags (or a third part), size of the key.
_NODE = struct.Struct("<HHHH")
_POINTER, _PAGES, _NUMBER = struct.Struct("<H"), struct.Struct("<I"), struct.Struct("<Q")
_BRANCH, _LEAF, _OVERFLOW, _META_PAGE = 1, 2, 4, 8
_ELSEWHERE = 1
_SMALLEST_ENTRY = _POINTER.size + _NODE.size


class _DamagedError(Exception):
    """What is wrong with a database, in a few words."""


class _Roots(NamedTuple):
    transaction: int
    page_size: int
    n_entries: int
    root: int


def count_entries(folder: Path) -> int:
    """Give the number of entries that a database says it has, which its size allows.

    Parameters
    ----------
    folder : Path
        The folder of the database.

    Returns
    -------
    int

    Raises
    ------
    InputError
        If it is no such database, or cut off.
    """
    with _opened(folder) as database:
        return database.n_entries


def read_entries(folder: Path) -> Iterator[tuple[bytes, bytes]]:
    """Read keys and values one after the other, ascending by key.

    Parameters
    ----------
    folder : Path
        The folder of the database. Nobody must write to it meanwhile.

    Yields
    ------
    key, value : bytes
        Values have at most 4 MiB.

    Raises
    ------
    InputError
        If it is no such database, or damaged.
    """
    with _opened(folder) as database:
        yield from database.entries()


@contextmanager
def _opened(folder: Path) -> Iterator[_Database]:
    path = folder / DATA_FILE
    try:
        with open_regular(path) as file:
            yield _Database(file)
    except (OSError, struct.error, _DamagedError) as error:
        raise InputError(f"the database {shown(path)} cannot be read ({reason_of(error)}): get it anew.") from error


class _Database:
    """A database in an open file. Each page is read once, so that damaged trees cannot loop."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self._seen: set[int] = set()
        first = self._roots(0)
        chosen = max(first, self._roots(first.page_size))
        self._page_size = first.page_size
        self._n_pages = self._size // first.page_size
        self._root = chosen.root
        self.n_entries = chosen.n_entries
        if chosen.page_size != first.page_size or chosen.n_entries * _SMALLEST_ENTRY > self._size:
            raise _DamagedError("its first pages are damaged")
        if chosen.n_entries and chosen.root >= self._n_pages:
            raise _DamagedError(f"it is cut off after {self._size:,} bytes")

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """Give all entries; a tree that holds another number than it says is damaged."""
        found = 0
        for found, entry in enumerate(self._below(self._root, 1) if self.n_entries else (), start=1):
            if found > self.n_entries:
                break
            yield entry
        if found != self.n_entries:
            raise _DamagedError(f"it does not hold the {self.n_entries:,} entries that it says")

    def _roots(self, offset: int) -> _Roots:
        """Read one of the two pages that say where everything is; the later one counts."""
        content = self._bytes(offset, _HEADER + _META.size)
        magic, version, _, _, free, main, _, transaction = _META.unpack_from(content, _HEADER)
        _, _, flags, _, _ = _PAGE.unpack_from(content)
        if magic != _MAGIC or version != _VERSION or not flags & _META_PAGE:
            raise _DamagedError("it is no LMDB database of version 1")
        page_size = _TREE.unpack(free)[0]
        _, kind, _, _, _, _, n_entries, root = _TREE.unpack(main)
        if kind or not 512 <= page_size <= 32768 or page_size & (page_size - 1):
            raise _DamagedError("its pages are of another kind")
        return _Roots(transaction, page_size, n_entries, root)

    def _below(self, number: int, level: int) -> Iterator[tuple[bytes, bytes]]:
        page, is_leaf = self._page(number)
        if level > MOST_LEVELS:
            raise _DamagedError(f"its tree has more than {MOST_LEVELS} levels")
        end = _PAGE.unpack_from(page)[3]
        for place in range(_HEADER, end, _POINTER.size):
            (at,) = _POINTER.unpack_from(page, place)
            low, high, more, key_size = _NODE.unpack_from(page, at)
            data = at + _NODE.size + key_size
            if is_leaf:
                yield page[at + _NODE.size : data], self._value(page, data, low | high << 16, more)
            else:
                yield from self._below(low | high << 16 | more << 32, level + 1)

    def _page(self, number: int) -> tuple[bytes, bool]:
        """Read a page of nodes, and tell whether it is a leaf."""
        self._take(number, 1)
        page = self._bytes(number * self._page_size, self._page_size)
        own, _, flags, end, begin = _PAGE.unpack_from(page)
        fits = own == number and _HEADER <= end <= begin <= self._page_size and not end % _POINTER.size
        if flags not in (_BRANCH, _LEAF) or not fits:
            raise _DamagedError(f"page {number:,} is damaged")
        return page, flags == _LEAF

    def _value(self, page: bytes, at: int, size: int, flags: int) -> bytes:
        if flags not in (0, _ELSEWHERE) or size > LARGEST_VALUE:
            raise _DamagedError("an entry is larger than 4 MiB, or no plain value")
        if not flags:
            if at + size > len(page):
                raise _DamagedError("an entry does not fit onto its page")
            return page[at : at + size]
        (number,) = _NUMBER.unpack_from(page, at)
        n_pages = -(-(_HEADER + size) // self._page_size)
        self._take(number, n_pages)
        content = self._bytes(number * self._page_size, _HEADER + size)
        own, _, kind, _, _ = _PAGE.unpack_from(content)
        (told,) = _PAGES.unpack_from(content, _HEADER - _PAGES.size)
        if own != number or kind != _OVERFLOW or told < n_pages:
            raise _DamagedError(f"page {number:,} is damaged")
        return content[_HEADER:]

    def _take(self, number: int, n_pages: int) -> None:
        """Note that pages are read; none is read twice."""
        pages = range(number, number + n_pages)
        if pages.stop > self._n_pages:
            raise _DamagedError(f"it is cut off: page {number:,} lies behind its end")
        if not self._seen.isdisjoint(pages):
            raise _DamagedError(f"page {number:,} is used twice")
        self._seen.update(pages)

    def _bytes(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        content = self._file.read(size)
        if len(content) < size:
            raise _DamagedError(f"it is cut off after {self._size:,} bytes")
        return content
