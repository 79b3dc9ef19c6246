"""The way of arrays and tensors to a device."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def moved(values: NDArray[Any] | Tensor, device: torch.device) -> Tensor:
    """Move values to a device; to a GPU by way of pinned memory, without waiting for it."""
    tensor = torch.from_numpy(values) if isinstance(values, np.ndarray) else values
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
