"""Both players as named tensors and numbers, for models on disk and for checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from makeweight.checkpoints import State, check_alike, joined, part_of
from makeweight.rules import Players


def state_of(players: Players) -> State:
    """Describe everything about the players that a training goes on from; the tensors are theirs, not copies."""
    parts = {"generator": players.generator.named_tensors(), "discriminator": players.discriminator.named_tensors()}
    parts |= {f"parent_{n}": parent.named_tensors() for n, parent in enumerate(players.parents[1:], 2)}
    if players.best is not None:
        parts["best"] = players.best.named_tensors()
    if players.average is not None:
        parts["average"] = players.average.module.state_dict()
    return State(joined(parts), {"n_steps": players.n_steps, "temperature": players.temperature})


def check_fit(players: Players, tensors: Mapping[str, Tensor]) -> None:
    """Raise `ValueError` where `restore` could not take these tensors over; nothing changes."""
    expected = {name: value for name, value in state_of(players).tensors.items() if not name.startswith("best.")}
    if any(name.startswith("best.") for name in tensors):
        expected |= {f"best.{name}": value for name, value in players.generator.named_tensors().items()}
    check_alike(tensors, expected)


def restore(players: Players, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
    """Take over what `state_of` described.

    Raises
    ------
    RuntimeError, ValueError, KeyError
        If names or shapes are not those of the players' networks.
    """
    players.generator.restore(part_of(tensors, "generator."))
    players.discriminator.restore(part_of(tensors, "discriminator."))
    for n, parent in enumerate(players.parents[1:], 2):
        parent.restore(part_of(tensors, f"parent_{n}."))
    if players.average is not None:
        players.average.module.load_state_dict(part_of(tensors, "average."))
    best = part_of(tensors, "best.")
    if best:
        players.best = players.best or players.generator.offspring()
        players.best.restore(best)
    else:
        players.best = None
    players.n_steps, players.temperature = int(numbers["n_steps"]), numbers["temperature"]
