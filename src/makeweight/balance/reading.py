"""The images of an output folder as its manifest names them: found, and decoded once to check them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from makeweight.balance.manifest import ManifestRow
from makeweight.balance.names import IMAGES
from makeweight.data.folders import Entry
from makeweight.data.images import ImageFacts, Progress
from makeweight.data.source import look_at_files
from makeweight.data.wording import counted, listed, shown
from makeweight.errors import InputError


def entry_of(folder: Path, row: ManifestRow) -> Entry:
    """Find the file of a row.

    Parameters
    ----------
    folder : Path
        The output folder.
    row : ManifestRow
        An image of it.

    Returns
    -------
    Entry

    Raises
    ------
    InputError
        If the file would lie outside ``images/``.
    """
    path = folder / row.file
    if not path.resolve().is_relative_to((folder / IMAGES).resolve()):
        raise InputError(f"the manifest names {shown(row.file)}, outside images/: run makeweight verify.")
    return Entry(path, row.label, row.file, row.file)


def look_or_refuse(
    entries: Sequence[Entry], where: str, progress: Progress | None = None
) -> list[tuple[Entry, ImageFacts]]:
    """Decode every file once.

    Parameters
    ----------
    entries : sequence of Entry
        The files.
    where : str
        What messages call the folder.
    progress : callable, optional
        Called with the number done and the number of all.

    Returns
    -------
    list of (Entry, ImageFacts)
        In the given order.

    Raises
    ------
    InputError
        If a file cannot be read.
    """
    found, bad = look_at_files(entries, progress)
    if bad:
        raise InputError(
            f"{where} holds {counted(len(bad), 'file')} that cannot be read: {listed(bad)}; restore or remove them."
        )
    return found
