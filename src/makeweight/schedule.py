"""How long a training lasts, and how often it reports and is kept."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

SHORTEST_TRIAL = 0.02  # share of a budget after which the number of steps is settled at the earliest
FEWEST_TIMED = 10  # steps whose pace is trusted while half of a budget is left
KEEP_EVERY = 30.0  # seconds between two checkpoints
QUICKEST_STEP = 1e-4  # seconds; no training takes more steps in its budget
EPOCHS_OF_CLASSIFIERS = 20


@dataclass(frozen=True)
class Schedule:
    """How long to train, and what changes on the way.

    Parameters
    ----------
    n_steps : int or None
        Steps in all; None with a budget.
    budget : float or None
        Seconds in all. The number of steps is settled when the learning rate begins to fall, after a few steps at the
        earliest: as many more as the time left will bear, at the pace so far.
    steps_per_epoch : int
        Steps of one pass over the images, over every class duplicated up to the largest where batches are balanced.
    learning_rate : float
        Step size of both players at the start.
    decay : float
        Share of the training, at its end, over which the learning rate falls linearly to zero; 0 to 1.
    best_every : int
        Steps between two rescorings of the best generator; 0 keeps none.
    """

    n_steps: int | None
    budget: float | None
    steps_per_epoch: int
    learning_rate: float
    decay: float
    best_every: int

    def settle(self, n_done: int, seconds: float) -> int | None:
        """Return the number of steps in all, None while it is open."""
        if self.n_steps is not None or self.budget is None:
            return self.n_steps
        steady = max(1 - self.decay, SHORTEST_TRIAL)
        too_few = n_done < FEWEST_TIMED and seconds < self.budget / 2
        if n_done == 0 or seconds < self.budget * steady or too_few:
            return None
        return max(n_done, round(n_done * self.budget / seconds))

    def allows(self, n_done: int, n_steps: int | None) -> bool:
        """Tell whether a training on this schedule can have taken so many steps, of so many in all (None while open).

        Examples
        --------
        >>> schedule = Schedule(n_steps=9, budget=None, steps_per_epoch=3, learning_rate=1e-3, decay=0.5, best_every=0)
        >>> schedule.allows(9, 9), schedule.allows(10, 9), schedule.allows(5, 8)
        (True, False, False)
        """
        if self.budget is None:
            return n_steps is not None and n_steps == self.n_steps and n_done <= n_steps
        return n_done <= self.budget / QUICKEST_STEP and (n_steps is None or n_done <= n_steps)

    def rate(self, n_done: int, n_steps: int | None) -> float:
        """Learning rate of the step after `n_done`."""
        return self.learning_rate if n_steps is None else falling(self.learning_rate, self.decay, n_done, n_steps)


def falling(learning_rate: float, decay: float, n_done: int, n_steps: int) -> float:
    """Give the learning rate of the step after `n_done`, which falls to zero over the last part, `decay`, of all steps.

    Examples
    --------
    >>> [falling(0.1, 0.5, done, 4) for done in range(4)]
    [0.1, 0.1, 0.1, 0.05]
    """
    if decay <= 0:
        return learning_rate
    left = (n_steps - n_done) / (n_steps * decay)
    return learning_rate * min(1.0, max(left, 0.0))


def steps_of_epoch(class_counts: NDArray[np.int64], batch_size: int, *, balanced: bool) -> int:
    """Give the steps in which every image is shown once, the last of them perhaps with some of the next epoch.

    Parameters
    ----------
    class_counts : array of int
        Images of each class.
    batch_size : int
        Images a step.
    balanced : bool
        Whether every class comes as often as the largest.

    Examples
    --------
    >>> steps_of_epoch(np.array([12, 6]), 8, balanced=False), steps_of_epoch(np.array([12, 6]), 8, balanced=True)
    (3, 3)
    """
    shown = len(class_counts) * int(class_counts.max()) if balanced else int(class_counts.sum())
    return max(1, math.ceil(shown / batch_size))


def balanced_steps(class_counts: NDArray[np.int64], batch_size: int, least: int, most: int | None = None) -> int:
    """Give the steps of a classifier by default: twenty epochs in which every class comes as often as the largest.

    Parameters
    ----------
    class_counts : array of int
        Images of each class, all above 0.
    batch_size : int
        Images a step.
    least : int
        Steps of small sets.
    most : int, optional
        Steps of large sets; no bound by default.

    Examples
    --------
    >>> balanced_steps(np.array([6400, 10]), 64, least=1000), balanced_steps(np.array([6400, 10]), 64, 1000, most=3000)
    (4000, 3000)
    """
    steps = max(least, EPOCHS_OF_CLASSIFIERS * steps_of_epoch(class_counts, batch_size, balanced=True))
    return steps if most is None else min(most, steps)


def report_every(device: torch.device) -> int:
    """Return the steps between two reports: a GPU works on ahead, and is waited for only when asked for figures."""
    return 1 if device.type == "cpu" else 20
