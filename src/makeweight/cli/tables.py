"""What the commands print when they are done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from makeweight.balance.output import size_text
from makeweight.cli.printing import say, show_table
from makeweight.data.wording import counted, listed, shown, time_text

if TYPE_CHECKING:
    from makeweight.balance.fill import FillReport
    from makeweight.balance.gate import GatedClass
    from makeweight.balance.job import BalanceSummary
    from makeweight.balance.plan import BalancePlan
    from makeweight.balance.sampling import SampleSummary
    from makeweight.balance.verify import Verification
    from makeweight.data.inspect import Inspection

NUMBERS = frozenset(
    {
        *("images", "real", "drawn", "total", "files", "largest by this", "to draw"),
        *("judged", "rejected", "copy", "not recognised", "off the data", "real rejected"),
        *("fill", "mean recall", "behind", "standard error"),
    }
)


def print_inspection(inspection: Inspection, plan: BalancePlan | None) -> None:
    """Print an inspection as tables, and what balancing would do."""
    from makeweight.data.inspect import sections

    say(
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
        if inspection.needs_mending:
            say("the problems above have to be solved first")


def print_catalogue() -> None:
    """Print the methods that draw and the classifiers, each with what it does and its paper."""
    from makeweight import classifiers, methods

    for title, entries in (("Methods that draw", methods.catalogue()), ("Classifiers", classifiers.catalogue())):
        _print_table(title, ("name", "what it does", "paper"), [(e.name, e.line, e.paper or "–") for e in entries])


def print_balance(summary: BalanceSummary) -> None:
    """Print what a balance did."""
    if summary.fill is not None:
        _print_fill(summary.fill)
    if summary.gate is not None:
        _print_gate(summary.gate, summary.method)
    rows = [(shown(c.label), f"{c.real:,}", f"{c.drawn:,}", f"{c.total:,}") for c in summary.classes]
    totals = [sum(getattr(c, part) for c in summary.classes) for part in ("real", "drawn", "total")]
    _print_table(
        f"Balanced by {listed(summary.drawn_by)}" if summary.model_hash else "Nothing drawn: the originals alone",
        ("class", "real", "drawn", "total"),
        [*rows, ("all", *(f"{total:,}" for total in totals))],
        ruled=True,
    )
    if summary.small_classes:
        learnt = ", learnt with duplicates and augmentation" if summary.learns else ""
        say(f"Fewer than ten images{learnt}: {listed(summary.small_classes, 20)}")
    if alone := [each.label for each in summary.classes if each.real == 1]:
        say(f"One image alone, which can only be copied: {listed(alone, 20)}")
    if summary.skipped:
        say(f"Left out, {counted(len(summary.skipped), 'file')}: {listed(summary.skipped, 20)}")
    if summary.model_hash:
        say(f"Model {summary.model_hash}")
        say(f"Seed of the drawing {summary.seed}, time {time_text(summary.seconds)}")
    else:
        say(f"Time {time_text(summary.seconds)}")
    replaced = any(each.replaced for each in summary.gate or ())
    failed = summary.method not in summary.drawn_by
    sampled = f"of {summary.method}, whose images the gate rejected" if failed else "draws more: makeweight sample"
    for part, what, written in (
        ("images", "class folders", True),
        ("report.html", "what was done, to read and look at", True),
        ("samples.png", "real and drawn images side by side", True),
        ("manifest.csv", "one row per image", True),
        ("balance.json", "what was tried and rejected", summary.fill is not None or summary.gate is not None),
        ("model", sampled, bool(summary.model_hash)),
        ("fallback", "the augmentation that filled classes", replaced),
    ):
        if written:
            say(f"{summary.out / part}  ({what})")


def _print_fill(report: FillReport) -> None:
    _print_table(
        f"Fill, judged on {report.n_held_out:,} images held out",
        ("fill", "drawn", "mean recall", "behind", "standard error", "remark"),
        [
            (
                f"{each.fill:g}",
                f"{each.n_drawn:,}",
                f"{100 * each.recall:.1f}",
                f"{100 * each.behind:.1f}",
                f"{100 * each.error:.1f}",
                "chosen" if each.fill == report.chosen else "best" if not each.behind else "",
            )
            for each in report.tried
        ],
    )
    say("In per cent. The chosen fill is the smallest within one standard error of the best.")
    if report.not_judged:
        say(f"Too few images or groups to hold one out: {listed(report.not_judged, 20)}")
    if not report.chosen:
        from makeweight.balance.fill import why_nothing

        sentence = why_nothing(report)
        say(f"{sentence[0].upper()}{sentence[1:]}, so nothing was drawn.")
    say("")


def _print_gate(classes: Sequence[GatedClass], method: str) -> None:
    _print_table(
        f"Gate: images drawn by {method}, and why they were rejected",
        ("class", "judged", "rejected", "copy", "not recognised", "off the data", "real rejected"),
        [
            (
                shown(each.label),
                f"{each.n_judged:,}",
                "–" if each.reject_rate is None else f"{each.reject_rate:.0%}",
                *(f"{number:,}" for number in each.rejected.values()),
                "–" if each.real_rejected is None else f"{each.real_rejected:.0%}",
            )
            for each in classes
        ],
    )
    for reason in sorted({each.replaced for each in classes} - {""}):
        names = [each.label for each in classes if each.replaced == reason]
        say(f"Filled by augmentation instead, as {reason}: {listed(names, 20)}")
    say("")


def print_sample(summary: SampleSummary) -> None:
    """Print what a sampling did."""
    say(
        f"{summary.out}: {counted(summary.n_images, 'image')} of {shown(summary.label)} drawn by {summary.method}, "
        f"rows {summary.first_row} to {summary.first_row + summary.n_images - 1} of seed {summary.seed}"
    )
    say(f"Model {summary.model_hash}")


def print_verification(found: Verification) -> None:
    """Print what a check found."""
    for problem in found.problems:
        say(f"problem: {problem}")
    for note in found.notes:
        say(f"note: {note}")
    verdict = "good" if found.good else counted(len(found.problems), "problem")
    say(f"{verdict}: {counted(found.n_files, 'file')} hashed, {counted(found.n_redrawn, 'image')} drawn again")


def _print_plan(plan: BalancePlan) -> None:
    _print_table(
        "To draw (auto)",
        ("class", "to draw"),
        [(shown(label), f"{number:,}") for label, number in plan.to_draw.items()]
        or [("none: the classes are balanced", "0")],
    )
    say(
        f"makeweight balance with {plan.method}, learning {plan.width}×{plan.height} pixels"
        + (f" (needs --resize {plan.resize})" if plan.resize else "")
    )
    if plan.seconds is not None and plan.bytes is not None and plan.n_steps is not None:
        say(
            f"about {time_text(plan.seconds)} on this machine for {counted(plan.n_steps, 'step')}, "
            f"about {size_text(plan.bytes)} of memory"
        )


def _print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, ruled: bool = False) -> None:
    show_table(columns, rows, title=title, numbers=NUMBERS, ruled=ruled)
    say("")


def _print_list(title: str, lines: Sequence[str]) -> None:
    say(title)
    for line in lines:
        say(f"- {line}")
    say("")
