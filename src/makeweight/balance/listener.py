"""What long jobs tell whoever listens."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from makeweight.progress import StepReport


class Listener:
    """Hears about the progress of a job; this one keeps silent, others override what they want to show."""

    def stage(self, name: str) -> None:
        """Hear that a new stage begins: "reading", "copying", "learning", "drawing", "writing", "checking"."""

    def count(self, done: int, total: int) -> None:
        """Hear how many pieces of the present stage are done."""

    def step(self, report: StepReport) -> None:
        """Hear about a training step."""

    def note(self, text: str) -> None:
        """Hear something that a person should read."""
