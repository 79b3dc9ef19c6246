"""The command `compare`: options in, the verdict and its tables out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from makeweight.data.wording import shown
from makeweight.errors import InputError

if TYPE_CHECKING:
    from makeweight.compare import ArmResult, Comparison

INTERRUPTED = 130
NONE = "none"


def compare_command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="IN", help="Folder of class folders (or with train/, or a table of labels), .npz, or a set's name."
        ),
    ],
    test: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Test images. [default: those that belong to IN]", show_default=False),
    ] = None,
    folds: Annotated[
        int | None, typer.Option(help="Number of folds, in place of test images. [default: 5]", show_default=False)
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option(help="What belongs together: a CSV file with file_name and group, or a column of the labels."),
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
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    labels: Annotated[Path | None, typer.Option(help="Table of labels, CSV or TSV: file name and label.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where the files of known sets are; also MAKEWEIGHT_DATA.")
    ] = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch a known set that is not there.")] = False,
    resize: Annotated[int | None, typer.Option(help="Learn from images of this many pixels a side.")] = None,
    mode: Annotated[str | None, typer.Option(help="Convert the images: L (grey) or RGB.")] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out files that cannot be used.")] = False,
) -> None:
    """Tell which method helps which class of IN, or that none does, on images that nothing learnt from."""
    from makeweight.cli.options import parse_duration
    from makeweight.cli.progress import shown_progress
    from makeweight.compare import Options, Reading, compare_folder, default_out

    options = Options(
        methods=None if methods is None else [name.strip() for name in methods.split(",") if name.strip()],
        n_seeds=seeds,
        fills=_numbers("--fills", fills),
        shares=_numbers("--shares", shares),
        n_steps=steps,
        gan_steps=gan_steps,
        budget=None if budget is None else parse_duration(budget),
        n_jobs=jobs,
        worthwhile=worthwhile / 100,
        device=device,
    )
    target = default_out(source) if out is None else out
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
    except KeyboardInterrupt:
        kept = f"; what was finished is kept in {target}, and the same command goes on" if target.is_dir() else ""
        typer.echo(f"makeweight: interrupted{kept}.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    print_comparison(found, target)


def print_comparison(found: Comparison, out: Path) -> None:
    """Print the verdict, then the tables behind it."""
    from makeweight.cli.tables import _say

    for verdict in found.verdicts:
        _tell(verdict.sentence)
    _say("")
    for name, sentences in (("warning", found.warnings), ("left out for time", found.left_out)):
        for sentence in sentences:
            _tell(f"{name}: {sentence}")
    where = f"{found.folds} folds" if found.folds else f"{sum(found.test_counts):,} test images"
    _tell(f"{shown(found.name)}: {where}, {len(found.seeds)} seeds, {found.n_steps:,} steps for every classifier")
    _say("")
    _print_arms(found)
    _print_classes(found)
    _print_natural(found)
    _print_metrics(found)
    for part, what in (("verdict.json", "all figures"), ("rows.jsonl", "every run"), ("models", "what draws")):
        _say(f"{out / part}  ({what})")


def _print_arms(found: Comparison) -> None:
    rows = []
    for arm in _best_first(found):
        against = arm.against["augmentation"]
        own = arm.title == "augmentation"
        gain = "" if own else _signed(against["estimate"][-1])
        interval = "" if own else f"{_points(against['low'][-1])} to {_points(against['high'][-1])}"
        p_value = "" if own else f"{against['p_adjusted'][-1]:.3f}"
        rows.append((arm.title, _points(arm.summary["acsa"]), gain, interval, p_value))
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
            f"{_points(arm.natural['moved_recall'][place])} / {_points(arm.natural['moved_precision'][place])}"
            for arm in arms
        ]
        rows.append((shown(verdict.label), f"{100 * found.train_counts[place] / total:.1f}", *figures))
    columns = ("class", "% of all", "nothing", "augmentation", "best drawn")
    _table("At natural prevalence: recall / precision", columns, rows)


def _print_metrics(found: Comparison) -> None:
    names = {
        "macro_f1": "F1",
        "geometric_mean_recall": "GM of recall",
        "mean_class_gmean": "class GM",
        "auc": "AUC",
    }
    rows = [
        (
            arm.title,
            *(_points(arm.summary[name]) for name in names),
            _points(arm.summary["ece"]),
            f"{arm.summary['brier']:.3f}",
        )
        for arm in _best_first(found)
    ]
    _table("Other metrics", ("arm", *names.values(), "ECE", "Brier"), rows)


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from makeweight.cli.tables import _print

    table = Table(title=Text(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, show_edge=False)
    for column in columns:
        words = column in ("arm", "class", "verdict")
        table.add_column(Text(column), justify="left" if words else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    _print(table)
    _print("")


def _tell(sentence: str) -> None:
    """Print a sentence: broken between words on a terminal, in one line elsewhere."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    from makeweight.cli.tables import _say

    console = Console()
    if console.is_terminal:
        lines = Text(f"- {sentence}").wrap(console, console.width - 2)
        for number, line in enumerate(lines):
            console.print(Padding(line, (0, 0, 0, 2 if number else 0)), highlight=False)
    else:
        _say(f"- {sentence}")


def _numbers(option: str, text: str) -> list[float]:
    if text.strip() == NONE:
        return []
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"{option} {shown(text)!r} is no list of numbers: give one such as 0.25,0.5.") from None


def _best_first(found: Comparison) -> list[ArmResult]:
    return sorted(found.arms, key=lambda arm: -arm.summary["acsa"])


def _recall(arm: ArmResult, place: int) -> str:
    return _points(arm.classes["recall"][place])


def _points(value: float | None) -> str:
    return "–" if value is None else f"{round(value * 100, 1) + 0:.1f}".replace("-", "−")


def _signed(value: float) -> str:
    return f"{round(value * 100, 1) + 0:+.1f}".replace("-", "−")
