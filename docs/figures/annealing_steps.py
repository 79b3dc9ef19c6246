"""Draws one decision of AGGAN's at three temperatures, step by step.

    python docs/figures/annealing_steps.py

A parent and three offspring with made-up fitness, the same in every panel; the chance is that of
`makeweight.evolution.Annealed` at its defaults, and so are the steps at which these temperatures come.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from style import COLOURS, HERE, save_both

from makeweight.evolution import Annealed

PARENT = 0.60
OFFSPRING = {"minimax": 0.45, "non-saturating": 0.52, "least squares": 0.38}
DRAWN = 0.70  # from [0, 1], the same in every panel
TEMPERATURES = {"hot": 10.0, "warm": 0.3, "cold": 0.02}


def step_of(rule: Annealed, temperature: float) -> int:
    """Give the step at which the temperature has fallen so far."""
    return round(math.log(temperature / rule.temperature) / math.log(rule.cooling)) + 1


def panel(axes: Axes, rule: Annealed, name: str, temperature: float, ink: str) -> None:
    """Draw who competes, the chance of the best and what chance decides."""
    best = max(OFFSPRING, key=lambda each: OFFSPRING[each])
    names, values = ["parent", *OFFSPRING], [PARENT, *OFFSPRING.values()]
    grey = "#8b949e"
    colours = [COLOURS[0], *(COLOURS[1] if each == best else grey for each in OFFSPRING)]
    axes.barh(names, values, color=colours, height=0.6)
    axes.invert_yaxis()
    axes.set_xlim(0, 0.9)
    axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8])
    axes.set_xlabel("fitness")
    gap = OFFSPRING[best] - PARENT
    chance = float(rule.chance(torch.tensor(gap), torch.tensor(0.0), temperature))
    taken = chance > DRAWN
    step = step_of(rule, temperature)
    axes.set_title(f"{name}: step {step:,}, T = {temperature:g}", loc="left", color=ink, fontsize=10)
    verdict = "it replaces the parent" if taken else "the parent stays"
    told = f"1. best of three: {OFFSPRING[best]:.2f}\n2. less fit by {-gap:.2f}\n"
    told += f"3. chance exp(−{-gap:.2f}/{temperature:g}) = {chance:.2f}\n"
    told += f"4. drawn: {DRAWN:.2f}, so {verdict}"
    axes.text(0, -0.45, told, transform=axes.transAxes, va="top", color=ink, fontsize=9, linespacing=1.5)


def draw(ink: str) -> Figure:
    """Draw the panels side by side."""
    rule = Annealed()
    figure = Figure(figsize=(9, 3.9))
    every = figure.subplots(1, len(TEMPERATURES), sharey=True)
    for axes, (name, temperature) in zip(every, TEMPERATURES.items(), strict=True):
        panel(axes, rule, name, temperature, ink)
    figure.subplots_adjust(left=0.13, right=0.99, top=0.92, bottom=0.44, wspace=0.12)
    return figure


if __name__ == "__main__":
    save_both("annealing-steps", draw, Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
