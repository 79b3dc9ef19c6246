"""Draws the picture of the start page.

    python docs/figures/before_and_after.py

Balances an imbalanced set of scikit-learn's digits with AGGAN, and shows counts before and after, and real and drawn
images side by side. Takes half a minute of one core.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from style import COLOURS, HERE, save_both

from makeweight import AGGAN
from makeweight.data.named import load_named
from makeweight.data.subsets import imbalanced_subset

COUNTS = {"0": 100, "1": 100, "2": 100, "3": 10, "4": 100, "5": 100, "6": 100, "7": 100, "8": 15, "9": 20}
RARE = ("3", "8", "9")
N_STEPS = 1000
N_SHOWN = 6


def balanced() -> tuple[NDArray[np.uint8], NDArray[np.str_], int]:
    """Images and labels after balancing, and how many of them are real: these come first."""
    digits = load_named("digits")
    X, y, _ = imbalanced_subset(digits.X_train, digits.y_train, COUNTS, random_state=0)
    X_res, y_res = AGGAN(n_steps=N_STEPS, random_state=0).fit_resample(X, y)
    return X_res, y_res, len(X)


def draw(ink: str, X: NDArray[np.uint8], y: NDArray[np.str_], n_real: int) -> Figure:
    """Draw the counts above, and rows of images below: real ones on the left, drawn ones on the right."""
    is_drawn = np.arange(len(y)) >= n_real
    real = [int(((y == label) & ~is_drawn).sum()) for label in COUNTS]
    drawn = [int(((y == label) & is_drawn).sum()) for label in COUNTS]
    figure = Figure(figsize=(6.4, 6.6), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1, 1.1))
    before, after = top.subplots(1, 2, sharey=True)
    before.bar(list(COUNTS), real, color=COLOURS[0])
    before.set_title(f"Before: {sum(real):,} images", loc="left", color=ink)
    before.set_ylabel("images of the digit")
    after.bar(list(COUNTS), real, color=COLOURS[0], label="real")
    after.bar(list(COUNTS), drawn, bottom=real, color=COLOURS[1], label="drawn")
    after.set_title(f"After: {sum(real) + sum(drawn):,} images", loc="left", color=ink)
    after.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2)
    for axes in (before, after):
        axes.grid(axis="x", visible=False)
    halves = bottom.subplots(len(RARE), 2, squeeze=False)
    for row, label in zip(halves, RARE, strict=True):
        for axes, chosen, kind in zip(row, (~is_drawn, is_drawn), ("real", "drawn"), strict=True):
            strip = np.pad(X[(y == label) & chosen][:N_SHOWN], ((0, 0), (1, 1), (1, 1)))
            axes.imshow(np.hstack(list(strip)), cmap="gray", interpolation="nearest", aspect="equal")
            axes.set_title(f"{label}, {kind}", loc="left", color=ink, fontsize=11)
            axes.axis("off")
    return figure


if __name__ == "__main__":
    images, labels, n_real = balanced()
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    save_both("before-and-after", lambda ink: draw(ink, images, labels, n_real), folder)
