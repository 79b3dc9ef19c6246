import numpy as np
import pytest

from makeweight import InputError
from makeweight.quality import coverage, density, lies_among, precision, recall
from makeweight.quality.neighbours import neighbour_figures

REAL = np.random.default_rng(0).normal(size=(30, 3))
OTHER = np.random.default_rng(1).normal(0.5, 1.5, (25, 3))


def distance(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.sqrt(((x - y) ** 2).sum()))


def radius(points: np.ndarray, place: int, k: int) -> float:
    return sorted(distance(points[place], other) for i, other in enumerate(points) if i != place)[k - 1]


def inside(point: np.ndarray, points: np.ndarray, k: int) -> list[bool]:
    """Whether a point lies in the neighbourhood of each of the points."""
    return [distance(point, points[i]) <= radius(points, i, k) for i in range(len(points))]


@pytest.mark.parametrize("k", [1, 3, 5])
def test_all_four_by_naive_loops(k: int) -> None:
    assert precision(REAL, OTHER, k) == np.mean([any(inside(x, REAL, k)) for x in OTHER])
    assert recall(REAL, OTHER, k) == np.mean([any(inside(x, OTHER, k)) for x in REAL])
    assert density(REAL, OTHER, k) == pytest.approx(np.mean([sum(inside(x, REAL, k)) / k for x in OTHER]))
    assert coverage(REAL, OTHER, k) == np.mean(
        [min(distance(REAL[i], x) for x in OTHER) <= radius(REAL, i, k) for i in range(len(REAL))]
    )


def test_by_hand_on_a_line() -> None:
    """Radii to the first neighbour: 1, 1, 2. Of 0.5, 1.5 and 9 only the last lies outside; 4 has nobody near."""
    real, other = [[0.0], [1.0], [3.0]], [[0.5], [1.5], [9.0]]
    assert precision(real, other, k=1) == pytest.approx(2 / 3)
    assert lies_among(real, other, k=1).tolist() == [True, True, False]
    assert density(real, other, k=1) == pytest.approx((2 + 2 + 0) / 3)
    assert coverage(real, other, k=1) == 1
    assert coverage([[0.0], [1.0], [30.0], [31.0]], other, k=1) == 0.5


def test_together_as_alone() -> None:
    found = neighbour_figures(REAL, OTHER)
    alone = precision(REAL, OTHER), recall(REAL, OTHER), density(REAL, OTHER), coverage(REAL, OTHER)
    assert found[:4] == alone
    assert found.nearest == pytest.approx(np.median([min(distance(x, r) for r in REAL) for x in OTHER]))


def test_repeated_images_are_their_own_neighbours() -> None:
    assert precision(np.repeat(REAL[:2], 4, axis=0), REAL[2:], k=3) == 0


def test_too_few() -> None:
    with pytest.raises(InputError, match="neighbour number 3 of 3 images"):
        precision(REAL[:3], OTHER)
