"""What tables look like in Markdown and in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from makeweight.bench.results import Cells, Difference, ResultSection
from makeweight.bench.rows import Row
from makeweight.bench.settings import read_settings
from makeweight.bench.table import Selection
from makeweight.bench.tables import TABLES
from makeweight.data.wording import counted, shown


def markdown(found: Sequence[ResultSection]) -> str:
    """Write sections as Markdown."""
    parts = []
    for section in found:
        parts += [f"### {title_of(section)}\n", *_markdown_table(section.table), ""]
        if section.differences:
            columns, cells = section.table_of_differences
            before = [None, *(one for one, *_ in cells)]
            fewer = [["" if one == last else one, *rest] for last, (one, *rest) in zip(before, cells, strict=False)]
            parts += [*_markdown_table((columns, fewer)), "", *([section.chance, ""] if section.chance else [])]
    return "\n".join(parts)


def _markdown_table(table: Cells) -> list[str]:
    columns, cells = table
    return [f"| {' | '.join(columns)} |", f"{'|---' * len(columns)}|", *(f"| {' | '.join(line)} |" for line in cells)]


def title_of(section: ResultSection) -> str:
    """Name a section."""
    settings = f", other settings ({section.settings})" if section.settings else ""
    return shown(f"{section.group}, {section.reading}, {section.budget}{settings}")


def sentence_of(difference: Difference) -> str:
    """Say how large a difference is; its verdict stands elsewhere."""
    one, other, points, interval, p, errors, *_, paper = difference.cells
    told = [f"{points} points" + (f" ({interval})" if interval else ""), p and f"p {p}", errors and f"{errors} errors"]
    published = f"; the paper says {paper}" if paper else ""
    return f"{one} against {other}: {', '.join([*filter(None, told), counted(difference.n_seeds, 'seed')])}{published}"


def remarks(name: str, found: Sequence[ResultSection]) -> list[str]:
    """Say what a reader should know beside the figures: how long the papers' trainings are, and what was not run."""
    papers = [_of_papers(name)] if any(section.is_published for section in found) else []
    return [*papers, *not_run(name, found)]


def on_whom(found: Sequence[ResultSection]) -> list[str]:
    """Say how the method was chosen whose differences are told first."""
    if all(section.foremost == section.differences for section in found):
        return []
    return [
        "The verdict is on the method with the highest mean on these very test images, of those with seeds enough to "
        "be judged, which flatters it: the tables have all."
    ]


def _of_papers(name: str) -> str:
    """Say how long the trainings are whose figures a paper prints."""
    reading = read_settings()[name].paper
    assert reading is not None
    return (
        f"The paper's figures are of {reading.epochs:g} epochs in which every class comes as often as the largest: "
        "shorter trainings are no verdict on them."
    )


def not_run(name: str, found: Iterable[ResultSection]) -> list[str]:
    """Say what the settings of a table name and no section of these settings has."""
    table, settings = TABLES.get(name)(), read_settings()[name]
    done: dict[tuple[str, str], set[str]] = {}
    for section in found:
        if not section.settings:
            done.setdefault((section.reading, section.group), set()).update(line.method for line in section.lines)
    wanted: dict[tuple[str, str, str], list[str]] = {}
    for case in table.cases(settings, Selection(seeds=[0])):
        group = table.group(case.dataset, case.details)
        wanted.setdefault((case.reading, case.dataset, group), []).append(case.method)
    begun = {(reading, dataset) for reading, dataset, group in wanted if (reading, group) in done}
    absent = {
        f"{group if (reading, dataset) in begun else dataset} ({reading})": None
        for reading, dataset, group in wanted
        if (reading, group) not in done
    }
    told = [f"Not run: {', '.join(absent)}."] if absent else []
    for (reading, _, group), methods in wanted.items():
        missing = [method for method in methods if method not in done.get((reading, group), methods)]
        told += [f"Of {group} ({reading}) not run: {', '.join(missing)}."] if missing else []
    return told


def computed_on(rows: Iterable[Row]) -> str:
    """Name the devices and processors that computed rows; nothing where there are no rows."""
    devices = sorted({f"{row.device}, {row.versions.get('processor', 'unknown')}" for row in rows})
    return f"Computed on: {shown('; '.join(devices))}." if devices else ""
