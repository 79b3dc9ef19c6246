"""The manifest: one row per image of an output folder, enough to check it and to draw it again."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path, PurePosixPath
from typing import TextIO

from makeweight.balance.names import IMAGES
from makeweight.data.files import open_regular
from makeweight.data.wording import shown
from makeweight.errors import InputError
from makeweight.ranges import LARGEST, LARGEST_ROW

MANIFEST = "manifest.csv"
COLUMNS = (
    "file",
    "label",
    "origin",
    "method",
    "seed",
    "row",
    "model_hash",
    "settings_hash",
    "sha256",
    "source",
    "copy_of",
    "copy_distance",
    "group",
)

_STARTS_FORMULA = "=+-@\t\r\n"
_cells = attrgetter(*COLUMNS)
_DIGITS = re.compile(r"[0-9]{1,20}")
_DISTANCE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_LONGEST_LINE = 1 << 20
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


@dataclass(frozen=True)
class ManifestRow:
    """One image of an output folder.

    Attributes
    ----------
    file : str
        Path below the output folder, with forward slashes.
    label : str
        The true label (the folder's name may be escaped).
    origin : str
        ``"real"`` or ``"drawn"``.
    method, model_hash, settings_hash : str
        What drew the image; empty for a real one.
    seed, row : int or None
        Which of the model's images it is; None for a real one.
    sha256 : str
        Hash of the file's bytes, 64 hexadecimal digits.
    source : str
        The original's name relative to its class; empty for a drawn one.
    copy_of : str
        `file` of the real image that a drawn one copies or nearly equals; empty where it copies none, or where copies
        were not looked for.
    copy_distance : float or None
        How far it is from that one, see `makeweight.quality.ImageBank`; None without one.
    group : str
        What a real image belongs to, such as a patient or a track, where that was told; empty for a drawn one.
    """

    file: str
    label: str
    origin: str
    method: str = ""
    seed: int | None = None
    row: int | None = None
    model_hash: str = ""
    settings_hash: str = ""
    sha256: str = ""
    source: str = ""
    copy_of: str = ""
    copy_distance: float | None = None
    group: str = ""


def write_manifest(path: Path, rows: Iterable[ManifestRow]) -> None:
    """Write a manifest as UTF-8 CSV with a header.

    A cell that a spreadsheet would run as a formula (it starts with ``= + - @``, a tab or a line end and is no number),
    and a cell that starts with an apostrophe, gets one apostrophe in front. `read_manifest` takes it away again; other
    readers get the true value by dropping one apostrophe in front.

    Parameters
    ----------
    path : Path
        The file to write.
    rows : iterable of ManifestRow
        The images.
    """
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        quoting = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerow(COLUMNS)
        for row in rows:
            cells = ["" if cell is None else guard(str(cell)) for cell in _cells(row)]
            # The writer knows its own line end alone, and the reader takes a carriage return for one as well.
            (quoting if any("\r" in cell for cell in cells) else writer).writerow(cells)


def read_manifest(path: str | Path) -> list[ManifestRow]:
    """Read a manifest that `write_manifest` wrote.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    list of ManifestRow
        The images, in the file's order.

    Raises
    ------
    InputError
        If the file is missing, is no manifest of makeweight, or has a row that describes no image.
    """
    path = Path(path)
    require_manifest(path)
    try:
        with open_regular(path) as opened, io.TextIOWrapper(opened, encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(_lines(file), strict=True)
            header = tuple(next(lines, []))
            if header != COLUMNS:
                raise InputError(
                    f"{shown(path)} is no manifest of makeweight: its columns differ from {','.join(COLUMNS)}."
                )
            return [_row(cells, lines.line_num) for cells in lines]
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{shown(path)} cannot be read ({error.strerror}): check its permissions.") from error
    except (csv.Error, ValueError) as error:
        raise InputError(f"{shown(path)} is damaged ({shown(error)}): restore it or balance again.") from error


def require_manifest(path: Path) -> None:
    """Refuse a path at which there is no file.

    Raises
    ------
    InputError
        If there is none.
    """
    if not path.is_file():
        raise InputError(f"there is no manifest at {shown(path)}: give a folder that makeweight wrote.")


def is_manifest(path: Path) -> bool:
    """Tell whether a file starts with the header of a manifest."""
    header = ",".join(COLUMNS).encode()
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(header)) == header


def is_output(folder: Path) -> bool:
    """Tell whether a folder was written by `balance_folder`: a manifest of ours beside ``images/``."""
    return (folder / IMAGES).is_dir() and is_manifest(folder / MANIFEST)


def check_no_output(source: str | Path, labels: str | Path | None = None) -> None:
    """Refuse an output in place of a folder of images, unless a table says what is what in it.

    Raises
    ------
    InputError
        If it is one.
    """
    if labels is None and is_output(Path(source)):
        images = shown(Path(source) / IMAGES)
        raise InputError(f"{shown(source)} is an output of makeweight balance: give {images}, the images in it.")


def unnamed_files(folder: Path, rows: Sequence[ManifestRow]) -> list[str]:
    """Give what lies below ``images/`` of an output and its manifest does not name, sorted.

    These are files, links to folders, and empty folders.
    """
    named = {row.file for row in rows}
    known = named | {parent.as_posix() for file in named for parent in PurePosixPath(file).parents}
    return sorted({path.relative_to(folder).as_posix() for path in _below(folder / IMAGES)} - known)


def _below(folder: Path) -> Iterator[Path]:
    """Give the files, the links and the empty folders below a folder; what is linked is not entered."""
    for path in folder.iterdir():
        if path.is_symlink() or not path.is_dir() or not any(path.iterdir()):
            yield path
        else:
            yield from _below(path)


def guard(cell: str) -> str:
    """Keep a spreadsheet from running a cell as a formula; `unguard` gives the cell back.

    Examples
    --------
    >>> guard("=1+1"), guard("-1"), guard("boot")
    ("'=1+1", '-1', 'boot')
    """
    risky = cell[:1] in _STARTS_FORMULA and not _NUMBER.fullmatch(cell)
    return "'" + cell if cell and (risky or cell[0] == "'") else cell


def unguard(cell: str) -> str:
    """Undo `guard`."""
    return cell.removeprefix("'")


def _lines(file: TextIO) -> Iterator[str]:
    """Give the lines of a file; one without an end is not waited for."""
    while line := file.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise ValueError(f"a line of {_LONGEST_LINE:,} letters or more")
        yield line


def _row(cells: list[str], line: int) -> ManifestRow:
    """Read one row; `line` says where it ends in the file."""
    if len(cells) != len(COLUMNS):
        raise ValueError(f"line {line}: a row of {len(cells)} cells instead of {len(COLUMNS)}")
    plain = map(unguard, cells)
    file, label, origin, method, seed, row, model_hash, settings_hash, sha256, source, copy_of, distance, group = plain
    described = (method, seed, row, model_hash)
    if "\0" in file:
        raise ValueError(f"line {line}: a name that no file can have")
    if origin not in ("real", "drawn"):
        raise ValueError(f"line {line}: the origin {shown(origin[:40])!r} instead of real or drawn")
    if origin == "real" and any((*described, settings_hash)):
        raise ValueError(f"line {line}: a real image with a method, seed, row, model_hash or settings_hash")
    if bool(copy_of) != bool(distance) or (origin == "real" and copy_of):
        raise ValueError(f"line {line}: a copy without its distance, a distance without a copy, or a real copy")
    if origin == "drawn" and group:
        raise ValueError(f"line {line}: a drawn image with a group")
    if origin == "drawn" and not all(described):
        raise ValueError(f"line {line}: a drawn image without method, seed, row or model_hash")
    return ManifestRow(
        file,
        label,
        origin,
        method,
        _number(seed, LARGEST, f"line {line}: the seed"),
        _number(row, LARGEST_ROW, f"line {line}: the row"),
        model_hash,
        settings_hash,
        sha256,
        source,
        copy_of,
        _distance(distance, f"line {line}"),
        group,
    )


def _distance(cell: str, where: str) -> float | None:
    if cell and not _DISTANCE.fullmatch(cell):
        raise ValueError(f"{where}: the distance {shown(cell[:40])!r} is no number from 0 on")
    return float(cell) if cell else None


def _number(cell: str, largest: int, what: str) -> int | None:
    if not cell:
        return None
    if not _DIGITS.fullmatch(cell) or int(cell) > largest:
        raise ValueError(f"{what} {shown(cell[:40])!r} is no whole number from 0 to {largest}")
    return int(cell)
