"""The loop: steps of the game to the end of a schedule, and what is told, watched and kept on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from makeweight.checkpoints import (
    Checkpoints,
    State,
    chance_of,
    check_chance,
    joined,
    numbers_as,
    part_of,
    restore_chance,
)
from makeweight.errors import TrainingError
from makeweight.game import rescore_best, step
from makeweight.health import LOOK_EVERY, Finding, Watch, weight_norms
from makeweight.progress import MOST_ROLLBACKS, REPORT_WINDOW, Position, Progress, StepReport, broken_losses, summarise
from makeweight.replay import Replay
from makeweight.rules import Game, Players
from makeweight.schedule import KEEP_EVERY, Schedule, report_every
from makeweight.training_state import check_fit, restore, state_of

MOST_BATCHES_LOST = 10_000  # to rollbacks, which take back a hundred steps or so each


@dataclass(frozen=True)
class Kept:
    """What a checkpoint holds: the players as they were, and as they were last found healthy."""

    now: State
    healthy: State
    progress: Progress
    chance: dict[str, Tensor]


class Training:
    """A training from its start, or from a checkpoint, to the end of its schedule.

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

    def __init__(
        self,
        game: Game,
        players: Players,
        schedule: Schedule,
        random: torch.Generator,
        watch: Watch,
        checkpoints: Checkpoints | None = None,
        callback: Callable[[StepReport], None] | None = None,
    ) -> None:
        self.game, self.players, self.schedule, self.random = game, players, schedule, random
        self.watch, self.checkpoints, self.callback = watch, checkpoints, callback
        if players.temperature is None:
            players.temperature = game.acceptance.start()
        self.progress = Progress(n_steps=schedule.settle(0, 0.0), norms=weight_norms(players))
        self.healthy = self._snapshot()
        self.kept_at = 0.0
        self.replay: Replay | None = None
        self._use_replay()
        self._resume()

    def run(self, batches: Iterator[tuple[Tensor, Tensor]]) -> Progress:
        """Train to the end.

        Parameters
        ----------
        batches : iterator of (Tensor, Tensor)
            Real images and codes; `progress.n_batches` of them have been taken before.

        Raises
        ------
        TrainingError
            If the training breaks down again and again.
        """
        progress, pause = self.progress, report_every(self.game.device)
        begin = time.perf_counter() - progress.seconds
        self.kept_at = progress.seconds
        waiting: list[Tensor] = []
        while progress.n_steps is None or progress.done < progress.n_steps:
            images, codes = next(batches)
            progress.n_batches += 1
            try:
                waiting.append(self._step(images, codes))
            except torch.OutOfMemoryError as error:
                self._halve_parts(error)
                waiting.clear()
                continue
            progress.seconds = time.perf_counter() - begin
            if progress.n_steps is None:
                seconds = self.game.team.agree(progress.seconds, self.game.device)
                progress.n_steps = self.schedule.settle(progress.done, seconds)
            at_end = progress.done == progress.n_steps
            if progress.done % pause and not at_end:
                continue
            figures = torch.stack(waiting).tolist()
            waiting.clear()
            if self._is_healthy(figures, images, at_end):
                self._report(figures, at_end)
                self._keep(at_end)
        return progress

    def _step(self, images: Tensor, codes: Tensor) -> Tensor:
        """Take one step and what follows from it; return its figures."""
        game, players, schedule, progress = self.game, self.players, self.schedule, self.progress
        rate = schedule.rate(progress.done, progress.n_steps) * progress.rate_factor
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

    def _is_healthy(self, figures: list[list[float]], images: Tensor, at_end: bool) -> bool:
        """Look at the players now and then; where something is wrong, go back to where nothing was."""
        progress, broken = self.progress, broken_losses(figures, self.progress.done)
        if broken is None and progress.done % LOOK_EVERY and not at_end:
            return True
        if broken is None:
            finding = self.game.team.gather(self.watch.look(self.players, images, progress.norms))[0]
            broken = finding.broken or self._collapse(finding, at_end)
            broken = broken and f"{broken} at step {progress.done}"
        if broken is not None:
            self._roll_back(broken)
            return False
        progress.norms = weight_norms(self.players)
        self.healthy = self._snapshot()
        return True

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

    def _roll_back(self, broken: str) -> None:
        """Go back to the last healthy state, with half the learning rate."""
        progress = self.progress
        if progress.n_rollbacks == MOST_ROLLBACKS:
            raise TrainingError(
                f"the training broke down, even after {MOST_ROLLBACKS} returns to an earlier state with a smaller "
                f"learning rate: {broken}. Try a smaller learning_rate, a penalty such as 'r1', or precision 32-true."
            )
        self._return()
        progress.n_rollbacks += 1
        progress.rate_factor /= 2
        progress.notes.append(f"{broken}: went back to step {progress.done}, with half the learning rate.")

    def _return(self) -> None:
        """Make the players what they were when they were last found healthy."""
        progress, state = self.progress, self.healthy
        restore(self.players, state.tensors, state.numbers)
        progress.done = int(state.numbers["done"])
        progress.recent.clear()
        progress.history = [entry for entry in progress.history if entry["step"] <= progress.done]
        progress.noted = min(progress.noted, progress.done)

    def _halve_parts(self, error: torch.OutOfMemoryError) -> None:
        """Compute batches in twice as many parts from now on, from the last healthy state."""
        progress = self.progress
        own = self.game.batch_size // self.game.team.size
        if 2 * progress.n_parts > own or self.game.team.size > 1:
            raise TrainingError(
                "the device ran out of memory: make batches smaller with batch_size, or images with --resize."
            ) from error
        if self.game.device.type == "cuda":
            torch.cuda.empty_cache()
        progress.n_parts *= 2
        self._use_parts()
        self._return()
        progress.notes.append(
            f"the device ran out of memory, so batches of {own} are computed {-(-own // progress.n_parts)} images at a "
            f"time from step {progress.done}, and their gradients added."
        )

    def _use_parts(self) -> None:
        self.game = self.watch.game = replace(self.game, n_parts=self.progress.n_parts)
        self._use_replay()

    def _use_replay(self) -> None:
        """Let steps be replayed where they can be; whatever was captured before is let go."""
        self.replay = Replay(self.game, self.players, self.random) if Replay.fits(self.game) else None

    def _snapshot(self) -> State:
        """Copy the players."""
        state = state_of(self.players)
        tensors = {name: value.detach().clone() for name, value in state.tensors.items()}
        return State(tensors, {**state.numbers, "done": self.progress.done})

    def _report(self, figures: list[list[float]], at_end: bool) -> None:
        progress = self.progress
        progress.recent = [*progress.recent, *figures][-REPORT_WINDOW:]
        report = summarise(self.game, self.players, progress, self.schedule.budget)
        progress.told += progress.notes
        progress.notes.clear()
        if progress.done - progress.noted >= max(1, report.n_steps // 100) or at_end:
            progress.history.append(asdict(report))
            progress.noted = progress.done
        try:
            if self.callback is not None:
                self.callback(report)
        except Exception:
            self._keep(at_end=True)  # whoever ends a training here may go on later
            raise

    def _keep(self, at_end: bool) -> None:
        """Write a checkpoint if the last one is old: the players as they are, and as they were last found healthy."""
        if self.checkpoints is None or not (at_end or self.progress.seconds - self.kept_at >= KEEP_EVERY):
            return
        self.kept_at = self.progress.seconds
        if self.game.team.rank > 0:
            return
        now = state_of(self.players)
        parts = {"now": now.tensors, "chance": chance_of(self.random, self.game.device)}
        if self.healthy.numbers["done"] != self.progress.done:
            parts["healthy"] = self.healthy.tensors
        numbers = {"now": now.numbers, "healthy": self.healthy.numbers, "progress": asdict(self.progress)}
        self.checkpoints.write(self.progress.done, State(joined(parts), numbers))
        self._take_notes()

    def _resume(self) -> None:
        """Go on from the last checkpoint, if there is one."""
        if self.checkpoints is None:
            return
        kept = self.game.team.gather(self.checkpoints.latest(self._taken) if self.game.team.rank == 0 else None)[0]
        if kept is None:
            self._take_notes()
            return
        restore(self.players, kept.now.tensors, kept.now.numbers)
        device = self.game.device
        tensors = {name: value.to(device) for name, value in kept.healthy.tensors.items()}
        self.healthy = State(tensors, kept.healthy.numbers)
        self.progress = kept.progress
        self._use_parts()
        restore_chance(kept.chance, self.random, device)
        self._take_notes()
        self.progress.notes.append(f"went on from step {self.progress.done}, where the training was interrupted.")

    def _taken(self, state: State) -> Kept:
        """Take a checkpoint apart, and raise `ValueError` where it is none of such a training."""
        tensors, numbers = state.tensors, state.numbers
        now, healthy, chance = (part_of(tensors, f"{part}.") for part in ("now", "healthy", "chance"))
        if len(now) + len(healthy) + len(chance) != len(tensors) or numbers.keys() != {"now", "healthy", "progress"}:
            raise ValueError("other parts")
        progress = numbers_as(Progress, numbers["progress"])
        numbers_as(list[StepReport], progress.history)
        lost, own = progress.n_batches - progress.done, self.game.batch_size // self.game.team.size
        if not self.schedule.allows(progress.done, progress.n_steps):
            raise ValueError("steps that the schedule does not have")
        if not (0 <= lost <= MOST_BATCHES_LOST and progress.noted <= progress.done and progress.n_parts <= max(own, 1)):
            raise ValueError("numbers that no training has")
        if len(progress.norms) != len(self.progress.norms) or len(progress.recent) > REPORT_WINDOW:
            raise ValueError("other figures")
        for part in ("now", "healthy"):
            position = numbers_as(Position, numbers[part])
            if position.done > progress.done or (position.temperature is None) != (self.players.temperature is None):
                raise ValueError("another position")
        check_fit(self.players, now)
        check_fit(self.players, healthy or now)
        check_chance(chance, self.game.device)
        return Kept(State(now, numbers["now"]), State(healthy or now, numbers["healthy"]), progress, chance)

    def _take_notes(self) -> None:
        if self.checkpoints is not None:
            self.progress.notes += self.checkpoints.notes
            self.checkpoints.notes.clear()
