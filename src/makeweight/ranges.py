"""What values a parameter may have, declared once: the test and the words of its message."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from makeweight.errors import InputError


class Range(NamedTuple):
    """The values that a parameter may have.

    Attributes
    ----------
    holds : callable
        Tells of any object whether it is one of them.
    words : str
        What completes "it must be".
    """

    holds: Callable[[Any], bool]
    words: str


Ranges = Mapping[str, Range]  # by parameter


def is_number(value: Any) -> bool:
    """Tell whether a value is a finite real number; True and False are none."""
    real = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    return real and bool(-math.inf < value < math.inf)


def above(low: float) -> Range:
    """Give the finite numbers above one."""
    return Range(lambda value: is_number(value) and value > low, f"above {low:g}")


def at_least(low: float) -> Range:
    """Give the finite numbers from one on."""
    return Range(lambda value: is_number(value) and value >= low, f"{low:g} or more")


def within(low: float, high: float) -> Range:
    """Give the numbers from one to another, both included."""
    return Range(lambda value: is_number(value) and low <= value <= high, f"{low:g} to {high:g}")


def below(high: float, low: float = 0) -> Range:
    """Give the numbers from one on that are below another."""
    return Range(lambda value: is_number(value) and low <= value < high, f"{low:g} or more and below {high:g}")


def up_to(high: float, low: float = 0) -> Range:
    """Give the numbers above one, up to another, which is included."""
    return Range(lambda value: is_number(value) and low < value <= high, f"above {low:g} and at most {high:g}")


def whole(low: int, high: int | None = None) -> Range:
    """Give the whole numbers from one on, or from one to another."""

    def holds(value: Any) -> bool:
        integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        return integer and low <= value and (high is None or value <= high)

    return Range(holds, f"a whole number, {low} or more" if high is None else f"a whole number, {low} to {high}")


def one_of(*choices: str) -> Range:
    """Give some words."""
    return Range(
        lambda value: isinstance(value, str) and value in choices, " or ".join(repr(choice) for choice in choices)
    )


def or_none(own: Range) -> Range:
    """Give the values of a range, and None."""
    return Range(lambda value: value is None or own.holds(value), f"{own.words}, or None")


FINITE = Range(is_number, "a finite number")
SWITCH = Range(lambda value: isinstance(value, (bool, np.bool_)), "True or False")
DECAYS = Range(
    lambda value: isinstance(value, (tuple, list)) and len(value) == 2 and all(map(below(1).holds, value)),
    "two numbers, 0 or more and below 1",
)


def check_ranges(ranges: Ranges, value_of: Callable[[str], Any], of: str = "") -> None:
    """Refuse values that are out of range.

    Parameters
    ----------
    ranges : mapping of str to Range
        What the parameters may be.
    value_of : callable
        Gives a parameter's value by its name.
    of : str, optional
        Whose parameters these are.

    Raises
    ------
    InputError
        For the first value that is out of range.

    Examples
    --------
    >>> check_ranges({"degrees": within(0, 360)}, {"degrees": float("nan")}.get, "Affine")
    Traceback (most recent call last):
    makeweight.errors.InputError: Affine(degrees=nan) is impossible: it must be 0 to 360.
    """
    for name, own in ranges.items():
        value = value_of(name)
        if not own.holds(value):
            told = f"{name}={value!r}"
            raise InputError(f"{f'{of}({told})' if of else told} is impossible: it must be {own.words}.")
