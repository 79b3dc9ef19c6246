"""What tables look like in Markdown and in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from makeweight.bench.results import Cells, Difference, Section
from makeweight.data.wording import counted, shown


def markdown(found: Sequence[Section]) -> str:
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


def title_of(section: Section) -> str:
    """Name a section."""
    settings = f", settings {section.settings}" if section.settings else ""
    return shown(f"{section.group}, {section.reading}, {section.budget}{settings}")


def sentence_of(difference: Difference) -> str:
    """Say how large a difference is; its verdict stands elsewhere."""
    one, other, points, interval, p, errors, *_, paper = difference.cells
    told = [f"{points} points" + (f" ({interval})" if interval else ""), p and f"p {p}", errors and f"{errors} errors"]
    published = f"; the paper says {paper}" if paper else ""
    return f"{one} against {other}: {', '.join([*filter(None, told), counted(difference.n_seeds, 'seed')])}{published}"
