"""Steps on a GPU, replayed from CUDA graphs: the host says "again" where it would launch thousands of kernels."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from makeweight.breeding import mixed_share
from makeweight.chance import Tape
from makeweight.game import StepOutcome, is_penalty_due, play, step
from makeweight.rules import Game, Players

MOST_KINDS = 4  # of steps that are kept as graphs: with and without a penalty, and shares of mixed batches
MOST_ATTEMPTS = 3


@dataclass
class Captured:
    """A kind of step: where it reads its chance and its images from, its graph, and where its outcome appears."""

    tape: Tape
    images: Tensor
    codes: Tensor
    graph: torch.cuda.CUDAGraph | None = None
    outcome: StepOutcome | None = None


class Replay:
    """Takes steps of a game on a GPU, equal to those of `step`.

    The first step of a kind is taken as it is, and what it draws is recorded. The second is captured, and all others
    are replayed from then on. Where something in a step cannot be captured, such as a network of the user's that waits
    for the GPU, it is tried twice more, and then steps are taken as they are.

    Parameters
    ----------
    game : Game
        The rules, of one process, with batches computed whole.
    players : Players
        Changed in place.
    random : torch.Generator
        Source of all chance, on the processor; asked in the same order as by `step`.

    Attributes
    ----------
    refused : str or None
        Why steps are not replayed.
    """

    def __init__(self, game: Game, players: Players, random: torch.Generator) -> None:
        self.game, self.players, self.random = game, players, random
        self.kinds: dict[tuple[bool, float], Captured] = {}
        self.refused: str | None = None
        self.n_failed = 0

    @staticmethod
    def fits(game: Game) -> bool:
        """Tell whether steps of a game may be captured."""
        return game.device.type == "cuda" and game.team.size == 1 and game.n_parts == 1

    def __call__(self, images: Tensor, codes: Tensor) -> StepOutcome:
        """Take one step on a real batch."""
        if self.refused is not None:
            return step(self.game, self.players, images, codes, self.random)
        kind = is_penalty_due(self.game, self.players), mixed_share(self.game, self.players)
        known = self.kinds.get(kind)
        if known is None:
            return self._record(kind, images, codes)
        known.tape.refill()
        known.images.copy_(images)
        known.codes.copy_(codes)
        if known.graph is None:
            self._capture(known)
        if known.graph is None or known.outcome is None:
            return play(self.game, self.players, known.images, known.codes, known.tape)
        known.graph.replay()
        self.players.n_steps += 1
        return known.outcome

    def _record(self, kind: tuple[bool, float], images: Tensor, codes: Tensor) -> StepOutcome:
        """Take a step as it is, and record what it draws."""
        if len(self.kinds) == MOST_KINDS:
            self.kinds.clear()
        tape = Tape(self.random, self.game.device)
        outcome = play(self.game, self.players, images, codes, tape)
        self.kinds[kind] = Captured(tape, images.clone(), codes.clone())
        if not tape.replayable:
            self._refuse("something that is drawn does not lie in tensors")
        return outcome

    def _capture(self, known: Captured) -> None:
        """Capture a step without taking it; where that fails, leave everything as it was."""
        n_steps, graph = self.players.n_steps, torch.cuda.CUDAGraph()
        try:
            with capturing(graph):
                known.outcome = play(self.game, self.players, known.images, known.codes, known.tape)
            known.graph = graph
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            known.tape.place = 0
            self.n_failed += 1
            if self.n_failed == MOST_ATTEMPTS:
                self._refuse(str(error).partition("\n")[0])
        finally:
            self.players.n_steps = n_steps

    def _refuse(self, reason: str) -> None:
        self.refused = reason
        self.kinds.clear()


@contextmanager
def capturing(graph: torch.cuda.CUDAGraph) -> Iterator[None]:
    """Capture what is launched, and collect no garbage meanwhile: that may ask the GPU what no capture allows."""
    gc.collect()
    collects = gc.isenabled()
    gc.disable()
    try:
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            yield
    finally:
        if collects:
            gc.enable()
