"""The report of `compare`: the verdict and everything that it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from makeweight.data.wording import counted, listed, points, shown, signed_points
from makeweight.report.confusion import confusion_table
from makeweight.report.features import feature_map
from makeweight.report.page import Answer, Block, Cell, Page, Paragraph, Section, Table
from makeweight.report.pictures import gallery
from makeweight.report.plots import class_bars, intervals, learning_curves
from makeweight.report.record import card_section, per_class, run_section, settings_table, software

if TYPE_CHECKING:
    from makeweight.compare.result import ArmResult, Comparison
    from makeweight.compare.sights import Sights

REPORT = "report.html"
NOTHING, RIVAL = "nothing", "augmentation"
MOST_COLUMNS = 20
# What is told of an arm in points beside its mean recall, and how it is called.
SHARES = {
    "macro_f1": "macro F1",
    "geometric_mean_recall": "GM of recall",
    "mean_class_gmean": "class GM",
    "auc": "AUC",
    "ece": "ECE",
}


def comparison_page(found: Comparison, sights: Sights, projection: str = "tsne") -> Page:
    """Give the report of a comparison.

    Parameters
    ----------
    found : Comparison
        What came out.
    sights : Sights
        What there is to look at.
    projection : {"tsne", "umap"}
        How the feature map is laid out.

    Returns
    -------
    Page
    """
    where = f"{found.folds} folds" if found.folds else f"{sum(found.test_counts):,} test images"
    return Page(
        title=f"{shown(found.name)}: do drawn images help?",
        lead=f"{sum(found.train_counts):,} training images of {counted(len(found.labels), 'class', 'classes')}, "
        f"{where}, {counted(len(found.seeds), 'seed')}, {found.n_steps:,} steps for every classifier.",
        answers=[
            *(Answer(verdict.answer, f"{verdict.sentence}.") for verdict in found.verdicts),
            *(Answer("warning", warning) for warning in found.warnings),
            *(Answer("left out for time", each) for each in found.left_out),
        ],
        sections=[
            Section("Difference to augmentation", _differences(found)),
            Section("Each class", _classes(found)),
            Section("Every arm", [_arms(found), *_recalls(found)]),
            Section("At natural prevalence", _natural(found)),
            Section("What is taken for what", _confusions(found, sights)),
            Section("Real and drawn images", _pictures(sights)),
            Section("Feature map", _map(found, sights, projection)),
            Section("Training of the methods that draw", _curves(sights)),
            _card(found, sights),
            _run(found, sights),
        ],
    )


def best_first(found: Comparison) -> list[ArmResult]:
    """Give the arms in the order in which they are told: by mean recall."""
    return sorted(found.arms, key=lambda arm: -arm.summary["acsa"])


def _best_arm(found: Comparison) -> str | None:
    """Title of the arm that the verdict overall is about."""
    return found.verdicts[0].arm if found.verdicts else None


def _differences(found: Comparison) -> list[Block]:
    rows = []
    for arm in best_first(found):
        if arm.title != RIVAL:
            value, low, high = (arm.against[RIVAL][name][-1] for name in ("estimate", "low", "high"))
            rows.append((arm.title, value, low, high))
    overall: list[Block] = [
        *intervals(
            "Difference in mean recall to augmentation",
            rows,
            "Mean recall of each arm less that of augmentation, in points, with each arm's own 95 % interval.",
        )
    ]
    named = [
        (f"{shown(verdict.label)}: {verdict.arm}", verdict.gain, verdict.low, verdict.high)
        for verdict in found.verdicts
        if verdict.label is not None
    ]
    return [
        *overall,
        *intervals(
            "Difference in recall to augmentation, class by class",
            named,
            "Recall of each rare class, by the arm that its verdict is about, less that of augmentation, in points. "
            "The intervals are those of the verdicts.",
        ),
    ]


def _classes(found: Comparison) -> list[Block]:
    """Recall of each class: of nothing, augmentation, and the arm that the verdict on it is about."""
    answers = {verdict.label: verdict for verdict in found.verdicts}
    rows: list[Sequence[str | Cell]] = []
    for place, label in enumerate(found.labels):
        verdict = answers.get(label)
        title = _best_arm(found) if verdict is None else verdict.arm
        row: list[str | Cell] = [shown(label), f"{found.train_counts[place]:,}", f"{found.test_counts[place]:,}"]
        row += [points(found.arm(name).classes["recall"][place]) for name in (NOTHING, RIVAL)]
        if title is None:
            row += ["–", "–", "–", ""]
        else:
            arm = found.arm(title)
            own = {name: values[place] for name, values in arm.against[RIVAL].items()}
            if verdict is not None:
                own |= {"estimate": verdict.gain, "low": verdict.low, "high": verdict.high}
            row += [
                points(arm.classes["recall"][place]),
                Cell(signed_points(own["estimate"]), _interval(own)),
                points(arm.classes["f1"][place]),
                "not filled" if verdict is None else verdict.answer,
            ]
        rows.append(row)
    columns = ("class", "train", "test", NOTHING, RIVAL, "drawn", "difference to augmentation", "F1, drawn", "verdict")
    note = (
        "Recall in points. “Drawn” is the arm that the verdict on the class is about, or that of the verdict overall. "
        "Below each difference stands its 95 % interval."
    )
    best = _best_arm(found)
    n_drawn = [0 if best is None else found.arm(best).n_drawn[label] for label in found.labels]
    caption = (
        "Training images of each class." if best is None else f"Training images of each class, and what {best} adds."
    )
    return [
        Table("Recall of each class", columns, rows, note=note),
        *class_bars(found.labels, found.train_counts, n_drawn, caption=caption),
    ]


def _interval(own: Mapping[str, float]) -> str:
    """Give an interval of a difference; none is larger than all of the images."""
    return f"{points(max(-1.0, own['low']))} to {points(min(1.0, own['high']))}"


def _arms(found: Comparison) -> Table:
    rows: list[Sequence[str | Cell]] = []
    for arm in best_first(found):
        own = {name: values[-1] for name, values in arm.against[RIVAL].items()}
        gain: list[str | Cell] = ["–", "–"]
        if arm.title != RIVAL:
            gain = [
                Cell(signed_points(own["estimate"]), _interval(own)),
                f"{own['p_adjusted']:.3f}",
            ]
        figures = [points(arm.summary[name]) for name in SHARES]
        rows.append([arm.title, points(arm.summary["acsa"]), *gain, *figures, f"{arm.summary['brier']:.3f}"])
    columns = ("arm", "mean recall", "difference", "p (Holm)", *SHARES.values(), "Brier")
    note = "In points but p and Brier. Below each difference to augmentation stands the arm's own 95 % interval."
    return Table("Every arm, the best first", columns, rows, note=note)


def _recalls(found: Comparison) -> list[Table]:
    if len(found.labels) > MOST_COLUMNS:
        return []
    rows: list[Sequence[str | Cell]] = [
        [arm.title, *(Cell(points(value), shade=value) for value in arm.classes["recall"])] for arm in best_first(found)
    ]
    return [Table("Recall of every arm in every class", ("arm", *map(shown, found.labels)), rows, note="In points.")]


def _natural(found: Comparison) -> list[Block]:
    total = sum(found.train_counts)
    rows: list[Sequence[str | Cell]] = []
    for verdict in found.verdicts:
        if verdict.label is None:
            continue
        place = found.labels.index(verdict.label)
        arms = [found.arm(title) for title in (NOTHING, RIVAL, verdict.arm)]
        row: list[str] = [shown(verdict.label), f"{100 * found.train_counts[place] / total:.1f}"]
        for arm in arms:
            row += [points(arm.natural[name][place]) for name in ("moved_recall", "moved_precision")]
        rows.append(row)
    columns = ["class", "% of all"]
    columns += [f"{name}: {figure}" for name in (NOTHING, RIVAL, "drawn") for figure in ("recall", "precision")]
    note = (
        "What recall and precision of the rare classes would be if classes came as often as in the training set, after "
        "the odds are moved to that. In points."
    )
    return [Table("At natural prevalence", columns, rows, note=note)] if rows else []


def _confusions(found: Comparison, sights: Sights) -> list[Block]:
    """Show confusions as tables; of many classes, the pairs that are most often confused."""
    if len(found.labels) > MOST_COLUMNS:
        return [_pairs(title, counts, found.labels) for title, counts in sights.confusions.items()]
    return [confusion_table(title, counts, found.labels) for title, counts in sights.confusions.items()]


def _pairs(title: str, counts: Any, labels: Sequence[str]) -> Table:
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    wrong = np.where(np.eye(len(labels), dtype=bool), 0, shares)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_COLUMNS]
    places = [divmod(int(place), len(labels)) for place in order]
    rows = [(shown(labels[true]), shown(labels[told]), points(float(wrong[true, told]))) for true, told in places]
    return Table(f"Most frequent confusions: {title}", ("class", "taken for", "per cent of the class"), rows, words=2)


def _pictures(sights: Sights) -> list[Block]:
    return [
        block
        for name, classes in sights.drawn.items()
        for block in gallery(
            f"{name}: real images; drawn images; and below each drawn one the real training image of the class that is "
            f"nearest to it. First seed, first split.",
            classes,
        )
    ]


def _map(found: Comparison, sights: Sights, projection: str) -> list[Block]:
    if sights.train is None:
        return []
    return [*feature_map(sights.train, sights.mapped, sights.test, found.labels, projection)]


def _curves(sights: Sights) -> list[Block]:
    return [drawing for name, runs in sights.histories.items() for drawing in learning_curves(name, runs)]


def _card(found: Comparison, sights: Sights) -> Section:
    most = {label: max(arm.n_drawn[label] for arm in found.arms) for label in found.labels}
    counts = dict(zip(found.labels, found.train_counts, strict=True))
    where = "the training folds" if found.folds else "the training images"
    return card_section(
        [
            ("What is drawn", f"at most, in any arm: {per_class({k: v for k, v in most.items() if v})}"),
            ("By", listed(sights.drawn, 20) or "nothing"),
            ("From what", f"{where}: {per_class(counts)}; nothing that learns sees a test image"),
            ("What the verdict covers", "these training images, and test images like these; not another training set"),
        ]
    )


def _run(found: Comparison, sights: Sights) -> Section:
    same = [name for name, version in software() if sights.versions.get(name) == version]
    facts = [
        ("Data", shown(found.name)),
        ("Hash of the data", found.data_hash),
        ("Seeds", ", ".join(map(str, found.seeds))),
        ("Device", ", ".join(sights.devices)),
        *((f"{name}, of the runs", told) for name, told in sights.versions.items() if name not in ("cores", *same)),
    ]
    section = run_section(facts, settings_table("What was asked for", found.settings))
    told = "Every run with its settings is a line of rows.jsonl in the same folder; all figures are in verdict.json."
    return Section(section.title, [*section.blocks, Paragraph(told)])
