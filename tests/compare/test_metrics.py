"""Every metric against an independent reference: loops over images, or a textbook's other formula."""

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from makeweight.compare.metrics import (
    at_thresholds,
    calibration_error,
    class_aucs,
    class_metrics,
    mean_over_seeds,
    natural_metrics,
    summary_metrics,
    threshold_for_recall,
)

K = 3


@pytest.fixture(scope="module")
def answers() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Sixty answers on three classes, with ties among the probabilities."""
    random = np.random.default_rng(0)
    true = np.repeat([0, 1, 2], [30, 20, 10])
    logits = random.normal(size=(60, K)) + 1.2 * np.eye(K)[true]
    chances = np.exp(logits).round(1) + 0.1
    chances /= chances.sum(axis=1, keepdims=True)
    return true, chances.argmax(axis=1), chances


def counts(true: NDArray[np.int64], predicted: NDArray[np.int64], code: int) -> tuple[int, int, int, int]:
    pairs = list(zip(true.tolist(), predicted.tolist(), strict=True))
    hit = sum(t == code and p == code for t, p in pairs)
    return (
        hit,
        sum(t != code and p == code for t, p in pairs),
        sum(t == code and p != code for t, p in pairs),
        sum(t != code and p != code for t, p in pairs),
    )


def test_class_metrics(answers: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]) -> None:
    true, predicted, _ = answers
    found = class_metrics(true, predicted, K)
    for code in range(K):
        hit, false, missed, _ = counts(true, predicted, code)
        assert found["recall"][code] == pytest.approx(hit / (hit + missed))
        assert found["precision"][code] == pytest.approx(hit / (hit + false))
        assert found["f1"][code] == pytest.approx(2 * hit / (2 * hit + false + missed))


def test_means_and_both_geometric_means(
    answers: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]],
) -> None:
    true, predicted, chances = answers
    found = summary_metrics(true, predicted, chances)
    table = [counts(true, predicted, code) for code in range(K)]
    recalls = [hit / (hit + missed) for hit, _, missed, _ in table]
    specificities = [rest / (rest + false) for _, false, _, rest in table]
    assert found["acsa"] == pytest.approx(sum(recalls) / K)
    assert found["macro_f1"] == pytest.approx(sum(2 * h / (2 * h + f + m) for h, f, m, _ in table) / K)
    assert found["geometric_mean_recall"] == pytest.approx(math.prod(recalls) ** (1 / K))
    roots = [math.sqrt(r * s) for r, s in zip(recalls, specificities, strict=True)]
    assert found["mean_class_gmean"] == pytest.approx(sum(roots) / K)
    assert found["geometric_mean_recall"] != pytest.approx(found["mean_class_gmean"], abs=0.01)


def test_mean_recall_is_balanced_accuracy(
    answers: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]],
) -> None:
    true, predicted, chances = answers
    assert summary_metrics(true, predicted, chances)["acsa"] == pytest.approx(balanced_accuracy_score(true, predicted))


def test_both_geometric_means_are_equal_for_two_classes() -> None:
    true, predicted = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 0])
    found = summary_metrics(true, predicted, np.eye(2)[predicted])
    assert found["geometric_mean_recall"] == pytest.approx(found["mean_class_gmean"]) == pytest.approx((1 / 3) ** 0.5)


def test_auc_is_the_chance_that_one_of_the_class_ranks_higher(
    answers: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]],
) -> None:
    true, _, chances = answers
    areas = []
    for code in range(K):
        own, others = chances[true == code, code], chances[true != code, code]
        wins = [1.0 if a > b else 0.5 if a == b else 0.0 for a, b in itertools.product(own, others)]
        areas.append(sum(wins) / len(wins))
    assert float(np.mean(class_aucs(true, chances))) == pytest.approx(sum(areas) / K)
    assert math.isnan(class_aucs(np.zeros(60, int), chances)[0])


def test_classes_without_images_do_not_count(
    answers: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]],
) -> None:
    true, predicted, chances = (each[answers[0] != 1] for each in answers)
    assert (predicted == 1).any()
    found, each = summary_metrics(true, predicted, chances), class_metrics(true, predicted, K)
    assert [math.isnan(value) for value in each["recall"]] == [code == 1 for code in range(K)]
    assert [math.isnan(value) for value in each["f1"]] == [code == 1 for code in range(K)]
    assert each["precision"][1] == 0
    there = [code for code in range(K) if code != 1]
    assert found["acsa"] == pytest.approx(sum((predicted[true == code] == code).mean() for code in there) / len(there))
    assert found["macro_f1"] == pytest.approx(sum(each["f1"][code] for code in there) / len(there))
    areas = [roc_auc_score(true == code, chances[:, code]) for code in there]
    assert found["auc"] == pytest.approx(sum(areas) / len(areas))
    assert all(math.isfinite(value) for value in found.values())


def test_images_of_one_class_alone() -> None:
    found = summary_metrics(np.zeros(3, int), np.array([0, 0, 1]), np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]]))
    assert found["acsa"] == pytest.approx(2 / 3)
    assert [name for name, value in found.items() if math.isnan(value)] == ["mean_class_gmean", "auc"]


def test_calibration_brier_and_log_loss(
    answers: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]],
) -> None:
    true, predicted, chances = answers
    found = summary_metrics(true, predicted, chances)
    brier = sum((p - (k == t)) ** 2 for row, t in zip(chances, true, strict=True) for k, p in enumerate(row)) / 60
    assert found["brier"] == pytest.approx(brier)
    log_loss = -sum(math.log(row[t]) for row, t in zip(chances, true, strict=True)) / 60
    assert found["log_loss"] == pytest.approx(log_loss)
    error = 0.0
    for number in range(15):
        low, high = number / 15, (number + 1) / 15
        held = [
            (max(row), t == p)
            for row, t, p in zip(chances, true, predicted, strict=True)
            if low <= max(row) < high or (number == 14 and max(row) == 1)
        ]
        if held:
            gap = sum(right for _, right in held) / len(held) - sum(sure for sure, _ in held) / len(held)
            error += len(held) / 60 * abs(gap)
    assert calibration_error(true, predicted, chances) == pytest.approx(error)


def test_natural_prevalence_is_as_if_images_were_repeated() -> None:
    """Prevalence 6 : 3 : 1 on a balanced test set is the same as repeating images six, three and one times."""
    random = np.random.default_rng(1)
    true = np.repeat([0, 1, 2], 12)
    chances = random.dirichlet(np.ones(3), size=36) + np.eye(3)[true]
    chances /= chances.sum(axis=1, keepdims=True)
    prevalence, learnt = np.array([0.6, 0.3, 0.1]), np.full(3, 1 / 3)
    found = natural_metrics(true, chances, prevalence, learnt)
    rows = np.repeat(np.arange(36), np.array([6, 3, 1])[true])
    plain = class_metrics(true[rows], chances[rows].argmax(axis=1), 3)
    assert found["precision"] == pytest.approx(plain["precision"])
    assert found["recall"] == pytest.approx(plain["recall"])
    moved = class_metrics(true[rows], (chances[rows] * [6, 3, 1]).argmax(axis=1), 3)
    assert found["moved_precision"] == pytest.approx(moved["precision"])
    assert found["moved_recall"] == pytest.approx(moved["recall"])


def test_thresholds_come_from_the_other_folds() -> None:
    """Class 1 of fold 0 scores 0.9, 0.8, 0.1, of fold 1 0.6, 0.5, 0.4: four fifths of three images are all three."""
    assert threshold_for_recall(np.ones(5, bool), np.array([0.9, 0.8, 0.7, 0.6, 0.1]), 0.8) == 0.6
    true = np.array([1, 1, 1, 0, 1, 1, 1, 0])
    chance = np.array([0.9, 0.8, 0.1, 0.3, 0.6, 0.5, 0.4, 0.2])
    folds = np.repeat([0, 1], 4)
    found = at_thresholds(true, np.column_stack([1 - chance, chance]), folds, np.array([0.5, 0.5]))
    # Fold 0 is judged at 0.4 (finds two, no other), fold 1 at 0.1 (finds all three and the other).
    assert found["threshold_recall"][1] == pytest.approx(5 / 6)
    precision = 5 / 6 / (5 / 6 + 1 / 2)
    assert found["threshold_precision"][1] == pytest.approx(precision)
    lonely = at_thresholds(true, np.column_stack([1 - chance, chance]), np.zeros(8, int), np.array([0.5, 0.5]))
    assert lonely["threshold_recall"] == [None, None]


def test_means_over_seeds() -> None:
    made = mean_over_seeds([{"a": 1.0, "b": [1.0, None]}, {"a": 2.0, "b": [3.0, 4.0]}])
    assert made == {"a": 1.5, "b": [2.0, None]}
