"""What values parameters may have: by the kinds of range, and of every part of every axis."""

from __future__ import annotations

import inspect
import math
import re
from typing import Any

import numpy as np
import pytest

import makeweight.classifiers.small_cnn
import makeweight.recipe  # noqa: F401 - both register their axes
from makeweight.augmentations import Affine
from makeweight.component import _REGISTRIES, Component
from makeweight.errors import InputError
from makeweight.ranges import (
    DECAYS,
    FINITE,
    SWITCH,
    Range,
    above,
    at_least,
    below,
    check_ranges,
    one_of,
    or_none,
    up_to,
    whole,
    within,
)
from makeweight.recipe import LIMITS, Recipe
from makeweight.recipe_sampler import RecipeSampler

NEVER: tuple[Any, ...] = (math.nan, math.inf, -math.inf, "abc", "", [], {}, object())
PARTS = [part for registry in _REGISTRIES.values() for part in registry if issubclass(part, Component)]
# Arms and tables are no user's to set.
ELSEWHERE = {"arm", "table"}


@pytest.mark.parametrize(
    ("own", "inside", "outside", "words"),
    [
        (above(0), (1e-9, 5, np.float32(2)), (0, -1, True), "above 0"),
        (at_least(0), (0, 0.0, np.int64(3)), (-1e-9, False), "0 or more"),
        (within(0, 360), (0, 360), (-1, 360.5), "0 to 360"),
        (below(1), (0, 0.999), (1, -0.1), "0 or more and below 1"),
        (up_to(1), (0.01, 1), (0, 1.01), "above 0 and at most 1"),
        (whole(1), (1, np.int32(7)), (0, 1.0, True, 1 << 31, 10**20), "a whole number, 1 to 2,147,483,647"),
        (whole(0, 3), (0, 3), (4, -1), "a whole number, 0 to 3"),
        (one_of("step", "epoch"), ("step",), ("steps", None, 1), "'step' or 'epoch'"),
        (or_none(above(0)), (None, 1), (0,), "above 0, or None"),
        (FINITE, (-3, 0.5), (None, True, 10**400), "a finite number"),
        (SWITCH, (True, np.bool_(False)), (0, 1, "yes", None), "True or False"),
        (DECAYS, ((0, 0.999), [0.5, 0.5]), ((1, 2), (0.5,), 0, None), "two numbers, 0 or more and below 1"),
    ],
)
def test_each_kind(own: Range, inside: tuple[Any, ...], outside: tuple[Any, ...], words: str) -> None:
    assert all(own.holds(value) for value in inside)
    assert not any(own.holds(value) for value in (*outside, *NEVER))
    assert own.words == words


def test_the_message_names_whose_parameter_it_is() -> None:
    with pytest.raises(InputError, match=r"^Affine\(degrees=-1\) is impossible: it must be 0 to 360\.$"):
        check_ranges({"degrees": within(0, 360)}, {"degrees": -1}, "Affine")
    with pytest.raises(InputError, match=r"^width='a' is impossible: it must be a whole number, 1 to 2,147,483,647\.$"):
        check_ranges({"width": whole(1)}, {"width": "a"})


@pytest.mark.parametrize("value", ["abc", True, (1,)])
def test_what_is_no_number_is_told_so(value: object) -> None:
    words = re.escape(f"rate={value!r} is impossible: it must be a number, above 0, or None.")
    with pytest.raises(InputError, match=f"^{words}$"):
        check_ranges({"rate": or_none(above(0))}, {"rate": value})
    with pytest.raises(InputError, match=r"^rate=-1\.5 is impossible: it must be above 0\.$"):
        check_ranges({"rate": above(0)}, {"rate": -1.5})


@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"{part.axis}-{part.name}")
def test_every_number_and_switch_of_a_part_has_a_range(part: type[Component]) -> None:
    if part.axis in ELSEWHERE:
        return
    try:
        own = part()
    except TypeError:  # what has to be given cannot be named alone
        return
    told = own.get_params(deep=False)
    assert set(part.ranges) <= set(told)
    own.check()
    for name, value in told.items():
        if isinstance(value, (bool, int, float)):
            assert name in part.ranges
        if name in part.ranges:
            for wrong in NEVER:
                with pytest.raises(InputError, match=rf"{name}=.* is impossible: it must be "):
                    _REGISTRIES[part.axis].resolve(part(**{name: wrong}))


def test_a_narrower_part_has_the_ranges_of_what_it_takes() -> None:
    class Tilted(Affine):
        def __init__(self, *, degrees: float = 1.0) -> None:
            self.degrees = degrees

    Tilted().check()
    with pytest.raises(InputError, match=r"^Tilted\(degrees=400\) is impossible: it must be 0 to 360"):
        Tilted(degrees=400).check()


@pytest.mark.parametrize("name", LIMITS)
def test_the_help_of_samplers_tells_ranges_and_defaults(name: str) -> None:
    text = " ".join(inspect.getdoc(RecipeSampler).split())
    own = re.search(rf" {name} : (.*?)(?= \w+ : )", text)[1]
    assert LIMITS[name].words.removeprefix("a whole number, ").replace("True or False", "Whether") in own
    default = getattr(Recipe(), name)
    assert f"by default {default:g}" in own if type(default) in (int, float) else f"default {default}" in own
