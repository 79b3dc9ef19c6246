import itertools

import numpy as np
import pytest

from makeweight.quality import pair_similarity, ssim
from makeweight.quality.similarity import has_collapsed

RANDOM = np.random.default_rng(0)


def naive_ssim(one: np.ndarray, two: np.ndarray, window: int) -> float:
    """Wang's equation in every window of one channel, the border mirrored; values lie in [-1, 1]."""
    pad = window // 2
    wide = [np.pad(image, pad, mode="reflect").astype(float) for image in (one, two)]
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    values = []
    for y, x in itertools.product(range(one.shape[0]), range(one.shape[1])):
        a, b = (image[y : y + window, x : x + window] for image in wide)
        covariance = ((a - a.mean()) * (b - b.mean())).mean()
        luminance = (2 * a.mean() * b.mean() + c1) / (a.mean() ** 2 + b.mean() ** 2 + c1)
        values.append(luminance * (2 * covariance + c2) / (a.var() + b.var() + c2))
    return float(np.mean(values))


@pytest.mark.parametrize(("sides", "window"), [((8, 8), 7), ((12, 9), 7), ((6, 9), 5), ((3, 3), 3), ((1, 5), 1)])
def test_ssim_against_naive_windows(sides: tuple[int, int], window: int) -> None:
    one, two = RANDOM.uniform(-1, 1, (2, 3, 2, *sides)).astype(np.float32)
    two[0] = one[0]
    expected = [
        np.mean([naive_ssim(a, b, window) for a, b in zip(*pair, strict=True)]) for pair in zip(one, two, strict=True)
    ]
    np.testing.assert_allclose(ssim(one, two), expected, atol=1e-5)
    assert ssim(one, two)[0] == pytest.approx(1)


def test_pairs_of_few_images_are_all_pairs() -> None:
    images = RANDOM.uniform(-1, 1, (5, 1, 8, 8)).astype(np.float32)
    figure = pair_similarity(images, np.random.default_rng(0))
    pairs = list(itertools.combinations(range(5), 2))
    one, two = (np.array(side) for side in zip(*pairs, strict=True))
    assert figure.value == pytest.approx(ssim(images[one], images[two]).mean())
    assert figure.low < figure.value < figure.high


@pytest.mark.parametrize("n_images", [5, 60])
def test_blocks_give_the_same_as_one_go(monkeypatch: pytest.MonkeyPatch, n_images: int) -> None:
    images = np.random.default_rng(1).uniform(-1, 1, (n_images, 1, 8, 8)).astype(np.float32)
    whole = pair_similarity(images, np.random.default_rng(0))
    for size in (7 * n_images, 1):
        monkeypatch.setattr("makeweight.quality.figures.LARGEST_BLOCK", size)
        assert pair_similarity(images, np.random.default_rng(0)) == whole


def test_pairs_of_many_images_are_of_different_ones() -> None:
    images = np.repeat(RANDOM.uniform(-1, 1, (1, 1, 8, 8)), 60, axis=0).astype(np.float32)
    images += RANDOM.normal(0, 0.02, images.shape).astype(np.float32)
    figure = pair_similarity(images, np.random.default_rng(0))
    assert 0.95 < figure.low <= figure.value <= figure.high < 1


@pytest.mark.parametrize(
    ("shape", "reason"),
    [((9, 5, 1, 1), "flat rows"), ((1, 1, 8, 8), "1 image makes no pair"), ((0, 1, 8, 8), "no images")],
)
def test_what_has_no_pairs(shape: tuple[int, ...], reason: str) -> None:
    figure = pair_similarity(np.zeros(shape, np.float32), np.random.default_rng(0))
    assert figure.value is None
    assert reason in figure.refused


def test_collapse_is_less_than_half_of_the_diversity() -> None:
    assert has_collapsed(0.71, 0.4)
    assert not has_collapsed(0.69, 0.4)
    assert not has_collapsed(None, 0.4)
    assert not has_collapsed(0.99, None)
