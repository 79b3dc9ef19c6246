"""What there is to look at in a comparison: confusions, learning curves, drawn images and their features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from makeweight.compare.arms import NOTHING, RIVAL, Arm, AugmentedArm, method_title
from makeweight.compare.result import Comparison
from makeweight.compare.runs import Workbench, fitted_sampler, read_predictions
from makeweight.compare.splits import Split
from makeweight.data.arrays import ImageCodec
from makeweight.quality.crossfit import trunk_features
from makeweight.report.features import Cloud, choose_rows
from makeweight.report.pictures import SHOWN, ClassImages, side_by_side

MOST_STEPS = 500
MOST_MAPPED = 2
Codes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Sights:
    """What there is to look at.

    Attributes
    ----------
    confusions : dict of str to array of shape (n_classes, n_classes)
        By the title of an arm: how often images of a class (row) are taken for another (column), all seeds together.
    histories : dict of str to list
        By the name of a method: the history of each of its trainings.
    drawn : dict of str to list of ClassImages
        By the name of a method: real and drawn images of each class that it fills, from the first split.
    train, test : Cloud or None
        Features of training and test images of the first split; None where a map would hold nothing.
    mapped : dict of str to Cloud
        Features of drawn images, by the name of the method.
    devices, versions : list of str, dict of str to str
        What computed.
    """

    confusions: dict[str, Codes]
    histories: dict[str, list[list[dict[str, Any]]]]
    drawn: dict[str, list[ClassImages]]
    train: Cloud | None
    test: Cloud | None
    mapped: dict[str, Cloud]
    devices: list[str]
    versions: dict[str, str]


def gather_sights(bench: Workbench, arms: Sequence[Arm], splits: Sequence[Split], found: Comparison) -> Sights:
    """Gather what there is to look at from the folder of a comparison and its images.

    Parameters
    ----------
    bench : Workbench
        What the runs shared.
    arms : sequence of Arm
        What was compared; all runs are done.
    splits : sequence of Split
        On what.
    found : Comparison
        What came out.

    Returns
    -------
    Sights
    """
    rows = {row.key: row for row in bench.rows}
    told = [rows[bench.arm_run(arm, split).key] for arm in arms for split in splits]
    methods = sorted({arm.method for arm in arms if arm.method is not None})
    histories = {
        method_title(method): [
            rows[run.key].history for split in splits if (run := bench.draw_run(method, split)).key in rows
        ]
        for method in methods
    }
    models = {method: bench.model(bench.draw_run(method, splits[0])) for method in methods}
    there = [method for method in methods if models[method].is_dir()]
    codec = ImageCodec.learn(bench.images.X, bench.base.channels)
    drawn = {method: _drawn(bench, arms, splits[0], method) for method in there}
    train, test, mapped = _clouds(bench, arms, splits[0], found, drawn)
    return Sights(
        confusions={arm.title: _confusion(bench, arm, splits) for arm in _shown_arms(arms, found)},
        histories={name: runs for name, runs in histories.items() if any(runs)},
        drawn={method_title(method): _pictures(bench, splits[0], own, codec) for method, own in drawn.items()},
        train=train,
        test=test,
        mapped=mapped,
        devices=sorted({row.device for row in told}),
        versions=dict(told[-1].versions),
    )


def _shown_arms(arms: Sequence[Arm], found: Comparison) -> list[Arm]:
    """Nothing, augmentation, and the arm that the verdict overall is about."""
    titles = [NOTHING, RIVAL, *(verdict.arm for verdict in found.verdicts[:1])]
    return [arm for title in titles for arm in arms if arm.title == title]


def _confusion(bench: Workbench, arm: Arm, splits: Sequence[Split]) -> Codes:
    n_classes = len(bench.images.classes)
    whole = np.zeros((n_classes, n_classes), np.int64)
    for _, answers in read_predictions(bench, arm, splits):
        whole += confusion_matrix(bench.images.codes[answers.index], answers.codes, labels=range(n_classes))
    return whole


def _drawn(bench: Workbench, arms: Sequence[Arm], split: Split, method: str) -> dict[int, NDArray[Any]]:
    """Draw some images of each class that the method fills, as its arms have them."""
    images = bench.images
    counts = np.bincount(images.codes[split.train], minlength=len(images.classes))
    needs = [arm.counts(counts) for arm in arms if arm.method == method and arm.fills]
    most = np.max(needs, axis=0) if needs else np.zeros_like(counts)
    sampler = fitted_sampler(bench, method, split)
    n_mapped = max(SHOWN, 500 // max(1, int((most > 0).sum())))
    return {
        code: sampler.draw(images.classes.tolist()[code], range(min(int(most[code]), n_mapped)))
        for code in np.flatnonzero(most).tolist()
    }


def _pictures(
    bench: Workbench, split: Split, drawn: Mapping[int, NDArray[Any]], codec: ImageCodec
) -> list[ClassImages]:
    images = bench.images
    codes = images.codes[split.train]
    return [
        side_by_side(
            images.classes.tolist()[code], codec.encode(images.X[split.train[codes == code]]), codec.encode(own)
        )
        for code, own in drawn.items()
    ]


def _clouds(
    bench: Workbench,
    arms: Sequence[Arm],
    split: Split,
    found: Comparison,
    drawn: Mapping[str, Mapping[int, NDArray[Any]]],
) -> tuple[Cloud | None, Cloud | None, dict[str, Cloud]]:
    """Features of a classifier that learns the first split as the arm of augmentation does, in 500 steps at most."""
    images = bench.images
    best = sorted(arms, key=lambda arm: -found.arm(arm.title).summary["acsa"])
    order = list(dict.fromkeys(arm.method for arm in best if arm.method is not None and drawn.get(arm.method)))
    mapped = {method: drawn[method] for method in order[:MOST_MAPPED]}
    if not mapped:
        return None, None, {}
    classifier = AugmentedArm().classifier(bench.base)
    classifier.set_params(n_steps=min(bench.base.n_steps or MOST_STEPS, MOST_STEPS), random_state=0)
    classifier.fit(images.X[split.train], images.codes[split.train])

    def of_real(places: NDArray[np.intp]) -> Cloud:
        chosen = places[choose_rows(images.codes[places])]
        return Cloud(trunk_features(classifier, images.X[chosen]), images.codes[chosen])

    def of_drawn(own: Mapping[int, NDArray[Any]]) -> Cloud:
        codes = np.repeat(np.array(list(own), np.int64), [len(X) for X in own.values()])
        return Cloud(trunk_features(classifier, np.concatenate(list(own.values()))), codes)

    clouds = {method_title(method): of_drawn(own) for method, own in mapped.items()}
    return of_real(split.train), of_real(split.test), clouds
