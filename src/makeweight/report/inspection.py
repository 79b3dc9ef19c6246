"""The report of `inspect`: what a source holds, before anything is done with it."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from makeweight.data.arrays import ImageCodec
from makeweight.data.inspect import Inspection, sections
from makeweight.data.source import Found
from makeweight.data.stores import array_spec
from makeweight.data.wording import counted, shown
from makeweight.report.files import read_files, small_spec
from makeweight.report.page import Answer, Block, Facts, Page, Section, Sentences, Table
from makeweight.report.pictures import MOST_CLASSES, SHOWN, ClassImages, gallery, only_real
from makeweight.report.plots import class_bars
from makeweight.report.record import run_section

if TYPE_CHECKING:
    from makeweight.balance.plan import BalancePlan

MOST_ROWS = 200


def inspection_page(found: Inspection, source: Found, plan: BalancePlan | None) -> Page:
    """Give the report of an inspection.

    Parameters
    ----------
    found : Inspection
        What the source holds.
    source : Found
        The source, from which a few images of each class are shown.
    plan : BalancePlan or None
        What balancing would do.

    Returns
    -------
    Page
    """
    labels, counts = list(found.counts), list(found.counts.values())
    answers = [Answer("problem", problem) for problem in found.problems]
    if not answers:
        answers = [Answer("good", "Every image can be used as it is.")]
    across = sum(group.kind == "across splits" for group in found.copies)
    if across:
        answers.append(Answer("warning", f"{counted(across, 'group')} of identical files lie in more than one split."))
    to_draw = [0 if plan is None else plan.to_draw.get(label, 0) for label in labels]
    tables: list[Block] = []
    for part in sections(found):
        if len(part.columns) == 1:
            continue
        note = f"The first {MOST_ROWS} of {len(part.rows):,}." if len(part.rows) > MOST_ROWS else ""
        words = 2 if part.title.startswith(("Files that cannot", "Identical")) else 1
        filled = [place for place in range(len(part.columns)) if any(row[place] for row in part.rows)]
        rows = [[row[place] for place in filled] for row in part.rows[:MOST_ROWS]]
        tables.append(Table(part.title, [part.columns[place] for place in filled], rows, words=words, note=note))
    return Page(
        title=f"{shown(found.name)}: what it holds",
        lead=f"{counted(found.n_images, 'image')}, {counted(len(labels), 'class', 'classes')}; largest class by "
        f"smallest: {found.imbalance_ratio:.4g}.",
        answers=answers,
        sections=[
            Section("Classes", [*class_bars(labels, counts, to_draw, "to draw"), *tables[:1]]),
            Section("What balance would do", _plan(plan)),
            Section("Images", gallery("The first images of each class.", _samples(source))),
            Section("Files", tables[1:]),
            Section("Notes", [Sentences(found.notes)] if found.notes else []),
            run_section([]),
        ],
    )


def _plan(plan: BalancePlan | None) -> list[Block]:
    if plan is None:
        return []
    facts = [("Method", plan.method), ("Learns", f"{plan.width}×{plan.height} pixels")]
    if plan.resize:
        facts.append(("Needs", f"--resize {plan.resize}"))
    if plan.n_steps is not None and plan.bytes is not None:
        facts += [("Steps", f"{plan.n_steps:,}"), ("Memory", f"about {plan.bytes / 1e6:,.0f} MB")]
    rows = [(shown(label), f"{number:,}") for label, number in plan.to_draw.items()]
    return [Facts(facts), *([Table("To draw (auto)", ("class", "to draw"), rows)] if rows else [])]


def _samples(source: Found) -> list[ClassImages]:
    if source.arrays is not None:
        data = source.arrays
        codec = ImageCodec.learn(data.X[:SHOWN], array_spec(data.X).layout)
        codec = ImageCodec(codec.layout, codec.shape, codec.dtype, (float(data.X.min()),), (float(data.X.max()),))
        return [
            only_real(label, codec.encode(data.X[np.flatnonzero(data.labels == label)[:SHOWN]]))
            for label in np.unique(data.labels).tolist()[: MOST_CLASSES + 1]
        ]
    by_class: dict[str, list[Path]] = defaultdict(list)
    for entry in source.listing.entries if source.listing is not None else []:
        by_class[entry.label].append(entry.path)
    return [_first_files(label, paths) for label, paths in sorted(by_class.items())[: MOST_CLASSES + 1]]


def _first_files(label: str, paths: list[Path]) -> ClassImages:
    from makeweight.data.images import UnreadableImageError

    for place, path in enumerate(paths[:SHOWN]):
        try:
            return only_real(label, read_files(paths[place : place + SHOWN], small_spec(path)))
        except UnreadableImageError:
            continue
    return only_real(label, np.empty((0, 1, 1, 1), np.float32))
