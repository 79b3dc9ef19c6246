"""How drawn images are judged and how far classes are filled, as it is typed; nothing heavy is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from makeweight.balance.strategy import Strategy
from makeweight.data.wording import shown
from makeweight.errors import InputError

AUTO = "auto"
FALLBACK_METHOD = "augmentation"
COPYING = (FALLBACK_METHOD, "duplicates")
Fill = float | Literal["auto"]


def parse_fill(text: str) -> Fill:
    """Read how far classes are filled: a share of the largest class, or ``auto``.

    Raises
    ------
    InputError
        If it is neither. The range is left for `check_fill`.

    Examples
    --------
    >>> parse_fill("0.5"), parse_fill("auto")
    (0.5, 'auto')
    """
    if text == AUTO:
        return "auto"
    try:
        return float(text)
    except ValueError:
        raise InputError(
            f"--fill {shown(text)!r} is no share of the largest class: give a number above 0 and at most 1, or auto."
        ) from None


def parse_settings(texts: Sequence[str]) -> dict[str, str]:
    """Take apart what was typed as NAME=VALUE.

    Raises
    ------
    InputError
        If there is no equals sign, or a name comes twice.

    Examples
    --------
    >>> parse_settings(["head=projection", "evolution.mutations=hinge,minimax"])
    {'head': 'projection', 'evolution.mutations': 'hinge,minimax'}
    """
    settings: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise InputError(f"{shown(text)} sets nothing: write --set NAME=VALUE, such as --set objective=hinge.")
        if name in settings:
            raise InputError(f"{shown(name)} is set twice: give it once.")
        settings[name] = value
    return settings


def check_fill(fill: Fill | None, strategy: Strategy | None, from_model: str | Path | None) -> None:
    """Refuse a fill that is no share, one beside a sampling strategy, and "auto" with a saved model.

    Raises
    ------
    InputError
        For any of these.
    """
    if fill is None:
        return
    if strategy is not None:
        raise InputError("--fill and --sampling-strategy both say how many images are drawn: give one of them.")
    if fill == AUTO:
        if from_model is not None:
            raise InputError(
                "--fill auto must hold images out that the model has never seen, and a saved model may have seen all "
                "of them: give a ratio such as 0.5, or leave out --from."
            )
    elif isinstance(fill, str) or not 0 < fill <= 1:
        raise InputError(f"the fill {shown(fill)} is no share of the largest class: give one above 0 and at most 1.")


def check_gate(gate: bool, method: str | None) -> None:
    """Refuse to gate a method whose images are real ones once more.

    Raises
    ------
    InputError
        If it is one.
    """
    if gate and method in COPYING:
        raise InputError(
            f"{method} draws real images once more, and --gate rejects copies: leave one out, or choose another method."
        )
