"""Progress of long work: a live line on a terminal, a plain log elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from makeweight.balance.listener import Listener
from makeweight.data.wording import shown, time_text
from makeweight.team import team

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Progress, TaskID

    from makeweight.autoencoder import AutoencoderReport
    from makeweight.progress import StepReport

LOG_SECONDS = 10.0
LOG_SHARE = 0.1
SHORTEST_GAP = 1.0
REFRESH_SECONDS = 0.1
UNITS = {
    "learning": "steps",
    "learning a part": "steps",
    "reading": "files",
    "copying": "files",
    "checking": "files",
    "cross-fitting": "classifiers",
    "choosing the fill": "classifiers",
    "comparing": "classes",
    "training": "runs",
}


@contextmanager
def shown_progress() -> Iterator[Listener]:
    """Give a listener that shows progress on standard error in the way that suits it; one process of a team does."""
    from rich.console import Console

    if team().rank > 0:
        yield Listener()
        return

    console = Console(stderr=True)
    if not console.is_terminal or console.is_dumb_terminal:
        yield LogProgress()
        return
    live = LiveProgress(console)
    with live.display:
        yield live


def step_details(report: StepReport | AutoencoderReport) -> list[str]:
    """Say in a few words each how the training stands: losses, temperature, acceptance, the winning objective."""
    from makeweight.autoencoder import AutoencoderReport

    if isinstance(report, AutoencoderReport):
        return [
            f"autoencoder, losses: reconstruction {report.reconstruction_loss:.3g}, exchange {report.exchange_loss:.3g}"
        ]
    details = [f"losses: discriminator {report.discriminator_loss:.3g}, generator {report.generator_loss:.3g}"]
    if report.temperature is not None:
        details.append(f"temperature {report.temperature:.3g}")
    if report.acceptance_rate is not None:
        details.append(f"accepted {report.acceptance_rate:.0%}")
    if report.wins:
        winner, share = max(report.wins.items(), key=lambda item: item[1])
        details.append(f"winning {winner.replace('_', ' ')} ({share:.0%})")
    return details


class LogProgress(Listener):
    """Plain lines on standard error: at each tenth of a stage or every ten seconds, never more than one a second."""

    def __init__(self) -> None:
        self.name = ""
        self.stage("")

    def stage(self, name: str) -> None:
        """Begin a stage."""
        self.name = name
        self.begin = self.last = time.monotonic()
        self.share = 0.0

    def count(self, done: int, total: int) -> None:
        """Log a count when it is time."""
        if self._is_time(done, total):
            rate = done / max(time.monotonic() - self.begin, 1e-9)
            pace = f"{rate:.0f} a second" if rate >= 1 or not done else f"{1 / rate:.0f} s each"
            self._say(f"{done:,} of {total:,} {UNITS.get(self.name, 'images')}, {pace}")

    def step(self, report: StepReport) -> None:
        """Log a training step when it is time, and what happened in it."""
        for note in report.notes:
            self.note(note)
        if self._is_time(report.step, report.n_steps):
            timing = f"{report.steps_per_second:.3g} a second, {time_text(report.seconds_left)} left"
            self._say(", ".join([f"step {report.step:,} of {report.n_steps:,}", timing, *step_details(report)]))

    def note(self, text: str) -> None:
        """Write a note."""
        print(f"makeweight: note: {shown(text)}", file=sys.stderr, flush=True)

    def _is_time(self, done: int, total: int) -> bool:
        now, share = time.monotonic(), done / max(total, 1)
        gap = now - self.last
        due = gap >= LOG_SECONDS or (gap >= SHORTEST_GAP and (share - self.share >= LOG_SHARE or done == total))
        if due:
            self.last, self.share = now, share
        return due

    def _say(self, text: str) -> None:
        print(f"makeweight: {self.name}: {text}", file=sys.stderr, flush=True)


class LiveProgress(Listener):
    """One bar with rate and time left, and under it how the training stands."""

    def __init__(self, console: Console) -> None:
        self.display, self.details = _display(console)
        self.task: TaskID | None = None
        self.name = ""
        self.begin = self.last = 0.0

    def stage(self, name: str) -> None:
        """Begin a stage with a fresh bar."""
        if self.task is not None:
            self.display.remove_task(self.task)
        self.details.clear()
        self.task = self.display.add_task(name, total=None, timing="")
        self.name, self.begin, self.last = name, time.monotonic(), 0.0

    def count(self, done: int, total: int) -> None:
        """Move the bar."""
        seconds = max(time.monotonic() - self.begin, 1e-9)
        self._move(done, total, done / seconds, seconds / max(done, 1) * (total - done))

    def step(self, report: StepReport) -> None:
        """Move the bar and tell how the training stands, and what happened."""
        for note in report.notes:
            self.note(note)
        if self._move(report.step, report.n_steps, report.steps_per_second, report.seconds_left):
            self.details[:] = step_details(report)

    def note(self, text: str) -> None:
        """Write a note above the bar."""
        self.display.console.print(f"note: {shown(text)}", markup=False, highlight=False)

    def _move(self, done: int, total: int, rate: float, seconds_left: float) -> bool:
        now = time.monotonic()
        if self.task is None or (now - self.last < REFRESH_SECONDS and done < total):
            return False
        self.last = now
        timing = f"{rate:.3g} {UNITS.get(self.name, 'images')}/s, {time_text(seconds_left)} left"
        self.display.update(self.task, completed=done, total=total, timing=timing)
        return True


def _filled(details: Sequence[str], width: int) -> list[str]:
    """Put as many details on each line as fit, broken only between them."""
    lines: list[str] = []
    for detail in details:
        if lines and len(lines[-1]) + len(detail) + 3 <= width:
            lines[-1] += f" · {detail}"
        else:
            lines.append(f"  {detail}")
    return lines


def _display(console: Console) -> tuple[Progress, list[str]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.text import Text

    details: list[str] = []

    class Display(Progress):
        def get_renderables(self) -> Iterable[RenderableType]:
            yield from super().get_renderables()
            yield from (Text(line, style="dim") for line in _filled(details, console.width))

    display = Display(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[timing]}", markup=False),
        console=console,
        expand=True,
        transient=True,
    )
    return display, details
