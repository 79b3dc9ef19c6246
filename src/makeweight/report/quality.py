"""The report of `evaluate`: what drawn images are worth, class by class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from makeweight.data.wording import counted, rounded, shown
from makeweight.machine import device_name
from makeweight.quality.figures import GROUPS, METRICS, Figure
from makeweight.report.confusion import share_cell
from makeweight.report.features import Cloud, choose_rows, feature_map
from makeweight.report.page import Answer, Block, Cell, Gallery, Page, Paragraph, Section, Sentences, Table
from makeweight.report.pictures import MOST_CLASSES, gallery, pairs_of_copies, side_by_side
from makeweight.report.plots import class_bars
from makeweight.report.record import card_section, drawn_facts, hash_of_originals, run_section

if TYPE_CHECKING:
    from makeweight.quality.copies import Copy
    from makeweight.quality.folder import FolderQuality
    from makeweight.quality.report import QualityReport

MOST_COPIES = 50
MOST_COLUMNS = 20


def quality_page(found: FolderQuality, projection: str = "tsne") -> Page:
    """Give the report of an evaluation.

    Parameters
    ----------
    found : FolderQuality
        What `evaluate_folder` found.
    projection : {"tsne", "umap"}
        How the feature map is laid out.

    Returns
    -------
    Page
    """
    report, data = found.report, found.sights.data
    n_classes = len(data.classes)
    labels = [data.label(code) for code in range(n_classes)]
    real, drawn = (np.bincount(codes, minlength=n_classes).tolist() for codes in (data.codes, data.drawn_codes))
    answers = [Answer("warning", f"{warning}.") for warning in report.warnings]
    if not answers:
        answers = [Answer("good", "No copies beyond chance, no collapsed class, no class taken for another.")]
    answers.append(Answer("not tested", "Whether drawn images help a classifier, makeweight compare tells."))
    return Page(
        title=f"{shown(found.name)}: what drawn images are worth",
        lead=f"{counted(report.overall.n_drawn, 'drawn image')} and {counted(len(found.real), 'real one')}, compared "
        f"at {found.width}×{found.height} pixels.",
        answers=answers,
        sections=[
            Section("Figures of each class", _figures(report)),
            Section("What drawn images are taken for", _confusion(report, labels)),
            Section("Copies", _copies(found)),
            Section("Real and drawn images", _pictures(found)),
            Section("Feature map", _map(found, labels, projection)),
            Section("Classes", [*class_bars(labels, real, drawn)]),
            card_section(drawn_facts(found.sights.rows)),
            _run(found),
        ],
    )


def _figures(report: QualityReport) -> list[Block]:
    """One table for each question."""
    blocks: list[Block] = [
        Paragraph(
            "Each figure stands above its 95 % interval and, after “real”, what held-out real images reach. A figure "
            "better than that is no honour: copies are easier to recognise and lie nearer than fresh real images do."
        )
    ]
    for title, names in GROUPS:
        kinds = list(report.overall.n_copies) if names == ("nearest_pixels",) else []
        rows: list[Sequence[str | Cell]] = [
            [
                "all" if each.label is None else shown(each.label),
                f"{each.n_drawn:,}",
                *(_cell(each.figures[name]) for name in names),
                *(f"{each.n_copies[kind]:,}" for kind in kinds),
            ]
            for each in report.rows
        ]
        columns = ["class", "drawn", *(_head(report, name) for name in names), *kinds]
        blocks.append(Table(title, columns, rows))
    refusals = report.refusals()
    return [*blocks, Paragraph("Figures that are refused:"), Sentences(refusals)] if refusals else blocks


def _head(report: QualityReport, name: str) -> str:
    better = METRICS[name].better
    return f"{report.title(name)} ({'like real' if better == 'like the reference' else better + ' is better'})"


def _cell(figure: Figure) -> Cell:
    if figure.value is None or figure.low is None or figure.high is None:
        return Cell("–", "refused")
    reference = "" if figure.reference is None else f"; real {rounded(figure.reference)}"
    return Cell(rounded(figure.value), f"{rounded(figure.low)} to {rounded(figure.high)}{reference}")


def _confusion(report: QualityReport, labels: Sequence[object]) -> list[Block]:
    judged = [each for each in report.classes if each.answers]
    named = [str(label) for label in labels]
    if len(named) > MOST_COLUMNS:
        named = [name for name in named if any(each.answers.get(name) for each in judged)][:MOST_COLUMNS]
    rows: list[Sequence[str | Cell]] = [
        [shown(each.label), *(share_cell(each.answers.get(name, 0.0)) for name in named)] for each in judged
    ]
    if not rows:
        return []
    note = "Per cent of the answers of classifiers that learnt from real images; rows add up to 100."
    return [Table("Class asked for (rows), class seen (columns)", ["class", *map(shown, named)], rows, note=note)]


def _copies(found: FolderQuality) -> list[Block]:
    report = found.report
    blocks: list[Block] = [Paragraph(_verdict_on_copies(found)), *_copy_pictures(found)]
    blocks += _copy_table("Drawn images that copy real ones", report.copies, found.drawn, found.real)
    leak = report.leak
    if leak is None:
        return [*blocks, Paragraph("No leak test: no test images were given.")]
    blocks += _copy_table("Test images that copy training images", leak.shared, found.test, found.real)
    blocks += _copy_table("Drawn images that copy test images", leak.copies, found.drawn, found.test)
    return [*blocks, *([] if leak.sentence is None else [Paragraph(f"{leak.sentence}.")])]


def _verdict_on_copies(found: FolderQuality) -> str:
    report = found.report
    n_drawn = report.overall.n_drawn
    text = f"{len(report.copies):,} of {counted(n_drawn, 'drawn image')} are copies or suspect ones."
    if report.false_alarm_rate is not None:
        text += (
            f" Of as many that copy nothing, about {report.false_alarm_rate * n_drawn:.2g} would be suspect by chance."
        )
    return text


def _copy_pictures(found: FolderQuality) -> list[Gallery]:
    data = found.sights.data
    few = found.report.copies[:8]
    if not few:
        return []
    return pairs_of_copies(
        data.codec.encode(data.X_drawn[[copy.index for copy in few]]),
        data.codec.encode(data.X[[copy.of for copy in few]]),
    )


def _copy_table(caption: str, copies: Sequence[Copy], files: Sequence[str], originals: Sequence[str]) -> list[Table]:
    rows: list[Sequence[str | Cell]] = [
        (shown(files[copy.index]), shown(originals[copy.of]), copy.kind, copy.change, rounded(copy.distance))
        for copy in copies[:MOST_COPIES]
    ]
    more = (
        f"The first {MOST_COPIES} of {len(copies):,}; all are in the JSON of --json."
        if len(copies) > MOST_COPIES
        else ""
    )
    columns = ("image", "copies", "kind", "change", "distance")
    return [Table(caption, columns, rows, words=4, note=more)] if rows else []


def _pictures(found: FolderQuality) -> list[Gallery]:
    data = found.sights.data
    classes = [
        side_by_side(
            data.label(code),
            data.codec.encode(data.X[data.codes == code]),
            data.codec.encode(data.X_drawn[data.drawn_codes == code]),
        )
        for code in data.drawn_classes[: MOST_CLASSES + 1]
    ]
    return gallery(
        "Real images; drawn images; and below each drawn one the real image of the class that is nearest to it.",
        classes,
    )


def _map(found: FolderQuality, labels: Sequence[object], projection: str) -> list[Block]:
    """Features of the first fold's classifier; its own training images are left out where that leaves enough."""
    sights = found.sights
    judges = [judge for judge in sights.crossfit.judges_ if judge.classifier is not None]
    if not judges:
        return []
    data, judge = sights.data, judges[0]

    def cloud(X: np.ndarray, codes: np.ndarray) -> Cloud:
        rows = choose_rows(codes)
        return Cloud(judge.features(X[rows]), codes[rows])

    test = None
    if sights.test is not None and (sights.test[1] >= 0).any():
        X_test, codes = sights.test
        test = cloud(X_test[codes >= 0], codes[codes >= 0])
    return [
        *feature_map(
            cloud(data.X, data.codes), {"the model": cloud(data.X_drawn, data.drawn_codes)}, test, labels, projection
        )
    ]


def _run(found: FolderQuality) -> Section:
    report, rows = found.report, found.sights.rows
    devices = {
        device_name(str(next(judge.classifier.network_.parameters()).device))
        for judge in found.sights.crossfit.judges_
        if judge.classifier is not None
    }
    models = sorted({row.model_hash for row in rows if row.origin == "drawn"})
    facts = [
        ("Hash of the original files", hash_of_originals(rows)),
        ("Model", ", ".join(map(shown, models))),
        ("Extractor of features", f"{report.extractor} ({report.extractor_hash})" if report.extractor_hash else "none"),
        ("Seed", str(report.settings["random_state"])),
        ("Folds, resamples", f"{report.settings['n_folds']}, {report.settings['n_resamples']}"),
        ("Groups kept together", counted(n_groups, "group") if (n_groups := report.settings["n_groups"]) else "none"),
        ("Dimensions of the Fréchet distance", str(report.settings["n_components"])),
        ("Device", ", ".join(sorted(devices)) or "none"),
    ]
    return run_section(facts)
