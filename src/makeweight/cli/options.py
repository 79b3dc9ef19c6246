"""Options that commands share, and what is typed on the command line, as values."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from makeweight.data.wording import shown
from makeweight.errors import InputError

Source = Annotated[
    str,
    typer.Argument(
        metavar="IN", help="Folder of class folders (or with train/, or a table of labels), .npz, or a set's name."
    ),
]
Labels = Annotated[Path | None, typer.Option(help="Table of labels, CSV or TSV: file name and label.")]
DataDir = Annotated[Path | None, typer.Option(help="Where the files of known sets are; also MAKEWEIGHT_DATA.")]
Download = Annotated[bool, typer.Option("--download", help="Fetch a known set that is not there.")]


def complete_method(incomplete: str) -> list[str]:
    """Complete the name of a method, for the shell; loads none of them.

    Examples
    --------
    >>> complete_method("bag")
    ['bagan', 'bagan_gp']
    """
    from makeweight.methods import shipped

    return [name for name in shipped() if name.startswith(incomplete)]


Method = Annotated[
    str | None,
    typer.Option(help="Name of the method. [default: aggan]", show_default=False, autocompletion=complete_method),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an older output of makeweight.")]
Map = Annotated[str, typer.Option("--map", help="How the report lays out its feature map: tsne or umap.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
Precision = Annotated[str | None, typer.Option(help="32-true or bf16-mixed; by default what suits the device.")]
Resize = Annotated[int | None, typer.Option(help="Learn from images of this many pixels a side.")]
Mode = Annotated[str | None, typer.Option(help="Convert the images: L (grey) or RGB.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave out files that cannot be used.")]

NONE = "none"
MOST_DIGITS = 12  # of a total
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?", re.IGNORECASE)


def parse_names(option: str, text: str | None) -> list[str] | None:
    """Read names with commas between them; one that holds a comma is quoted.

    Raises
    ------
    InputError
        If an option that is given names nothing.

    Examples
    --------
    >>> parse_names("--leave-out", '"a,b", c')
    ['a,b', 'c']
    """
    if text is None:
        return None
    names = [name.strip() for name in next(csv.reader([text], skipinitialspace=True), []) if name.strip()]
    if not names:
        raise InputError(f"{option} {shown(text)!r} names nothing: give names with commas, or leave it out.")
    return names


def parse_strategy(text: str) -> str | float | dict[str, int]:
    """Read a sampling strategy: a name, a ratio, or final totals.

    Parameters
    ----------
    text : str
        For example ``auto``, ``0.5`` or ``scratches=200,patches=150``. A class whose name holds a comma is quoted with
        its total: ``"a,b=200",patches=150``.

    Returns
    -------
    str, float or dict of str to int

    Raises
    ------
    InputError
        If a total is no whole number, or a class is named twice. Other names are left for `numbers_to_add` to refuse.

    Examples
    --------
    >>> parse_strategy("0.5"), parse_strategy("scratches=200,patches=150")
    (0.5, {'scratches': 200, 'patches': 150})
    """
    if not text.strip():
        raise InputError("--sampling-strategy is empty: give auto, a ratio or NAME=TOTAL, or leave it out.")
    if "=" not in text:
        try:
            return float(text)
        except ValueError:
            return text
    totals: dict[str, int] = {}
    for part in next(csv.reader([text], skipinitialspace=True)):
        label, equals, total = part.rpartition("=")
        if not equals or not total.strip().isdecimal():
            raise InputError(f"--sampling-strategy: {shown(part)!r} is not of the form NAME=TOTAL with a whole number.")
        if len(total.strip()) > MOST_DIGITS:
            raise InputError(
                f"--sampling-strategy asks for a total of {len(total.strip())} digits: give a smaller one."
            )
        if label in totals:
            raise InputError(f"--sampling-strategy names {shown(label)!r} twice: keep one total.")
        totals[label] = int(total)
    return totals


def report_file(given: str | None, default: Path | None, inputs: Sequence[Path]) -> Path | None:
    """Settle where a report goes, before anything is computed.

    Parameters
    ----------
    given : str or None
        What ``--html`` says: a file, or "none".
    default : Path or None
        The file that is taken where nothing is said; None for no report.
    inputs : sequence of Path
        Folders that are to stay as they are.

    Returns
    -------
    Path or None
        The file; None for no report.

    Raises
    ------
    InputError
        If it is "-", lies inside an input, cannot be written, or is there and no report.
    """
    from makeweight.report.render import is_report

    if given == "":
        raise InputError("--html is empty: name a file, such as report.html, or leave it out.")
    if given == "-":
        raise InputError("--html writes a file, not to the output: name one, such as report.html.")
    file = default if given is None else Path(given)
    if given == NONE or file is None:
        return None
    check_target("--html", file, inputs, is_report, given=given is not None)
    return file


def check_target(
    option: str, file: Path, inputs: Sequence[Path], is_own: Callable[[Path], bool], *, given: bool = True
) -> None:
    """Refuse a file to write, before anything is computed.

    Parameters
    ----------
    option : str
        What names the file, for the message.
    file : Path
        The file.
    inputs : sequence of Path
        Folders that are to stay as they are.
    is_own : callable
        Tells whether a file that is there may be replaced.
    given : bool, default=True
        Whether the option was given; else the message says what it is for.

    Raises
    ------
    InputError
        If it lies inside an input, cannot be written, or may not be replaced.
    """
    name = f"{option} {shown(file)}" if given else f"the report {shown(file)}"
    another = "name another file" if given else f"name another file with {option}, or give {option} {NONE}"
    for folder in inputs:
        if folder.is_dir() and file.resolve().is_relative_to(folder.resolve()):
            raise InputError(f"{name} lies inside {shown(folder)}, which is to stay as it is: {another}.")
    if file.is_dir() or not file.resolve().parent.is_dir():
        raise InputError(f"{name} cannot be written: {another}, in a folder that exists.")
    if file.exists() and not is_own(file):
        raise InputError(f"{name} is there and holds something else: {another}, or delete it.")
    if not os.access(file.resolve().parent, os.W_OK):
        raise InputError(f"{name} lies where nothing may be written: {another}.")


def parse_duration(text: str, option: str = "--budget") -> float:
    """Read a duration as seconds.

    Parameters
    ----------
    text : str
        For example ``90s``, ``20m``, ``1h30m``; a bare number is in seconds.
    option : str, default="--budget"
        What was given, for the message.

    Returns
    -------
    float

    Raises
    ------
    InputError
        If it is no duration above zero.

    Examples
    --------
    >>> parse_duration("90s"), parse_duration("20m"), parse_duration("1h30m")
    (90.0, 1200.0, 5400.0)
    """
    found = _DURATION.fullmatch(text.strip())
    hours, minutes, seconds = (float(part or 0) for part in found.groups()) if found else (0.0, 0.0, 0.0)
    total = hours * 3600 + minutes * 60 + seconds
    if total <= 0:
        raise InputError(f"{option} {shown(text)!r} is no duration: give one such as 90s, 20m or 1h30m.")
    return total
