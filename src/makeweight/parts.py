"""A batch through a network in parts, where the device's memory is too small for the whole."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def in_parts(network: nn.Module, n_parts: int, *inputs: Tensor) -> Any:
    """Apply a network to a batch, part after part; gradients add up as those of the whole batch.

    What the network computes on the way is held for one part at a time, and computed again for the gradient. Layers
    that tie images to their neighbours (batch norm) see a part alone, and their running statistics follow it twice.

    Parameters
    ----------
    network : Module
        Answers with a tensor, or a named tuple of tensors, with one entry an image.
    n_parts : int
        Number of parts, at least 1.
    inputs : Tensor of shape (batch, ...)
        What the network is given.

    Returns
    -------
    Tensor or tuple of Tensor
        As the network answers to the whole batch.
    """
    if n_parts == 1:
        return network(*inputs)
    parts = zip(*(each.chunk(n_parts) for each in inputs), strict=True)
    answers = [checkpoint(network, *part, use_reentrant=False) for part in parts]
    if isinstance(answers[0], Tensor):
        return torch.cat(answers)
    return type(answers[0])(*(torch.cat(each) for each in zip(*answers, strict=True)))
