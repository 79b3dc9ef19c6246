"""The report of `bench figures`: a paper's table and figures, from rows alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from makeweight.data.wording import counted, points, shown
from makeweight.report.confusion import confusion_table
from makeweight.report.page import Answer, Block, Cell, Facts, Page, Section, Table
from makeweight.report.plots import curves, intervals, learning_curves

if TYPE_CHECKING:
    from makeweight.bench.curves import Curves
    from makeweight.bench.results import ResultSection
    from makeweight.bench.rows import Row
    from makeweight.bench.table_rows import Group

CONFUSED = ("cn", "augmentation", "aggan")
Rows = Mapping[int, "Row"]


def bench_page(
    name: str,
    about: str,
    paper: str,
    results: Sequence[tuple[str, ResultSection, Group]],
    answers: Sequence[tuple[str, str]],
    remarks: Sequence[str] = (),
    figures: Sequence[Curves] = (),
) -> Page:
    """Give the report of a table.

    Parameters
    ----------
    name, about, paper : str
        The table, what it tells, and where it stands.
    results : sequence of (str, Section, Group)
        Title, what the rows add up to, and the rows, for each reading, set and length of training.
    answers : sequence of (str, str)
        What is told first, each difference in a word and in a sentence.
    remarks : sequence of str
        What a reader should know of what was run, and what not.
    figures : sequence of Curves
        What changes along what the table varies.

    Returns
    -------
    Page
    """
    sections = [
        Section(
            title,
            [
                _lines(result),
                *_drawn(result),
                *_differences(result),
                _classes(group),
                *_confusions(group),
                *_curves(group),
            ],
        )
        for title, result, group in results
    ]
    rows = [row for *_, group in results for by_seed in group.values() for row in by_seed.values()]
    return Page(
        title=f"{name}: {about}",
        lead=f"After {paper}. Means over seeds, on full test sets; what was chosen, and on which images, docs/bench.md "
        "tells.",
        answers=[Answer(word, f"{sentence}.") for word, sentence in answers],
        sections=[*_figures(figures), *sections, _run(rows, remarks)],
    )


def _figures(figures: Sequence[Curves]) -> list[Section]:
    """Draw what the papers draw, if the table varies anything."""
    drawings = []
    for each in figures:
        has_intervals = any(dot.reach is not None for own in each.lines.values() for dot in own.values())
        caption = f"{each.title}: {each.measure.removesuffix(', %')}. Means over seeds"
        caption += ", with 95 % intervals." if has_intervals else "."
        drawings.append(curves(each, caption))
    return [Section("Along what is varied", drawings)] if drawings else []


def _lines(result: ResultSection) -> Table:
    rows: list[Sequence[str | Cell]] = []
    for line in result.lines:
        method, seeds, recall, reach, *figures, paper = line.cells
        rows.append([method, seeds, Cell(recall, reach), *figures, *([paper or "–"] if result.is_published else [])])
    columns = ("method", "seeds", "mean recall", "F1", "geometric mean", *(["paper"] if result.is_published else []))
    note = (
        "In per cent, the best first. Below mean recall stands half of its 95 % interval (Student's t over seeds), "
        "from three seeds on."
    )
    return Table("Mean recall", columns, rows, note=note)


def _drawn(result: ResultSection) -> list[Block]:
    """How good drawn images are, where a table is about them."""
    if not result.of_drawn:
        return []
    rows = [
        [line.method, *(line.cells_of_drawn[name] or "–" for name in result.of_drawn)]
        for line in sorted(result.lines, key=lambda line: -line.drawn.get("seen", 0.0))
    ]
    note = (
        "Recall of the rare classes and how often classifiers of the whole data see the class asked for, in per cent; "
        "Fréchet distance on these classifiers' features, lower is better; SSIM of two drawn images of a class, "
        "to be like that of two real ones."
    )
    words = {
        "recall_of_rare": "recall of rare classes",
        "seen": "seen",
        "frechet": "Fréchet distance",
        "ssim": "SSIM of two drawn",
        "ssim_of_real": "SSIM of two real",
    }
    return [Table("Drawn images", ("method", *(words[name] for name in result.of_drawn)), rows, note=note)]


def _differences(result: ResultSection) -> list[Block]:
    rows = [
        (
            f"{each.one} against {each.other}",
            each.points / 100,
            (each.points - each.reach) / 100,
            (each.points + each.reach) / 100,
        )
        for each in result.differences
        if each.reach is not None
    ]
    caption = "Mean recall of one method less that of another, in points, paired over seeds, with 95 % intervals."
    drawing = intervals("Differences in mean recall", rows, caption)
    if not result.differences:
        return [*drawing]
    columns, lines = result.table_of_differences
    errors = "Errors are what mean recall lacks to 100 %, told where the interval excludes zero."
    note = " ".join(filter(None, (errors if "errors" in columns else "", result.chance)))
    cells = [[cell or "–" for cell in line] for line in lines]
    return [*drawing, Table("Differences in numbers", columns, cells, words=2, note=note)]


def _classes(group: Group) -> Table:
    """Recall of every class and precision of the largest, which the paper's figures 3 and 5 show."""
    _, labels = _largest_first(group)
    rows: list[Sequence[str | Cell]] = []
    for method, by_seed in group.items():
        recalls = [_mean(by_seed, "recall", label) for label in labels]
        shades = [Cell(points(value), shade=value) for value in recalls]
        rows.append([method, *shades, points(_mean(by_seed, "precision", labels[0]))])
    columns = ("method", *(shown(label) for label in labels), f"precision of {shown(labels[0])}")
    return Table("Recall of every class, the largest first", columns, rows, note="In per cent, means over seeds.")


def _confusions(group: Group) -> list[Block]:
    order, labels = _largest_first(group)
    tables: list[Block] = []
    for method in CONFUSED:
        if method in group:
            counts = sum(np.array(row.metrics["confusion"], float) for row in group[method].values())
            tables.append(confusion_table(method, np.asarray(counts)[np.ix_(order, order)], labels))
    return tables


def _curves(group: Group) -> list[Block]:
    histories = {method: [row.history for row in rows.values() if row.history] for method, rows in group.items()}
    return [drawing for method, runs in histories.items() if runs for drawing in learning_curves(method, runs)]


def _run(rows: Sequence[Row], remarks: Sequence[str]) -> Section:
    settings = sorted({str(row.settings.get("fixed", "")) for row in rows})
    facts = [
        ("Rows", counted(len(rows), "row")),
        ("Devices", ", ".join(sorted({row.device for row in rows}))),
        ("Processors", ", ".join(sorted({row.versions.get("processor", "") for row in rows}))),
        ("torch", ", ".join(sorted({row.versions.get("torch", "") for row in rows}))),
        ("Hash of the settings", ", ".join(settings)),
        *(("Remark", remark) for remark in remarks),
    ]
    return Section("What was run", [Facts(facts)])


def _largest_first(group: Group) -> tuple[list[int], list[str]]:
    """Order the classes by how many training images they have, as a mean over rows."""
    each: list[Any] = [row.metrics for rows in group.values() for row in rows.values()]
    order: list[int] = np.argsort(-np.mean([metrics["counts"] for metrics in each], axis=0), kind="stable").tolist()
    return order, [str(each[0]["classes"][place]) for place in order]


def _mean(rows: Rows, metric: str, label: str) -> float:
    values: list[Any] = [row.metrics[metric] for row in rows.values()]
    return float(np.mean([value[label] for value in values]))
