import numpy as np
import pytest
from scipy import stats

from makeweight.quality.figures import bootstrap, share


def test_bootstrap_against_scipy() -> None:
    values = np.random.default_rng(0).normal(3, 1, 60)
    figure = bootstrap(values, np.random.default_rng(0), n_resamples=4000)
    expected = stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(1))
    assert figure.value == pytest.approx(values.mean())
    assert (figure.low, figure.high) == pytest.approx(tuple(expected.confidence_interval), abs=0.02)


def test_bootstrap_of_a_median_is_seeded() -> None:
    values = np.arange(21.0)
    one, two = (bootstrap(values, np.random.default_rng(5), np.median) for _ in range(2))
    assert one == two
    assert one.value == 10
    assert one.low < 10 < one.high


def test_wilson_interval_by_the_formula() -> None:
    """Of 20 images 15 are hits."""
    z, n, p = 1.959964, 20, 0.75
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    figure = share(np.repeat([1.0, 0.0], [15, 5]))
    assert (figure.value, figure.low, figure.high) == pytest.approx((p, centre - half, centre + half), abs=1e-6)
