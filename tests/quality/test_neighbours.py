import numpy as np
import pytest

from makeweight import InputError
from makeweight.quality import neighbour_figures, reach

REAL = np.random.default_rng(0).normal(size=(30, 3))
OTHER = np.random.default_rng(1).normal(0.5, 1.5, (25, 3))


def distance(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.sqrt(((x - y) ** 2).sum()))


def radius(points: np.ndarray, place: int, k: int) -> float:
    return sorted(distance(points[place], other) for i, other in enumerate(points) if i != place)[k - 1]


def inside(point: np.ndarray, points: np.ndarray, k: int) -> list[bool]:
    """Whether a point lies in the neighbourhood of each of the points."""
    return [distance(point, points[i]) <= radius(points, i, k) for i in range(len(points))]


@pytest.mark.parametrize(("k", "wide"), [(1, 1), (3, 5), (5, 3)])
def test_the_figures_by_naive_loops(k: int, wide: int) -> None:
    found = neighbour_figures(REAL, OTHER, k, wide)
    assert found.precision == np.mean([any(inside(x, REAL, k)) for x in OTHER])
    assert found.recall == np.mean([any(inside(x, OTHER, k)) for x in REAL])
    assert found.density == pytest.approx(np.mean([sum(inside(x, REAL, wide)) / wide for x in OTHER]))
    nearest = [min(distance(REAL[i], x) for x in OTHER) for i in range(len(REAL))]
    assert found.coverage == np.mean([nearest[i] <= radius(REAL, i, wide) for i in range(len(REAL))])
    assert found.nearest == pytest.approx(np.median([min(distance(x, r) for r in REAL) for x in OTHER]))


def test_by_hand_on_a_line() -> None:
    """Radii to the first neighbour: 1, 1, 2 and 1, 1, 7.5. Of 0.5, 1.5 and 9 the last lies outside, of 0, 1, 3 none."""
    real, other = [[0.0], [1.0], [3.0]], [[0.5], [1.5], [9.0]]
    found = neighbour_figures(real, other, 1, 1)
    assert found[:4] == (pytest.approx(2 / 3), 1, pytest.approx((2 + 2 + 0) / 3), 1)
    assert found.nearest == 0.5
    assert neighbour_figures([[0.0], [1.0], [30.0], [31.0]], other, 1, 1).coverage == 0.5
    assert reach(real, other, k=1).tolist() == [0.5, 0.5, 3]


def test_the_numbers_of_neighbours_are_the_papers() -> None:
    assert neighbour_figures(REAL, OTHER) == neighbour_figures(REAL, OTHER, 3, 5)


def test_reach_is_one_at_the_edge_of_precision() -> None:
    random = np.random.default_rng(0)
    real, other = (random.normal(size=(n, 4)).astype(np.float32) * s for n, s in ((40, 1), (200, 1.5)))
    among = [any(inside(x, real.astype(float), 3)) for x in other.astype(float)]
    assert 0 < sum(among) < 200
    assert (reach(real, other) <= 1).tolist() == among
    assert neighbour_figures(real, other).precision == np.mean(among)
    same = np.zeros((5, 2), np.float32)
    assert reach(same, np.array([[0, 0], [1, 0]], np.float32))[0] == 0
    assert reach(same, np.array([[0, 0], [1, 0]], np.float32))[1] > 1e9


def test_repeated_images_are_their_own_neighbours() -> None:
    assert neighbour_figures(np.repeat(REAL[:2], 4, axis=0), REAL[2:], 3, 3).precision == 0


def test_too_few() -> None:
    with pytest.raises(InputError, match="neighbour number 3 of 3 images"):
        neighbour_figures(REAL[:3], OTHER)
    with pytest.raises(InputError, match="neighbour number 3 of 3 images"):
        reach(REAL[:3], OTHER)
