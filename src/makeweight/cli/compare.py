"""The command `compare`: options in, the verdict and its tables out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from makeweight.cli.options import (
    NONE,
    DataDir,
    Device,
    Download,
    Labels,
    Map,
    Mode,
    Precision,
    Resize,
    SkipBad,
    Source,
    parse_duration,
    parse_names,
)
from makeweight.cli.printing import console, say, show_table
from makeweight.data.wording import points, shown, signed_points
from makeweight.errors import InputError

if TYPE_CHECKING:
    from makeweight.compare import ArmResult, Comparison


def compare_command(
    source: Source,
    test: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Test images. [default: those that belong to IN]", show_default=False),
    ] = None,
    folds: Annotated[
        int | None, typer.Option(help="Number of folds, in place of test images. [default: 5]", show_default=False)
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option(
            help="What belongs together: a CSV file with file_name and group, or a column of the labels. [default: the "
            "tracks of gtsrb, else nothing]",
            show_default=False,
        ),
    ] = None,
    leave_out: Annotated[
        str | None,
        typer.Option(
            help="Classes to leave out, with commas, such as those with fewer images than folds. [default: none]",
            show_default=False,
        ),
    ] = None,
    methods: Annotated[
        str | None, typer.Option(help="Methods that draw, with commas. [default: all]", show_default=False)
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many seeds; at least 2.")] = 5,
    fills: Annotated[str, typer.Option(help="How far rare classes are filled, as shares of the largest.")] = (
        "0.25,0.5,1"
    ),
    shares: Annotated[str, typer.Option(help="Shares of drawn images in each class's part of a batch; or none.")] = (
        "0.25,0.5"
    ),
    arms: Annotated[
        str | None,
        typer.Option(
            help="Arms, with commas, beside nothing and augmentation, such as shared,mixup. [default: all]",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            help="Steps of every classifier. [default: 20 balanced epochs, at least 1000]", show_default=False
        ),
    ] = None,
    gan_steps: Annotated[
        int | None, typer.Option(help="Steps of every GAN. [default: its own]", show_default=False)
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="Time to spend, more or less: 90s, 30m, 2h. What does not fit is left out.")
    ] = None,
    worthwhile: Annotated[float, typer.Option(help="Smallest gain of recall that is worth it, in points.")] = 2.0,
    jobs: Annotated[int, typer.Option(help="Runs side by side, one thread each; -1 for all cores.")] = 1,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder to keep everything in. [default: IN-compared]", show_default=False),
    ] = None,
    device: Device = "auto",
    precision: Precision = None,
    projection: Map = "tsne",
    labels: Labels = None,
    data_dir: DataDir = None,
    download: Download = False,
    resize: Resize = None,
    mode: Mode = None,
    skip_bad: SkipBad = False,
) -> None:
    """Tell which method helps which class of IN, or that none does, on images that nothing learnt from."""
    from makeweight.cli.progress import shown_progress
    from makeweight.compare import Options, Reading, compare_folder, default_out

    options = Options(
        methods=parse_names("--methods", methods),
        n_seeds=seeds,
        fills=_numbers("--fills", fills),
        shares=_numbers("--shares", shares),
        kinds=parse_names("--arms", arms),
        n_steps=steps,
        gan_steps=gan_steps,
        budget=None if budget is None else parse_duration(budget),
        n_jobs=jobs,
        worthwhile=worthwhile / 100,
        device=device,
        precision=precision,
        projection=projection,
    )
    target = default_out(source) if out is None else out
    _check_writable(target)
    try:
        with shown_progress() as listener:
            reading = Reading(
                labels=labels,
                resize=resize,
                mode=mode,
                skip_bad=skip_bad,
                data_dir=data_dir,
                download=download,
                progress=listener.count,
                leave_out=parse_names("--leave-out", leave_out) or (),
            )
            found = compare_folder(
                source,
                test=test,
                folds=folds,
                groups=groups,
                out=target,
                options=options,
                reading=reading,
                listener=listener,
            )
    except KeyboardInterrupt as interrupt:
        if target.is_dir():
            interrupt.add_note(f"what was finished is kept in {shown(target)}, and the same command goes on")
        raise
    print_comparison(found, target)


def _check_writable(target: Path) -> None:
    """Refuse, before anything is computed, a folder in which nothing may be written."""
    there = next(place for place in (target.absolute(), *target.absolute().parents) if place.exists())
    if there.is_dir() and not os.access(there, os.W_OK | os.X_OK):
        raise InputError(
            f"the comparison cannot be kept in {shown(target)}, since {shown(there)} may not be written to: name a "
            "folder with --out."
        )


def print_comparison(found: Comparison, out: Path) -> None:
    """Print the verdict, then the tables behind it."""
    for verdict in found.verdicts:
        _tell(verdict.sentence)
    say("")
    for name, sentences in (("warning", found.warnings), ("left out for time", found.left_out)):
        for sentence in sentences:
            _tell(f"{name}: {sentence}")
    where = f"{found.folds} folds" if found.folds else f"{sum(found.test_counts):,} test images"
    _tell(f"{shown(found.name)}: {where}, {len(found.seeds)} seeds, {found.n_steps:,} steps for every classifier")
    say("")
    _print_arms(found)
    _print_classes(found)
    _print_natural(found)
    _print_metrics(found)
    for part, what in (
        ("verdict.json", "all figures"),
        ("report.html", "to read and look at"),
        ("rows.jsonl", "every run"),
        ("models", "what draws"),
    ):
        say(f"{out / part}  ({what})")


def _print_arms(found: Comparison) -> None:
    from makeweight.report.comparison import best_first

    rows = []
    for arm in best_first(found):
        against = arm.against["augmentation"]
        own = arm.title == "augmentation"
        gain = "" if own else signed_points(against["estimate"][-1])
        interval = "" if own else f"{points(against['low'][-1])} to {points(against['high'][-1])}"
        p_value = "" if own else f"{against['p_adjusted'][-1]:.3f}"
        rows.append((arm.title, points(arm.summary["acsa"]), gain, interval, p_value))
    _table("Mean recall, and its difference to augmentation", ("arm", "recall", "gain", "95 % interval", "p"), rows)


def _print_classes(found: Comparison) -> None:
    nothing, rival = found.arm("nothing"), found.arm("augmentation")
    answers = {verdict.label: verdict for verdict in found.verdicts}
    rows = []
    for place, label in enumerate(found.labels):
        verdict = answers.get(label)
        best = "" if verdict is None else _recall(found.arm(verdict.arm), place)
        counts = (f"{found.train_counts[place]:,}", f"{found.test_counts[place]:,}")
        answer = "" if verdict is None else verdict.answer
        rows.append((shown(label), *counts, _recall(nothing, place), _recall(rival, place), best, answer))
    columns = ("class", "train", "test", "nothing", "augmented", "best drawn", "verdict")
    _table("Recall of each class", columns, rows)


def _print_natural(found: Comparison) -> None:
    """Precision of rare classes where classes come as often as in the training set, with the odds moved to that."""
    total = sum(found.train_counts)
    rows = []
    for verdict in found.verdicts:
        if verdict.label is None:
            continue
        place = found.labels.index(verdict.label)
        arms = [found.arm("nothing"), found.arm("augmentation"), found.arm(verdict.arm)]
        figures = [
            f"{points(arm.natural['moved_recall'][place])} / {points(arm.natural['moved_precision'][place])}"
            for arm in arms
        ]
        rows.append((shown(verdict.label), f"{100 * found.train_counts[place] / total:.1f}", *figures))
    columns = ("class", "% of all", "nothing", "augmentation", "best drawn")
    _table("At natural prevalence: recall / precision", columns, rows)


def _print_metrics(found: Comparison) -> None:
    from makeweight.report.comparison import SHARES, best_first

    names = {**SHARES, "macro_f1": "F1"}  # shorter than in the report, for narrow terminals
    rows = [
        (arm.title, *(points(arm.summary[name]) for name in names), f"{arm.summary['brier']:.3f}")
        for arm in best_first(found)
    ]
    _table("Other metrics", ("arm", *names.values(), "Brier"), rows)


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    show_table(columns, rows, title=title, numbers=set(columns) - {"arm", "class", "verdict"})
    say("")


def _tell(sentence: str) -> None:
    """Print a sentence: broken between words on a terminal, in one line elsewhere."""
    from rich.padding import Padding
    from rich.text import Text

    terminal = console()
    if terminal.is_terminal:
        lines = Text(f"- {sentence}").wrap(terminal, terminal.width - 2)
        for number, line in enumerate(lines):
            terminal.print(Padding(line, (0, 0, 0, 2 if number else 0)), highlight=False)
    else:
        say(f"- {sentence}")


def _numbers(option: str, text: str) -> list[float]:
    if text.strip() == NONE:
        return []
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"{option} {shown(text)!r} is no list of numbers: give one such as 0.25,0.5.") from None


def _recall(arm: ArmResult, place: int) -> str:
    return points(arm.classes["recall"][place])
