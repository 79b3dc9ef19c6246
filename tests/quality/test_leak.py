import itertools

import numpy as np
import pytest

from makeweight.quality import CopyFinder, LeakReport, leak_test
from makeweight.quality.leak import permutation_test


@pytest.fixture(scope="module")
def finder(digits) -> CopyFinder:
    return CopyFinder(digits.X, digits.codec)


def search(digits, finder: CopyFinder, X_drawn: np.ndarray, y_drawn: np.ndarray, test=None) -> LeakReport:
    X_test, y_test = test or (digits.X_test, digits.y_test)
    return leak_test(
        digits.X,
        digits.y,
        X_drawn,
        y_drawn,
        X_test,
        y_test,
        codec=digits.codec,
        finder=finder,
        random=np.random.default_rng(0),
    )


def alarms(found: LeakReport) -> tuple[bool, bool, bool]:
    return found.split_leaks, found.copied, found.too_near


def blend(X: np.ndarray, y: np.ndarray, seed: int = 0) -> np.ndarray:
    """Weighted means of three images of a class."""
    random = np.random.default_rng(seed)
    threes = [X[random.choice(np.flatnonzero(y == label), 3, replace=False)] for label in y]
    return np.einsum("nkhw,k->nhw", np.stack(threes).astype(float), [0.5, 0.3, 0.2]).astype(np.uint8)


def test_fresh_images_and_images_from_the_training_part_pass(digits, finder: CopyFinder) -> None:
    fresh = search(digits, finder, *digits.fresh(0, 1, 2))
    assert alarms(fresh) == (False, False, False)
    assert fresh.nearer_to_test == pytest.approx(0.5, abs=0.2)
    chosen = np.isin(digits.y, (0, 1, 2))
    learnt = search(digits, finder, blend(digits.X[chosen], digits.y[chosen]), digits.y[chosen])
    assert not learnt.too_near
    assert learnt.nearer_to_test < 0.3
    assert learnt.p_value > 0.9


def test_images_learnt_from_the_test_set_lie_too_near(digits, finder: CopyFinder) -> None:
    chosen = np.isin(digits.y_test, (0, 1, 2))
    X_drawn = blend(digits.X_test[chosen], digits.y_test[chosen])
    found = search(digits, finder, X_drawn, digits.y_test[chosen])
    assert found.too_near
    assert found.p_value < 0.01
    assert found.nearer_to_test > 0.65


def test_copies_of_test_images_are_named(digits, finder: CopyFinder) -> None:
    rows = np.flatnonzero(digits.y_test == 8)[:6]
    noise = np.random.default_rng(0).normal(0, 3, (6, 8, 8))
    X_drawn = (digits.X_test[rows] + noise).round().clip(0, 255).astype(np.uint8)
    found = search(digits, finder, X_drawn, digits.y_test[rows])
    assert [copy.of for copy in found.copies] == rows.tolist()
    assert found.copied
    assert not found.split_leaks


def test_a_split_that_leaks_is_named(digits, finder: CopyFinder) -> None:
    X_test = np.concatenate([digits.X_test[:50], digits.X[7:9]])
    y_test = np.concatenate([digits.y_test[:50], digits.y[7:9]])
    found = search(digits, finder, *digits.fresh(1), (X_test, y_test))
    assert [(copy.index, copy.of, copy.kind) for copy in found.shared if copy.index >= 50] == [
        (50, 7, "identical"),
        (51, 8, "identical"),
    ]
    assert alarms(found) == (True, False, False)


def test_classes_without_test_images_are_left_out(digits, finder: CopyFinder) -> None:
    X_drawn, y_drawn = digits.fresh(1)
    found = search(digits, finder, X_drawn, y_drawn, (digits.X_test[digits.y_test == 2], np.full(50, 2)))
    assert (found.nearer_to_test, found.p_value, found.too_near) == (None, None, False)


def test_permutations_against_all_of_them() -> None:
    """Two classes of two images a side: the chance of as many hits, over all ways to call two of four test images."""
    hits = [(np.array([2, 2, 3, 0, 2]), 2), (np.array([1, 3, 3]), 2)]
    observed = 4 + 2
    ways = list(itertools.combinations(range(4), 2))
    counts = [np.isin(hits[0][0], one).sum() + np.isin(hits[1][0], two).sum() for one in ways for two in ways]
    expected = np.mean([count >= observed for count in counts])
    share, p_value = permutation_test(hits, np.random.default_rng(0), n_permutations=20_000)
    assert share == observed / 8
    assert p_value == pytest.approx(expected, abs=0.01)
    assert permutation_test([], np.random.default_rng(0)) == (None, None)
