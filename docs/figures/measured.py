"""Draws the figures of the page on results, from the rows in benchmarks/results.

    python docs/figures/measured.py

`words` says the same as each figure, for those who do not see it; `benchmarks/results_page.py` puts it into the page.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from style import COLOURS, HERE, save_both

from makeweight.bench.curves import curves
from makeweight.bench.results import FEWEST_SEEDS, Line, ResultSection, sections
from makeweight.bench.rows import RowFile
from makeweight.bench.table_rows import Group, grouped

ROWS = HERE.parents[1] / "benchmarks" / "results" / "bench.jsonl"
TABLE, LENGTH = "aggan-multiclass", "12500 steps"
SETS = {"fashion-mnist": "Fashion-MNIST", "mnist": "MNIST"}
# What stands in the figure of means, below each other; the page's tables have all that was run.
NO_GAME = ("nothing", "augmentation", "smote at share 0.25", "twin", "mixup", "mixup + mixup")
GAME = (
    "acgan's class output",
    "egan's class output",
    "aggan's class output",
    "aggan with mixup's class output",
    "acgan at share 0.25",
    "egan at share 0.25",
    "aggan at share 0.25",
    "aggan with mixup at share 0.25",
    "aggan with mixup at share 0.25 + mixup",
)
BY_CLASS = ("nothing", "augmentation", "mixup", "aggan at share 0.25", "aggan with mixup's class output")
# How often AGGAN's offspring replaces its parent: reading, set, length and method of the rows.
GAMES = {
    "this package's defaults": ("practical", "fashion-mnist", LENGTH, "aggan's class output"),
    "the papers' networks": ("paper", "fashion-mnist", "1600 steps", "aggan"),
    "these, scored by batches": ("paper", "fashion-mnist", "1600 steps", "aggan by batch statistics"),
}


class Shown(NamedTuple):
    """A figure: how it is drawn in a colour of letters, and what it says in words."""

    draw: Callable[[str], Figure]
    words: str


@cache
def rows(table: str) -> list[Any]:
    """Read the rows of a table."""
    return [row for row in RowFile(ROWS) if row.protocol.partition("/")[0] == table]


@cache
def section(reading: str, group: str, budget: str) -> ResultSection:
    """Sum up the rows of one reading, set and length, with the settings that come with makeweight."""
    wanted = (reading, group, budget, "")
    return next(
        found
        for found in sections(TABLE, rows(TABLE))
        if (found.reading, found.group, found.budget, found.settings) == wanted
    )


def lines_of(dataset: str) -> dict[str, Line]:
    """Give the figures of a set by method, in the practical reading."""
    return {line.method: line for line in section("practical", dataset, LENGTH).lines}


def means() -> Shown:
    """Mean recall of what plays no game and what does."""
    found = {
        dataset: {name: line for name, line in lines_of(dataset).items() if line.n_seeds >= FEWEST_SEEDS}
        for dataset in SETS
    }
    names = [name for name in (*NO_GAME, *GAME) if any(name in lines for lines in found.values())]

    def draw(ink: str) -> Figure:
        figure = Figure(figsize=(9, 0.5 + 0.3 * len(names)), layout="constrained")
        for axes, (dataset, lines) in zip(figure.subplots(1, len(SETS), sharey=True), found.items(), strict=True):
            for place, name in enumerate(names):
                if name in lines:
                    axes.errorbar(
                        lines[name].recall, place, xerr=lines[name].reach, fmt="o", color=COLOURS[name in GAME]
                    )
            axes.set_yticks(range(len(names)), names)
            axes.set_ylim(len(names) - 0.5, -0.5)
            axes.axhline(sum(name in NO_GAME for name in names) - 0.5, color=ink, linewidth=0.8)
            axes.set_title(SETS[dataset], loc="left", color=ink)
            axes.set_xlabel("mean recall, %")
        return figure

    told = [
        f"{SETS[dataset]}: " + ", ".join(f"{name} {lines[name].recall:.2f}" for name in names if name in lines)
        for dataset, lines in found.items()
    ]
    return Shown(draw, f"Mean recall in per cent with 95 % intervals, above what plays no game. {'. '.join(told)}.")


def by_class() -> Shown:
    """Recall of every class of Fashion-MNIST, the largest first."""
    group: Group = grouped(TABLE, rows(TABLE))["practical", "fashion-mnist", LENGTH, ""]
    one: Mapping[str, Any] = next(iter(group[BY_CLASS[0]].values())).metrics
    order = np.argsort(-np.array(one["counts"]), kind="stable")
    labels, counts = ([one[key][place] for place in order] for key in ("classes", "counts"))
    recalls = {
        method: [100 * np.mean([row.metrics["recall"][label] for row in group[method].values()]) for label in labels]
        for method in BY_CLASS
    }

    def draw(ink: str) -> Figure:
        figure = Figure(figsize=(9, 4), layout="constrained")
        axes = figure.subplots()
        for place, (method, values) in enumerate(recalls.items()):
            colour = ink if method == "nothing" else COLOURS[place - 1]
            axes.plot(values, "o--" if method == "nothing" else "o-", color=colour, label=method)
        ticks = [f"{label}\n{count:,}" for label, count in zip(labels, counts, strict=True)]
        axes.set_xticks(range(len(labels)), ticks)
        axes.set_ylabel("recall, %")
        axes.set_xlabel("class, and its training images")
        figure.legend(loc="outside lower left", ncols=3)
        return figure

    told = [
        f"{method}: " + ", ".join(f"{label} {value:.0f}" for label, value in zip(labels, values, strict=True))
        for method, values in recalls.items()
    ]
    return Shown(draw, f"Recall of every class of Fashion-MNIST in per cent, the largest first. {'; '.join(told)}.")


def refusals() -> Shown:
    """How often AGGAN's best offspring replaces its parent, over the training."""
    found: dict[str, tuple[list[int], list[float]]] = {}
    for name, (reading, dataset, budget, method) in GAMES.items():
        own = grouped(TABLE, rows(TABLE))[reading, dataset, budget, ""][method]
        histories = [row.history for row in own.values()]
        steps = [int(str(entry["step"])) for entry in histories[0]]
        rates = np.mean([[100 * float(str(entry["acceptance_rate"])) for entry in each] for each in histories], axis=0)
        found[name] = steps, rates.tolist()

    def draw(ink: str) -> Figure:
        figure = Figure(figsize=(9, 3.2), layout="constrained")
        panels = figure.subplots(1, len(found), sharey=True)
        for axes, (name, (steps, rates)) in zip(panels, found.items(), strict=True):
            axes.plot(steps, rates)
            axes.set_title(name, loc="left", color=ink)
            axes.set_xlabel("step")
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
            axes.set_ylim(0, 103)
        figure.axes[0].set_ylabel("offspring that replace\ntheir parent, %")
        return figure

    told = []
    for name, (steps, rates) in found.items():
        places = [f"{rates[place]:.0f} % at step {steps[place]:,}" for place in (0, len(steps) // 2, -1)]
        told.append(f"with {name} {', '.join(places)}")
    return Shown(draw, f"Share of the last hundred steps in which an offspring replaces its parent: {'; '.join(told)}.")


def along(table: str) -> Shown:
    """Draw what changes along what a table varies."""
    (found,) = curves(table, [each for each in sections(table, rows(table)) if not each.settings])

    def draw(ink: str) -> Figure:
        figure = Figure(figsize=(9, 4.4), layout="constrained")
        axes = figure.subplots()
        for place, (name, dots) in enumerate(found.lines.items()):
            reach = [dot.reach or 0 for dot in dots.values()]
            style = ("o-", "o--")[place // len(COLOURS) % 2]
            axes.errorbar(list(dots), [dot.mean for dot in dots.values()], reach, fmt=style, label=name)
        for name, dot in found.levels.items():
            axes.axhline(dot.mean, color=ink, linestyle=":", label=name)
        axes.set_xlabel(found.axis)
        axes.set_ylabel(found.measure)
        figure.legend(loc="outside lower left", ncols=3)
        return figure

    return Shown(draw, found.words)


FIGURES: dict[str, Callable[[], Shown]] = {
    "results-means": means,
    "results-classes": by_class,
    "results-refusals": refusals,
    "results-blend": partial(along, "blend"),
}


def words(name: str) -> str:
    """Say what a figure shows."""
    return FIGURES[name]().words


if __name__ == "__main__":
    for name, make in FIGURES.items():
        shown = make()
        save_both(name, shown.draw, Path(sys.argv[1]) if len(sys.argv) > 1 else HERE, shown.words)
