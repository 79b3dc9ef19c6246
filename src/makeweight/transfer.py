"""The way of arrays and tensors to a device, and of independent work on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

T = TypeVar("T")
MOST_STREAMS = 8


def moved(values: NDArray[Any] | Tensor, device: torch.device) -> Tensor:
    """Move values to a device; to a GPU by way of pinned memory, without waiting for it."""
    tensor = torch.from_numpy(values) if isinstance(values, np.ndarray) else values
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def abreast(tasks: Sequence[Callable[[], T]], device: torch.device) -> list[T]:
    """Do independent tasks one after the other; within a CUDA graph on streams of their own, side by side.

    Outside of a graph the host cannot launch them any faster. What a task makes may be used when all have come back.
    """
    if device.type != "cuda" or not torch.cuda.is_current_stream_capturing():
        return [task() for task in tasks]
    here, done = torch.cuda.current_stream(device), []
    streams = _streams(device)[: len(tasks)]
    for stream in streams:
        stream.wait_stream(here)
    for number, task in enumerate(tasks):
        with torch.cuda.stream(streams[number % len(streams)]):
            done.append(task())
    for stream in streams:
        here.wait_stream(stream)
    return done


@cache
def _streams(device: torch.device) -> list[torch.cuda.Stream]:
    return [torch.cuda.Stream(device) for _ in range(MOST_STREAMS)]  # type: ignore[no-untyped-call]


def widest_float(device: torch.device) -> torch.dtype:
    """Give the longest floats that a device computes with; Apple's have no float64."""
    return torch.float32 if device.type == "mps" else torch.float64
