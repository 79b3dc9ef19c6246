"""Drawings of a report: matplotlib's SVG, in the colours of the page, so that it reads on dark and light ground."""

from __future__ import annotations

import hashlib
import html
import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from makeweight.report.page import Drawing, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from makeweight.bench.curves import Curves

WIDTH = 5.0
MOST = 1e30  # that is drawn
MOST_BARS = 40
# Colours that stand for those of the page; each is replaced by the variable of its name.
INK, RULE = "#0a0b01", "#0a0b02"
SERIES = ("#0a0b10", "#0a0b11", "#0a0b12", "#0a0b13")
PAGE_COLOURS = {
    INK: "currentColor",
    RULE: "var(--rule)",
    **{colour: f"var(--series-{place})" for place, colour in enumerate(SERIES)},
}
# Of middling lightness, so that they are seen on dark and light ground alike.
CLASS_COLOURS = (
    "#3b82d6", "#d9722a", "#3a9d4e", "#c94f5b", "#8d6cc9", "#97694f", "#cc62a8", "#7d8590", "#9a9a1f", "#1d9fb0",
)  # fmt: skip
SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "makeweight",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.5,
}
NO_COLOUR = "#8b929a"
POINT_STYLES: dict[str, dict[str, Any]] = {
    "cloud": {"s": 46, "alpha": 0.22, "linewidths": 0},
    "dot": {"s": 9, "alpha": 0.9, "linewidths": 0},
    "cross": {"s": 16, "alpha": 0.8, "marker": "x", "linewidths": 0.9},
}
STYLES, LEVEL_STYLES = ("-", "--", ":", "-."), ("--", ":", "-.")
WIDE = 50  # ratio of the largest to the smallest value from which an axis is logarithmic
Layer = tuple[NDArray[np.float64], NDArray[np.int64], str]
History = Sequence[Mapping[str, Any]]


def class_bars(
    labels: Sequence[object],
    real: Sequence[int],
    drawn: Sequence[int],
    what: str = "drawn",
    caption: str = "Images of each class.",
) -> list[Drawing]:
    """Draw how many real and drawn images each class has.

    Parameters
    ----------
    labels : sequence
        The classes; more than forty are not drawn.
    real, drawn : sequence of int
        Number of images of each.
    what : str
        What the second ones are called.
    caption : str
        What stands below.

    Returns
    -------
    list of Drawing
        One, or none where there are too many classes.
    """
    if not 0 < len(labels) <= MOST_BARS:
        return []
    parts = [("real", real, SERIES[0])] + ([(what, drawn, SERIES[1])] if any(drawn) else [])
    told = "; ".join(
        f"{short(label)}: {n_real:,} real" + (f", {n_drawn:,} {what}" if any(drawn) else "")
        for label, n_real, n_drawn in zip(labels, real, drawn, strict=True)
    )
    alt = f"Bars of the number of images of each class. {told}."
    with _figure(0.6 + 0.24 * len(labels)) as (figure, svg):
        axes = figure.add_subplot()
        left = np.zeros(len(labels))
        for name, counts, colour in parts:
            axes.barh(range(len(labels)), counts, left=left, color=colour, label=name, height=0.7)
            left += np.asarray(counts)
        axes.set_yticks(range(len(labels)), [short(label) for label in labels])
        axes.invert_yaxis()
        axes.tick_params(left=False)
        axes.set_xlabel("images")
        axes.xaxis.set_major_locator(_whole_numbers())
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        if len(parts) > 1:
            figure.legend(loc="outside upper right", ncols=2)
        return [Drawing(caption, alt, svg(alt))]


def learning_curves(name: str, runs: Sequence[History]) -> list[Drawing]:
    """Draw losses, temperature, acceptance rate and chosen objectives over the steps.

    Parameters
    ----------
    name : str
        What learnt.
    runs : sequence of sequence of mapping
        Histories of `GANSampler`, one for each run; only quantities that they hold are drawn.

    Returns
    -------
    list of Drawing
    """
    runs = [run for run in runs if len(run) > 1]
    if not runs:
        return []
    wins = sorted({objective for run in runs for row in run for objective in row.get("wins") or {}})
    panels: list[tuple[str, dict[str, Any]]] = [
        (
            "losses",
            {
                "discriminator": lambda row: row.get("discriminator_loss"),
                "generator": lambda row: row.get("generator_loss"),
                "reconstruction": lambda row: row.get("reconstruction_loss"),
                "exchange": lambda row: row.get("exchange_loss"),
            },
        ),
        ("temperature", {"temperature": lambda row: row.get("temperature")}),
        ("acceptance rate", {"acceptance rate": lambda row: row.get("acceptance_rate")}),
    ]
    if len(wins) > 1:
        panels.append(
            (
                "share of wins by objective",
                {win.replace("_", " "): lambda row, win=win: (row.get("wins") or {}).get(win) for win in wins},
            )
        )
    return [drawing for title, lines in panels for drawing in _curves(name, title, lines, runs)]


def _curves(name: str, title: str, lines: Mapping[str, Any], runs: Sequence[History]) -> list[Drawing]:
    series: dict[str, list[list[tuple[int, float]]]] = {}
    for line, read in lines.items():
        found = [[(row["step"], read(row)) for row in run if _is_number(read(row))] for run in runs]
        if any(found):
            series[line] = [points for points in found if points]
    if not series:
        return []
    ends = ", ".join(f"{line} from {_mean_at(own, 0):.3g} to {_mean_at(own, -1):.3g}" for line, own in series.items())
    of = f", mean of {len(runs)} runs" if len(runs) > 1 else ""
    alt = f"{name}: {title} over the training steps: {ends}{of}."
    with _figure(2.2) as (figure, svg):
        axes = figure.add_subplot()
        for place, (line, own) in enumerate(series.items()):
            for number, points in enumerate(own):
                steps, values = zip(*points, strict=True)
                colour = SERIES[place % len(SERIES)]
                style = ("-", "--", ":", "-.")[place % 4]
                axes.plot(steps, values, style, color=colour, label=None if number else line, alpha=0.85)
        axes.set_title(title)
        axes.set_xlabel("step")
        axes.xaxis.set_major_locator(_whole_numbers())
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.grid(axis="y")
        if title in ("acceptance rate", "share of wins by objective"):
            axes.set_ylim(-0.03, 1.03)
        if len(series) > 1:
            figure.legend(loc="outside lower left", ncols=min(3, len(series)))
        several = f" {len(runs)} runs, a line each." if len(runs) > 1 else ""
        return [Drawing(f"{name}: {title}.{several}", alt, svg(alt))]


def _is_number(value: Any) -> bool:
    """Tell whether a value of a history, which rows from anybody may hold, can be drawn."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < MOST


def _mean_at(runs: Sequence[Sequence[tuple[int, float]]], place: int) -> float:
    return float(np.mean([points[place][1] for points in runs]))


def curves(found: Curves, caption: str) -> Drawing:
    """Draw means with their intervals along what is varied; what does not vary is a line across.

    Parameters
    ----------
    found : Curves
        What is drawn.
    caption : str
        What stands below.

    Returns
    -------
    Drawing
    """
    values = [value for own in found.lines.values() for value in own]
    with _figure(3.2) as (figure, svg):
        axes = figure.add_subplot()
        for place, (name, own) in enumerate(found.lines.items()):
            colour, style = SERIES[place % len(SERIES)], STYLES[place // len(SERIES) % len(STYLES)]
            axes.plot(list(own), [dot[0] for dot in own.values()], style, color=colour, marker="o", markersize=4)
            axes.lines[-1].set_label(short(name, 40))
            for value, (mean, reach) in own.items():
                if reach is not None:
                    axes.vlines(value, mean - reach, mean + reach, color=colour, linewidth=1, alpha=0.6)
        for place, (name, (mean, _)) in enumerate(found.levels.items()):
            style = LEVEL_STYLES[place % len(LEVEL_STYLES)]
            axes.axhline(mean, linestyle=style, color=INK, linewidth=1, label=short(name, 40))
        if min(values) > 0 and max(values) / min(values) > WIDE:
            axes.set_xscale("log")
        axes.set_xlabel(found.axis)
        axes.set_ylabel(found.measure)
        axes.grid(axis="y")
        figure.legend(loc="outside lower left", ncols=2)
        return Drawing(caption, found.words, svg(found.words))


def intervals(title: str, rows: Sequence[tuple[str, float, float, float]], caption: str) -> list[Drawing]:
    """Draw differences in points with their intervals, and a line at zero.

    Parameters
    ----------
    title : str
        What differs.
    rows : sequence of (str, float, float, float)
        Name, difference, and ends of its interval, as shares.
    caption : str
        What stands below.

    Returns
    -------
    list of Drawing
    """
    if not rows:
        return []
    told = "; ".join(
        f"{name}: {value * 100:+.1f}, {low * 100:.1f} to {high * 100:.1f}" for name, value, low, high in rows
    )
    alt = f"{title}, with 95 % intervals. {told}."
    with _figure(0.7 + 0.38 * len(rows)) as (figure, svg):
        axes = figure.add_subplot()
        lows, highs = (np.array([row[place] for row in rows]) * 100 for place in (2, 3))
        values = np.array([row[1] for row in rows]) * 100
        places = np.arange(len(rows)) + 0.28
        axes.vlines(np.zeros(len(rows)), places - 0.13, places + 0.13, color=INK, linewidth=1)
        axes.hlines(places, lows, highs, color=SERIES[0], linewidth=2)
        axes.plot(values, places, "o", color=SERIES[0], markersize=5)
        reach = max(1.0, float(np.abs([lows, highs]).max())) * 1.05
        axes.set_xlim(-reach, reach)
        for place, (name, *_) in enumerate(rows):
            axes.text(-reach, place - 0.02, short(name, 72), va="center", fontsize=8.5)
        axes.set_ylim(len(rows) - 0.4, -0.4)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("points")
        return [Drawing(caption, alt, svg(alt))]


def scatter(
    title: str,
    layers: Sequence[Layer],
    labels: Sequence[object],
    coloured: Sequence[int],
    limits: tuple[NDArray[np.float64], NDArray[np.float64]],
    alt: str,
) -> Drawing:
    """Draw points of classes.

    Parameters
    ----------
    title : str
        What the points are.
    layers : sequence of (points, codes, style)
        From below: points (n, 2), class codes, and "cloud" (large and translucent), "dot" or "cross".
    labels : sequence
        The classes.
    coloured : sequence of int
        Codes of the classes that get a colour and a name; others are grey.
    limits : tuple of two arrays of shape (2,)
        Lower left and upper right corner.
    alt : str
        What it shows.

    Returns
    -------
    Drawing
    """
    colours = {code: CLASS_COLOURS[place % len(CLASS_COLOURS)] for place, code in enumerate(coloured)}
    with _figure(4.6) as (figure, svg):
        axes = figure.add_subplot()
        for points, codes, style in layers:
            own = [colours.get(int(code), NO_COLOUR) for code in codes]
            axes.scatter(*points.T, color=own, rasterized=True, **POINT_STYLES[style])
        _name_classes(axes, layers, labels, list(colours))
        low, high = limits
        margin = (high - low) * 0.04 + 1e-9
        axes.set(xticks=[], yticks=[])
        axes.set_xlim(low[0] - margin[0], high[0] + margin[0])
        axes.set_ylim(low[1] - margin[1], high[1] + margin[1])
        return Drawing(title, alt, svg(alt))


def _name_classes(axes: Axes, layers: Sequence[Layer], labels: Sequence[object], named: Sequence[int]) -> None:
    """Put each class's name where most of its points are, or below a name that is there."""
    points = np.concatenate([points for points, _, _ in layers])
    codes = np.concatenate([codes for _, codes, _ in layers])
    room = np.array([0.18, 0.035]) * np.ptp(points, axis=0)
    taken: list[NDArray[np.float64]] = []
    for code in named:
        if not (codes == code).any():
            continue
        place = np.median(points[codes == code], axis=0)
        while any((np.abs(place - other) < room).all() for other in taken):
            place = place - [0, room[1] / 2]
        taken.append(place)
        axes.text(
            float(place[0]),
            float(place[1]),
            short(labels[code], 14),
            ha="center",
            va="center",
            fontsize=8.5,
            fontweight="bold",
        )


@contextmanager
def _figure(height: float) -> Iterator[tuple[Figure, Callable[[str], str]]]:
    """Give a figure, and a function that makes SVG of it; matplotlib's settings are left as they were found."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(SETTINGS), warnings.catch_warnings():
        # The page's own fonts write the text, so it does not matter which letters matplotlib's lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = Figure(figsize=(WIDTH, height), layout="constrained", dpi=72)

        def svg(alt: str) -> str:
            stream = io.StringIO()
            figure.savefig(stream, format="svg", dpi=160, metadata={"Date": None})
            return _page_svg(stream.getvalue(), alt)

        yield figure, svg


def _page_svg(text: str, alt: str) -> str:
    """Bring matplotlib's SVG into the form of the page: no metadata, no names of its own, the page's colours."""
    view = re.search(r'viewBox="([^"]+)"', text)
    inside = re.search(r"<svg[^>]*>(.*)</svg>", text, re.DOTALL)
    assert view is not None
    assert inside is not None
    body = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->", "", inside.group(1), flags=re.DOTALL)
    body = body.replace("xlink:href", "href")
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', body))
    own = hashlib.sha256(alt.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    body = re.sub(r' id="([^"]+)"', lambda found: f' id="{found[1]}-{own}"' if found[1] in used else "", body)
    body = re.sub(r'((?:href="|url\()#)([^")]+)', rf"\1\2-{own}", body)
    body = re.sub("|".join(PAGE_COLOURS), lambda found: PAGE_COLOURS[found.group()], body)
    body = re.sub(r"\n\s*", "\n", body)
    return f'<svg viewBox="{view.group(1)}" role="img" aria-label="{html.escape(alt)}">{body}</svg>'


def _whole_numbers() -> Any:
    """Put marks at whole numbers alone."""
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10])
