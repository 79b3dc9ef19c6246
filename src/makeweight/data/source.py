"""Where labelled images come from: a folder, an archive or a named set, all behind one door."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from makeweight.data import checks
from makeweight.data.archives import ArraySet, array_set, read_archive
from makeweight.data.base import ImageSource
from makeweight.data.folders import BadFile, Entry, Listing, list_folder
from makeweight.data.images import (
    ImageFacts,
    ImageSpec,
    OnProgress,
    UnreadableImageError,
    look_at,
    map_in_threads,
    strict_pillow,
)
from makeweight.data.stores import ArraySource, FolderSource, target_spec
from makeweight.data.wording import shown
from makeweight.errors import InputError

__all__ = ["BadFile", "ImageSource", "ImageSpec", "find_source", "look_at_files", "open_source"]


@dataclass(frozen=True)
class Found:
    """What stands behind the name of a source: a folder's listing or arrays; of a known set, its test part as well."""

    where: str
    name: str
    listing: Listing | None = None
    arrays: ArraySet | None = None
    test: tuple[NDArray[Any], NDArray[Any]] | None = None


def open_source(
    source: str | Path,
    *,
    labels: str | Path | None = None,
    resize: int | None = None,
    mode: str | None = None,
    skip_bad: bool = False,
    data_dir: str | Path | None = None,
    download: bool = False,
    progress: OnProgress | None = None,
) -> ImageSource:
    """Open labelled images, checking every file once.

    Parameters
    ----------
    source : str or Path
        A folder of class folders, one with ``train/`` and other splits, one with a table of labels, an ``.npz`` file,
        or the name of a known set. A folder that exists wins over a name.
    labels : str or Path, optional
        A table of labels (CSV or TSV: file name and label) for the images of the folder.
    resize : int, optional
        Scale all images to this many pixels a side (Lanczos; 1 to 1024).
    mode : "L" or "RGB", optional
        Convert all images to grey or to RGB.
    skip_bad : bool, default=False
        Leave out files that cannot be used instead of refusing the source.
    data_dir : str or Path, optional
        Where named sets are looked for.
    download : bool, default=False
        Whether a named set may be downloaded.
    progress : callable, optional
        Called with the number of files checked and the number of all.

    Returns
    -------
    ImageSource

    Raises
    ------
    InputError
        If the images cannot be learnt from as they are: one sentence says what, where, and what to do.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> folder = Path(tempfile.mkdtemp()) / "shoes"
    >>> for label in ("boot", "sandal"):
    ...     (folder / label).mkdir(parents=True)
    ...     Image.new("L", (8, 8)).save(folder / label / "1.png")
    >>> shoes = open_source(folder)
    >>> shoes.name, shoes.counts, shoes.load().shape
    ('shoes', {'boot': 1, 'sandal': 1}, (2, 8, 8))
    """
    checks.check_options(resize, mode)
    found = find_source(source, labels=labels, data_dir=data_dir, download=download)
    return open_found(found, resize=resize, mode=mode, skip_bad=skip_bad, progress=progress)


def open_found(
    found: Found,
    *,
    resize: int | None = None,
    mode: str | None = None,
    skip_bad: bool = False,
    progress: OnProgress | None = None,
    value_range: tuple[float, float] | None = None,
) -> ImageSource:
    """Open what `find_source` found, checking every file once. See `open_source`.

    Images that are judged beside others are scaled by the `value_range` of these; by default by one of their own.
    """
    if found.arrays is not None:
        opened: ImageSource = ArraySource(found.arrays, resize=resize, mode=mode, value_range=value_range)
        checks.refuse(checks.classes_problem(found.where, opened.counts))
        return opened
    assert found.listing is not None
    return _open_folder(
        found, found.listing, resize=resize, mode=mode, skip_bad=skip_bad, progress=progress, value_range=value_range
    )


def find_source(
    source: str | Path,
    *,
    labels: str | Path | None = None,
    data_dir: str | Path | None = None,
    download: bool = False,
) -> Found:
    """Find out what a source is and list it; files of folders are not opened. See `open_source`."""
    path, where = Path(source), shown(source)
    if path.is_dir():
        table = None if labels is None else Path(labels)
        return Found(where, path.resolve().name or "images", listing=list_folder(path, table))
    if labels is not None and path.exists():
        raise InputError(f"{where} is no folder, so the labels {shown(labels)} cannot go with it: leave them out.")
    if path.is_file() and path.suffix.lower() == ".npz":
        return Found(where, path.stem, arrays=read_archive(path))
    if path.exists():
        raise InputError(f"{where} is neither a folder nor an .npz file: give a folder with one folder per class.")
    return _named(str(source), where, labels=labels, data_dir=data_dir, download=download)


def _named(name: str, where: str, *, labels: str | Path | None, data_dir: str | Path | None, download: bool) -> Found:
    from makeweight.data.named import load_named

    checks.check_exists(name)
    if labels is not None:
        raise InputError(f"the set {name} has its own labels: leave out {shown(labels)}.")
    loaded = load_named(name, data_dir=data_dir, download=download)
    arrays = array_set(where, name, loaded.X_train, loaded.y_train, {"test": len(loaded.y_test)})
    grouped = replace(arrays, groups=loaded.groups_train)
    return Found(where, name, arrays=grouped, test=(loaded.X_test, loaded.y_test))


def look_at_files(
    entries: Sequence[Entry], progress: OnProgress | None = None
) -> tuple[list[tuple[Entry, ImageFacts]], list[BadFile]]:
    """Decode every file once.

    Parameters
    ----------
    entries : sequence of Entry
        The files.
    progress : callable, optional
        Called with the number done and the number of all.

    Returns
    -------
    found : list of (Entry, ImageFacts)
        Files that can be read, in the given order.
    bad : list of BadFile
        Files that cannot.
    """

    def look(entry: Entry) -> ImageFacts | str:
        try:
            return look_at(entry.path)
        except UnreadableImageError as error:
            return str(error)

    with strict_pillow():
        results = map_in_threads(look, entries, progress)
    found = [(entry, facts) for entry, facts in zip(entries, results, strict=True) if isinstance(facts, ImageFacts)]
    bad = [BadFile(entry.shown, why) for entry, why in zip(entries, results, strict=True) if isinstance(why, str)]
    return found, bad


def _open_folder(
    source: Found,
    listing: Listing,
    *,
    resize: int | None,
    mode: str | None,
    skip_bad: bool,
    progress: OnProgress | None,
    value_range: tuple[float, float] | None,
) -> FolderSource:
    found, bad = look_at_files(listing.entries, progress)
    bad = [*listing.troubles, *bad]
    counts = Counter(entry.label for entry, _ in found)
    lost = sorted({entry.label for entry in listing.entries} - set(counts))
    modes = Counter(facts.mode for _, facts in found)
    sizes = Counter((facts.height, facts.width) for _, facts in found)
    checks.refuse(
        None if skip_bad else checks.bad_files_problem(source.where, bad),
        checks.classes_problem(source.where, counts, lost),
        checks.modes_problem(source.where, modes) if mode is None else None,
        checks.sizes_problem(source.where, sizes) if resize is None else None,
    )
    first = found[0][1].spec
    original = first if len(modes) == 1 and len(sizes) == 1 else None
    spec = target_spec(first, resize, mode, first.dtype if mode is None else "uint8")
    resized = resize is not None
    return FolderSource(
        listing, source.name, found, spec, original, skipped=bad, resize=resized, value_range=value_range
    )
