"""What balancing would do, told before it is done."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from makeweight.balance.models import DEFAULT_METHOD
from makeweight.balance.strategy import numbers_to_add
from makeweight.data.images import ImageSpec
from makeweight.data.inspect import Inspection
from makeweight.errors import InputError
from makeweight.methods import get_method


@dataclass(frozen=True)
class BalancePlan:
    """What `makeweight.balance.balance_folder` would do with its defaults.

    Attributes
    ----------
    method : str
        Name of the method.
    to_draw : dict of str to int
        Images to draw for each class that gets any.
    width, height : int
        Size in pixels that would be learnt.
    resize : int or None
        What ``--resize`` would have to be, None where it is given or not needed.
    n_steps : int or None
        Steps of the training; None for a method that does not train, and where nothing was timed.
    seconds : float or None
        Estimated time on this machine; None as above.
    bytes : int or None
        Estimated memory; None as above.
    """

    method: str
    to_draw: dict[str, int]
    width: int
    height: int
    resize: int | None
    n_steps: int | None
    seconds: float | None
    bytes: int | None

    def as_dict(self) -> dict[str, Any]:
        """Give everything as plain values, ready for JSON."""
        return asdict(self)


def plan_balance(
    inspection: Inspection, method: str = DEFAULT_METHOD, *, resize: int | None = None, timed: bool = True
) -> BalancePlan | None:
    """Estimate what balancing a source with the strategy "auto" takes.

    A source whose files or classes need mending is not timed.

    Parameters
    ----------
    inspection : Inspection
        What `makeweight.data.inspect.inspect` found.
    method : str, default="aggan"
        Name of the method.
    resize : int, optional
        The side that all images would be scaled to, 1 to 1024 pixels.
    timed : bool, default=True
        Whether a few steps are taken to foretell time and memory.

    Returns
    -------
    BalancePlan or None
        None where there are not two classes to balance.

    Raises
    ------
    InputError
        For an unknown method, or a given size that its networks cannot reach.
    """
    from makeweight.data.checks import offered_side
    from makeweight.estimate import estimate
    from makeweight.networks import size_problem

    learns = get_method(method).learns
    counts = {label: count for label, count in inspection.counts.items() if count}
    if len(counts) < 2:
        return None
    (height, width), *others = inspection.sizes
    needed = None
    if resize is not None:
        height = width = resize
        if learns and (problem := size_problem(height, width)):
            raise InputError(f"{inspection.name}: {problem}")
    elif others or (learns and size_problem(height, width)):
        needed = height = width = offered_side(inspection.sizes)
    cost = None
    if learns and timed and not inspection.needs_mending:
        spec = ImageSpec(height, width, inspection.channels, "uint8", next(iter(inspection.modes)))
        cost = estimate(get_method(method)(channels=spec.layout), spec.shape, list(counts.values()))
    return BalancePlan(
        method=method,
        to_draw=_to_draw(counts),
        width=width,
        height=height,
        resize=needed,
        n_steps=None if cost is None else cost.n_steps,
        seconds=None if cost is None else cost.seconds,
        bytes=None if cost is None else cost.bytes,
    )


def _to_draw(counts: dict[str, int]) -> dict[str, int]:
    try:
        return numbers_to_add("auto", np.array(list(Counter(counts).elements())))
    except InputError:
        return {}
