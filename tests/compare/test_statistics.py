import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import t

from makeweight.compare.statistics import (
    Differences,
    Sample,
    holm,
    holm_levels,
    images_needed,
    paired_differences,
    seeds_needed,
)


def alone(true: NDArray[np.int64]) -> Sample:
    return Sample(true, int(true.max()) + 1, np.arange(len(true)))


def simulated(
    random: np.random.Generator, n_images: int, n_seeds: int, n_arms: int, seeds_spread: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Sample]:
    """Arms as good as their rival, whose answers depend on the image, the seed, both, and chance."""
    true = np.repeat([0, 1], n_images)
    ease = random.normal(1, 1.5, len(true))

    def answers() -> NDArray[np.bool_]:
        by_image = random.normal(0, 0.5, len(true))
        by_seed = random.normal(0, seeds_spread, (n_seeds, 2))[:, true]
        right: NDArray[np.bool_] = ease + by_image + by_seed + random.logistic(size=(n_seeds, len(true))) > 0
        return right

    return np.stack([answers() for _ in range(n_arms)]), answers(), alone(true)


def test_holm_by_hand() -> None:
    """Ordered: 0.005·4 = 0.02, 0.01·3 = 0.03, 0.03·2 = 0.06, 0.04·1 = 0.04, which cannot be below the one before."""
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]
    assert holm_levels([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.05 / 3, 0.025, 0.025, 0.0125])


def test_estimates_by_hand() -> None:
    """Class 0: +1, 0 in the first seed, 0, 0 in the second; class 1: 0 and −1 in both."""
    correct = np.array([[[1, 1, 1, 0], [1, 1, 1, 0]]], bool)
    rival = np.array([[0, 1, 1, 1], [1, 1, 1, 1]], bool)
    found = paired_differences(correct, rival, alone(np.array([0, 0, 1, 1])), n_draws=10)
    assert found.estimate.tolist() == [[0.25, -0.5, -0.125]]
    assert found.n_images.tolist() == [2, 2, 2]
    # Class 1: no spread between seeds. Image means 0 and −1 around −0.5: (0.25 + 0.25)/4·2/1, and 1/2² for doubt.
    assert found.image_variance[0, 1] == pytest.approx(0.25 + 0.25)
    assert found.seed_variance[0, 1] == 0
    # Class 0: seeds' means 0.5 and 0, raw variance 2·0.0625/2; rest: images −/+ 0.125 in each seed, as sums of a mean.
    assert found.seed_variance[0, 0] == pytest.approx(0.0625 - 0.0625 / 2)


def test_single_seed_like_counts_agree_with_agresti_and_min() -> None:
    """Equal seeds: 12 gained and 4 lost of 100, with half an image added to both."""
    gained = np.zeros((2, 100), bool)
    lost = np.zeros((2, 100), bool)
    gained[:, :12], lost[:, 12:16] = True, True
    sample = alone(np.repeat([0, 1], 100))
    both = np.ones((2, 100), bool)
    found = paired_differences(
        np.concatenate([gained, both], 1)[None], np.concatenate([lost, both], 1), sample, n_draws=4000
    )
    assert found.estimate[0].tolist() == pytest.approx([0.08, 0.0, 0.04])
    mean = 8 / 100
    textbook = np.sqrt((16 / 100 - mean**2) / 99 + 1 / 100**2)
    assert found.error[0, 0] == pytest.approx(textbook)
    low, high = found.interval()
    assert (low[0, 0], high[0, 0]) == pytest.approx((mean - 1.96 * textbook, mean + 1.96 * textbook), abs=0.006)
    assert low[0, 1] < 0 < high[0, 1], "agreement in all images is no certainty"


def test_clusters_count_as_one() -> None:
    """Ten images of each of ten patients, all alike within a patient, are no more than ten images."""
    random = np.random.default_rng(0)
    by_patient = random.random((1, 3, 20)) < 0.7
    true = np.repeat([0, 1], 100)
    patients = np.repeat(np.arange(20), 10)
    rival = np.zeros((3, 200), bool)
    grouped = paired_differences(by_patient.repeat(10, axis=2), rival, Sample(true, 2, patients), n_draws=50)
    single = paired_differences(by_patient, rival[:, :20], alone(np.repeat([0, 1], 10)), n_draws=50)
    assert grouped.error == pytest.approx(single.error)
    ungrouped = paired_differences(by_patient.repeat(10, axis=2), rival, alone(true), n_draws=50)
    assert (ungrouped.image_variance < grouped.image_variance / 2).all()


def test_clusters_that_share_a_class_are_drawn_together() -> None:
    """Clusters 0 and 1 share class 2, and 1 and 2 class 0; cluster 3 shows class 1 alone, 4 and 5 class 3 alone."""
    clusters = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 5])
    true = np.array([2, 4, 2, 0, 0, 0, 1, 1, 3, 3])
    assert Sample(true, 5, clusters).strata.tolist() == [0, 0, 0, 1, 2, 2]
    assert alone(np.array([0, 2, 1, 1])).strata.tolist() == [0, 2, 1, 1]


def test_draws_spread_as_the_variance_says() -> None:
    """Four patients of classes 0 and 1, and one of ten images, most of them of class 1; class 2 has its own six.

    Without a spread between seeds, the scores' variance is 1. Class 2 is drawn apart from the other two. Patients do
    as well in class 1 as in class 0, and so the scores of both go together.
    """
    true = np.array([0, 0, 1] * 4 + [0, 0] + [1] * 8 + [2] * 6)
    clusters = np.concatenate([np.repeat(np.arange(5), [3, 3, 3, 3, 10]), np.arange(5, 11)])
    gains = np.array([1, 0, 0, 1, 0, 1, 0, 1, 0, 0, 1], bool)[clusters]
    correct, rival = np.broadcast_to(gains, (1, 2, len(true))), np.zeros((2, len(true)), bool)
    found = paired_differences(correct, rival, Sample(true, 3, clusters), n_draws=40_000)
    assert (found.seed_variance == 0).all()
    assert found.scores[:, 0, :3].var(axis=0) == pytest.approx([1, 1, 1], abs=0.04)
    moves = found.scores[:, 0, :3] * found.error[0, :3]
    few, doubt = 5 / 4, 1 / 5**2
    influence = np.stack([(np.array([1, 0, 0, 1, 0]) - mean) * size for mean, size in ((0.4, 0.2), (2 / 12, 1 / 12))])
    influence[1, 4] *= 8
    expected = few * influence @ influence.T + doubt * np.eye(2)
    assert np.cov(moves[:, :2].T) == pytest.approx(expected, abs=0.003)
    assert np.corrcoef(moves.T)[2, :2] == pytest.approx([0, 0], abs=0.02)


def test_blocks_give_the_same_as_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    correct, rival, sample = simulated(np.random.default_rng(4), 20, 3, 2, 0.1)
    whole = paired_differences(correct, rival, sample, n_draws=50)
    monkeypatch.setattr("makeweight.compare.statistics.LARGEST_BLOCK", 7 * 20)
    blocks = paired_differences(correct, rival, sample, n_draws=50)
    assert blocks.scores == pytest.approx(whole.scores, abs=1e-5)


def test_groups_of_several_classes_raise_no_false_alarms() -> None:
    """Twenty patients with images of twenty classes, each patient most of another class, and arms equally good.

    How well an arm does depends on patient and class. When groups were drawn within the class of most of their images,
    24 % of all classes were told apart.
    """
    random = np.random.default_rng(0)
    n = 20
    true = np.append(np.tile(np.arange(n), 2 * n), np.arange(n))
    clusters = np.append(np.repeat(np.arange(n), 2 * n), np.arange(n))
    p_values = []
    for seed in range(20):
        ease = random.normal(0, 3, (2, 1, n, n))[:, :, clusters, true]
        correct, rival = random.logistic(size=(2, 2, len(true))) + ease > 0
        found = paired_differences(correct[None], rival, Sample(true, n, clusters), n_draws=300, seed=seed)
        p_values.append(found.p_values()[0, :n])
    assert (np.array(p_values) <= 0.05).mean() < 0.08


def test_a_class_of_one_image_is_wholly_uncertain() -> None:
    found = paired_differences(np.ones((1, 3, 5), bool), np.zeros((3, 5), bool), alone(np.array([0, 0, 0, 0, 1])))
    low, high = found.interval()
    assert low[0, 1] < 0 < high[0, 1]


@pytest.mark.parametrize(("n_images", "n_seeds", "spread"), [(60, 5, 0.0), (200, 5, 0.15), (200, 3, 0.15)])
def test_intervals_hold_what_they_promise(n_images: int, n_seeds: int, spread: float) -> None:
    """They hold zero often enough, and are no longer than Student's t of as many seeds makes of the true spread."""
    random = np.random.default_rng(1)
    held, halves, estimates = [], [], []
    for seed in range(60):
        correct, rival, sample = simulated(random, n_images, n_seeds, 2, spread)
        found = paired_differences(correct, rival, sample, n_draws=300, seed=seed)
        low, high = found.interval()
        held.append((low <= 0) & (high >= 0))
        halves.append((high - low) / 2)
        estimates.append(found.estimate)
    assert np.mean(held) >= 0.9
    reach = np.mean(halves) / np.std(estimates, axis=0).mean()
    assert t.ppf(0.975, np.inf) <= reach <= 1.1 * t.ppf(0.975, n_seeds - 1)


def test_choosing_among_equal_arms_finds_a_winner_at_the_nominal_rate() -> None:
    """200 comparisons of six arms that are no better than their rival, with both classes and the mean asked about."""
    random = np.random.default_rng(2)
    n_won, n_naive = 0, 0
    for seed in range(200):
        found = paired_differences(*simulated(random, 80, 4, 6, 0.1), n_draws=300, seed=seed)
        p_values = holm([found.largest(np.arange(6), column).p_value for column in range(3)])
        n_won += bool((p_values <= 0.05).any())
        n_naive += bool((found.interval()[0] > 0).any())
    assert n_won <= 16, "5 % of 200 and two standard errors"
    assert n_naive > n_won, "the best of many own intervals promises too much"


def test_a_true_gain_is_found() -> None:
    random = np.random.default_rng(3)
    _, rival, sample = simulated(random, 300, 5, 1, 0.1)
    better = rival | (random.random(rival.shape) < 0.3)
    found: Differences = paired_differences(better[None], rival, sample)
    largest = found.largest(np.array([0]), 2)
    assert largest.p_value < 0.001
    assert found.interval()[0][0].min() > 0


def test_numbers_needed_by_hand() -> None:
    """2·√(0.0025·100/n) falls to 0.05 at n = 400, and 2·√(0.25/n + 0.000125) at n = 500."""
    assert images_needed(0.05, 2.0, 0.0025, 0.0, 100) == 300
    assert images_needed(0.05, 2.0, 0.0025, 0.000125, 100) == 400
    assert images_needed(0.5, 2.0, 0.0025, 0.0, 100) == 1
    assert images_needed(0.049, 2.0, 0.0025, 0.0, 100) == 320
    assert images_needed(-0.01, 2.0, 0.0025, 0.0, 100) is None
    more = seeds_needed(0.05, 0.025, 9.0, 0.0, 0.00125, 5)
    assert more == 8
    for number, enough in ((more, True), (more - 1, False)):
        total = 5 + number
        assert (t.ppf(0.975, total - 1) * np.sqrt(0.00125 * 5 / total) <= 0.05) == enough
    assert seeds_needed(0.05, 0.025, 2.0, 0.0, 0.00125, 5) == 5
    assert seeds_needed(0.05, 0.025, 9.0, 0.01, 0.001, 5) is None
    assert seeds_needed(0.05, 0.025, 9.0, 0.0006507, 0.001, 5) == 5000
