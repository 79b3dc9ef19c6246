"""Draws how AGGAN cools and accepts.

    python docs/figures/annealing.py

By the rule of `makeweight.evolution.Annealed` at its defaults, and by the committed rows of benchmarks.
"""

from __future__ import annotations

import sys
from itertools import accumulate, repeat
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from style import HERE, save_both

from makeweight.bench import RowFile
from makeweight.evolution import Annealed

ROWS = HERE.parent.parent / "benchmarks" / "results"
N_STEPS = 1500
GAPS = (1.0, 0.1, 0.01)
MEASURED = {
    "Fashion-MNIST, 28×28, three trainings": ("class_heads.jsonl", "class-heads/fashion-mnist/test"),
    "digits, 8×8, six trainings": ("diversity.jsonl", "diversity/digits/training"),
}


def temperatures(rule: Annealed) -> list[float]:
    """Give the temperature at each step."""
    return list(accumulate(repeat(None, N_STEPS - 1), lambda t, _: rule.cooled(t) or 0.0, initial=rule.start()))


def measured(file: str, protocol: str) -> tuple[list[int], list[float]]:
    """Give steps, and the share of the last hundred offspring that was accepted, as a mean over the trainings."""
    histories = [row.history for row in RowFile(ROWS / file) if row.method == "aggan" and row.protocol == protocol]
    steps = [note["step"] for note in histories[0] if note["step"] <= N_STEPS]
    alike = [history for history in histories if [n["step"] for n in history[: len(steps)]] == steps]
    return steps, np.mean([[n["acceptance_rate"] for n in h[: len(steps)]] for h in alike], axis=0).tolist()


def draw(ink: str) -> Figure:
    """Draw temperature, chance and measured rate above each other, over the same steps."""
    rule = Annealed()
    cooling, steps = temperatures(rule), np.arange(1, N_STEPS + 1)
    figure = Figure(figsize=(7.2, 7.6), layout="constrained")
    top, middle, bottom = figure.subplots(3, 1, sharex=True)
    top.semilogy(steps, cooling)
    top.set_title(f"T cools from {rule.temperature:,.0f} by a factor of {rule.cooling} a step", loc="left", color=ink)
    top.set_ylabel("temperature T")
    for gap in GAPS:
        worse = torch.full((N_STEPS,), -gap)
        chances = [float(rule.chance(f, torch.tensor(0.0), t)) for f, t in zip(worse, cooling, strict=True)]
        middle.plot(steps, chances, label=f"less fit by {gap:g}")
    middle.set_title("Chance that a less fit offspring survives, exp(−gap/T)", loc="left", color=ink)
    middle.set_ylabel("probability")
    middle.legend(loc="upper right")
    for label, (file, protocol) in MEASURED.items():
        bottom.plot(*measured(file, protocol), label=label)
    bottom.set_title("Share of the best offspring that replaced the parent, measured", loc="left", color=ink)
    bottom.set_ylabel("share of 100 steps")
    bottom.set_ylim(0, 1.05)
    bottom.set_xlabel("step")
    bottom.legend(loc="lower left")
    return figure


if __name__ == "__main__":
    save_both("annealing", draw, Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
