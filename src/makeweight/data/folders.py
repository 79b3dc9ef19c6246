"""Folders of images: which files there are, and which class each belongs to. Nothing is decoded here."""

import os
import posixpath
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from makeweight.data.images import FORMAT_NAMES, is_image_name
from makeweight.data.tables import read_table
from makeweight.data.wording import counted, is_text, label_fault, listed, reason_of, shown
from makeweight.errors import InputError

TABLE_NAME = "metadata.csv"
TRAIN_NAMES = frozenset({"train", "training"})
OTHER_SPLIT_NAMES = frozenset(
    {"test", "testing", "val", "valid", "validation", "dev", "eval", "evaluation", "holdout", "hold-out"}
)
_SYSTEM_FOLDERS = frozenset({"__macosx", "@eadir", "$recycle.bin", "lost+found", "__pycache__"})


@dataclass(frozen=True)
class BadFile:
    """A file that cannot be used.

    Parameters
    ----------
    file : str
        Its name relative to the source, class folder included.
    reason : str
        Why, in a few words.
    """

    file: str
    reason: str

    def __str__(self) -> str:
        """Give name and reason, as messages show them."""
        return f"{shown(self.file)} ({self.reason})"


@dataclass(frozen=True)
class Entry:
    """One image file of the training part.

    Where it is, its label, its name within the class, and in the source; its line in the table of labels, if any.
    """

    path: Path
    label: str
    file: str
    shown: str
    line: int = 0


@dataclass
class Listing:
    """What a folder holds, found without decoding anything.

    Parameters
    ----------
    root : Path
        The folder as the user gave it.
    entries : list of Entry
        Images of the training part, sorted by class and name.
    troubles : list of BadFile
        Files without label, labels without file, names that are no text.
    other_splits : dict of str to list of Path
        Images of each split that is not learnt from.
    ignored : Counter
        Files that are no images by their name, counted by suffix.
    empty_classes : list of str
        Class folders without images.
    stray : int
        Images beside the class folders, which belong to no class.
    unused : list of str
        Folders beside the splits, which are no splits by their names.
    attributes : dict of str to tuple of int
        Binary attributes of each class, where a table tells them in place of labels.
    table : Path, optional
        The table that told the labels, if one did.
    """

    root: Path
    entries: list[Entry] = field(default_factory=list)
    troubles: list[BadFile] = field(default_factory=list)
    other_splits: dict[str, list[Path]] = field(default_factory=dict)
    ignored: Counter[str] = field(default_factory=Counter)
    empty_classes: list[str] = field(default_factory=list)
    stray: int = 0
    unused: list[str] = field(default_factory=list)
    attributes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    table: Path | None = None


def list_folder(root: Path, labels: Path | None = None) -> Listing:
    """Find the images of a folder and their labels.

    The folder holds class folders; or ``train/`` (with class folders or a table) beside other splits; or images and
    a table, ``metadata.csv`` or `labels`.

    Parameters
    ----------
    root : Path
        An existing folder.
    labels : Path, optional
        A table of labels, looked for as given and then inside `root`.

    Returns
    -------
    Listing

    Raises
    ------
    InputError
        If the folder holds no labelled images, or could be read in two ways.
    """
    subfolders = _subfolders(root)
    table = _table(root, labels)
    train = _train_folder(root, subfolders, has_table=table is not None)
    others = [name for name in subfolders if train is not None and name.lower() in OTHER_SPLIT_NAMES]
    if table is None and train is not None and (root / train / TABLE_NAME).is_file():
        table = root / train / TABLE_NAME
    listing = Listing(root, table=table)
    if train is not None and table is None:
        listing.unused = [name for name in subfolders if name != train and name not in others]
    if table is not None:
        _list_table(listing, table, train, others)
    else:
        _list_classes(listing, train)
        for name in others:
            names = _image_names(root / name, Counter(), _ancestors(root))
            listing.other_splits[name] = [root / name / file for file in names]
    _move_unnameable(listing)
    listing.entries.sort(key=lambda entry: (entry.label, entry.file))
    if not listing.entries and not listing.troubles:
        raise InputError(_nothing_found(listing))
    return listing


def _table(root: Path, labels: Path | None) -> Path | None:
    if labels is None:
        return root / TABLE_NAME if (root / TABLE_NAME).is_file() else None
    return labels if labels.exists() or not (root / labels).exists() else root / labels


def _train_folder(root: Path, subfolders: list[str], *, has_table: bool) -> str | None:
    """Find the folder of the training split; a class may be called "train" as well, so doubt is refused."""
    trains = [name for name in subfolders if name.lower() in TRAIN_NAMES]
    splits = [name for name in subfolders if name.lower() in OTHER_SPLIT_NAMES]
    others = [name for name in subfolders if name not in trains and name not in splits and _has_images(root / name)]
    if splits and not trains and not others and not has_table:
        raise InputError(
            f"{shown(root)} holds only {listed(splits)} and no train folder: put the images to learn from into train/, "
            f"or give the path of the split itself."
        )
    if not trains:
        nested_splits = [name for name in splits if _subfolders(root / name) and _has_images(root / name)]
        if nested_splits and others and not has_table:
            raise InputError(
                f"{shown(root)} holds {nested_splits[0]}/ with folders in it beside {listed(others)}: if "
                f"{nested_splits[0]} is a split, put the others into train/, and if it is a class, move its images out "
                "of their subfolders."
            )
        return None
    if len(trains) > 1 and not others:
        raise InputError(f"{shown(root)} holds {listed(trains)}: keep one training folder, or give the path of one.")
    train = trains[0]
    nested = bool(_subfolders(root / train)) or (root / train / TABLE_NAME).is_file()
    if not others or (splits and nested):
        return train
    if has_table or not nested:
        return None
    raise InputError(
        f"{shown(root)} holds {train}/ with folders or a table in it beside {listed(others)}: if {train} is a split, "
        f"give {shown(root / train)}, and if it is a class, move its images out of their subfolders."
    )


def _has_images(folder: Path) -> bool:
    return bool(_image_names(folder, Counter(), _ancestors(folder.parent)))


def _list_classes(listing: Listing, train: str | None) -> None:
    base = listing.root if train is None else listing.root / train
    prefix = "" if train is None else f"{train}/"
    for child in _scan(base):
        if _is_folder(child):
            _list_class(listing, base, child.name, prefix)
        elif is_image_name(child.name):
            listing.stray += 1
        else:
            _ignore(child.name, listing.ignored)


def _list_class(listing: Listing, base: Path, label: str, prefix: str) -> None:
    names = _image_names(base / label, listing.ignored, _ancestors(base))
    if not names:
        listing.empty_classes.append(label)
        return
    fault = label_fault(label)
    if fault is not None:
        raise InputError(f"the name of the class folder {shown(base / label)} {fault}: rename the folder.")
    listing.entries.extend(Entry(base / label / name, label, name, f"{prefix}{label}/{name}") for name in names)


def _list_table(listing: Listing, table: Path, train: str | None, others: list[str]) -> None:
    """Join the rows of a table with the files of the folder; either without the other is trouble."""
    root = listing.root
    names = _image_names(root, listing.ignored, _ancestors(root.resolve().parent), _within(root, table))
    for split in others:
        listing.other_splits[split] = [root / name for name in names if name.startswith(f"{split}/")]
    outside = tuple(f"{split}/" for split in others)
    prefixes = ["", f"{train}/"] if train else [""]
    inside = train is not None and table.parent == root / train
    find = _Finder(root, names, prefixes[::-1] if inside else prefixes)
    unlabelled = {name for name in names if not (outside and name.startswith(outside))}
    for row in read_table(table):
        name = find(row.file)
        if name is None:
            listing.troubles.append(BadFile(row.file, f"named in {table.name}, line {row.line}, but missing"))
        elif not (outside and name.startswith(outside)):
            if name not in unlabelled:
                raise InputError(f"{shown(table)} names {shown(name)} more than once: keep one row for each file.")
            unlabelled.discard(name)
            listing.entries.append(Entry(root / name, row.label, name, name, row.line))
            if row.attributes:
                listing.attributes[row.label] = row.attributes
    listing.troubles.extend(BadFile(name, f"no label in {table.name}") for name in sorted(unlabelled))
    if train is not None and all(entry.file.startswith(f"{train}/") for entry in listing.entries):
        listing.entries = [replace(e, file=e.file[len(train) + 1 :]) for e in listing.entries]


class _Finder:
    """Finds the file that a table means: relative to the folder or its train folder, with or without suffix."""

    def __init__(self, root: Path, names: list[str], prefixes: list[str]) -> None:
        self.root = os.path.abspath(root)
        self.prefixes = prefixes
        self.names = set(names)
        self.by_stem: dict[str, list[str]] = {}
        for name in names:
            self.by_stem.setdefault(os.path.splitext(name)[0], []).append(name)

    def __call__(self, written: str) -> str | None:
        name = os.path.relpath(written, self.root) if os.path.isabs(written) else written
        name = posixpath.normpath(name.replace("\\", "/"))
        full = [prefix + name for prefix in self.prefixes]
        exact = [candidate for candidate in full if candidate in self.names]
        by_stem = [match for stem in full for match in self.by_stem.get(stem, [])]
        found = exact[:1] or by_stem
        return found[0] if len(found) == 1 else None


def _within(root: Path, table: Path) -> str:
    """Give the name of a table relative to a folder, whatever links lead to either."""
    return os.path.relpath(os.path.join(os.path.realpath(table.parent), table.name), os.path.realpath(root))


def _image_names(
    folder: Path, ignored: Counter[str], visited: set[tuple[int, int]], table: str | None = None
) -> list[str]:
    """Find images below a folder, names relative to it; each real folder is entered once, so links cannot loop.

    Other files are counted as ignored, but for the table of labels.
    """
    found, waiting = [], [""]
    seen = set(visited)
    while waiting:
        prefix = waiting.pop()
        identity = _identity(folder / prefix)
        if identity in seen:
            continue
        seen.add(identity)
        for child in _scan(folder / prefix):
            if _is_folder(child):
                waiting.append(f"{prefix}{child.name}/")
            elif is_image_name(child.name) and _is_file_or_broken_link(child):
                found.append(prefix + child.name)
            elif table is None or os.path.normpath(prefix + child.name) != table:
                _ignore(child.name, ignored)
    return sorted(found)


def _scan(folder: Path) -> Iterator[os.DirEntry[str]]:
    """List a folder without hidden files and without what systems leave behind."""
    try:
        with os.scandir(folder) as children:
            kept = [
                child
                for child in children
                if not child.name.startswith(".") and child.name.lower() not in _SYSTEM_FOLDERS
            ]
    except OSError as error:
        reason = reason_of(error).lower()
        raise InputError(f"the folder {shown(folder)} cannot be read ({reason}): check its permissions.") from None
    return iter(sorted(kept, key=lambda child: child.name))


def _subfolders(folder: Path) -> list[str]:
    return [child.name for child in _scan(folder) if _is_folder(child)]


def _is_folder(child: os.DirEntry[str]) -> bool:
    try:
        return child.is_dir()
    except OSError:  # a link to itself
        return False


def _is_file_or_broken_link(child: os.DirEntry[str]) -> bool:
    try:
        return child.is_file() or (child.is_symlink() and not os.path.exists(child.path))
    except OSError:  # a link to itself
        return True


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _ancestors(folder: Path) -> set[tuple[int, int]]:
    """Identify the folder and those above it; a link to one of them is not followed."""
    real = folder.resolve()
    return {_identity(above) for above in (real, *real.parents)}


def _ignore(name: str, ignored: Counter[str]) -> None:
    ignored[os.path.splitext(name)[1].lower() or name] += 1


def _move_unnameable(listing: Listing) -> None:
    """Count files whose names no manifest could hold among the troubles."""
    fine = [entry for entry in listing.entries if is_text(entry.file)]
    if len(fine) < len(listing.entries):
        bad = [entry for entry in listing.entries if not is_text(entry.file)]
        listing.troubles.extend(BadFile(entry.shown, "its name is no valid UTF-8: rename it") for entry in bad)
        listing.entries = fine


def _nothing_found(listing: Listing) -> str:
    where = shown(listing.root)
    if listing.stray:
        return (
            f"{where} holds {counted(listing.stray, 'image')} but no class folders: put the images of each class into "
            f"a folder of its own, or give a table of labels with --labels (labels=)."
        )
    if listing.ignored:
        kinds = listed(suffix for suffix, _ in listing.ignored.most_common())
        return (
            f"{where} holds no {FORMAT_NAMES} images "
            f"({counted(listing.ignored.total(), 'file')} of other kinds, {kinds}): "
            f"convert them, or check the path."
        )
    return f"{where} holds no images: give a folder with one folder of images per class."
