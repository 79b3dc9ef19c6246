"""Reading files that somebody else made, regular ones and only so much of them, and writing for good."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path
from typing import Literal

from makeweight.data.memory import SHARE, available_memory

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})  # what a disk without room says, or a user's part of it


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading; a pipe or a device, which might never end, is refused.

    Parameters
    ----------
    path : Path
        The file, or a link to one.

    Returns
    -------
    binary file

    Raises
    ------
    OSError
        If there is no such file, it may not be read, or it is none. `strerror` says so in a few words.
    """
    if "\0" in os.fspath(path):
        raise FileNotFoundError(errno.ENOENT, "no name of a file")
    _require_regular(os.stat(path), path)
    # What is swapped for a pipe in between must not be waited for either.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        _require_regular(os.fstat(handle), path)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_regular(path: Path, limit: int | None = None) -> bytes:
    """Read a regular file as a whole.

    Parameters
    ----------
    path : Path
        The file.
    limit : int, optional
        The most bytes it may have; by default half of the memory that is available.

    Returns
    -------
    bytes

    Raises
    ------
    OSError
        As for `open_regular`, and if the file is larger.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > room_for(limit):
            raise OSError(errno.EFBIG, f"it has {size:,} bytes, which is too many", os.fspath(path))
        return file.read(size)


def room_for(limit: int | None = None) -> int:
    """Give the bytes that one file may take: half of the memory that is available, and no more than a limit.

    Parameters
    ----------
    limit : int, optional
        The most, whatever the memory.

    Returns
    -------
    int
    """
    available = available_memory()
    room = 2**40 if available is None else int(SHARE * available)
    return room if limit is None else min(room, limit)


def partial_name(name: str) -> str:
    """Give a name for a file while it is written, which no other writer has: not on another machine, either."""
    return f".{name}.{secrets.token_hex(6)}.partial"


def write_whole(path: Path, data: bytes) -> None:
    """Write a file for good, whole or not at all; a link in its place is replaced, never written through.

    Parameters
    ----------
    path : Path
        The file; an older one is replaced. Its folder has to be there.
    data : bytes
        What it holds.
    """
    partial = path.with_name(partial_name(path.name))
    partial.unlink(missing_ok=True)
    try:
        write_synced(partial, data, mode="xb")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_together(folder: Path, seal: str, files: Mapping[str, bytes]) -> None:
    """Write the files of a folder, all or none but for the moment in which they get their names.

    The seal is away while the others are replaced, so that old and new together are never taken for whole. Of two who
    write into one folder at once, each may leave some of its files.

    Parameters
    ----------
    folder : Path
        Has to be there.
    seal : str
        Name of the file without which the folder is not whole.
    files : mapping of str to bytes
        Names and what they hold, the seal among them; older files of these names are replaced, and removed where they
        hold nothing.
    """
    partials = {name: folder / partial_name(name) for name, data in files.items() if data}
    try:
        for name, partial in partials.items():
            partial.unlink(missing_ok=True)
            write_synced(partial, files[name], mode="xb")
        for name in (seal, *(files.keys() - partials.keys())):
            (folder / name).unlink(missing_ok=True)
        for name in sorted(partials, key=seal.__eq__):
            partials[name].replace(folder / name)
    finally:
        for partial in partials.values():
            partial.unlink(missing_ok=True)


def write_synced(path: Path, data: bytes, mode: Literal["wb", "xb"] = "wb") -> None:
    """Write bytes, with "xb" only where there is no such file, and wait until they are on the disk."""
    with path.open(mode) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the system can tell."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_all() -> None:
    """Wait until everything that was written is on the disk, where the system can tell."""
    if hasattr(os, "sync"):
        os.sync()


def _require_regular(status: os.stat_result, path: Path) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is a pipe or a device, no regular file", os.fspath(path))
