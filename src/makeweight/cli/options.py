"""What is typed on the command line, as values."""

from __future__ import annotations

import csv
import re

from makeweight.data.wording import shown
from makeweight.errors import InputError

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?", re.IGNORECASE)


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
        if label in totals:
            raise InputError(f"--sampling-strategy names {shown(label)!r} twice: keep one total.")
        totals[label] = int(total)
    return totals


def parse_duration(text: str) -> float:
    """Read a duration as seconds.

    Parameters
    ----------
    text : str
        For example ``90s``, ``20m``, ``1h30m``; a bare number is in seconds.

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
        raise InputError(f"--budget {shown(text)!r} is no duration: give one such as 90s, 20m or 1h30m.")
    return total
