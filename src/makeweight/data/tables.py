"""Tables of labels: a CSV or TSV file with one row per image, file name and label, or file name and attributes."""

import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from makeweight.data.files import read_regular
from makeweight.data.wording import label_fault, listed, reason_of, shown
from makeweight.errors import InputError

FILE_COLUMNS = ("file_name", "filename", "file", "image", "path", "image_id", "image_path")
LARGEST = 256 << 20
LABEL_COLUMNS = ("label", "class", "target", "labels", "class_name")
BINARY = {"1": 1, "true": 1, "yes": 1, "0": 0, "-1": 0, "false": 0, "no": 0}
TOGETHER, NONE_OF_THEM = "+", "none"


@dataclass(frozen=True)
class TableRow:
    """One row of a table: its line in the file (the header is line 1), the file's name, the label, the attributes."""

    line: int
    file: str
    label: str
    attributes: tuple[int, ...] = ()


def read_table(path: Path) -> list[TableRow]:
    """Read file names and labels from a table.

    Commas, semicolons and tabs part the columns, whichever the header holds. The columns are found by name:
    "file_name" (or "filename", "file", "image", "path", "image_id", "image_path") and "label" (or "class", "target",
    "labels", "class_name"), in any case. Where there is none of the latter and all other columns are binary (1 or 0,
    1 or -1, true or false, yes or no), these are attributes: an image's label names those that it has, as
    "blond+male", or is "none".

    Parameters
    ----------
    path : Path
        The table, UTF-8.

    Returns
    -------
    list of TableRow

    Raises
    ------
    InputError
        If there is no such table, a column is missing, a cell is empty, or a file is named twice.
    """
    lines = read_records(path)
    if not lines:
        raise InputError(f"{shown(path)} is empty: give it the columns file_name and label, and one row per image.")
    header = [name.strip().lower() for name in lines[0][1]]
    file_column = find_column(path, header, FILE_COLUMNS)
    if not set(header) & set(LABEL_COLUMNS) and _are_attributes(lines[1:], file_column, len(header)):
        rows = _with_attributes(path, lines, file_column)
        _refuse_twins(path, rows)
        return rows
    label_column = find_column(path, header, LABEL_COLUMNS)
    rows, faults = [], []
    for line, cells in lines[1:]:
        file, label = (cells[at].strip() if at < len(cells) else "" for at in (file_column, label_column))
        fault = "has no file name" if not file else label_fault(label)
        if fault is None:
            rows.append(TableRow(line, file, label))
        else:
            faults.append(f"line {line} ({fault if not file else 'the label ' + fault})")
    if faults:
        raise InputError(f"{shown(path)} has rows that cannot be used: {listed(faults)}; give each a file and a label.")
    _refuse_twins(path, rows)
    return rows


def read_records(path: Path) -> list[tuple[int, list[str]]]:
    """Read the lines of a table that hold anything.

    Parameters
    ----------
    path : Path
        The table, UTF-8; commas, semicolons or tabs part the columns.

    Returns
    -------
    list of (int, list of str)
        Number of the line in the file, and its cells.

    Raises
    ------
    InputError
        If there is no such table, or it is no CSV.
    """
    try:
        text = read_regular(path, LARGEST).decode("utf-8-sig")
        first = text.lstrip().partition("\n")[0]
        delimiter = max(("\t", ";", ","), key=first.count)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        return [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except FileNotFoundError:
        raise InputError(f"there is no table of labels at {shown(path)}: check the path.") from None
    except UnicodeDecodeError:
        raise InputError(f"{shown(path)} is no UTF-8 text: save it as CSV in UTF-8.") from None
    except csv.Error as error:
        raise InputError(f"{shown(path)} is no CSV table ({error}): save it as CSV.") from None
    except OSError as error:
        reason = reason_of(error).lower()
        raise InputError(f"the table of labels {shown(path)} cannot be read ({reason}): check the path.") from None


def find_column(path: Path, header: list[str], names: tuple[str, ...]) -> int:
    """Find a column of a table by name.

    Parameters
    ----------
    path : Path
        The table, for the message.
    header : list of str
        Names of the columns, in lower case.
    names : tuple of str
        Names that will do, the best first.

    Returns
    -------
    int
        Its place.

    Raises
    ------
    InputError
        If there is none.
    """
    found = next((name for name in names if name in header), None)
    if found is None:
        advice = f"name the column {names[0]}, or one of {', '.join(names[1:])}" if names[1:] else "name one of these"
        there = f"its columns are {listed(header)}" if any(header) else "it has none"
        raise InputError(f"{shown(path)} has no column {shown(names[0])} ({there}): {advice}.")
    return header.index(found)


def _are_attributes(lines: list[tuple[int, list[str]]], file_column: int, n_columns: int) -> bool:
    """Tell whether all columns but that of the files are binary, in most rows: what is not is a fault in these."""
    binary = sum(
        len(cells) == n_columns
        and all(cell.strip().lower() in BINARY for place, cell in enumerate(cells) if place != file_column)
        for _, cells in lines
    )
    return n_columns > 1 and 2 * binary > len(lines)


def _with_attributes(path: Path, lines: list[tuple[int, list[str]]], file_column: int) -> list[TableRow]:
    names = [name.strip() for name in lines[0][1]]
    places = [place for place in range(len(names)) if place != file_column]
    own = [names[place] for place in places]
    often = Counter(own)
    for name in own:
        fault = label_fault(name)
        if fault is None and (TOGETHER in name or name == NONE_OF_THEM or often[name] > 1):
            fault = f"cannot be part of a label: it holds {TOGETHER!r}, is {NONE_OF_THEM!r} or comes twice"
        if fault is not None:
            raise InputError(f"the attribute {shown(name)!r} in {shown(path)} {fault}; rename the column.")
    rows, faults = [], []
    for line, cells in lines[1:]:
        fault = _attribute_fault(cells, names, places)
        if fault is not None:
            faults.append(f"line {line} ({fault})")
            continue
        values = tuple(BINARY[cells[place].strip().lower()] for place in places)
        label = TOGETHER.join(name for name, value in zip(own, values, strict=True) if value) or NONE_OF_THEM
        rows.append(TableRow(line, cells[file_column].strip(), label, values))
        if not rows[-1].file:
            faults.append(f"line {line} (has no file name)")
        elif fault := label_fault(label):
            faults.append(f"line {line} (its attributes make a label that {fault})")
    if faults:
        raise InputError(
            f"{shown(path)} has rows that cannot be used: {listed(faults)}; give each a file, and attributes of 1 or 0."
        )
    return rows


def _attribute_fault(cells: list[str], names: list[str], places: list[int]) -> str | None:
    if len(cells) != len(names):
        return f"has {len(cells)} cells for {len(names)} columns"
    wrong = next((place for place in places if cells[place].strip().lower() not in BINARY), None)
    return None if wrong is None else f"{names[wrong]} is {cells[wrong].strip()[:40]!r}"


def _refuse_twins(path: Path, rows: list[TableRow]) -> None:
    first_line: dict[str, int] = {}
    twins = []
    for row in rows:
        first = first_line.setdefault(row.file, row.line)
        if first != row.line:
            twins.append(f"{row.file} (lines {first} and {row.line})")
    if twins:
        raise InputError(f"{shown(path)} names files more than once: {listed(twins)}; keep one row for each file.")
