"""Digits: a training part with rare classes, fresh images of each class, and a cross-fit that is trained once."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from makeweight.classifiers.small_cnn import CNNClassifier
from makeweight.data.arrays import ImageCodec
from makeweight.quality import CrossFit

RARE = {3: 9, 8: 40, 9: 1}
DRAWN = 40


@dataclass(frozen=True)
class Digits:
    X: NDArray[np.uint8]
    y: NDArray[np.int64]
    X_fresh: NDArray[np.uint8]
    y_fresh: NDArray[np.int64]
    X_test: NDArray[np.uint8]
    y_test: NDArray[np.int64]
    codec: ImageCodec

    def fresh(self, *labels: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Forty images of each of these classes that are in no other part."""
        chosen = np.isin(self.y_fresh, labels)
        return self.X_fresh[chosen], self.y_fresh[chosen]


@pytest.fixture(scope="session")
def digits() -> Digits:
    data = load_digits()
    X, y = (data.images * 15.9).astype(np.uint8), data.target
    random = np.random.default_rng(0)
    parts: list[list[int]] = [[], [], []]
    for label in range(10):
        members = random.permutation(np.flatnonzero(y == label))
        cuts = (0, RARE.get(label, 60)), (60, 60 + DRAWN), (60 + DRAWN, 150)
        for part, (first, last) in zip(parts, cuts, strict=True):
            part.extend(members[first:last])
    train, fresh, test = parts
    return Digits(X[train], y[train], X[fresh], y[fresh], X[test], y[test], ImageCodec.learn(X[train]))


@pytest.fixture(scope="session")
def crossfit(digits: Digits) -> CrossFit:
    classifier = CNNClassifier(n_steps=150, balanced_batches=True, device="cpu")
    return CrossFit(3, classifier, random_state=0).fit(digits.X, digits.y, codec=digits.codec)
