"""Images as an output folder's manifest, or a listing, names them: decoded once to check them, and opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from makeweight.balance.manifest import ManifestRow
from makeweight.balance.names import IMAGES
from makeweight.data.folders import Entry, Listing
from makeweight.data.images import ImageSpec, OnProgress
from makeweight.data.source import look_at_files
from makeweight.data.stores import FolderSource
from makeweight.data.wording import counted, listed, shown
from makeweight.errors import InputError


def open_output(
    folder: Path,
    rows: Sequence[ManifestRow],
    form: Callable[[ImageSpec], ImageSpec],
    progress: OnProgress | None = None,
) -> FolderSource:
    """Open the images of an output folder.

    Parameters
    ----------
    folder : Path
        The output folder.
    rows : sequence of ManifestRow
        Its images, at least one.
    form : callable
        Says in which size and mode all of them come, from those of the first drawn one (the first, if none is drawn).
    progress : callable, optional
        Called with the number of files checked and the number of all.

    Returns
    -------
    FolderSource
        The images in the order of the rows.

    Raises
    ------
    InputError
        If a file would lie outside ``images/``, or cannot be read.
    """
    listing = Listing(folder, [_entry_of(folder, row) for row in rows])
    first = next((place for place, row in enumerate(rows) if row.origin == "drawn"), 0)
    return open_listing(listing, folder.name, shown(folder), lambda specs: form(specs[first]), progress)


def open_listing(
    listing: Listing,
    name: str,
    where: str,
    form: Callable[[Sequence[ImageSpec]], ImageSpec],
    progress: OnProgress | None = None,
    value_range: tuple[float, float] | None = None,
) -> FolderSource:
    """Open the files of a listing, all of which are to be read.

    Parameters
    ----------
    listing : Listing
        The files.
    name, where : str
        What the source, and messages, call the folder.
    form : callable
        Says in which size and mode all images come, from those of each.
    progress : callable, optional
        Called with the number of files checked and the number of all.
    value_range : tuple of two floats, optional
        The values of 32-bit images that become black and white; by default one of their own.

    Returns
    -------
    FolderSource
        The images in the order of the listing.

    Raises
    ------
    InputError
        If a file cannot be read.
    """
    found, bad = look_at_files(listing.entries, progress)
    if bad:
        raise InputError(
            f"{where} holds {counted(len(bad), 'file')} that cannot be read: {listed(bad)}; restore or remove them."
        )
    spec = form([facts.spec for _, facts in found])
    return FolderSource(listing, name, found, spec, None, skipped=(), resize=True, value_range=value_range)


def _entry_of(folder: Path, row: ManifestRow) -> Entry:
    path = folder / row.file
    if not path.resolve().is_relative_to((folder / IMAGES).resolve()):
        raise InputError(f"the manifest names {shown(row.file)}, outside images/: run makeweight verify.")
    return Entry(path, row.label, row.file, row.file)
