"""How the figures of the site look: one SVG for the light pages and one for the dark ones, the same bytes each time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

HERE = Path(__file__).parent
INKS = {"light": ("#1f2328", "#d0d7de"), "dark": ("#e6edf3", "#4a4f5a")}
COLOURS = ("#00897b", "#d9822b", "#7a6ff0", "#c2477f")


def save_both(
    name: str, draw: Callable[[str], Figure], folder: Path = HERE, words: str | None = None, **look: Any
) -> None:
    """Draw a figure for both kinds of page.

    Parameters
    ----------
    name : str
        The files are called ``name-light.svg`` and ``name-dark.svg``.
    draw : callable
        Draws the figure; it is given the colour of lines and letters.
    folder : Path
        Where the files go.
    words : str, optional
        What the figure says, kept in the files.
    **look
        Settings of matplotlib beside those of all figures.
    """
    for kind, (ink, grid) in INKS.items():
        own = {
            "axes.edgecolor": ink,
            "axes.facecolor": "none",
            "axes.grid": True,
            "axes.labelcolor": ink,
            "axes.prop_cycle": mpl.cycler(color=COLOURS),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "figure.facecolor": "none",
            "font.size": 11,
            "grid.color": grid,
            "grid.linewidth": 0.6,
            "legend.frameon": False,
            "svg.hashsalt": "makeweight",
            "text.color": ink,
            "xtick.color": ink,
            "ytick.color": ink,
            **look,
        }
        with mpl.rc_context(own):
            told = {"Date": None, "Description": words}
            draw(ink).savefig(folder / f"{name}-{kind}.svg", metadata=told, bbox_inches="tight")
