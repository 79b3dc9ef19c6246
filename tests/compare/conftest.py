"""Planted methods: one that truly helps, one that swaps labels, one that only copies."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from makeweight.compare.classifier import MixedClassifier
from makeweight.data.arrays import ImageCodec
from makeweight.methods.duplicates import Duplicates
from makeweight.networks import DCGAN
from makeweight.sampler import METHODS
from makeweight.saving import Arrays

DIGITS = load_digits()
CLASSES = (1, 3, 8)
TINY = MixedClassifier(networks=DCGAN(width=8), batch_size=16, learning_rate=5e-3)


def rows_of(code: int, start: int, stop: int) -> NDArray[np.intp]:
    return np.flatnonzero(code == DIGITS.target)[start:stop]


def digits(counts: dict[int, int], start: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    """So many images of each digit, from the given place on."""
    rows = np.concatenate([rows_of(code, start, start + n) for code, n in counts.items()])
    return DIGITS.images[rows].astype(np.uint8), np.array([f"d{label}" for label in DIGITS.target[rows]])


class Copier(Duplicates):
    """Draws copies."""


class Oracle(Duplicates):
    """Draws real images that are in no other part: rows 60 to 100 of each digit."""

    shift = 0

    def _learn(
        self, X: NDArray[Any], codes: NDArray[np.int64], codec: ImageCodec, classes: NDArray[Any], seed: int
    ) -> None:
        wanted = np.roll([int(str(label)[1:]) for label in classes.tolist()], self.shift)
        parts = [digits({digit: 40}, start=60)[0] for digit in wanted.tolist()]
        self.images_ = np.concatenate(parts)
        self.codes_ = np.repeat(np.arange(len(classes)), [len(part) for part in parts])

    def _restore(self, weights: Arrays, training: Arrays, numbers: dict[str, Any]) -> None:
        self.images_, self.codes_ = weights["images"], weights["codes"]  # other ones than the card counts


class Swapper(Oracle):
    """Draws real images of another class."""

    shift = 1


@pytest.fixture(scope="module")
def planted() -> Iterator[None]:
    """The three methods are in the registry."""
    with pytest.MonkeyPatch.context() as patch:
        for kind in (Copier, Oracle, Swapper):
            name = kind.__name__.lower()
            patch.setattr(kind, "name", name)
            patch.setattr(kind, "axis", "method")
            patch.setitem(METHODS._parts, name, kind)
        yield
