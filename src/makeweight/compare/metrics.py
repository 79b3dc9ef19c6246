"""Metrics of a classifier's answers on imbalanced classes, by scikit-learn and imbalanced-learn where they can."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from imblearn.metrics import geometric_mean_score, sensitivity_specificity_support
from numpy.typing import NDArray
from sklearn.metrics import log_loss, precision_recall_fscore_support, roc_auc_score

N_BINS = 15
SMALLEST = 1e-7
TARGET_RECALL = 0.8

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


def class_metrics(true: Codes, predicted: Codes, n_classes: int) -> dict[str, list[float]]:
    """Give recall, precision and F1 of each class.

    Parameters
    ----------
    true, predicted : array of int of shape (n,)
        Class codes, 0 to n_classes − 1.
    n_classes : int
        Number of classes.

    Returns
    -------
    dict of list
        "recall", "precision" and "f1", 0 to 1, a value each class; where a class is never predicted, its precision is
        0, and where none of the images shows it, its recall and F1 are NaN.

    Examples
    --------
    >>> class_metrics(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), 2)["recall"]
    [0.5, 1.0]
    """
    labels = list(range(n_classes))
    precision, recall, f1, n_images = precision_recall_fscore_support(true, predicted, labels=labels, zero_division=0.0)
    recall[n_images == 0] = f1[n_images == 0] = math.nan
    return {"recall": recall.tolist(), "precision": precision.tolist(), "f1": f1.tolist()}


def summary_metrics(true: Codes, predicted: Codes, chances: Floats) -> dict[str, float]:
    """Give the metrics over all classes that there are images of.

    Parameters
    ----------
    true, predicted : array of int of shape (n,)
        Class codes.
    chances : array of shape (n, n_classes)
        Predicted probabilities; rows sum to 1.

    Returns
    -------
    dict of float
        "acsa", the mean recall, which is scikit-learn's balanced accuracy; "macro_f1";
        "geometric_mean_recall", (∏ recall)^(1/K); "mean_class_gmean", the mean of √(recall·specificity); "auc", one
        class against the rest, mean over classes; "ece", the expected calibration error of the predicted class in 15
        equal bins; "brier", the mean squared distance to the true class's corner,
        0 to 2; "log_loss". "mean_class_gmean" and "auc" are NaN where all images are of one class.

    Examples
    --------
    >>> found = summary_metrics(np.array([0, 1]), np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]]))
    >>> found["acsa"], round(found["brier"], 3)
    (1.0, 0.05)
    """
    n_classes = chances.shape[1]
    there = np.unique(true)
    each = class_metrics(true, predicted, n_classes)
    roots = np.array([math.nan])
    if len(there) > 1:
        sensitivity, specificity, _ = sensitivity_specificity_support(true, predicted, labels=there, average=None)
        roots = np.sqrt(sensitivity * specificity)
    kept = np.clip(chances, SMALLEST, 1.0)
    return {
        "acsa": float(np.nanmean(each["recall"])),
        "macro_f1": float(np.nanmean(each["f1"])),
        "geometric_mean_recall": float(
            geometric_mean_score(true, predicted, labels=there, average="multiclass", correction=0.0)
        ),
        "mean_class_gmean": float(roots.mean()),
        "auc": float(np.mean(np.array(class_aucs(true, chances))[there])),
        "ece": calibration_error(true, predicted, chances),
        "brier": float(np.square(chances - np.eye(n_classes)[true]).sum(axis=1).mean()),
        "log_loss": float(log_loss(true, kept / kept.sum(axis=1, keepdims=True), labels=range(n_classes))),
    }


def class_aucs(true: Codes, chances: Floats) -> list[float]:
    """Give the area under the ROC curve of each class against the rest; NaN for a class of none, or of all images.

    Examples
    --------
    >>> class_aucs(np.array([0, 0, 1, 1]), np.array([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5], [0.2, 0.8]]))
    [0.75, 0.75]
    """
    n_classes, there = chances.shape[1], np.unique(true)
    areas = np.full(n_classes, math.nan)
    if len(there) > 1:
        own = np.eye(n_classes, dtype=np.int64)[true]
        areas[there] = roc_auc_score(own[:, there], chances[:, there], average=None)
    found: list[float] = areas.tolist()
    return found


def calibration_error(true: Codes, predicted: Codes, chances: Floats) -> float:
    """Give the expected calibration error of the predicted class, in 15 equal bins of confidence.

    References
    ----------
    Guo et al., 2017, "On Calibration of Modern Neural Networks", eq. 3.

    Examples
    --------
    >>> calibration_error(np.array([0, 1]), np.array([0, 0]), np.array([[0.75, 0.25], [0.75, 0.25]]))
    0.25
    """
    confidence = chances[np.arange(len(true)), predicted]
    bins = np.minimum((confidence * N_BINS).astype(np.int64), N_BINS - 1)
    gaps = np.bincount(bins, weights=(predicted == true) - confidence, minlength=N_BINS)
    return float(np.abs(gaps).sum() / len(true))


def natural_metrics(true: Codes, chances: Floats, prevalence: Floats, learnt: Floats) -> dict[str, list[float]]:
    """Tell what the answers would be worth if classes came as often as in the training set.

    Two ways of deciding are told: the most probable class, and the most probable class after the odds are moved from
    the prevalence that the classifier learnt from to the natural one. Both need nothing but the training set.

    Parameters
    ----------
    true : array of int of shape (n,)
        Class codes; every class occurs.
    chances : array of shape (n, n_classes)
        Predicted probabilities.
    prevalence : array of shape (n_classes,)
        Natural prevalence, of the training images; sums to 1.
    learnt : array of shape (n_classes,)
        How often the classifier met each class.

    Returns
    -------
    dict of list
        "recall" and "precision" by the most probable class, "moved_recall" and "moved_precision" after the move.

    References
    ----------
    Elkan, 2001, "The Foundations of Cost-Sensitive Learning", theorem 2. Saerens et al., 2002, "Adjusting the Outputs
    of a Classifier to New a Priori Probabilities", eq. 2.4.

    Examples
    --------
    >>> chances = np.array([[0.8, 0.2], [0.4, 0.6], [0.05, 0.95], [0.3, 0.7]])
    >>> found = natural_metrics(np.array([0, 0, 1, 1]), chances, np.array([0.9, 0.1]), np.array([0.5, 0.5]))
    >>> [round(value, 3) for value in found["precision"]], [round(value, 3) for value in found["moved_precision"]]
    ([1.0, 0.182], [0.947, 1.0])
    """
    n_classes = chances.shape[1]
    weights = (prevalence / np.bincount(true, minlength=n_classes))[true]
    moved = chances * (prevalence / learnt)
    result: dict[str, list[float]] = {}
    for prefix, answers in (("", chances.argmax(axis=1)), ("moved_", moved.argmax(axis=1))):
        precision, recall, _, _ = precision_recall_fscore_support(
            true, answers, labels=list(range(n_classes)), sample_weight=weights, zero_division=0.0
        )
        result[f"{prefix}recall"], result[f"{prefix}precision"] = recall.tolist(), precision.tolist()
    return result


def threshold_for_recall(is_class: NDArray[np.bool_], chance: Floats, target: float = TARGET_RECALL) -> float:
    """Give the highest threshold on a class's probability that finds a share of the class's images.

    Parameters
    ----------
    is_class : array of bool of shape (n,)
        Which images are of the class, at least one: images that the threshold is not judged by.
    chance : array of shape (n,)
        Predicted probability of the class.
    target : float, default=0.8
        Recall to reach, above 0, at most 1.

    Returns
    -------
    float

    Examples
    --------
    >>> threshold_for_recall(np.array([True, True, True, False]), np.array([0.9, 0.5, 0.2, 0.6]), 0.6)
    0.5
    """
    own = np.sort(chance[is_class])[::-1]
    return float(own[math.ceil(target * len(own) - 1e-9) - 1])


def at_thresholds(
    true: Codes, chances: Floats, folds: NDArray[np.int64], prevalence: Floats
) -> dict[str, list[float | None]]:
    """Give recall and natural precision of each class at a threshold that was chosen on the other folds.

    Parameters
    ----------
    true : array of int of shape (n,)
        Class codes.
    chances : array of shape (n, n_classes)
        Predicted probabilities, each by a classifier that did not see the image.
    folds : array of int of shape (n,)
        Fold of each image.
    prevalence : array of shape (n_classes,)
        Natural prevalence.

    Returns
    -------
    dict of list
        "threshold_recall" and "threshold_precision", None for a class that the other folds do not hold.
    """
    n_classes = chances.shape[1]
    weights = (prevalence / np.maximum(np.bincount(true, minlength=n_classes), 1))[true]
    recalls: list[float | None] = []
    precisions: list[float | None] = []
    for code in range(n_classes):
        is_class = true == code
        taken = np.zeros(len(true), bool)
        known = True
        for fold in np.unique(folds):
            here = folds == fold
            if not (is_class & ~here).any():
                known = False
                break
            taken[here] = chances[here, code] >= threshold_for_recall(is_class[~here], chances[~here, code])
        found = weights[taken & is_class].sum()
        recalls.append(float(taken[is_class].mean()) if known and is_class.any() else None)
        precisions.append(float(found / weights[taken].sum()) if known and taken.any() else None)
    return {"threshold_recall": recalls, "threshold_precision": precisions}


def mean_over_seeds(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Average dicts of numbers, or of lists of numbers, that have the same names; None where any is None."""
    return {name: _mean([each[name] for each in found]) for name in found[0]}


def _mean(values: list[Any]) -> Any:
    if isinstance(values[0], list):
        return [_mean(list(column)) for column in zip(*values, strict=True)]
    return None if any(value is None for value in values) else float(np.mean(values))
