import tracemalloc

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


@pytest.mark.parametrize("statistic", [np.mean, np.median])
def test_blocks_give_the_same_as_one_go(monkeypatch: pytest.MonkeyPatch, statistic) -> None:
    """Also in blocks that do not divide the number of resamples, and of one resample each."""
    values = np.random.default_rng(0).normal(3, 1, 61)
    whole = bootstrap(values, np.random.default_rng(1), statistic, 101)
    at_once = values[np.random.default_rng(1).integers(61, size=(101, 61))]
    assert (whole.low, whole.high) == tuple(np.quantile(statistic(at_once, axis=-1), [0.025, 0.975]))
    for size in (7 * 61, 1):
        monkeypatch.setattr("makeweight.quality.figures.LARGEST_BLOCK", size)
        assert bootstrap(values, np.random.default_rng(1), statistic, 101) == whole


def test_memory_does_not_grow_with_the_number_of_values() -> None:
    """In one go 300 resamples of 20,000 values would take 96 MB."""
    values = np.random.default_rng(0).normal(size=20_000)
    tracemalloc.start()
    try:
        bootstrap(values, np.random.default_rng(0), n_resamples=300)
        assert tracemalloc.get_traced_memory()[1] < 32_000_000
    finally:
        tracemalloc.stop()


def test_wilson_interval_by_the_formula() -> None:
    """Of 20 images 15 are hits."""
    z, n, p = 1.959964, 20, 0.75
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    figure = share(np.repeat([1.0, 0.0], [15, 5]))
    assert (figure.value, figure.low, figure.high) == pytest.approx((p, centre - half, centre + half), abs=1e-6)
