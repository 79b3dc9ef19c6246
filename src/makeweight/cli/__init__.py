"""The command line: every command is one call into the library."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from makeweight.allocator import keep_freed_memory
from makeweight.cli.bench import bench_commands
from makeweight.cli.compare import compare_command
from makeweight.cli.evaluate import evaluate
from makeweight.cli.options import (
    DataDir,
    Download,
    Labels,
    Method,
    Mode,
    Overwrite,
    Precision,
    Resize,
    SkipBad,
    Source,
    report_file,
)
from makeweight.cli.printing import UnprintedError, put
from makeweight.data.files import FULL
from makeweight.data.wording import reason_of, shown
from makeweight.errors import InputError
from makeweight.team import team

BAD_INPUT, PROBLEMS, INTERRUPTED, UNREAD, TERMINATED = 2, 1, 130, 141, 143


class Terminated(KeyboardInterrupt):
    """A batch system, a container or a launcher asked the program to end."""


def _terminate(*_: object) -> None:
    raise Terminated


class Commands(TyperGroup):
    """Turn bad input, what the system refuses, and Ctrl-C into one line and a status; other errors keep a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except InputError as error:
            _tell(str(error), *(f"{note}." for note in _notes(error)))
            raise typer.Exit(BAD_INPUT) from None
        except UnprintedError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left of it is let go
            if error.errno == errno.EPIPE:  # whoever read the output has gone
                raise typer.Exit(UNREAD) from None
            reason = reason_of(error)
            _tell(f"the output cannot be printed ({reason}); files that the command writes are written.")
            raise typer.Exit(BAD_INPUT) from None
        except OSError as error:
            _tell(_refused_by_system(error), *(f"{note}." for note in _notes(error)))
            raise typer.Exit(BAD_INPUT) from None
        except KeyboardInterrupt as interrupt:
            told = _notes(interrupt)
            _tell(f"{'; '.join(['interrupted', *told])}.")
            raise typer.Exit(TERMINATED if isinstance(interrupt, Terminated) else INTERRUPTED) from None


def _tell(*lines: str) -> None:
    with suppress(OSError):  # who does not listen, is told by the status
        for line in lines:
            typer.echo(f"makeweight: {shown(line)}", err=True)


def _notes(error: BaseException) -> list[str]:
    return list(getattr(error, "__notes__", ()))


class _Warned:
    """Tells warnings as notes, each once, without the line of code that they come from."""

    def __init__(self) -> None:
        self.told: set[str] = set()

    def __call__(self, message: Warning | str, *_: object, **__: object) -> None:
        sentence = shown(message)
        if sentence not in self.told:
            self.told.add(sentence)
            typer.echo(f"makeweight: note: {sentence}", err=True)


def _refused_by_system(error: OSError) -> str:
    """Say in one sentence what the file system, or whatever else, refused."""
    what = "a file or device" if error.filename is None else shown(os.fsdecode(error.filename))
    reason = " ".join(reason_of(error).split())
    if error.errno in FULL:
        return f"{what} cannot be written ({reason}): make room on the disk, then start again."
    return f"{what} cannot be used ({reason}): see that it is there and may be read and written, then start again."


app = typer.Typer(
    name="makeweight",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        import makeweight

        typer.echo(f"makeweight {makeweight.__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Learn the rare classes of an image folder, draw new images of them, and check the result."""


@app.command("inspect", short_help="Say what a folder of images holds.")
def inspect_command(
    source: Source,
    labels: Labels = None,
    method: Method = None,
    no_timing: Annotated[
        bool, typer.Option("--no-timing", help="Take no steps to foretell time and memory of a training.")
    ] = False,
    data_dir: DataDir = None,
    download: Download = False,
    resize: Resize = None,
    mode: Mode = None,
    skip_bad: SkipBad = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    html: Annotated[str | None, typer.Option(metavar="FILE", help="Write a report to this file.")] = None,
) -> None:
    """Say what IN holds, what stands in the way, and what balance would do."""
    import json

    from makeweight.balance.early import check_inspect
    from makeweight.balance.models import DEFAULT_METHOD
    from makeweight.cli.progress import shown_progress
    from makeweight.cli.tables import print_inspection
    from makeweight.data.inspect import inspect_found
    from makeweight.data.source import find_source

    check_inspect(source, method, labels=labels, resize=resize, mode=mode)
    html_file = report_file(html, None, [Path(source)])
    with shown_progress() as listener:
        listener.stage("reading")
        images = find_source(source, labels=labels, data_dir=data_dir, download=download)
        found = inspect_found(images, listener.count, resize=resize, mode=mode, skip_bad=skip_bad)
    plan = None
    if sum(map(bool, found.counts.values())) > 1:
        from makeweight.balance.plan import plan_balance  # heavy, and of no use without two classes

        plan = plan_balance(found, method or DEFAULT_METHOD, resize=resize, timed=not no_timing)
    if html_file is not None:
        from makeweight.report.inspection import inspection_page
        from makeweight.report.render import write_report

        write_report(html_file, inspection_page(found, images, plan))
    if as_json:
        put(json.dumps({**found.as_dict(), "balance": plan.as_dict() if plan else None}, indent=2))
    else:
        print_inspection(found, plan)


@app.command(short_help="Write a balanced copy of a folder.")
def balance(
    source: Source,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write: new, or empty.")],
    method: Method = None,
    sampling_strategy: Annotated[
        str | None,
        typer.Option(
            help="auto, minority, 'not minority', 'not majority', all; a ratio such as 0.5 for two classes; or final "
            "totals: scratches=200,patches=150. [default: auto]",
            show_default=False,
        ),
    ] = None,
    fill: Annotated[
        str | None,
        typer.Option(
            metavar="RATIO|auto",
            help="Fill classes up to this share of the largest; auto chooses the share, or 0, by validation on IN.",
        ),
    ] = None,
    gate: Annotated[
        bool, typer.Option("--gate", help="Replace drawn images that look unlike their class or copy a real image.")
    ] = False,
    groups: Annotated[
        str | None,
        typer.Option(
            help="What belongs together, for --gate, --fill auto and evaluate: a CSV file with file_name and group, or "
            "a column of the labels. [default: the tracks of gtsrb, else nothing]",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Length of the training in steps.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Length of the training in epochs.")] = None,
    budget: Annotated[str | None, typer.Option(help="Length of the training in time: 90s, 20m, 1h30m.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Equal seeds give equal bytes.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    precision: Precision = None,
    from_model: Annotated[
        Path | None, typer.Option("--from", metavar="MODEL", help="Go on training this saved model.")
    ] = None,
    labels: Labels = None,
    data_dir: DataDir = None,
    download: Download = False,
    resize: Resize = None,
    mode: Mode = None,
    skip_bad: SkipBad = False,
    overwrite: Overwrite = False,
    link: Annotated[bool, typer.Option("--link", help="Hard-link the originals instead of copying them.")] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Set a part or a number of the method: head=projection."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the training of an interrupted run into OUT.")
    ] = False,
) -> None:
    """Learn the classes of IN, draw what the rare ones lack, and write the balanced folder OUT."""
    from makeweight.balance.early import check_balance
    from makeweight.balance.options import parse_fill, parse_settings
    from makeweight.cli.options import parse_duration, parse_strategy
    from makeweight.cli.printing import say
    from makeweight.cli.progress import shown_progress
    from makeweight.cli.tables import print_balance

    strategy = None if sampling_strategy is None else parse_strategy(sampling_strategy)
    share = None if fill is None else parse_fill(fill)
    seconds = None if budget is None else parse_duration(budget)
    chosen = parse_settings(settings or [])
    check_balance(
        source,
        out,
        method=method,
        sampling_strategy=strategy,
        fill=share,
        gate=gate,
        groups=groups,
        n_steps=steps,
        n_epochs=epochs,
        budget=seconds,
        from_model=from_model,
        labels=labels,
        resize=resize,
        mode=mode,
        overwrite=overwrite,
        resume=resume,
    )
    from makeweight.balance import balance_folder

    with shown_progress() as listener:
        summary = balance_folder(
            source,
            out,
            method=method,
            sampling_strategy=strategy,
            fill=share,
            gate=gate,
            groups=groups,
            n_steps=steps,
            n_epochs=epochs,
            budget=seconds,
            seed=seed,
            device=device,
            precision=precision,
            from_model=from_model,
            labels=labels,
            data_dir=data_dir,
            download=download,
            resize=resize,
            mode=mode,
            skip_bad=skip_bad,
            overwrite=overwrite,
            link=link,
            resume=resume,
            settings=chosen,
            listener=listener,
        )
    if team().rank > 0:
        return
    if summary.was_finished:
        say(f"{shown(out)} is finished already, so nothing is left to do")
    else:
        print_balance(summary)


@app.command(short_help="Draw more images from a saved model.")
def sample(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of a saved model, or an output of balance.")],
    number: Annotated[int, typer.Argument(metavar="N", help="How many images.")],
    label: Annotated[str, typer.Option(help="The class to draw.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write: new, or empty.")],
    seed: Annotated[
        int | None, typer.Option(help="Seed for drawing; by default it goes on where the model left off.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Draw N images of one class from a saved model, without the training data."""
    from makeweight.balance.early import check_sample
    from makeweight.cli.progress import shown_progress
    from makeweight.cli.tables import print_sample

    check_sample(model, out, overwrite=overwrite)
    from makeweight.balance import sample_folder

    with shown_progress() as listener:
        summary = sample_folder(model, number, label=label, out=out, seed=seed, overwrite=overwrite, listener=listener)
    if team().rank == 0:
        print_sample(summary)


@app.command(short_help="Check a balanced folder.")
def verify(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="An output of balance.")],
    redraw: Annotated[int, typer.Option(help="How many images to draw again.")] = 16,
    seed: Annotated[int, typer.Option(help="Seed of the choice of these images.")] = 0,
) -> None:
    """Check every file of OUT against its manifest, and draw some images again."""
    from makeweight.balance.early import check_verify
    from makeweight.cli.progress import shown_progress
    from makeweight.cli.tables import print_verification

    check_verify(out, redraw)
    from makeweight.balance import verify_folder

    with shown_progress() as listener:
        found = verify_folder(out, redraw=redraw, seed=seed, listener=listener)
    print_verification(found)
    if not found.good:
        raise typer.Exit(PROBLEMS)


@app.command(short_help="List the methods and classifiers.")
def methods() -> None:
    """List all methods that draw, and all classifiers, each with what it does and its paper."""
    from makeweight.cli.tables import print_catalogue

    print_catalogue()


app.command(short_help="Say what drawn images are worth.")(evaluate)
app.add_typer(bench_commands, name="bench", short_help="Rerun the papers' tables.")
app.command("compare", short_help="Say which method helps which class, if any.")(compare_command)


def main() -> None:
    """Run the command line."""
    # Before torch is loaded: waiting threads that spin stall each other on a core that something else wants as well.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    keep_freed_memory()
    signal.signal(signal.SIGTERM, _terminate)
    warnings.showwarning = _Warned()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a character that it does not have ends no run
            stream.reconfigure(errors="backslashreplace")
    # By this name, so that completion that was asked for by `python -m makeweight` completes the command.
    app(prog_name="makeweight")
