"""Which images belong together, as a file, a column of the tables of labels or a known set says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makeweight.data.arrays import is_missing
from makeweight.data.base import ImageSource
from makeweight.data.tables import FILE_COLUMNS, find_column, read_records
from makeweight.data.wording import counted, listed, shown
from makeweight.errors import InputError

GROUP_COLUMNS = ("group", "groups", "group_id", "patient", "track")
TABLES = (".csv", ".tsv", ".txt")
TRAIN, TEST = "train", "test"
Membership = list[str | None]


@dataclass(frozen=True)
class Part:
    """Training or test images, and where they came from.

    Attributes
    ----------
    name : {"train", "test"}
        Which part.
    source : ImageSource
        The images.
    """

    name: str
    source: ImageSource


@dataclass(frozen=True)
class _Entry:
    line: int
    file: str
    group: str


def groups_file(given: str | None) -> str | None:
    """Give what names groups, if it is a file."""
    return given if given is not None and Path(given).is_file() else None


def read_groups(given: str, parts: Sequence[Part]) -> tuple[list[Membership], list[str]]:
    """Read which group each image belongs to.

    Parameters
    ----------
    given : str
        A CSV file with the columns file_name and group; or the name of a column in the tables of labels.
    parts : sequence of Part
        Training images, and test images where there are any.

    Returns
    -------
    list of list of (str or None)
        For each part, a group for each image; None for one that is not named.
    list of str
        What is worth knowing, a sentence each.

    Raises
    ------
    InputError
        If there is neither such a file nor such a column, a name fits several images or none does, or an image is in
        two groups.

    Notes
    -----
    An image is named by its file, its class folder and file, or with "train/" or "test/" in front of these; the name
    of the folder that was given does in place of the latter.
    """
    if Path(given).is_file():
        found, notes = _assigned(Path(given), _entries(Path(given), GROUP_COLUMNS), parts)
        if not any(group is not None for groups in found for group in groups):
            raise InputError(
                f"{shown(Path(given))} gives no image of '{shown(parts[0].source.name)}' a group: name images as "
                f"{shown(_names(parts[0], 0, whole=len(parts) > 1)[0])}."
            )
    elif Path(given).suffix.lower() in TABLES or len(Path(given).parts) > 1:
        raise InputError(f"there is no file {shown(given)}, which --groups names: check the path.")
    else:
        found, notes = _from_columns(given, parts), []
    for part, groups in zip(parts, found, strict=True):
        lacking = groups.count(None)
        if lacking:
            what = counted(lacking, "test image" if part.name == TEST else "image")
            notes.append(f"{what} without a group: each is a group of its own.")
    return found, notes


def _own_groups(source: ImageSource) -> tuple[Membership | None, list[str]]:
    """Give the groups that a known set tells of its images, None where it tells none, and say so in a sentence."""
    if source.groups is None:
        return None, []
    found: Membership = source.groups.tolist()
    return found, [f"{source.name} tells which images belong together: {counted(len(set(found)), 'group')}."]


def groups_of(given: str | None, parts: Sequence[Part], note: Callable[[str], None]) -> list[Membership | None]:
    """Read which group each image belongs to, as `read_groups`; where nothing is given, take what a known set tells.

    Parameters
    ----------
    given : str or None
        What names groups, if anything does.
    parts : sequence of Part
        Training images, and test images where there are any. A known set tells the groups of training images alone.
    note : callable
        Hears what is worth knowing, a sentence at a time.

    Returns
    -------
    list of list of (str or None), or of None
        For each part, a group for each image; None where nothing is told.
    """
    found: Sequence[Membership | None] = [None] * len(parts)
    notes: list[str] = []
    if given is not None:
        found, notes = read_groups(given, parts)
    elif len(parts) == 1:
        own, notes = _own_groups(parts[0].source)
        found = [own]
    for sentence in notes:
        note(sentence)
    return list(found)


def number_groups(groups: Iterable[Any]) -> NDArray[np.int64]:
    """Give each group a number, in the order in which they come; an image without a group is one of its own.

    Parameters
    ----------
    groups : iterable of object
        What each image belongs to; names that read alike are one. None, NaN and an empty text stand for no group.

    Returns
    -------
    array of int of shape (n,)

    Examples
    --------
    >>> number_groups(["left", None, "left", None]).tolist()
    [0, 1, 0, 2]
    """
    keys = [
        ("alone", place) if is_missing(group) or group == "" else ("group", str(group))
        for place, group in enumerate(groups)
    ]
    numbers: dict[tuple[str, Any], int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def _from_columns(column: str, parts: Sequence[Part]) -> list[Membership]:
    if parts[0].source.table is None:
        raise InputError(
            f"--groups '{shown(column)}' is neither a file nor a column, since '{shown(parts[0].source.name)}' has no "
            f"table of labels: give a CSV file with the columns file_name and group."
        )
    found: list[Membership] = []
    for source in (part.source for part in parts):
        if source.table is None:
            found.append([None] * len(source))
            continue
        group_of = {entry.line: entry.group for entry in _entries(source.table, (column.strip().lower(),))}
        found.append([group_of.get(line) for line in source.lines])
    return found


def _entries(table: Path, columns: tuple[str, ...]) -> list[_Entry]:
    lines = read_records(table)
    header = [name.strip().lower() for name in lines[0][1]] if lines else []
    file_at = find_column(table, header, FILE_COLUMNS)
    group_at = find_column(table, header, columns)
    return [
        _Entry(line, cells[file_at].strip(), cells[group_at].strip())
        for line, cells in lines[1:]
        if max(file_at, group_at) < len(cells) and cells[group_at].strip()
    ]


def _assigned(table: Path, entries: Sequence[_Entry], parts: Sequence[Part]) -> tuple[list[Membership], list[str]]:
    """Give images the groups that a table names for them."""
    places: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for number, part in enumerate(parts):
        for index in range(len(part.source)):
            for name in _names(part, index):
                places[name].add((number, index))
    found: list[Membership] = [[None] * len(part.source) for part in parts]
    unknown = []
    for entry in entries:
        meant = sorted(places.get(entry.file.removeprefix("./"), ()))
        if not meant:
            unknown.append(shown(entry.file))
            continue
        called = [shown(_names(parts[number], index, whole=len(parts) > 1)[0]) for number, index in meant[:9]]
        if len(meant) > 1:
            raise InputError(
                f"{shown(table)}, line {entry.line}: {shown(entry.file)} may be any of {listed(called)}: write which "
                f"one is meant."
            )
        number, index = meant[0]
        before = found[number][index]
        if before not in (None, entry.group):
            raise InputError(
                f"{shown(table)}, line {entry.line}: {called[0]} is in the groups '{shown(before)}' and "
                f"'{shown(entry.group)}': give each image one group."
            )
        found[number][index] = entry.group
    notes = []
    if unknown:
        lines = counted(len(unknown), f"line of {shown(table.name)} names", f"lines of {shown(table.name)} name")
        notes.append(f"{lines} no image: {listed(unknown)}.")
    return found, notes


def _names(part: Part, index: int, *, whole: bool = True) -> list[str]:
    """Give the names that an image answers to; the first tells it from all others, or, if not `whole`, in its part."""
    file, label = part.source.files[index], str(part.source.labels[index])
    within = [f"{label}/{file}", file][:: 1 if part.source.table is None else -1]
    if not whole:
        return within
    return [f"{prefix}/{name}" for prefix in (part.name, part.source.name) for name in within] + within
