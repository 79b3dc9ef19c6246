"""Downloads with a checksum, written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from makeweight.data.wording import counted, reason_of, shown
from makeweight.errors import InputError

CHUNK = 1 << 20
TIMEOUT = 60.0


@dataclass(frozen=True)
class OfficialFile:
    """A file at its official address.

    Attributes
    ----------
    url : str
        The address; its last part is the name of the file.
    size : int
        Number of bytes.
    algorithm : str
        Name of the checksum as `hashlib` has it.
    checksum : str
        The checksum in hexadecimal digits.
    """

    url: str
    size: int
    algorithm: str
    checksum: str

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.url.rpartition("/")[2]


def download_files(files: Sequence[OfficialFile], folder: Path, *, timeout: float = TIMEOUT) -> None:
    """Put files into a folder: all of them, checked, or none.

    Parameters
    ----------
    files : sequence of OfficialFile
        What to download.
    folder : Path
        Where to put the files; made where it does not exist.
    timeout : float, default=60
        Seconds without an answer after which the download is given up.

    Raises
    ------
    InputError
        If a file cannot be had, or is not what its checksum says.
    """
    home = next(place for place in (folder, *folder.parents) if place.is_dir())
    try:
        with tempfile.TemporaryDirectory(prefix=".download-", suffix=".partial", dir=home) as partial:
            for file in files:
                _download(file, Path(partial) / file.name, folder, timeout)
            folder.mkdir(parents=True, exist_ok=True)
            for file in files:
                os.replace(Path(partial) / file.name, folder / file.name)
    except OSError as error:
        raise InputError(f"{shown(folder)} cannot take the download ({reason_of(error)}).") from error


def _download(file: OfficialFile, target: Path, folder: Path, timeout: float) -> None:
    digest = hashlib.new(file.algorithm, usedforsecurity=False)
    n_bytes = 0
    try:
        with urllib.request.urlopen(file.url, timeout=timeout) as answer, target.open("wb") as stream:
            while n_bytes <= file.size and (chunk := answer.read(CHUNK)):
                n_bytes += len(chunk)
                digest.update(chunk)
                stream.write(chunk)
            stream.flush()
            os.fsync(stream.fileno())
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error or type(error).__name__
        raise InputError(
            f"{file.url} cannot be downloaded ({reason}): without a network, put the official files into "
            f"{shown(folder)} by hand."
        ) from error
    if n_bytes != file.size or digest.hexdigest() != file.checksum:
        raise InputError(
            f"{file.url} is not the official file (its {file.algorithm} or its size of "
            f"{counted(file.size, 'byte')} differs): nothing was kept, try again or put the file there by hand."
        )
