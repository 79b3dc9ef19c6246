import numpy as np
import pytest

from makeweight.balance.strategy import Strategy, numbers_to_add
from makeweight.errors import InputError

THREE = np.array(["a"] * 6 + ["b"] * 4 + ["c"])
TWO = np.array(["a"] * 8 + ["b"])


@pytest.mark.parametrize(
    ("strategy", "labels", "to_add"),
    [
        ("auto", THREE, {"b": 2, "c": 5}),
        ("all", THREE, {"b": 2, "c": 5}),
        ("minority", THREE, {"c": 5}),
        ("not minority", THREE, {"b": 2}),
        ("not majority", THREE, {"b": 2, "c": 5}),
        ({"c": 9, "a": 6}, THREE, {"c": 8}),
        (0.5, TWO, {"b": 3}),
    ],
)
def test_numbers_to_add(strategy: Strategy, labels: np.ndarray, to_add: dict[str, int]) -> None:
    assert numbers_to_add(strategy, labels) == to_add


@pytest.mark.parametrize(
    ("strategy", "labels", "message"),
    [
        ("most", THREE, "no sampling strategy 'most': give auto, minority, not minority, not majority, all, a ratio"),
        (
            {"a": 5},
            THREE,
            "asks for 5 images of 'a', and there are 6 already: balancing only adds, so ask for 6 or more",
        ),
        ({"b": 15.5}, THREE, "asks for 15.5 images of 'b': ask for a whole number"),
        ({"b": float("nan")}, THREE, "asks for nan images of 'b': ask for a whole number"),
        ({"b": "15"}, THREE, "asks for 15 images of 'b': ask for a whole number"),
        (
            {"scratch": 9},
            np.array(["scratches", "dent"]),
            r"cannot be met since there is no class called 'scratch': choose from .*; did you mean 'scratches'\?$",
        ),
        ({"z": 9}, THREE, r"there is no class called 'z': choose from a, b, c\.$"),
        (0.5, THREE, "a ratio such as 0.5 works for two classes, and there are 3"),
        (0.05, TWO, "the ratio 0.05 asks for fewer images than there are"),
        (1.5, TWO, "the ratio 1.5 of the smaller to the larger class is not above 0 and at most 1"),
        ("auto", np.array(["a", "b"]), "there is nothing to draw: the classes have 1 image each already"),
        ({"a": 6}, THREE, "nothing to draw: the classes have 1 to 6 images each already"),
    ],
)
def test_strategies_that_cannot_be_met(strategy: Strategy, labels: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        numbers_to_add(strategy, labels)
