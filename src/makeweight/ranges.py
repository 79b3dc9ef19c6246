"""What values a parameter may have, declared once: the test and the words of its message."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from makeweight.errors import InputError

LARGEST = (1 << 31) - 1
LARGEST_ROW = 2**62  # of the images that a model draws


class Range(NamedTuple):
    """The values that a parameter may have.

    Attributes
    ----------
    holds : callable
        Tells of any object whether it is one of them.
    words : str
        What completes "it must be".
    of_numbers : bool
        Whether these are numbers, which `words` does not say.
    """

    holds: Callable[[Any], bool]
    words: str
    of_numbers: bool = False

    def words_for(self, value: Any) -> str:
        """Give `words`, and that these are numbers where the value is none."""
        told = self.of_numbers and (isinstance(value, bool) or not isinstance(value, (int, float, np.number)))
        return f"a number, {self.words}" if told else self.words


Ranges = Mapping[str, Range]  # by parameter


def is_number(value: Any) -> bool:
    """Tell whether a value is a finite real number that can be computed with; True and False are none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        return False
    if isinstance(value, int):
        return abs(value) < 2**63
    return math.isfinite(value)


def above(low: float) -> Range:
    """Give the finite numbers above `low`."""
    return Range(lambda value: is_number(value) and value > low, f"above {low:g}", of_numbers=True)


def at_least(low: float) -> Range:
    """Give `low` and the finite numbers above it."""
    return Range(lambda value: is_number(value) and value >= low, f"{low:g} or more", of_numbers=True)


def within(low: float, high: float) -> Range:
    """Give the numbers from `low` to `high`, both included."""
    return Range(lambda value: is_number(value) and low <= value <= high, f"{low:g} to {high:g}", of_numbers=True)


def below(high: float) -> Range:
    """Give 0 and the numbers between it and `high`."""
    return Range(lambda value: is_number(value) and 0 <= value < high, f"0 or more and below {high:g}", of_numbers=True)


def up_to(high: float) -> Range:
    """Give `high` and the numbers between 0 and it."""
    return Range(lambda value: is_number(value) and 0 < value <= high, f"above 0 and at most {high:,}", of_numbers=True)


def whole(low: int, high: int = LARGEST) -> Range:
    """Give the whole numbers from `low` to `high`; what counts steps or widths is not larger."""

    def holds(value: Any) -> bool:
        integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        return integer and bool(low <= value <= high)

    return Range(holds, f"a whole number, {low} to {high:,}")


def one_of(*choices: str) -> Range:
    """Give some words."""
    return Range(
        lambda value: isinstance(value, str) and value in choices, " or ".join(repr(choice) for choice in choices)
    )


def or_none(own: Range) -> Range:
    """Give the values of a range, and None."""
    return Range(lambda value: value is None or own.holds(value), f"{own.words}, or None", own.of_numbers)


SEED = whole(0)
ROUND = Range(lambda value: is_number(value) and whole(1).holds(round(value)) and value == round(value), whole(1).words)
FINITE = Range(is_number, "a finite number")
SWITCH = Range(lambda value: isinstance(value, (bool, np.bool_)), "True or False")
DECAYS = Range(
    lambda value: isinstance(value, (tuple, list)) and len(value) == 2 and all(map(below(1).holds, value)),
    "two numbers, 0 or more and below 1",
)


def check_ranges(ranges: Ranges, values: Mapping[str, Any], of: str = "") -> None:
    """Refuse values that are out of range.

    Parameters
    ----------
    ranges : mapping of str to Range
        What the parameters may be.
    values : mapping of str to object
        What they are; a parameter that is not there is not looked at.
    of : str, optional
        Whose parameters these are.

    Raises
    ------
    InputError
        For the first value that is out of range.

    Examples
    --------
    >>> check_ranges({"degrees": within(0, 360)}, {"degrees": float("nan")}, "Affine")
    Traceback (most recent call last):
    makeweight.errors.InputError: Affine(degrees=nan) is impossible: it must be 0 to 360.
    """
    for name, own in ranges.items():
        if name in values and not own.holds(values[name]):
            told = f"{name}={values[name]!r}"
            raise InputError(
                f"{f'{of}({told})' if of else told} is impossible: it must be {own.words_for(values[name])}."
            )
