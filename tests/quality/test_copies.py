import numpy as np
import pytest

from makeweight.data.arrays import ImageCodec
from makeweight.quality import CopyFinder
from makeweight.quality.copies import SAME


@pytest.fixture(scope="module")
def finder(digits) -> CopyFinder:
    return CopyFinder(digits.X, digits.codec)


def noisy(X: np.ndarray, spread: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, spread, X.shape)
    return (X + noise).round().clip(0, 255).astype(np.uint8)


def shares(finder: CopyFinder, X: np.ndarray, originals: np.ndarray) -> tuple[float, float]:
    """Share of images told to be copies of their originals, and of those beyond doubt."""
    copies = finder.find(X).copies
    right = [copy for copy in copies if copy.of == originals[copy.index]]
    return len(right) / len(X), sum(copy.kind != "suspect" for copy in right) / len(X)


def test_identical_images_are_named(finder: CopyFinder, digits) -> None:
    found = finder.find(digits.X)
    assert [(copy.index, copy.of, copy.kind) for copy in found.copies] == [
        (row, row, "identical") for row in range(len(digits.X))
    ]
    assert not found.distances.any()


def test_mirrored_and_brightened_copies_are_beyond_doubt(finder: CopyFinder, digits) -> None:
    rows = np.arange(len(digits.X))
    mirrored = digits.X[:, :, ::-1]
    assert shares(finder, mirrored, rows)[1] > 0.99
    assert {copy.change for copy in finder.find(mirrored).copies} <= {"", "mirrored", "mirrored and shifted"}
    darker = (digits.X * 0.75 + 10).round().astype(np.uint8)
    assert shares(finder, darker, rows)[1] == 1
    assert {copy.change for copy in finder.find(darker).copies} == {"brightness or contrast"}


def test_noisy_and_shifted_copies(finder: CopyFinder, digits) -> None:
    rows = np.arange(len(digits.X))
    assert shares(finder, noisy(digits.X, 5), rows)[1] > 0.95
    assert shares(finder, noisy(digits.X, 13), rows)[0] > 0.9
    # Shifted by one of eight pixels: what leaves the image is lost, so not all are found.
    assert shares(finder, np.roll(digits.X, 1, axis=1), rows)[0] > 0.15


def test_fresh_images_give_no_alarm(finder: CopyFinder, digits) -> None:
    for X in (digits.X_fresh, digits.X_test):
        copies = finder.find(X).copies
        assert len(copies) <= 4
        assert {copy.kind for copy in copies} <= {"suspect"}
        assert not finder.alarming(copies, len(X))
    assert finder.threshold_ == 0.5
    assert finder.false_alarm_rate_ is not None
    assert finder.false_alarm_rate_ < 0.01


def test_alarm_is_one_certain_copy_or_many_suspects(finder: CopyFinder, digits) -> None:
    found = finder.find(noisy(digits.X, 20)).copies
    suspects, near = ([copy for copy in found if copy.kind == kind] for kind in ("suspect", "near"))
    identical = finder.find(digits.X[:1]).copies
    assert len(suspects) > 20
    assert finder.alarming(suspects[:20], 100)
    assert not finder.alarming(suspects[:1], 300)
    assert finder.alarming(near[:1], 300)
    assert finder.alarming(identical, 10_000)
    assert not finder.alarming((), 300)


def test_the_rule_is_that_of_two_distances() -> None:
    """Rows on a line, at 0, 4 and 9: 1.5 is 1.5 from 0, whose nearest is 4 away."""
    X = np.array([[0.0], [4.0], [9.0]])
    finder = CopyFinder(X, ImageCodec.learn(X))
    np.testing.assert_allclose(finder.distances_ * 4.5, [4, 4, 5], rtol=1e-6)
    # Ratios among the real ones: 4/5 (0 to 4, whose other is 9), 4/9 (4 to 0, whose other is 9), 5/4.
    assert finder.threshold_ == pytest.approx(4 / 9)
    found = finder.find(np.array([[1.5], [0.5], [2.0], [6.5]]))
    assert [(copy.index, copy.of, copy.kind) for copy in found.copies] == [(0, 0, "suspect"), (1, 0, "near")]
    assert found.copies[0].ratio == pytest.approx(1.5 / 4)
    assert found.copies[0].change == ""


@pytest.mark.parametrize("n_pairs", [10, 25, 50, 75, 125])
def test_at_most_one_real_image_in_a_hundred_is_suspect(n_pairs: int) -> None:
    """Pairs of rows that are near to each other, each pair a little less than the one before."""
    random = np.random.default_rng(0)
    centres, ways = random.uniform(-1, 1, (2, n_pairs, 16))
    X = np.concatenate([centres, centres + np.linspace(0.1, 0.2, n_pairs)[:, None] * ways])
    finder = CopyFinder(X, ImageCodec.learn(X))
    assert finder.threshold_ < 0.4
    assert finder.false_alarm_rate_ is not None
    n_suspect = round(finder.false_alarm_rate_ * (len(X) + 1)) - 1
    assert 0 <= n_suspect <= len(X) / 100


def test_bursts_among_real_images_lower_the_threshold(digits) -> None:
    """Where real images come in near-copies, near-copies are no sign of copying."""
    bursts = np.concatenate([noisy(digits.X[:150], 6, seed) for seed in range(2)])
    finder = CopyFinder(bursts, digits.codec)
    assert finder.threshold_ < 0.35
    fresh = noisy(digits.X[:150], 6, seed=9)
    certain = [copy for copy in finder.find(fresh).copies if copy.kind != "suspect"]
    assert len(certain) <= 2


def test_near_images_are_no_alarm_where_real_ones_are_as_near_to_each_other(digits) -> None:
    """One pair of near-copies among 400 real images, too few to lower the threshold."""
    X = np.concatenate([digits.X_test[:400], noisy(digits.X_test[:1], 4)])
    finder = CopyFinder(X, digits.codec)
    near = [copy for copy in finder.find(noisy(digits.X_test[20:120], 4)).copies if copy.kind == "near"]
    assert finder.threshold_ == 0.5
    assert not finder.alarming(near[:2], 200)
    assert finder.alarming(near[:20], 200)


def test_repeated_real_images_do_not_count_as_neighbours(digits) -> None:
    finder = CopyFinder(np.repeat(digits.X[:30], 2, axis=0), digits.codec)
    assert finder.distances_.min() > SAME
    assert [copy.of for copy in finder.find(digits.X[2:3]).copies] == [4]


@pytest.mark.parametrize("n_real", [1, 2, 3])
def test_very_few_images(n_real: int, digits) -> None:
    finder = CopyFinder(digits.X[:n_real], digits.codec)
    found = finder.find(digits.X[:5])
    assert [copy.kind for copy in found.copies if copy.index < n_real] == ["identical"] * n_real
    assert found.nearest.shape == (5,)
    if n_real == 1:
        assert finder.false_alarm_rate_ is None
        assert len(found.copies) == 1


def test_deep_and_coloured_images() -> None:
    random = np.random.default_rng(0)
    for X in (
        random.integers(0, 65536, (20, 9, 12), dtype=np.uint16),
        random.random((20, 3, 12, 9), np.float32),
        random.integers(0, 256, (20, 12, 9, 3), dtype=np.uint8),
    ):
        finder = CopyFinder(X, ImageCodec.learn(X))
        found = finder.find(np.concatenate([X[4:6], random.permuted(X[:3], axis=1)]))
        assert [(copy.index, copy.of, copy.kind) for copy in found.copies] == [(0, 4, "identical"), (1, 5, "identical")]
