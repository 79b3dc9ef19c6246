"""The training of a game: what a step is, what is told of it, and what is looked after on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from makeweight.checkpoints import Checkpoints, State, numbers_as
from makeweight.errors import TrainingError
from makeweight.game import rescore_best, step
from makeweight.health import Finding, Watch, weight_norms
from makeweight.loop import Loop
from makeweight.progress import LOOK_EVERY, Position, Progress, StepReport, summarise
from makeweight.replay import Replay
from makeweight.rules import Game, Players
from makeweight.schedule import Schedule
from makeweight.training_state import check_fit, restore, state_of


class Training(Loop):
    """A game from its start, or from a checkpoint, to the end of its schedule.

    Parameters
    ----------
    game : Game
        The rules.
    players : Players
        Changed in place.
    schedule : Schedule
        How long to train.
    random : torch.Generator
        Source of all chance in the game, on the processor.
    watch : Watch
        Looks after the players' health.
    checkpoints : Checkpoints, optional
        Where to keep the state, and to go on from; none by default.
    callback : callable, optional
        Told each `StepReport`.
    """

    reports = StepReport
    n_figures = 4
    advice = "a smaller learning_rate, a penalty such as 'r1', or precision 32-true"

    def __init__(
        self,
        game: Game,
        players: Players,
        schedule: Schedule,
        random: torch.Generator,
        watch: Watch,
        checkpoints: Checkpoints | None = None,
        callback: Callable[[Any], None] | None = None,
    ) -> None:
        super().__init__(schedule, random, game.device, game.team, checkpoints, callback)
        self.game, self.players, self.watch = game, players, watch
        if players.temperature is None:
            players.temperature = game.acceptance.start()
        self.progress.norms = weight_norms(players)
        self.replay: Replay | None = None
        self._begin()
        self._use_parts()

    def _step(self, images: Tensor, codes: Tensor) -> Tensor:
        """Take one step and what follows from it; return its figures."""
        game, players, schedule, progress = self.game, self.players, self.schedule, self.progress
        rate = self._rate
        players.discriminator.learning_rate = self.game.discriminator_speed * rate
        for parent in players.parents:
            parent.learning_rate = rate
        outcome = step(game, players, images, codes, self.random) if self.replay is None else self.replay(images, codes)
        if self.replay is not None and self.replay.refused is not None:
            progress.notes.append(f"steps are launched part by part, which takes longer: {self.replay.refused}.")
            self.replay = None
        progress.done += 1
        if players.average is not None:
            players.average.update(players.generator.network, players.n_steps)
        if schedule.best_every and players.n_steps % schedule.best_every == 0:
            rescore_best(game, players, images, codes, self.random)
        if not game.acceptance.per_epoch() or players.n_steps % schedule.steps_per_epoch == 0:
            players.temperature = game.acceptance.cooled(players.temperature)
        return outcome.figures()

    def _state(self) -> State:
        return state_of(self.players)

    def _restore(self, state: State) -> None:
        restore(self.players, state.tensors, state.numbers)

    def _check(self, state: State, progress: Progress) -> None:
        temperature = numbers_as(Position, state.numbers).temperature
        if (temperature is None) != (self.players.temperature is None):
            raise ValueError("another position")
        if progress.n_parts > max(self._n_own, 1):
            raise ValueError("numbers that no training has")
        check_fit(self.players, state.tensors)

    def _summary(self, figures: list[list[float]]) -> StepReport:
        return summarise(self.game, self.players, self.progress, self.schedule.budget)

    def _fault(self, images: Tensor, at_end: bool) -> str | None:
        """Say what is wrong with the players: their weights, their answers, or the variety of what they draw."""
        finding = self.together.gather(self.watch.look(self.players, images, self.progress.norms))[0]
        fault = finding.broken or self._collapse(finding, at_end)
        if fault is None:
            self.progress.norms = weight_norms(self.players)
        return fault

    def _collapse(self, finding: Finding, at_end: bool) -> str | None:
        """Note which classes have lost their variety; say so if training cannot go on like that.

        A class that loses it is worth one rollback; then training goes on for the sake of the others, and it is told.
        """
        progress, told = self.progress, set(self.progress.collapsed)
        fallen = sorted({*finding.dull} & {*progress.lively})
        progress.lively = sorted({*progress.lively, *finding.lively})
        words = f"drawn images of {self.watch.named(fallen)} have become all alike"
        if fallen and (not progress.returned or len(fallen) == len(progress.lively)):
            progress.returned = True
            return words
        if not told.issuperset(fallen):
            progress.notes.append(f"{words} at step {progress.done}, and training goes on for the other classes.")
        progress.collapsed = sorted({*told, *fallen} - {*finding.lively})
        if at_end and finding.dull:
            dull = self.watch.named(finding.dull)
            if not finding.lively and len(finding.dull) == finding.n_looked and progress.done >= LOOK_EVERY:
                raise TrainingError(
                    f"after {progress.done} steps the drawn images of {dull} are all alike, so the model is of no use: "
                    "train longer, or with a smaller learning_rate."
                )
            progress.notes.append(f"drawn images of {dull} are all alike: train longer, or look at the real ones.")
        return None

    @property
    def _n_own(self) -> int:
        """Images of a batch that this process computes."""
        return self.game.batch_size // self.together.size

    def _save_memory(self, error: torch.OutOfMemoryError) -> None:
        """Compute batches in twice as many parts from now on, from the last healthy state."""
        progress, own = self.progress, self._n_own
        if 2 * progress.n_parts > own or self.together.size > 1:
            super()._save_memory(error)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        progress.n_parts *= 2
        self._use_parts()
        self._return()
        progress.notes.append(
            f"the device ran out of memory, so batches of {own} are computed {-(-own // progress.n_parts)} images at a "
            f"time from step {progress.done}, and their gradients added."
        )

    def _use_parts(self) -> None:
        """Let steps be computed in so many parts, and replayed where they can be; what was captured is let go."""
        self.game = self.watch.game = replace(self.game, n_parts=self.progress.n_parts)
        self.replay = Replay(self.game, self.players, self.random) if Replay.fits(self.game) else None
