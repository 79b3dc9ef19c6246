"""What a comparison found: metrics of every arm, differences to the rivals, and the verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makeweight.bench.hashing import to_json
from makeweight.compare.arms import NOTHING, RIVAL, SHORTER, Arm
from makeweight.compare.metrics import (
    TARGET_RECALL,
    at_thresholds,
    class_aucs,
    class_metrics,
    mean_over_seeds,
    natural_metrics,
    summary_metrics,
)
from makeweight.compare.runs import Predictions, Workbench, read_predictions
from makeweight.compare.splits import Split
from makeweight.compare.statistics import CONFIDENCE, Differences, Sample, holm, paired_differences
from makeweight.compare.verdict import Evidence, Verdict, give_verdicts
from makeweight.data.wording import listed, no_such, shown
from makeweight.errors import InputError
from makeweight.sampler import FEW

RIVALS = (NOTHING, RIVAL)


@dataclass(frozen=True, eq=False)
class ArmResult:
    """What came out for one arm.

    Attributes
    ----------
    title : str
        The arm in words.
    draws : bool
        Whether it holds drawn images.
    itself : bool
        Whether a method's own class output answers, which learnt as long as its recipe, or `gan_steps`, says.
    n_drawn : dict of str to int
        How many of each class, for the training set as a whole; none of a class that the gate never let through.
    summary, by_seed : dict, list of dict
        Metrics over all classes: means over seeds, and of each seed. See `makeweight.compare.metrics`.
    classes : dict of str to list
        "recall", "precision" and "f1" of each class, means over seeds.
    natural : dict of str to list
        The same at natural prevalence: by the most probable class, by moved odds, and, with folds, at the threshold
        that finds 80 % of a class on the other folds.
    against : dict of str to dict
        For "nothing" and "augmentation": "estimate", "low", "high", "p_value" and "p_adjusted" (Holm, over the arms) of
        the difference in recall, a value each class and at the end that of mean recall. Intervals are each arm's own.
    """

    title: str
    draws: bool
    itself: bool
    n_drawn: dict[str, int]
    summary: dict[str, float]
    by_seed: list[dict[str, float]]
    classes: dict[str, list[float]]
    natural: dict[str, list[Any]]
    against: dict[str, dict[str, list[float]]]


@dataclass(frozen=True, eq=False)
class Comparison:
    """A comparison that is done.

    Attributes
    ----------
    name, data_hash : str
        Name and hash of the data.
    labels : list of str
        The classes.
    train_counts, test_counts : list of int
        Training images and test images of each class.
    folds : int or None
        Number of folds; None where a test set was given.
    seeds : list of int
        Seeds.
    n_steps : int
        Steps of every arm's classifier.
    settings : dict
        Everything else that was asked for.
    verdicts : list of Verdict
        Overall first, then the rare classes.
    arms : list of ArmResult
        Every arm.
    warnings : list of str
        What makes the figures less sure than they look.
    left_out : list of str
        What did not fit into the time budget.
    """

    name: str
    data_hash: str
    labels: list[str]
    train_counts: list[int]
    test_counts: list[int]
    folds: int | None
    seeds: list[int]
    n_steps: int
    settings: dict[str, Any]
    verdicts: list[Verdict]
    arms: list[ArmResult]
    warnings: list[str]
    left_out: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Give everything as plain JSON data."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        plain["verdicts"] = [vars(verdict) for verdict in self.verdicts]
        plain["arms"] = [vars(arm) for arm in self.arms]
        result: dict[str, Any] = to_json({"confidence": CONFIDENCE, "target_recall": TARGET_RECALL, **plain})
        return result

    def arm(self, title: str) -> ArmResult:
        """Give the result of an arm by its title.

        Raises
        ------
        InputError
            If there is none; the message lists the titles.
        """
        titles = [arm.title for arm in self.arms]
        if title not in titles:
            raise InputError(no_such("arm", title, titles))
        return self.arms[titles.index(title)]


def summarise(
    bench: Workbench,
    arms: Sequence[Arm],
    splits: Sequence[Split],
    *,
    worthwhile: float,
    warnings: Sequence[str],
    left_out: Sequence[str],
    settings: Mapping[str, Any],
) -> Comparison:
    """Make the result from the predictions that are kept.

    Parameters
    ----------
    bench : Workbench
        What the runs shared.
    arms : sequence of Arm
        What was compared; all runs are done.
    splits : sequence of Split
        On what.
    worthwhile : float
        The smallest gain of recall that would be worth it.
    warnings, left_out : sequence of str
        What is to be told.
    settings : mapping
        What was asked for.

    Returns
    -------
    Comparison
    """
    images = bench.images
    seeds = sorted({split.seed for split in splits})
    true = images.codes[images.tested]
    found = [_figures(bench, arm, splits, seeds) for arm in arms]
    correct = np.stack([figures.correct for figures in found])
    _, clusters = np.unique(images.clusters[images.tested], return_inverse=True)
    sample = Sample(true, len(images.classes), clusters)
    differences = {rival: paired_differences(correct, correct[_place(arms, rival)], sample) for rival in RIVALS}
    against = {rival: _tables(each, _place(arms, rival)) for rival, each in differences.items()}
    counts = images.class_counts
    planned = np.stack([arm.counts(counts) for arm in arms])
    n_drawn = np.stack([_drawn(bench, arm, splits) for arm in arms])
    labels = [str(label) for label in images.classes.tolist()]
    evidence = Evidence(
        arms=arms,
        labels=labels,
        drawn=(n_drawn > 0) & ~_is_held_back(n_drawn, planned, bench.folds),
        differences=differences[RIVAL],
        recall=_with_mean([figures.classes["recall"] for figures in found]),
        f1=_with_mean([figures.classes["f1"] for figures in found]),
    )
    results = [
        ArmResult(
            title=arm.title,
            draws=arm.draws,
            itself=arm.itself,
            n_drawn=dict(zip(labels, n_drawn[place].tolist(), strict=True)),
            summary=mean_over_seeds(figures.summaries),
            by_seed=figures.summaries,
            classes=figures.classes,
            natural=figures.natural,
            against={rival: {name: values[place] for name, values in against[rival].items()} for rival in RIVALS},
        )
        for place, (arm, figures) in enumerate(zip(arms, found, strict=True))
    ]
    return Comparison(
        name=bench.name,
        data_hash=bench.data_hash,
        labels=labels,
        train_counts=counts.tolist(),
        test_counts=np.bincount(true, minlength=len(labels)).tolist(),
        folds=bench.folds,
        seeds=seeds,
        n_steps=int(bench.base.n_steps or 0),
        settings=dict(settings),
        verdicts=give_verdicts(evidence, worthwhile=worthwhile),
        arms=results,
        warnings=[
            *warnings,
            *_doubts(arms, differences[RIVAL]),
            *_held_back(arms, labels, n_drawn, planned, bench.folds),
        ],
        left_out=list(left_out),
    )


@dataclass(frozen=True, eq=False)
class _Figures:
    correct: NDArray[np.bool_]
    summaries: list[dict[str, float]]
    classes: dict[str, list[float]]
    natural: dict[str, list[Any]]


def _figures(bench: Workbench, arm: Arm, splits: Sequence[Split], seeds: Sequence[int]) -> _Figures:
    images = bench.images
    true, n_classes = images.codes[images.tested], len(images.classes)
    prevalence = images.class_counts / images.class_counts.sum()
    learnt = arm.learnt_prevalence(images.class_counts)
    correct, summaries, classes, natural = [], [], [], []
    for answers, folds in _by_seed(bench, arm, splits, seeds):
        correct.append(answers.codes == true)
        summaries.append(summary_metrics(true, answers.codes, answers.chances))
        own = class_metrics(true, answers.codes, n_classes) | {"auc": class_aucs(true, answers.chances)}
        classes.append(own)
        found: dict[str, Any] = dict(natural_metrics(true, answers.chances, prevalence, learnt))
        if bench.folds is not None:
            found |= at_thresholds(true, answers.chances, folds, prevalence)
        natural.append(found)
    return _Figures(np.stack(correct), summaries, mean_over_seeds(classes), mean_over_seeds(natural))


def _drawn(bench: Workbench, arm: Arm, splits: Sequence[Split]) -> NDArray[np.int64]:
    """Count the drawn images of each class of an arm; what a gate let through is a mean over the splits."""
    if not arm.gated:
        return arm.counts(bench.images.class_counts)
    rows = {row.key: row for row in bench.rows}
    drawn = [rows[bench.arm_run(arm, split).key].metrics.get("drawn") for split in splits]
    n_classes = len(bench.images.classes)
    if not all(isinstance(each, list) and len(each) == n_classes for each in drawn):
        raise InputError(
            f"{shown(bench.rows.path)} holds a row of {arm.title} that does not say what was drawn: remove it, and "
            f"compare again."
        )
    means: NDArray[np.int64] = np.rint(np.array(drawn, float).mean(axis=0)).astype(np.int64)
    return means


def _is_held_back(n_drawn: NDArray[np.int64], planned: NDArray[np.int64], folds: int | None) -> NDArray[np.bool_]:
    """Tell where less than half of the drawn images asked for is there, so that little can be said of them."""
    share = 1.0 if folds is None else 1 - 1 / folds  # of the images that a training part holds
    held_back: NDArray[np.bool_] = 2 * n_drawn < share * planned
    return held_back


def _by_seed(
    bench: Workbench, arm: Arm, splits: Sequence[Split], seeds: Sequence[int]
) -> Iterator[tuple[Predictions, NDArray[np.int64]]]:
    """Put the folds of each seed together: answers in the order of the tested images, and the fold of each."""
    for seed in seeds:
        parts = list(read_predictions(bench, arm, [split for split in splits if split.seed == seed]))
        index = np.concatenate([answers.index for _, answers in parts])
        order = np.argsort(index)
        folds = np.concatenate([np.full(len(answers.index), split.fold) for split, answers in parts])
        codes = np.concatenate([answers.codes for _, answers in parts])
        chances = np.concatenate([answers.chances for _, answers in parts])
        yield Predictions(index[order], codes[order], chances[order]), folds[order]


def _doubts(arms: Sequence[Arm], differences: Differences) -> list[str]:
    """Say where augmentation is no good measure: it still gains from steps, or something that draws nothing is better.

    That it surely is, is said at a level that Holm's procedure lowers for the number of these arms.
    """
    _, high = (ends[:, -1] for ends in differences.interval())
    others = [place for place, arm in enumerate(arms) if not arm.draws and arm.name not in (RIVAL, SHORTER)]
    sure = np.array(others)[holm(differences.p_values()[others, -1]) <= 1 - CONFIDENCE]
    doubts = []
    for place, arm in enumerate(arms):
        gain = f"{abs(differences.estimate[place, -1]) * 100:.1f} points of mean recall"
        if arm.name == SHORTER and high[place] < 0:
            doubts.append(
                f"augmentation still gains {gain} from the second half of its steps: see with --steps whether "
                f"more of them change the verdict."
            )
        elif place in sure and differences.estimate[place, -1] > 0:
            doubts.append(
                f"the arm {arm.title!r} surely beats augmentation, by {gain}: that is what drawn images have to beat."
            )
    return doubts


def _held_back(
    arms: Sequence[Arm],
    labels: Sequence[str],
    n_drawn: NDArray[np.int64],
    planned: NDArray[np.int64],
    folds: int | None,
) -> list[str]:
    """Say which arms learnt from no drawn image, or from few, since the gate let no more through."""
    told = []
    for arm, drawn, few in zip(arms, n_drawn, _is_held_back(n_drawn, planned, folds), strict=True):
        if arm.gated and few.any():
            named = listed([label for label, is_few in zip(labels, few, strict=True) if is_few])
            told.append(
                f"the arm {arm.title!r} learnt from real images alone: nothing drawn passed the gate, which judges no "
                f"class of fewer than {FEW} images."
                if not drawn.any()
                else f"the arm {arm.title!r} says nothing about drawn images of {named}: the gate let less than half "
                "of what was asked for through."
            )
    return told


def _tables(differences: Differences, rival: int) -> dict[str, list[list[float]]]:
    """Give differences to a rival as lists; its own row is zero."""
    low, high = differences.interval()
    p_values = differences.p_values()
    for table, nought in ((low, 0.0), (high, 0.0), (p_values, 1.0)):
        table[rival] = nought
    adjusted = np.ones_like(p_values)
    others = np.arange(len(p_values)) != rival
    adjusted[others] = np.column_stack([holm(column) for column in p_values[others].T])
    tables = {"estimate": differences.estimate, "low": low, "high": high, "p_value": p_values, "p_adjusted": adjusted}
    return {name: table.tolist() for name, table in tables.items()}


def _place(arms: Sequence[Arm], name: str) -> int:
    return next(place for place, arm in enumerate(arms) if arm.name == name)


def _with_mean(rows: list[list[float]]) -> NDArray[np.float64]:
    table = np.asarray(rows, float)
    return np.column_stack([table, table.mean(axis=1)])
