"""A training's loop: steps to the end of a schedule, what is told and kept of them, and the way back from a fault."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

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
from makeweight.data.batches import Batches
from makeweight.errors import TrainingError
from makeweight.progress import LOOK_EVERY, MOST_ROLLBACKS, REPORT_WINDOW, Position, Progress, Report, broken_losses
from makeweight.schedule import KEEP_EVERY, Schedule, report_every
from makeweight.team import Team

MOST_BATCHES_LOST = 10_000  # to rollbacks, which take back a hundred steps or so each


@dataclass(frozen=True)
class Kept:
    """What a checkpoint holds: the networks as they were, and as they were last found healthy."""

    now: State
    healthy: State
    progress: Progress
    chance: dict[str, Tensor]


class Loop(ABC):
    """A training from its start, or from a checkpoint, to the end of its schedule.

    What learns, one step of it, and what is told of it, a kind of training says; it calls `_begin` when it can.

    Parameters
    ----------
    schedule : Schedule
        How long to train.
    random : torch.Generator
        Source of all chance, on the processor.
    device : torch.device
        Where networks compute.
    together : Team
        The processes that train together.
    checkpoints : Checkpoints, optional
        Where to keep the state, and to go on from; none by default.
    callback : callable, optional
        Told each `Report`.

    Attributes
    ----------
    progress : Progress
        Where the training stands.
    reports : type
        What is told of it.
    n_figures : int
        Figures of a step, both losses first.
    advice : str
        What to try where it breaks down.
    """

    reports: ClassVar[type[Report]]
    n_figures: ClassVar[int]
    advice: ClassVar[str]

    def __init__(
        self,
        schedule: Schedule,
        random: torch.Generator,
        device: torch.device,
        together: Team,
        checkpoints: Checkpoints | None = None,
        callback: Callable[[Any], None] | None = None,
    ) -> None:
        self.schedule, self.random, self.device, self.together = schedule, random, device, together
        self.checkpoints, self.callback = checkpoints, callback
        self.progress = Progress(n_steps=schedule.settle(0, 0.0))
        self.kept_at = 0.0

    def run(self, batches: Batches) -> Progress:
        """Train to the end.

        Parameters
        ----------
        batches : generator of (Tensor, Tensor)
            Real images and codes; `progress.n_batches` of them have been taken before. Closed at the end, which also
            ends processes that read ahead.

        Raises
        ------
        TrainingError
            If the training breaks down again and again.
        """
        with closing(batches):
            return self._run(batches)

    def _run(self, batches: Batches) -> Progress:
        progress, pause = self.progress, report_every(self.device)
        begin = time.perf_counter() - progress.seconds
        self.kept_at = progress.seconds
        waiting: list[Tensor] = []
        while progress.n_steps is None or progress.done < progress.n_steps:
            images, codes = next(batches)
            progress.n_batches += 1
            try:
                waiting.append(self._step(images, codes))
            except torch.OutOfMemoryError as error:
                self._save_memory(error)
                waiting.clear()
                continue
            progress.seconds = time.perf_counter() - begin
            if progress.n_steps is None:
                seconds = self.together.agree(progress.seconds, self.device)
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

    @abstractmethod
    def _step(self, images: Tensor, codes: Tensor) -> Tensor:
        """Take one step, count it, and return its figures."""

    @abstractmethod
    def _state(self) -> State:
        """Describe what learns; the tensors are its own."""

    @abstractmethod
    def _restore(self, state: State) -> None:
        """Take over what `_state` described."""

    @abstractmethod
    def _check(self, state: State, progress: Progress) -> None:
        """Raise `ValueError` where `_restore` could not take a state over, or no such training makes such progress."""

    @abstractmethod
    def _summary(self, figures: list[list[float]]) -> Report:
        """Sum up the last steps."""

    def _fault(self, images: Tensor, at_end: bool) -> str | None:
        """Say what is wrong with what learns, beside its losses; looked for now and then, and at the end."""
        return None

    def _save_memory(self, error: torch.OutOfMemoryError) -> None:
        """Go on with less memory, or say that there is none."""
        raise TrainingError(
            "the device ran out of memory: make batches smaller with batch_size, or images with --resize."
        ) from error

    @property
    def _rate(self) -> float:
        """Learning rate of the next step."""
        return self.schedule.rate(self.progress.done, self.progress.n_steps) * self.progress.rate_factor

    def _begin(self) -> None:
        """Take fresh networks for healthy, and go on from a checkpoint if there is one."""
        self.healthy = self._snapshot()
        self._resume()

    def _is_healthy(self, figures: list[list[float]], images: Tensor, at_end: bool) -> bool:
        """Look at what learns now and then; where something is wrong, go back to where nothing was."""
        progress, broken = self.progress, broken_losses(figures, self.progress.done)
        if broken is None and progress.done % LOOK_EVERY and not at_end:
            return True
        if broken is None and (fault := self._fault(images, at_end)) is not None:
            broken = f"{fault} at step {progress.done}"
        if broken is not None:
            self._roll_back(broken)
            return False
        self.healthy = self._snapshot()
        return True

    def _roll_back(self, broken: str) -> None:
        """Go back to the last healthy state, with half the learning rate."""
        progress = self.progress
        if progress.n_rollbacks == MOST_ROLLBACKS:
            raise TrainingError(
                f"the training broke down, even after {MOST_ROLLBACKS} returns to an earlier state with a smaller "
                f"learning rate: {broken}. Try {self.advice}."
            )
        self._return()
        progress.n_rollbacks += 1
        progress.rate_factor /= 2
        progress.notes.append(f"{broken}: went back to step {progress.done}, with half the learning rate.")

    def _return(self) -> None:
        """Make what learns what it was when it was last found healthy."""
        progress = self.progress
        self._restore(self.healthy)
        progress.done = int(self.healthy.numbers["done"])
        progress.recent.clear()
        progress.history = [entry for entry in progress.history if entry["step"] <= progress.done]
        progress.noted = min(progress.noted, progress.done)

    def _snapshot(self) -> State:
        """Copy what learns."""
        state = self._state()
        tensors = {name: value.detach().clone() for name, value in state.tensors.items()}
        return State(tensors, {**state.numbers, "done": self.progress.done})

    def _report(self, figures: list[list[float]], at_end: bool) -> None:
        progress = self.progress
        progress.recent = [*progress.recent, *figures][-REPORT_WINDOW:]
        report = self._summary(figures)
        progress.told += progress.notes
        progress.notes.clear()
        if progress.done - progress.noted >= max(1, report.n_steps // 100) or at_end:
            progress.history.append({**asdict(report), "notes": list(report.notes)})
            progress.noted = progress.done
        try:
            if self.callback is not None:
                self.callback(report)
        except Exception:
            self._keep(at_end=True)  # whoever ends a training here may go on later
            raise

    def _keep(self, at_end: bool) -> None:
        """Write a checkpoint if the last one is old: what learns as it is, and as it was last found healthy."""
        if self.checkpoints is None or not (at_end or self.progress.seconds - self.kept_at >= KEEP_EVERY):
            return
        self.kept_at = self.progress.seconds
        if self.together.rank > 0:
            return
        now = self._state()
        parts = {"now": now.tensors, "chance": chance_of(self.random, self.device)}
        if self.healthy.numbers["done"] != self.progress.done:
            parts["healthy"] = self.healthy.tensors
        numbers = {"now": now.numbers, "healthy": self.healthy.numbers, "progress": asdict(self.progress)}
        self.checkpoints.write(self.progress.done, State(joined(parts), numbers))
        self._take_notes()

    def _resume(self) -> None:
        """Go on from the last checkpoint, if there is one."""
        if self.checkpoints is None:
            return
        kept = self.together.gather(self.checkpoints.latest(self._taken) if self.together.rank == 0 else None)[0]
        if kept is None:
            self._take_notes()
            return
        self._restore(kept.now)
        tensors = {name: value.to(self.device) for name, value in kept.healthy.tensors.items()}
        self.healthy = State(tensors, kept.healthy.numbers)
        self.progress = kept.progress
        restore_chance(kept.chance, self.random, self.device)
        self._take_notes()
        self.progress.notes.append(f"went on from step {self.progress.done}, where the training was interrupted.")

    def _taken(self, state: State) -> Kept:
        """Take a checkpoint apart, and raise `ValueError` where it is none of such a training."""
        tensors, numbers = state.tensors, state.numbers
        now, healthy, chance = (part_of(tensors, f"{part}.") for part in ("now", "healthy", "chance"))
        if len(now) + len(healthy) + len(chance) != len(tensors) or numbers.keys() != {"now", "healthy", "progress"}:
            raise ValueError("other parts")
        progress = numbers_as(Progress, numbers["progress"])
        numbers_as(list[self.reports], progress.history)  # type: ignore[name-defined]
        if not self.schedule.allows(progress.done, progress.n_steps):
            raise ValueError("steps that the schedule does not have")
        if not (0 <= progress.n_batches - progress.done <= MOST_BATCHES_LOST and progress.noted <= progress.done):
            raise ValueError("numbers that no training has")
        others = any(len(figures) != self.n_figures for figures in progress.recent)
        if others or len(progress.norms) != len(self.progress.norms) or len(progress.recent) > REPORT_WINDOW:
            raise ValueError("other figures")
        kept = Kept(State(now, numbers["now"]), State(healthy or now, numbers["healthy"]), progress, chance)
        for part in (kept.now, kept.healthy):
            if numbers_as(Position, part.numbers).done > progress.done:
                raise ValueError("another position")
            self._check(part, progress)
        check_chance(chance, self.device)
        return kept

    def _take_notes(self) -> None:
        if self.checkpoints is not None:
            self.progress.notes += self.checkpoints.notes
            self.checkpoints.notes.clear()
