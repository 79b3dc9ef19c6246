"""What fits into a time budget, and what is left out for it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from makeweight.bench.rows import RunKey
from makeweight.compare.arms import RIVAL, Arm, method_title
from makeweight.compare.metrics import summary_metrics
from makeweight.compare.runs import Workbench, done_runs
from makeweight.compare.splits import Split
from makeweight.data.wording import counted, time_text
from makeweight.errors import InputError
from makeweight.estimate import estimate
from makeweight.quality.crossfit import CrossFit
from makeweight.quality.crossfit import default_steps as crossfit_steps
from makeweight.sampler import ImageSampler

LEAST_SEEDS = 2
PILOT_STEPS = (2, 12)
LEAST_STEPS = 1000


@dataclass(frozen=True)
class LeftOut:
    """What did not fit: its name, and the seconds that it would have taken."""

    what: str
    seconds: float


@dataclass(frozen=True, eq=False)
class Plan:
    """What is run: arms and seeds, the seconds that it should take, and what is left out."""

    arms: list[Arm]
    n_seeds: int
    seconds: float
    left_out: list[LeftOut]


@dataclass(frozen=True, eq=False)
class Costs:
    """Seconds that runs should take: a classifier, a gate, learning and drawing by each method; 0 where it is done."""

    classifier: float
    gate: float
    learning: dict[str, float]
    drawing: dict[str, float]
    done: set[RunKey]
    bench: Workbench

    def of_method(self, method: str, splits: Sequence[Split]) -> float:
        """Give the seconds that a method needs to learn all splits."""
        waiting = [split for split in splits if self.bench.draw_run(method, split).key not in self.done]
        return len(waiting) * self.learning.get(method, 0.0)

    def of_arm(self, arm: Arm, splits: Sequence[Split]) -> float:
        """Give the seconds that an arm's classifiers need; where the method itself answers, none."""
        if arm.itself:
            return 0.0
        waiting = [split for split in splits if self.bench.arm_run(arm, split).key not in self.done]
        gate = self.gate if arm.gated else 0.0
        return len(waiting) * (self.classifier + gate + self.drawing.get(arm.method or "", 0.0))


def time_costs(bench: Workbench, arms: Sequence[Arm], split: Split) -> Costs:
    """Time a few steps of the classifier and of each method that learns.

    Parameters
    ----------
    bench : Workbench
        What the runs share.
    arms : sequence of Arm
        What is to be run.
    split : Split
        A training part.

    Returns
    -------
    Costs
    """
    images = bench.images
    X, codes = images.X[split.train], images.codes[split.train]
    rival = next(arm for arm in arms if arm.name == RIVAL)
    marks = []
    for n_steps in PILOT_STEPS:
        marks.append(time.perf_counter())
        pilot = rival.classifier(bench.base).set_params(n_steps=n_steps, random_state=0).fit(X, codes)
    marks.append(time.perf_counter())
    chances = pilot.predict_proba(images.X[split.test]).astype(float)
    summary_metrics(images.codes[split.test], chances.argmax(axis=1), chances)
    around = time.perf_counter() - marks[2] + marks[1] - marks[0]
    pace = max(marks[2] - 2 * marks[1] + marks[0], 0.0) / (PILOT_STEPS[1] - PILOT_STEPS[0])
    learning, drawing = {}, {}
    for method in sorted({arm.method for arm in arms if arm.method is not None}):
        sampler = bench.sampler(method, 0)
        if sampler.learns:
            learning[method] = estimate(clone(sampler), X.shape[1:], np.bincount(codes)).seconds
        else:
            drawing[method] = _time_of_drawing(sampler, X, codes)
    gate = pace * CrossFit.n_folds * crossfit_steps(codes)
    return Costs(around + pace * (bench.base.n_steps or 0), gate, learning, drawing, done_runs(bench), bench)


def _time_of_drawing(sampler: ImageSampler, X: NDArray[Any], codes: NDArray[np.int64]) -> float:
    """Time a method that need not be trained: learning, and filling the classes."""
    begin = time.perf_counter()
    counts = np.bincount(codes)
    sampler.fit(X, codes).sample({code: int(counts.max() - counts[code]) for code in range(len(counts))})
    return time.perf_counter() - begin


def fit_into(
    budget: float, costs: Costs, arms: Sequence[Arm], splits_of: Callable[[int], list[Split]], n_seeds: int, n_jobs: int
) -> Plan:
    """Pick the arms that fit into a time budget, in their order; seeds are given up only for a single drawn arm.

    The cheapest drawn arm comes right after those that are never left out, so that others do not take its room.

    Parameters
    ----------
    budget : float
        Seconds.
    costs : Costs
        What runs take.
    arms : sequence of Arm
        In the order of importance.
    splits_of : callable
        Gives the splits for a number of seeds.
    n_seeds : int
        Seeds that are wanted.
    n_jobs : int
        Runs side by side.

    Returns
    -------
    Plan

    Raises
    ------
    InputError
        If not even two seeds of one drawn arm fit.
    """
    room = budget * n_jobs
    for seeds in range(n_seeds, LEAST_SEEDS - 1, -1):
        plan = _greedy(room, costs, arms, splits_of(seeds), seeds, n_jobs)
        if any(arm.draws for arm in plan.arms):
            lost = [LeftOut(counted(n_seeds - seeds, "seed"), 0.0)] if seeds < n_seeds else []
            return Plan(plan.arms, plan.n_seeds, plan.seconds, lost + plan.left_out)
    splits = splits_of(LEAST_SEEDS)
    cheapest = _cheapest_drawn(costs, arms, splits)
    least = _cost(costs, cheapest, splits) + sum(costs.of_arm(arm, splits) for arm in arms if arm.priority == 0)
    raise InputError(
        f"--budget is too short: the least that can be compared takes about {about(least / n_jobs)}; "
        f"give more time, or shorter trainings with --steps and --gan-steps."
    )


def _cost(costs: Costs, arm: Arm, splits: Sequence[Split]) -> float:
    """Give what an arm costs by itself, its method included."""
    return costs.of_arm(arm, splits) + (costs.of_method(arm.method, splits) if arm.method is not None else 0.0)


def _cheapest_drawn(costs: Costs, arms: Sequence[Arm], splits: Sequence[Split]) -> Arm:
    return min((arm for arm in arms if arm.draws), key=lambda arm: _cost(costs, arm, splits))


def _greedy(room: float, costs: Costs, arms: Sequence[Arm], splits: Sequence[Split], n_seeds: int, n_jobs: int) -> Plan:
    kept: list[Arm] = []
    learnt: set[str] = set()
    left_out: list[Arm] = []
    spent = 0.0
    cheapest = _cheapest_drawn(costs, arms, splits)
    for arm in sorted(arms, key=lambda arm: (arm.itself, arm.priority > 0, arm.priority > 0 and arm is not cheapest)):
        fresh = arm.method is not None and arm.method not in learnt
        cost = _cost(costs, arm, splits) if fresh else costs.of_arm(arm, splits)
        no_room = spent + cost > room and arm.priority > 0
        if no_room or (arm.itself and fresh):  # no method learns for its class output alone
            left_out.append(arm)
            continue
        kept.append(arm)
        spent += cost
        learnt |= {arm.method} if arm.method else set()
    if spent > room:
        return Plan([], n_seeds, spent, [])
    return Plan(kept, n_seeds, spent / n_jobs, _gathered(left_out, learnt, costs, splits, n_jobs))


def _gathered(
    left_out: Sequence[Arm], learnt: Set[str], costs: Costs, splits: Sequence[Split], n_jobs: int
) -> list[LeftOut]:
    """Name a method once, instead of its arms, where all of them are left out."""
    seconds: dict[str, float] = {}
    for arm in left_out:
        method = arm.method
        whole = method is not None and method not in learnt
        name = f"all arms of {method_title(method)}" if whole and method is not None else arm.title
        if whole and name not in seconds:
            seconds[name] = costs.of_method(method or "", splits)
        seconds[name] = seconds.get(name, 0.0) + costs.of_arm(arm, splits)
    return [LeftOut(name, total / n_jobs) for name, total in seconds.items()]


def about(seconds: float) -> str:
    """Write a duration that is not known well, rounded up.

    Examples
    --------
    >>> about(0.2), about(127), about(754), about(7199)
    ('1 s', '2 min 10 s', '13 min 0 s', '2 h 0 min')
    """
    unit = 1 if seconds < 60 else 10 if seconds < 600 else 60
    return time_text(unit * max(1, math.ceil(seconds / unit)))
