"""How large networks would be, before memory is taken for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn

from makeweight.errors import InputError
from makeweight.saving import Arrays


def check_size(build: Callable[[], Iterable[nn.Module]], *files: Arrays) -> None:
    """Refuse networks that are larger than the files that they are to be filled from.

    Parameters
    ----------
    build : callable
        Builds the networks; here without memory, on torch's device "meta".
    files : dict of array
        What was read from the files.

    Raises
    ------
    InputError
        If they are.
    """
    n_bytes = sum(array.nbytes for arrays in files for array in arrays.values())
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        needed = sum(each.numel() * each.element_size() for network in build() for each in network.parameters())
    if needed > n_bytes:
        raise InputError(
            f"the model's weights do not fit its card (networks of {needed:,} bytes, and files of {n_bytes:,}): "
            f"save it anew."
        )
