"""A table of `bench` on a terminal, as many of its columns as there is room for."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from makeweight.bench.results import OF_DRAWN, ResultSection
from makeweight.bench.wording import title_of
from makeweight.cli.printing import console, say, show_table, writable
from makeweight.data.wording import listed

METHOD, LESS = "method", "method, less"
SHORTER = {"mean recall": "recall", "95 % interval": "95 %", "geometric mean": "GM"}
# What is left out first where names would have less room than this many letters.
SPARED = (
    *("computed on", "geometric mean", "F1", "errors", "p", "paper"),
    *(title for title, _, _ in reversed(OF_DRAWN.values())),
    *("95 % interval", "seeds"),
)
ROOM_OF_NAMES = 26
BETWEEN = 3  # blanks between columns


def print_sections(found: Sequence[ResultSection]) -> None:
    """Print each section, its differences method by method below it."""
    say("In per cent, the best first; 95 %: half of the interval over seeds; GM: geometric mean of recall.")
    spared: list[str] = []
    for section in found:
        say("")
        say(title_of(section))
        spared += _print_grid(*section.table)
        if not section.differences:
            continue
        say("")
        say("Differences in mean recall, in points, paired over seeds, with 95 % intervals:")
        columns, lines = section.table_of_differences
        spared += _print_grid([LESS, *columns[2:]], _grouped(lines))
        if section.chance:
            say(section.chance)
    say("")
    if spared:
        say(f"For want of room not shown: {listed(list(dict.fromkeys(spared)), len(SPARED))}; --markdown shows all.")


def _grouped(lines: Sequence[Sequence[str]]) -> list[list[str]]:
    """Give each method a line of its own, and what it is held against a line below it."""
    found: list[list[str]] = []
    minus, last = writable("−", console().encoding), None
    for one, other, *figures in lines:
        if one != last:
            found.append([one, *[""] * len(figures)])
            last = one
        found.append([f"  {minus} {other}", *figures])
    return found


def _print_grid(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """Print columns, of which the first has the names; give those that are left out."""
    width = {
        place: BETWEEN + max(len(cell) for cell in (SHORTER.get(column, column), *(line[place] for line in lines)))
        for place, column in enumerate(columns)
    }
    room = min(ROOM_OF_NAMES, width.pop(0))
    spared = []
    for column in SPARED:
        if room + sum(width.values()) > Console().width and column in columns:
            spared.append(column)
            del width[columns.index(column)]
    titles = [SHORTER.get(columns[place], columns[place]) for place in (0, *width)]
    rows = [[line[place] for place in (0, *width)] for line in lines]
    numbers = set(titles) - {METHOD, LESS, "verdict", "computed on"}
    show_table(titles, rows, numbers=numbers, whole=titles[1:], indented=False)
    return spared
