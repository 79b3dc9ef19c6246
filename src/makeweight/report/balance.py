"""The report of `balance`: made from its folder, the manifest's rows and the model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from makeweight.data.images import UnreadableImageError
from makeweight.data.wording import counted, listed, points, shown
from makeweight.machine import device_name
from makeweight.report.files import read_files, small_spec
from makeweight.report.page import Answer, Block, Cell, Page, Section, Table
from makeweight.report.pictures import MOST_CLASSES, ClassImages, gallery, side_by_side
from makeweight.report.plots import class_bars, learning_curves
from makeweight.report.record import (
    card_section,
    drawn_facts,
    groups_told,
    hash_of_originals,
    run_section,
    settings_table,
)
from makeweight.sampler import FEW
from makeweight.training_sampler import shortness

if TYPE_CHECKING:
    from makeweight.balance.manifest import ManifestRow
    from makeweight.sampler import ImageSampler

REPORT = "report.html"
MOST_READ = 500
RUN_FACTS = {"from_model": "Went on from the model", "resize": "Learnt at pixels a side", "mode": "Learnt in mode"}
Rows = Sequence["ManifestRow"]


def balance_page(
    name: str, folder: Path, rows: Rows, sampler: ImageSampler, record: Mapping[str, Any] | None = None
) -> Page:
    """Give the report of a balanced folder.

    Parameters
    ----------
    name : str
        Name of the input.
    folder : Path
        The output, or what will become it; the rows' files are below.
    rows : sequence of ManifestRow
        Its images.
    sampler : ImageSampler
        What drew; not fitted where nothing is drawn.
    record : mapping, optional
        What was decided on the way, as balance.json holds it: the choice of a fill, and what the gate rejected.

    Returns
    -------
    Page
    """
    by_class: dict[str, dict[str, list[ManifestRow]]] = defaultdict(lambda: {"real": [], "drawn": []})
    for row in rows:
        by_class[row.label][row.origin].append(row)
    labels = sorted(by_class)
    real, drawn = ([len(by_class[label][origin]) for label in labels] for origin in ("real", "drawn"))
    kind = type(sampler).__name__
    total = [f"{sum(counts):,}" for counts in (real, drawn, [*real, *drawn])]
    table = Table(
        "Images of each class, before and after",
        ("class", "real", "drawn", "after"),
        [
            *(
                (shown(label), f"{a:,}", f"{b:,}", f"{a + b:,}")
                for label, a, b in zip(labels, real, drawn, strict=True)
            ),
            ("all", *total),
        ],
    )
    pictures = gallery(
        "Real images; drawn images; and below each drawn one the real image of the class that is nearest to it.",
        _pictures(folder, by_class, labels),
    )
    curves = learning_curves(kind, [getattr(sampler, "history_", [])])
    decided = record or {}
    asked = decided.get("run", {})
    return Page(
        title=f"{shown(name)}, balanced by {listed(_drawn_by(rows, sampler)) or kind}",
        lead=f"{counted(sum(real), 'real image')} of {counted(len(labels), 'class', 'classes')}, {sum(drawn):,} drawn.",
        answers=_answers(labels, real, rows, sampler, decided),
        sections=[
            Section("Classes", [*class_bars(labels, real, drawn), table]),
            Section("How far classes are filled", _fill(decided)),
            Section("What the gate rejected", _gate(decided)),
            Section("Real and drawn images", pictures),
            Section("Training", curves),
            _card(rows, sampler, asked),
            _run(rows, sampler, asked),
        ],
    )


def _sentence(note: str) -> str:
    """Write a note of the training as a sentence."""
    return shown(f"{note[:1].upper()}{note[1:]}")


def _drawn_by(rows: Rows, sampler: ImageSampler) -> list[str]:
    """Name what drew, the method first: where the gate lets nothing through, augmentation draws."""
    names = {row.method for row in rows if row.origin == "drawn"}
    kind = [type(sampler).__name__] if sampler.name in names else []
    return [*kind, *sorted(names - {sampler.name})]


def _answers(
    labels: Sequence[str],
    real: Sequence[int],
    rows: Rows,
    sampler: ImageSampler,
    record: Mapping[str, Any],
) -> list[Answer]:
    kind = type(sampler).__name__
    drawn = [row for row in rows if row.origin == "drawn"]
    if not drawn:
        return [Answer("note", "Nothing is drawn: the real images are all there is.")]
    by_method = {
        who: [row.label for row in drawn if (row.method == sampler.name) == (who == kind)]
        for who in _drawn_by(rows, sampler)
    }
    numbers = {who: f"{counted(len(own), 'image')} of {listed(sorted(set(own)), 10)}" for who, own in by_method.items()}
    told = " and ".join(f"{number} drawn by {who}" for who, number in numbers.items())
    answers = [
        Answer(
            "not tested",
            f"{told}. Whether they help a classifier has not been tested: makeweight compare does that. Whether they "
            "show their class, or copy real images, makeweight evaluate tells.",
        )
    ]
    notes = [shortness(sampler), *getattr(sampler, "training_notes_", [])]
    answers += [Answer("note", _sentence(note)) for note in notes if note]
    replaced = [each["label"] for each in record.get("gate") or [] if each["replaced"]]
    if replaced:
        answers.append(Answer("warning", f"Filled by augmentation, since {kind} cannot pass: {listed(replaced, 20)}."))
    small = [label for label, count in zip(labels, real, strict=True) if count < FEW]
    if small:
        answers.append(
            Answer("warning", f"Fewer than ten real images: {listed(small, 20)}. Expect drawn images close to these.")
        )
    if alone := [label for label, count in zip(labels, real, strict=True) if count == 1]:
        answers.append(Answer("warning", f"One real image alone, which can only be copied: {listed(alone, 20)}."))
    return answers


def _fill(record: Mapping[str, Any]) -> list[Block]:
    fill = record.get("fill")
    if not fill:
        return []
    rows = [
        [f"{each['fill']:g}", f"{each['n_drawn']:,}", *(points(each[name]) for name in ("recall", "behind", "error"))]
        for each in fill["tried"]
    ]
    note = (
        f"Mean recall on {fill['n_held_out']:,} images that were held out of the training part, in points, and how far "
        f"it is behind the best, with the standard error of that; {fill['n_folds']} folds, "
        f"{counted(fill['n_seeds'], 'seed')}. Chosen: {fill['chosen']:g}, the least that is at most one standard error "
        f"behind the best."
    )
    return [
        Table("Fills that were tried", ("fill", "drawn", "mean recall", "behind", "standard error"), rows, note=note)
    ]


def _gate(record: Mapping[str, Any]) -> list[Block]:
    gate = record.get("gate")
    if not gate:
        return []
    reasons = list(dict.fromkeys(reason for each in gate for reason in each["rejected"]))
    rows: list[Sequence[str | Cell]] = [
        [
            shown(each["label"]),
            each["replaced"] or "passed",
            f"{each['n_judged']:,}",
            *(f"{each['rejected'].get(reason, 0):,}" for reason in reasons),
            points(each["reject_rate"]),
            points(each["real_rejected"]),
        ]
        for each in gate
    ]
    columns = ("class", "outcome", "judged", *reasons, "% rejected", "% of real ones rejected")
    return [Table("Drawn images that were judged before they were taken", columns, rows, words=2)]


def _pictures(
    folder: Path, by_class: dict[str, dict[str, list[ManifestRow]]], labels: Sequence[str]
) -> list[ClassImages]:
    drawn_classes = [label for label in labels if by_class[label]["drawn"]]
    order = [*drawn_classes, *(label for label in labels if label not in drawn_classes)]
    spec, found = None, []
    for label in order[: MOST_CLASSES + 1]:
        files = by_class[label]
        first = next(iter(files["drawn"] or files["real"]), None)
        if first is None:
            continue
        try:
            spec = spec or small_spec(folder / first.file)
        except UnreadableImageError:
            continue
        real = read_files([folder / row.file for row in files["real"][:MOST_READ]], spec)
        drawn = read_files([folder / row.file for row in files["drawn"][:8]], spec)
        found.append(side_by_side(label, real, drawn))
    return found


def _card(rows: Rows, sampler: ImageSampler, asked: Mapping[str, Any]) -> Section:
    learning = "made from these without training"
    if sampler.learns and any(row.method == sampler.name for row in rows):
        learning = f"the networks learnt {'each class by itself' if sampler.learns_apart else 'all classes together'}"
    if "from_model" in asked:
        learning += f", and went on from the model {asked['from_model']}, which had learnt from images before"
    if "drawn_before" in asked:
        learning += f"; {counted(asked['drawn_before'], 'of them was', 'of them were')} drawn by an earlier run"
    return card_section(drawn_facts(rows, learning))


def _run(rows: Rows, sampler: ImageSampler, asked: Mapping[str, Any]) -> Section:
    facts = [
        ("Method", type(sampler).__name__),
        ("Seed of the drawing", _each(row.seed for row in rows)),
        ("Hash of the original files", hash_of_originals(rows)),
        ("Groups of original files", groups_told(rows)),
        ("Model", sampler.model_hash_ if any(row.origin == "drawn" for row in rows) else "none"),
        *(
            (f"Model of {name}, which filled classes", _each(row.model_hash for row in rows if row.method == name))
            for name in _drawn_by(rows, sampler)
            if name != type(sampler).__name__
        ),
        ("Settings", sampler.settings_hash),
        *((words, shown(asked[name])) for name, words in RUN_FACTS.items() if name in asked),
    ]
    if "left_out" in asked:
        facts.append((f"Left out ({len(asked['left_out']):,})", listed(asked["left_out"], 20)))
    if sampler.learns:
        from makeweight.devices import fabric_for

        device = fabric_for(getattr(sampler, "device", "auto"), None).device
        facts.append(("Device", device_name(str(device))))
        facts.append(("Steps", f"{getattr(sampler, 'n_steps_', 0):,}"))
    return run_section(facts, settings_table("Settings of the method", sampler.settings))


def _each(values: Iterable[object]) -> str:
    return ", ".join(sorted({shown(value) for value in values if value not in (None, "")})) or "none"
