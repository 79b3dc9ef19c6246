"""The loop: steps of the game to the end of a schedule, and what is told on the way."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from makeweight.errors import InputError
from makeweight.game import Game, Players, rescore_best, step

REPORT_WINDOW = 100
SHORTEST_TRIAL = 0.02  # share of a budget after which the number of steps is settled at the earliest


@dataclass(frozen=True)
class Schedule:
    """How long to train, and what changes on the way.

    Parameters
    ----------
    n_steps : int or None
        Steps in all; None with a budget.
    budget : float or None
        Seconds in all. The number of steps is settled when the learning rate begins to fall: as many more as the time
        left will bear, at the pace so far.
    steps_per_epoch : int
        Steps in which every class, duplicated up to the largest, is seen once.
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
        if n_done == 0 or seconds < self.budget * steady:
            return None
        return max(n_done, round(n_done / steady))

    def rate(self, n_done: int, n_steps: int | None) -> float:
        """Learning rate of the step after `n_done`."""
        if n_steps is None or self.decay <= 0:
            return self.learning_rate
        left = (n_steps - n_done) / (n_steps * self.decay)
        return self.learning_rate * min(1.0, max(left, 0.0))


@dataclass(frozen=True)
class StepReport:
    """What a callback is told after each step; on a GPU after every twentieth.

    Attributes
    ----------
    step, n_steps : int
        Steps taken and steps in all (an estimate while a budget is being settled).
    seconds, seconds_left, steps_per_second : float
        Time since the start, time left at this pace, pace.
    discriminator_loss, generator_loss : float
        Means over the last 100 steps; the generator's is that of the winning mutation.
    temperature : float or None
        Of the acceptance rule.
    acceptance_rate : float or None
        Share of the last 100 steps in which the best offspring replaced its parent; None where nothing is refused.
    wins : dict of str to float
        For each mutation, the share of the last 100 steps in which its offspring was the fittest.
    """

    step: int
    n_steps: int
    seconds: float
    seconds_left: float
    steps_per_second: float
    discriminator_loss: float
    generator_loss: float
    temperature: float | None
    acceptance_rate: float | None
    wins: dict[str, float]


def train(
    game: Game,
    players: Players,
    batches: Iterator[tuple[Tensor, Tensor]],
    schedule: Schedule,
    random: torch.Generator,
    callback: Callable[[StepReport], None] | None = None,
) -> list[StepReport]:
    """Play the game to the end of the schedule.

    Returns
    -------
    list of StepReport
        One report for every hundredth of the training, and the last.
    """
    recent: deque[list[float]] = deque(maxlen=REPORT_WINDOW)
    waiting: list[Tensor] = []
    history: list[StepReport] = []
    begin, done, noted = time.perf_counter(), 0, 0
    n_steps = schedule.settle(0, 0.0)
    pause = report_every(game.device)
    if players.temperature is None:
        players.temperature = game.acceptance.start()
    while n_steps is None or done < n_steps:
        players.generator.learning_rate = players.discriminator.learning_rate = schedule.rate(done, n_steps)
        images, codes = next(batches)
        outcome = step(game, players, images, codes, random)
        done += 1
        if players.average is not None:
            players.average.update(players.generator.network, players.n_steps)
        if schedule.best_every and players.n_steps % schedule.best_every == 0:
            rescore_best(game, players, images, codes, random)
        if not game.acceptance.per_epoch() or players.n_steps % schedule.steps_per_epoch == 0:
            players.temperature = game.acceptance.cooled(players.temperature)

        waiting.append(outcome.figures())
        seconds = time.perf_counter() - begin
        if n_steps is None:
            n_steps = schedule.settle(done, game.team.agree(seconds, game.device))
        if done % pause and done != n_steps:
            continue
        recent.extend(read_figures(waiting, done))
        waiting.clear()
        report = summarise(game, players, recent, done, n_steps, seconds, schedule.budget)
        if callback is not None:
            callback(report)
        if done - noted >= max(1, report.n_steps // 100) or done == n_steps:
            history.append(report)
            noted = done
    return history


def report_every(device: torch.device) -> int:
    """Return the steps between two reports: a GPU works on ahead, and is waited for only when asked for figures."""
    return 1 if device.type == "cpu" else 20


def read_figures(waiting: list[Tensor], done: int) -> list[list[float]]:
    """Read the figures of the last steps off the device, and refuse to go on where a loss is no number.

    Raises
    ------
    InputError
        If a loss is infinite or not a number.
    """
    figures: list[list[float]] = torch.stack(waiting).tolist()
    for step_number, (discriminator_loss, generator_loss, *_) in enumerate(figures, done - len(figures) + 1):
        if not math.isfinite(discriminator_loss + generator_loss):
            raise InputError(
                f"the training broke down at step {step_number}: a loss is {generator_loss + discriminator_loss}. Try "
                "a smaller learning_rate, a penalty such as 'r1', or precision 32-true."
            )
    return figures


def summarise(
    game: Game,
    players: Players,
    recent: deque[list[float]],
    done: int,
    n_steps: int | None,
    seconds: float,
    budget: float | None,
) -> StepReport:
    """Sum up the last steps for the callback and the history."""
    discriminator_losses, generator_losses, winners, accepted = zip(*recent, strict=True)
    pace = done / seconds
    expected = n_steps if n_steps is not None else max(done, round(pace * (budget or 0.0)))
    wins = {mutation.name: winners.count(i) / len(winners) for i, mutation in enumerate(game.mutations)}
    return StepReport(
        step=done,
        n_steps=expected,
        seconds=seconds,
        seconds_left=(expected - done) / pace,
        steps_per_second=pace,
        discriminator_loss=sum(discriminator_losses) / len(recent),
        generator_loss=sum(generator_losses) / len(recent),
        temperature=players.temperature,
        acceptance_rate=sum(accepted) / len(recent) if game.acceptance.scores_parent else None,
        wins=wins,
    )
