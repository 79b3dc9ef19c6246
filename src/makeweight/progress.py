"""Where a training stands, and what is told of it after each step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from makeweight.checkpoints import Whole
from makeweight.rules import Game, Players

REPORT_WINDOW = 100
MOST_ROLLBACKS = 3
LARGEST_LOSS = 1e6
LOOK_EVERY = 100  # steps between two looks at what learns
MOST_FIGURES = 4  # that a step tells; of a game both losses, the winner, whether it was accepted
NotNegative = Annotated[float, Field(ge=0)]
Figure = Annotated[float, Field(ge=-LARGEST_LOSS, le=LARGEST_LOSS)]
Figures = Annotated[list[Figure], Field(min_length=2, max_length=MOST_FIGURES)]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a callback is told after each step of any training; on a GPU after every twentieth.

    Attributes
    ----------
    step, n_steps : int
        Steps taken and steps in all (an estimate while a budget is being settled).
    seconds, seconds_left, steps_per_second : float
        Time since the start, time left at this pace, pace.
    notes : tuple of str
        What has happened since the last report that a person should read.
    """

    step: int
    n_steps: int
    seconds: float
    seconds_left: float
    steps_per_second: float
    notes: tuple[str, ...] = ()


def timing(done: int, n_steps: int | None, seconds: float, budget: float | None) -> dict[str, Any]:
    """Work out what a `Report` says of time, from steps taken, steps in all (None while open) and seconds.

    Examples
    --------
    >>> told, open_ended = timing(10, 40, 2.0, None), timing(10, None, 2.0, 8.0)
    >>> told["seconds_left"], told["steps_per_second"], open_ended["n_steps"]
    (6.0, 5.0, 40)
    """
    pace = done / seconds
    expected = n_steps if n_steps is not None else max(done, round(pace * (budget or 0.0)))
    left = (expected - done) / pace
    return {"step": done, "n_steps": expected, "seconds": seconds, "seconds_left": left, "steps_per_second": pace}


@dataclass(frozen=True, kw_only=True)
class StepReport(Report):
    """What a callback is told of a game.

    Attributes
    ----------
    discriminator_loss, generator_loss : float
        Means over the last 100 steps; the generator's is that of the winning mutation.
    temperature : float or None
        Of the acceptance rule.
    acceptance_rate : float or None
        Share of the last 100 steps in which the best offspring replaced its parent; None where nothing is refused.
    wins : dict of str to float
        For each mutation, the share of the last 100 steps in which its offspring was the fittest.
    """

    discriminator_loss: float
    generator_loss: float
    temperature: float | None
    acceptance_rate: float | None
    wins: dict[str, float]


@dataclass
class Progress:
    """Where a training stands, beside the players; JSON data.

    Attributes
    ----------
    n_steps : int or None
        Steps in all; None while a budget is being settled.
    done : int
        Steps taken, without those that were rolled back.
    n_batches : int
        Real batches taken.
    seconds : float
        Time spent.
    noted : int
        Step of the last entry in the history.
    recent : list of list of float
        Figures of the last 100 steps.
    history : list of dict
        A `StepReport` for every hundredth of the training.
    rate_factor : float
        What the learning rate is multiplied by; halved by each rollback.
    n_rollbacks : int
        How often the players were rolled back.
    n_parts : int
        Parts in which a batch is computed.
    norms : list of float
        Norms of the weights at the last look.
    returned : bool
        Whether a class that lost its variety has once been worth a rollback.
    lively, collapsed : list of int
        Classes that have once been drawn with variety; those of them that have lost it and were told.
    notes, told : list of str
        What happened that a person should read, not yet told and told.
    """

    n_steps: Whole | None = None
    done: Whole = 0
    n_batches: Whole = 0
    seconds: NotNegative = 0.0
    noted: Whole = 0
    recent: list[Figures] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    rate_factor: Annotated[float, Field(gt=0, le=1)] = 1.0
    n_rollbacks: Annotated[int, Field(ge=0, le=MOST_ROLLBACKS)] = 0
    n_parts: Annotated[int, Field(ge=1)] = 1
    norms: list[Annotated[float, Field(gt=0)]] = field(default_factory=list)
    returned: bool = False
    lively: list[Whole] = field(default_factory=list)
    collapsed: list[Whole] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Position:
    """Numbers of what learns, beside its tensors; JSON data.

    Attributes
    ----------
    n_steps : int
        Steps taken, of players those of earlier trainings too.
    temperature : float or None
        Of the acceptance rule; None without one.
    done : int
        Steps of this training.
    """

    n_steps: Whole
    temperature: NotNegative | None
    done: Whole = 0


def broken_losses(figures: list[list[float]], done: int) -> str | None:
    """Say which of the last steps had a loss that is no number, or none that any training has."""
    for step_number, (first, second, *_) in enumerate(figures, done - len(figures) + 1):
        for loss in (first, second):
            if not abs(loss) < LARGEST_LOSS:
                return f"a loss was {loss:g} at step {step_number}"
    return None


def summarise(game: Game, players: Players, progress: Progress, budget: float | None) -> StepReport:
    """Sum up the last steps for the callback and the history."""
    recent = progress.recent
    discriminator_losses, generator_losses, winners, accepted = zip(*recent, strict=True)
    wins: dict[str, float] = {}
    for number, mutation in enumerate(game.mutations):  # several of one name have their share together
        wins[mutation.name] = wins.get(mutation.name, 0.0) + winners.count(number) / len(winners)
    return StepReport(
        **timing(progress.done, progress.n_steps, progress.seconds, budget),
        discriminator_loss=sum(discriminator_losses) / len(recent),
        generator_loss=sum(generator_losses) / len(recent),
        temperature=players.temperature,
        acceptance_rate=sum(accepted) / len(recent) if game.acceptance.scores_parent else None,
        wins=wins,
        notes=tuple(progress.notes),
    )
