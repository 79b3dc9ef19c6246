import numpy as np
import pytest

from makeweight.quality import frechet_distance, kernel_distance, neighbour_figures
from makeweight.quality.resampling import NAMES, FoldFeatures, feature_figures


def folds(n_real: int, n_drawn: int, shift: float = 0.0, spread: float = 1.0, n_folds: int = 3, n_classes: int = 1):
    random = np.random.default_rng(0)
    codes, drawn_codes = np.arange(n_real) % n_classes, np.arange(n_drawn) % n_classes
    real = random.normal(size=(n_real, 5)).astype(np.float32)
    drawn = random.normal(shift, spread, (n_drawn, 5)).astype(np.float32)
    return [
        FoldFeatures.of(real, codes, np.arange(n_real) // n_classes % n_folds == fold, drawn, drawn_codes, 3, seed=0)
        for fold in range(n_folds)
    ]


def figures(parts, classes=(0,), n_resamples: int = 12):
    return feature_figures(parts, classes, np.random.default_rng(0), n_resamples)


def test_features_are_scaled_by_one_number() -> None:
    fold = folds(90, 30)[0]
    assert np.square(fold.seen).mean() == pytest.approx(1)
    np.testing.assert_allclose(fold.seen.mean(axis=0), 0, atol=1e-5)
    assert fold.side(0) == min(30, 30, 15)
    assert fold.projection.n_components_ == 3


def test_the_figures_are_those_of_the_metrics() -> None:
    fold = folds(90, 60)[0]
    found = dict(zip(NAMES, fold.figures(fold.seen[:20], fold.drawn[:20]), strict=True))
    assert found["kernel"] == kernel_distance(fold.seen[:20], fold.drawn[:20])
    near = neighbour_figures(fold.seen[:20], fold.drawn[:20])
    assert tuple(found[name] for name in ("precision", "recall", "density", "coverage", "nearest_features")) == near
    low = fold.projection.transform(fold.seen[:20]), fold.projection.transform(fold.drawn[:20])
    assert found["frechet"] == pytest.approx(frechet_distance(*low), rel=1e-6)


def test_fresh_images_reach_the_reference() -> None:
    for name, figure in figures(folds(150, 100)).items():
        assert figure.low <= figure.reference <= figure.high, name
        assert figure.low < figure.value < figure.high, name


def test_images_elsewhere_do_not() -> None:
    found = figures(folds(150, 100, shift=2.5))
    for name in ("frechet", "kernel", "nearest_features"):
        assert found[name].low > 1.5 * found[name].reference
    for name in ("precision", "recall", "density", "coverage"):
        assert found[name].high < found[name].reference


def test_images_that_vary_too_little_lack_recall_alone() -> None:
    found = figures(folds(150, 100, spread=0.1))
    assert found["precision"].value == 1
    assert found["recall"].high < found["recall"].reference / 2


@pytest.mark.parametrize("most", [200, 10])
def test_the_interval_is_that_of_fresh_samples(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """The interval's spread is about that over new sets, for a given extractor, in halves and in small parts."""
    monkeypatch.setattr("makeweight.quality.resampling.MOST_IMAGES", most)
    spreads, values = [], []
    for seed in range(20):
        random = np.random.default_rng(seed)
        real = random.normal(size=(90, 2)).astype(np.float32)
        drawn = random.normal(1.0, 1.0, (60, 2)).astype(np.float32)
        nothing = np.zeros(90, int)
        fold = FoldFeatures.of(real, nothing, np.arange(90) % 3 == 0, drawn, nothing[:60], 2, seed=0)
        found = figures([fold], n_resamples=30)
        found = [found[name] for name in ("frechet", "precision", "nearest_features")]
        spreads.append([(figure.high - figure.low) / (2 * 1.96) for figure in found])
        values.append([figure.value for figure in found])
    ratios = np.mean(spreads, axis=0) / np.std(values, axis=0)
    assert (ratios > 0.6).all()
    assert (ratios < 1.6).all()


def test_the_interval_of_few_resamples_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures 9 and 11 of two resamples of halves: a mean of 10, a spread of 1, and a variance of 1/2 of the mean."""
    answers = iter([[9.0] * len(NAMES), [5.0] * len(NAMES), [11.0] * len(NAMES), [7.0] * len(NAMES)])
    monkeypatch.setattr(FoldFeatures, "figures", lambda *_: next(answers))
    found = figures(folds(90, 60)[:1], n_resamples=2)["frechet"]
    assert (found.value, found.reference) == (10, 6)
    half = 1.959964 * np.sqrt(1 + 1 / 2)
    assert (found.low, found.high) == pytest.approx((10 - half, 10 + half))


def test_too_few_images_are_refused_with_the_reason() -> None:
    found = figures(folds(29, 100))
    assert {figure.value for figure in found.values()} == {None}
    assert found["kernel"].refused == (
        "9 images a side are too few: 10 are needed, which takes about 30 real and 20 drawn ones"
    )
    assert figures(folds(30, 19))["recall"].refused.startswith("9 images a side")
    assert figures([])["recall"].refused.startswith("0 images a side")
    enough = figures(folds(30, 20))
    assert enough["frechet"].value is not None
    random = np.random.default_rng(0)
    wide = random.normal(size=(30, 20)).astype(np.float32)
    parts = [np.zeros(30, int), np.arange(30) % 3 == 0, wide, np.zeros(30, int)]
    found = figures([FoldFeatures.of(wide, *parts, 12, seed=0)])
    assert found["frechet"].refused.startswith("10 images a side are too few for 12 dimensions")
    assert found["kernel"].value is not None


def test_classes_together_make_one_comparison() -> None:
    parts = folds(60, 60, n_classes=3)
    assert figures(parts, [0])["kernel"].value is None
    together = figures(parts, [0, 1, 2])
    assert together["kernel"].value is not None
    assert together["precision"].reference > 0.7
