"""Several processes that train one model: who this one is, and what they have to agree upon."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch
    from torch import Tensor

T = TypeVar("T")


@dataclass(frozen=True)
class Team:
    """The processes that train one model together: this one's number, from 0, and how many there are."""

    rank: int = 0
    size: int = 1

    def own(self, draw: Callable[[], T]) -> T:
        """Draw once for every process, alike in all of them, and give back this one's."""
        return [draw() for _ in range(self.size)][self.rank]

    def average(self, *tensors: Tensor) -> None:
        """Replace tensors of single precision, in place, by their mean over the processes, the same bytes in all."""
        if self.size == 1:
            return
        import torch

        together = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
        torch.distributed.all_reduce(together)
        together /= self.size
        for tensor, mean in zip(tensors, torch.split(together, [each.numel() for each in tensors]), strict=True):
            tensor.detach().copy_(mean.view_as(tensor))

    def agree(self, value: float, device: torch.device) -> float:
        """Give the first process's number to all."""
        if self.size == 1:
            return value
        import torch

        number = torch.tensor(value, dtype=torch.float64, device=device)
        torch.distributed.broadcast(number, src=0)
        return float(number)

    def gather(self, value: T) -> list[T]:
        """Give the values of all processes to all, in the order of their numbers."""
        if self.size == 1:
            return [value]
        import torch

        values: list[T | None] = [None] * self.size
        torch.distributed.all_gather_object(values, value)
        return values  # type: ignore[return-value]

    def wait(self) -> None:
        """Wait until all have come here."""
        self.gather(None)


def team() -> Team:
    """Return the team that ``torchrun`` started this process in; a team of one otherwise."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return Team()
    return Team(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))


def processes_here() -> int:
    """Return how many processes of the team are on this machine."""
    return int(os.environ["LOCAL_WORLD_SIZE"]) if team().size > 1 else 1
