"""What enters a table, as its name tells it: "aggan with mixup at share 0.25"."""

from __future__ import annotations

import re
from dataclasses import dataclass

AND = " + "  # between what is averaged
TWIN = "twin"  # the trunk of AGGAN's discriminator, trained alone
CLASS_OUTPUT, IMAGES = "class output", "images"
FORMS = (
    "METHOD at fill F, METHOD at share S, METHOD at fill F and share S, METHOD's class output, or with a share METHOD "
    "with mixup or METHOD with mixup's images"
)
_NAME = re.compile(
    rf"(?P<method>\w+)(?P<mixup> with mixup)?(?:'s (?P<part>{CLASS_OUTPUT}|{IMAGES}))?"
    r"(?: at fill (?P<fill>\S+))?(?: (?:at|and) share (?P<share>\S+))?"
    r"(?P<mixed> mixed)?(?P<by_batches> by batch statistics)?"
)


@dataclass(frozen=True)
class Entrant:
    """A method, and what is done with it.

    Attributes
    ----------
    method : str
        What draws, an arm of a comparison that draws nothing, or "twin".
    mixup : bool
        Whether what classifies learns from blends of two images.
    part : "", "class output" or "images"
        The class output of a game, or, of one that learns from blends itself, its images.
    fill, share : str
        How far classes are filled, and how much of a batch is drawn, as they are spelled; empty where that is not told.
    mixed : bool
        Whether the game has mixed batches.
    by_batches : bool
        Whether offspring are scored with batch norm as in training.

    Examples
    --------
    >>> Entrant("aggan", mixup=True, share="0.25").name
    'aggan with mixup at share 0.25'
    """

    method: str
    mixup: bool = False
    part: str = ""
    fill: str = ""
    share: str = ""
    mixed: bool = False
    by_batches: bool = False

    @property
    def name(self) -> str:
        """What a table calls it."""
        amounts = [f"{kind} {told}" for kind, told in (("fill", self.fill), ("share", self.share)) if told]
        return "".join(
            [
                self.method,
                " with mixup" if self.mixup else "",
                f"'s {self.part}" if self.part else "",
                f" at {' and '.join(amounts)}" if amounts else "",
                " mixed" if self.mixed else "",
                " by batch statistics" if self.by_batches else "",
            ]
        )


def read_entrant(name: str) -> Entrant | None:
    """Read the name of one method; None where it is none, or says what makes no sense together.

    Examples
    --------
    >>> read_entrant("egan's class output")
    Entrant(method='egan', mixup=False, part='class output', fill='', share='', mixed=False, by_batches=False)
    >>> read_entrant("egan's class output at share 0.25") is None
    True
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    told = {key: found[key] or "" for key in ("method", "part", "fill", "share")}
    flags = {key: bool(found[key]) for key in ("mixup", "mixed", "by_batches")}
    entrant = Entrant(**told, **flags)  # type: ignore[arg-type]
    sensible = entrant.mixup if entrant.part == IMAGES else not (entrant.part and (entrant.fill or entrant.share))
    return entrant if sensible and entrant.name == name else None
