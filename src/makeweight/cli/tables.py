"""What the commands print when they are done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from makeweight.balance.output import size_text
from makeweight.cli.progress import time_text
from makeweight.data.wording import counted, listed, shown

if TYPE_CHECKING:
    from makeweight.balance.job import BalanceSummary
    from makeweight.balance.plan import BalancePlan
    from makeweight.balance.sampling import SampleSummary
    from makeweight.balance.verify import Verification
    from makeweight.data.inspect import Inspection

NUMBERS = frozenset({"images", "real", "drawn", "total", "files", "largest by this", "to draw"})


def print_inspection(inspection: Inspection, plan: BalancePlan | None) -> None:
    """Print an inspection as tables, and what balancing would do."""
    from makeweight.data.inspect import sections

    _say(
        f"{shown(inspection.name)}: {counted(inspection.n_images, 'image')}, "
        f"{counted(len(inspection.counts), 'class', 'classes')}, "
        f"{size_text(inspection.n_bytes)}; largest class by smallest: {inspection.imbalance_ratio:.4g}"
    )
    for section in sections(inspection):
        if len(section.columns) == 1:
            _print_list(section.title, [row[0] for row in section.rows])
        else:
            _print_table(section.title, section.columns, section.rows)
    if plan is not None:
        _print_plan(plan)


def print_balance(summary: BalanceSummary) -> None:
    """Print what a balance did."""
    rows = [(shown(c.label), f"{c.real:,}", f"{c.drawn:,}", f"{c.total:,}") for c in summary.classes]
    totals = [sum(getattr(c, part) for c in summary.classes) for part in ("real", "drawn", "total")]
    _print_table(
        f"Balanced by {summary.method}",
        ("class", "real", "drawn", "total"),
        [*rows, ("all", *(f"{total:,}" for total in totals))],
        ruled=True,
    )
    if summary.small_classes:
        learnt = ", learnt with duplicates and augmentation" if summary.learns else ""
        _say(f"Fewer than ten images{learnt}: {listed(summary.small_classes, 20)}")
    if summary.skipped:
        _say(f"Left out, {counted(len(summary.skipped), 'file')}: {listed(summary.skipped, 20)}")
    _say(f"Model {summary.model_hash}")
    _say(f"Seed of the drawing {summary.seed}, time {time_text(summary.seconds)}")
    for part, what in (
        ("images", "class folders"),
        ("samples.png", "real and drawn images side by side"),
        ("manifest.csv", "one row per image"),
        ("model", "draws more: makeweight sample"),
    ):
        _say(f"{summary.out / part}  ({what})")


def print_sample(summary: SampleSummary) -> None:
    """Print what a sampling did."""
    _say(
        f"{summary.out}: {counted(summary.n_images, 'image')} of {shown(summary.label)} drawn by {summary.method}, "
        f"rows {summary.first_row} to {summary.first_row + summary.n_images - 1} of seed {summary.seed}"
    )
    _say(f"Model {summary.model_hash}")


def print_verification(found: Verification) -> None:
    """Print what a check found."""
    for problem in found.problems:
        _say(f"problem: {problem}")
    for note in found.notes:
        _say(f"note: {note}")
    verdict = "good" if found.good else counted(len(found.problems), "problem")
    _say(f"{verdict}: {counted(found.n_files, 'file')} hashed, {counted(found.n_redrawn, 'image')} drawn again")


def _print_plan(plan: BalancePlan) -> None:
    _print_table(
        "To draw (auto)",
        ("class", "to draw"),
        [(shown(label), f"{number:,}") for label, number in plan.to_draw.items()]
        or [("none: the classes are balanced", "0")],
    )
    _say(
        f"makeweight balance with {plan.method}, learning {plan.width}×{plan.height} pixels"
        + (f" (needs --resize {plan.resize})" if plan.resize else "")
    )
    if plan.seconds is not None and plan.bytes is not None and plan.n_steps is not None:
        _say(
            f"about {time_text(plan.seconds)} on this machine for {counted(plan.n_steps, 'step')}, "
            f"about {size_text(plan.bytes)} of memory"
        )


def _print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, ruled: bool = False) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, show_edge=False)
    for column in columns:
        table.add_column(Text(column), justify="right" if column in NUMBERS else "left", overflow="fold")
    for number, row in enumerate(rows):
        table.add_row(*(Text(cell) for cell in row), end_section=ruled and number == len(rows) - 2)
    _print(table)
    _print("")


def _print_list(title: str, lines: Sequence[str]) -> None:
    _say(title)
    for line in lines:
        _say(f"- {line}")
    _say("")


def _say(text: str) -> None:
    """Print text without breaking it, so that paths can be copied."""
    from rich.console import Console

    Console().print(text, markup=False, highlight=False, soft_wrap=True)


def _print(thing: object) -> None:
    from rich.console import Console

    Console().print(thing, markup=False, highlight=False)
