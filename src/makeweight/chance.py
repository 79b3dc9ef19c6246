"""The chance in a step: drawn on the processor, wanted on a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

from makeweight.transfer import moved

T = TypeVar("T")


class Changes:
    """The changes of one batch of images, from random numbers that can be moved to a device or replaced.

    Parameters
    ----------
    apply : callable
        Gives changed images from images of shape (batch, c, h, w) and from what `prepare` gave; differentiable.
    numbers : Tensor
        What was drawn.
    prepare : callable, optional
        Gives what `apply` wants from the numbers, on the device of the images, and the images' shape; once for all
        images of a shape. By default the numbers themselves.
    """

    def __init__(
        self,
        apply: Callable[[Tensor, Tensor], Tensor],
        numbers: Tensor,
        prepare: Callable[[Tensor, torch.Size], Tensor] | None = None,
    ) -> None:
        self.apply, self.numbers, self.prepare = apply, numbers, prepare
        self.prepared: dict[torch.Size, Tensor] = {}

    def __call__(self, images: Tensor) -> Tensor:
        """Change images."""
        ready = self.prepared.get(images.shape)
        if ready is None:
            numbers = moved(self.numbers, images.device)
            ready = self.prepared[images.shape] = self.prepare(numbers, images.shape) if self.prepare else numbers
        return self.apply(images, ready)

    def with_numbers(self, numbers: Tensor) -> Changes:
        """Return such changes from other numbers."""
        return Changes(self.apply, numbers, self.prepare)


def mapped(drawn: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Change all tensors of something drawn: a tensor, a named tuple of such, or `Changes`; others stay as they are."""
    if isinstance(drawn, Tensor):
        return change(drawn)
    if isinstance(drawn, tuple):
        return type(drawn)(*(mapped(each, change) for each in drawn))
    return drawn.with_numbers(change(drawn.numbers)) if isinstance(drawn, Changes) else drawn


def tensors_of(drawn: Any) -> list[Tensor] | None:
    """Give all tensors of something drawn; None where it may hold others."""
    if isinstance(drawn, Tensor):
        return [drawn]
    if isinstance(drawn, Changes):
        return [drawn.numbers]
    if not isinstance(drawn, tuple):
        return None
    parts = [tensors_of(each) for each in drawn]
    return None if any(part is None for part in parts) else [tensor for part in parts for tensor in part or []]


class Chance:
    """Draws what a step asks for.

    Parameters
    ----------
    random : torch.Generator
        Source of all chance, on the processor.
    device : torch.device
        Where it is wanted.
    """

    def __init__(self, random: torch.Generator, device: torch.device) -> None:
        self.random, self.device = random, device

    def draw(self, source: Callable[[torch.Generator], T]) -> T:
        """Give what `source` draws on the processor, its tensors moved to the device."""
        drawn: T = mapped(source(self.random), lambda tensor: moved(tensor, self.device))
        return drawn


class Tape(Chance):
    """Records what the first step draws; later ones are given the same tensors, in which new numbers lie.

    So a step that was captured as a CUDA graph can be replayed: it reads from where it read.

    Attributes
    ----------
    replayable : bool
        Whether everything drawn so far lies in tensors.
    """

    def __init__(self, random: torch.Generator, device: torch.device) -> None:
        super().__init__(random, device)
        self.sources: list[Callable[[torch.Generator], Any]] = []
        self.drawn: list[Any] = []
        self.place: int | None = None
        self.replayable = True

    def draw(self, source: Callable[[torch.Generator], T]) -> T:
        """Give what `source` draws and record it, or what stands at this place of the tape."""
        if self.place is None:
            drawn: T = super().draw(source)
            self.sources.append(source)
            self.drawn.append(mapped(drawn, torch.clone))
            self.replayable = self.replayable and tensors_of(drawn) is not None
            return drawn
        self.place += 1
        again: T = mapped(self.drawn[self.place - 1], lambda tensor: tensor)
        return again

    def refill(self) -> None:
        """Draw anew, in the order of the recording, and go back to its beginning."""
        for source, drawn in zip(self.sources, self.drawn, strict=True):
            for place, tensor in zip(tensors_of(drawn) or [], tensors_of(source(self.random)) or [], strict=True):
                place.copy_(moved(tensor, self.device), non_blocking=True)
        self.place = 0
