"""The figures of the papers: what changes along what a table varies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from makeweight.bench.results import FEWEST_SEEDS, OF_DRAWN, Line, Section
from makeweight.bench.tables import TABLES

RECALL = "mean recall, %"
# Figures of drawn images that are drawn, too; `ssim_of_real` is no method's.
MEASURES = {
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
    levels: Mapping[str, Dot] = field(default_factory=dict)


def curves(name: str, found: Iterable[Section]) -> list[Curves]:
    """Give the figures of a table.

    Parameters
    ----------
    name : str
        Name of the table.
    found : iterable of Section
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
        settings = f", other settings ({section.settings})" if section.settings else ""
        for line in section.lines:
            group, own, value = table.varied(section.group, line.method)
            title = f"{group}, {section.reading}, {section.budget}{settings}"
            panels.setdefault(title, {}).setdefault(own, {})[value] = line
    told = []
    for title, lines in panels.items():
        for measure in (None, *MEASURES):
            dots = {
                name: {value: dot for value, line in own.items() if (dot := _dot(line, measure)) is not None}
                for name, own in lines.items()
            }
            varied = {
                name: {value: own[value] for value in sorted(value for value in own if value is not None)}
                for name, own in dots.items()
            }
            levels = {name: own[None] for name, own in dots.items() if None in own}
            if any(len(own) > 1 for own in varied.values()):
                words = RECALL if measure is None else MEASURES[measure]
                told.append(Curves(title, table.varies, words, {n: own for n, own in varied.items() if own}, levels))
    return told


def _dot(line: Line, measure: str | None) -> Dot | None:
    if measure is None:
        return Dot(line.recall, line.reach if line.n_seeds >= FEWEST_SEEDS else None)
    *_, scale = OF_DRAWN[measure]
    return Dot(scale * line.drawn[measure]) if measure in line.drawn else None
