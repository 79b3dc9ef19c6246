"""The command `evaluate`: what the drawn images of an output are worth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from makeweight.cli.options import Device, Map, check_target, report_file
from makeweight.cli.printing import say, show_table
from makeweight.data.files import read_regular, write_whole
from makeweight.data.wording import shown
from makeweight.errors import InputError

if TYPE_CHECKING:
    from makeweight.quality.copies import Copy
    from makeweight.quality.figures import Figure
    from makeweight.quality.folder import FolderQuality
    from makeweight.quality.report import QualityReport

COPIES = 3
COLUMN_WIDTH = 16
SHOWN_COPIES = 10


def evaluate(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="An output of balance.")],
    test: Annotated[
        str | None, typer.Option(metavar="DIR", help="Test images in class folders, for the leak test.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all figures and copies to this JSON file.")
    ] = None,
    html: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="File for the report, or none. [default: OUT-quality.html]", show_default=False
        ),
    ] = None,
    projection: Map = "tsne",
    fail_on_copies: Annotated[
        bool, typer.Option("--fail-on-copies", help="End with status 3 if drawn images are copies.")
    ] = False,
    resize: Annotated[int | None, typer.Option(help="Compare images at this many pixels a side, 8 to 128.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Equal seeds give equal figures.")] = 0,
    device: Device = "auto",
) -> None:
    """Say what the drawn images of OUT are worth: class, fidelity, diversity, copies, and nearness to a test set."""
    from makeweight.balance.manifest import MANIFEST, require_manifest
    from makeweight.cli.progress import shown_progress
    from makeweight.report.features import check_projection

    require_manifest(out / MANIFEST)
    inputs = [out, *([] if test is None else [Path(test)])]
    if json_file is not None:
        check_target("--json", json_file, inputs, _is_own)
    check_projection(projection)
    html_file = report_file(html, Path(f"{out.resolve().name}-quality.html"), inputs)
    if json_file is not None and html_file is not None and json_file.resolve() == html_file.resolve():
        raise InputError(f"--json and --html both name {shown(json_file)}: name two files.")
    from makeweight.quality.folder import evaluate_folder
    from makeweight.report.quality import quality_page
    from makeweight.report.render import write_report

    with shown_progress() as listener:
        found = evaluate_folder(out, test=test, resize=resize, seed=seed, device=device, listener=listener)
        if html_file is not None:
            listener.stage("reporting")
            write_report(html_file, quality_page(found, projection))
    if json_file is not None:
        _write_json(json_file, found)
    print_quality(found, json_file)
    if html_file is not None:
        say(f"{html_file}  (report)")
    leak = found.report.leak
    if fail_on_copies and (found.report.copies_alarm or (leak is not None and leak.copied)):
        raise typer.Exit(COPIES)


def print_quality(found: FolderQuality, json_file: Path | None = None) -> None:
    """Print the warnings, the figures in tables that fit the terminal, and the copies."""
    from makeweight.data.wording import counted
    from makeweight.quality.figures import GROUPS

    report = found.report
    n_drawn, n_real = report.overall.n_drawn, len(found.real)
    say(
        f"{found.name}: {counted(n_drawn, 'drawn image')} and {counted(n_real, 'real one')}, compared at "
        f"{found.width}×{found.height} pixels"
    )
    for warning in report.warnings:
        say(f"warning: {warning}")
    if not report.warnings:
        say("no warnings")
    say("")
    say("Drawn images (held-out real ones); below, the 95 % interval")
    for title, names in GROUPS:
        _print_group(report, title, names)
    _print_refusals(report)
    _print_copies("drawn images {} real ones", report.copies, found.drawn, found.real, json_file)
    if report.false_alarm_rate is not None:
        expected = report.false_alarm_rate * n_drawn
        say(f"  (of {n_drawn:,} images that copy nothing, about {expected:.2g} would be suspect by chance)")
    _print_leak(found, json_file)


def _print_group(report: QualityReport, title: str, names: Sequence[str]) -> None:
    """Print one group of figures in as many tables as the width asks for."""
    from rich.console import Console

    classes = ["all" if each.label is None else shown(each.label) for each in report.rows]
    n_drawn = [f"{each.n_drawn:,}" for each in report.rows]
    columns: list[tuple[str, list[str]]] = []
    for name in names:
        heading = report.title(name).replace(" [", "\n[")
        columns.append((heading, [_cell(each.figures[name]) for each in report.rows]))
    if names == ("nearest_pixels",):
        kinds = tuple(report.overall.n_copies)
        columns += [(kind, [f"{each.n_copies[kind]:,}" for each in report.rows]) for kind in kinds]
    n_fitting = max(1, Console().width // COLUMN_WIDTH - 1)
    for first in range(0, len(columns), n_fitting):
        part = [("class", classes), ("drawn", n_drawn), *columns[first : first + n_fitting]]
        names_of_part, cells = zip(*part, strict=True)
        rows = list(zip(*cells, strict=True))
        show_table(
            names_of_part, rows, title="" if first else title, numbers=("drawn",), widest=COLUMN_WIDTH, ruled=True
        )
        say("")


def _cell(figure: Figure) -> str:
    from makeweight.data.wording import rounded

    if figure.value is None or figure.low is None or figure.high is None:
        return "–"
    value, low, high = (rounded(number) for number in (figure.value, figure.low, figure.high))
    reference = "–" if figure.reference is None else rounded(figure.reference)
    return f"{value} ({reference})\n{low} to {high}"


def _print_refusals(report: QualityReport) -> None:
    for sentence in report.refusals():
        say(f"– {sentence}")
    if report.refusals():
        say("")


def _print_copies(
    what: str, copies: Sequence[Copy], files: Sequence[str], originals: Sequence[str], json_file: Path | None
) -> None:

    verb = "copy" if not copies or any(copy.kind != "suspect" for copy in copies) else "may copy"
    say(f"{len(copies):,} of {len(files):,} {what.format(verb)}")
    for copy in copies[:SHOWN_COPIES]:
        change = f", {copy.change}" if copy.change else ""
        say(f"  {shown(files[copy.index])} = {shown(originals[copy.of])} ({copy.kind}{change})")
    if len(copies) > SHOWN_COPIES:
        where = f"in {shown(json_file)}" if json_file is not None else "with --json FILE"
        say(f"  and {len(copies) - SHOWN_COPIES:,} more, {where}")


def _print_leak(found: FolderQuality, json_file: Path | None) -> None:
    leak = found.report.leak
    if leak is None:
        say("No leak test: give test images with --test DIR.")
        return
    _print_copies("test images {} training images", leak.shared, found.test, found.real, json_file)
    _print_copies("drawn images {} test images", leak.copies, found.drawn, found.test, json_file)
    if leak.sentence is not None:
        say(leak.sentence)


def _is_own(file: Path) -> bool:
    """Tell whether a file holds what an earlier `evaluate` wrote."""
    try:
        found = json.loads(read_regular(file))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and {"name", "width", "height", "copies"} <= found.keys()


def _write_json(file: Path, found: FolderQuality) -> None:
    """Write all figures, whole or not at all."""
    try:
        write_whole(file, (json.dumps(found.as_dict(), indent=2, allow_nan=False) + "\n").encode())
    except OSError as error:
        raise InputError(f"--json {shown(file)} cannot be written ({error.strerror}): name another file.") from None
