"""The figures of the papers: what changes along what a table varies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from makeweight.bench.results import OF_DRAWN, Line, ResultSection
from makeweight.bench.tables import TABLES
from makeweight.bench.wording import title_of
from makeweight.data.wording import shown

RECALL = "recall"
# Figures of drawn images have curves, too; `ssim_of_real` is no method's.
MEASURES = {
    RECALL: "mean recall, %",
    "recall_of_rare": "recall of rare classes, %",
    "seen": "drawn images recognised, %",
    "frechet": "Fréchet distance",
    "ssim": "SSIM of two drawn images",
}


class Dot(NamedTuple):
    """A mean over seeds, and half of its 95 % interval; None for fewer than three seeds, or where none is told."""

    mean: float
    reach: float | None = None


@dataclass(frozen=True)
class Curves:
    """One figure.

    Attributes
    ----------
    title : str
        Reading, set and length of training.
    axis, measure : str
        What is varied, and what comes of it.
    lines : dict of str to dict of float to Dot
        By the name of a line and what is varied, ascending.
    levels : dict of str to Dot
        What has no such value, and stands for all of them.
    """

    title: str
    axis: str
    measure: str
    lines: Mapping[str, Mapping[float, Dot]]
    levels: Mapping[str, Dot]

    @property
    def words(self) -> str:
        """What the figure says, for those who do not see it."""
        told = [
            f"{name}: {', '.join(f'{dot.mean:.2f} at {value:g}' for value, dot in own.items())}"
            for name, own in self.lines.items()
        ]
        told += [f"{name}: {dot.mean:.2f}" for name, dot in self.levels.items()]
        return f"{self.title}. {self.measure} by {self.axis}. {'; '.join(told)}."


def curves(name: str, found: Iterable[ResultSection]) -> list[Curves]:
    """Give the figures of a table.

    Parameters
    ----------
    name : str
        Name of the table.
    found : iterable of ResultSection
        What its rows add up to.

    Returns
    -------
    list of Curves
        One for each measure, reading, set and length of training; none where nothing is varied, or one value alone
        has been run.
    """
    table = TABLES.get(name)()
    panels: dict[str, dict[str, dict[float | None, Line]]] = {}
    for section in found:
        for line in section.lines:
            figure, own, value = table.varied(section.group, line.method)
            title = title_of(replace(section, group=figure))
            panels.setdefault(title, {}).setdefault(shown(own), {})[value] = line
    drawn = []
    for title, lines in panels.items():
        for measure, words in MEASURES.items():
            dots = {own: _dots(by_value, measure) for own, by_value in lines.items()}
            levels = {own: by_value.pop(None) for own, by_value in dots.items() if None in by_value}
            varied = {own: dict(sorted(by_value.items())) for own, by_value in dots.items() if by_value}
            if any(len(by_value) > 1 for by_value in varied.values()):
                drawn.append(Curves(title, table.varies, words, varied, levels))
    return drawn


def _dots(by_value: Mapping[Any, Line], measure: str) -> dict[Any, Dot]:
    """Give a measure of each line that has it."""
    if measure == RECALL:
        return {value: Dot(line.recall, line.reach) for value, line in by_value.items()}
    *_, scale = OF_DRAWN[measure]
    return {value: Dot(scale * line.drawn[measure]) for value, line in by_value.items() if measure in line.drawn}
