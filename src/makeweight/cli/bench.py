"""The commands `bench …`: the papers' tables, rerun."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from makeweight.cli.options import DataDir, Device, Download, parse_duration, parse_names, report_file
from makeweight.cli.printing import say, show_table
from makeweight.data.wording import counted, listed, shown
from makeweight.errors import InputError

ROWS = "rows.jsonl"
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of a table: see `makeweight bench list`.")]
Out = Annotated[Path, typer.Option(metavar="DIR", help="Folder for rows and unfinished trainings.")]
RowFolder = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder that `bench run` wrote.")]
RowFiles = Annotated[
    list[Path] | None,
    typer.Option("--rows", metavar="FILE", help="Rows to read; may be given again. [default: those of --out]"),
]
OUT = Path("makeweight-bench")

bench_commands = typer.Typer(
    help="Rerun the papers' tables, and set our figures beside theirs.", no_args_is_help=True, rich_markup_mode=None
)


@bench_commands.command("list")
def list_tables(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A table whose methods to list.", show_default=False)
    ] = None,
) -> None:
    """List the tables, with what each tells and where it stands, or the methods and values of one."""
    from makeweight.bench.learners import READINGS
    from makeweight.bench.settings import read_settings
    from makeweight.bench.tables import TABLES

    settings = read_settings()
    if name is not None:
        kind = TABLES.get(name)
        own = settings[kind.name]
        for reading in READINGS:
            if getattr(own, reading) is not None:
                chosen = own.reading(reading)
                sets = ", ".join(own.datasets)
                say(f"{reading}, {chosen.epochs:g} balanced epochs of {sets}; {counted(own.seeds, 'seed')}:")
                for method in chosen.all_methods:
                    say(f"  {method}")
        for varied, values in kind().choices(own, own.datasets).items():
            say(f"--where {varied}={','.join(f'{value:g}' for value in values)}")
        return
    rows = []
    for kind in TABLES:
        own = settings[kind.name]
        sets = f"{', '.join(own.datasets)}; {counted(own.seeds, 'seed')}"
        rows.append((kind.name, f"{kind.about}\n{sets}\n{kind.paper}"))
    show_table(("table", "what it tells"), rows, whole=("table",))


@bench_commands.command()
def run(
    name: Name,
    datasets: Annotated[str | None, typer.Option(help="Sets, with commas. [default: as the settings say]")] = None,
    methods: Annotated[
        str | None,
        typer.Option(help="Methods, with commas, run in the readings that list them: `makeweight bench list NAME`."),
    ] = None,
    readings: Annotated[str | None, typer.Option(help="paper, practical, or both with a comma.")] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="N|A-B", help="How many seeds, or which: 5, or 3-4 for seeds 3 and 4.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUES",
            help="Values of what a table varies, such as ratio=10,100; may be given again. [default: all]",
            show_default=False,
        ),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            help="Length of trainings in balanced epochs (methods of the practical reading: as their recipes say)."
        ),
    ] = None,
    limit: Annotated[
        str | None, typer.Option(help="Time after which to stop, as 9m or 2h; the same command goes on later.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Runs side by side, one thread each; -1 for all cores.")] = 1,
    settings: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Settings in place of those that come with makeweight.")
    ] = None,
    out: Out = OUT,
    device: Device = "auto",
    data_dir: DataDir = None,
    download: Download = False,
) -> None:
    """Run what is missing of a table; rows that are there are kept."""
    from makeweight.bench.settings import MOST_EPOCHS, OWN, read_settings

    if budget is not None and not 0 < budget <= MOST_EPOCHS:
        raise InputError(f"--budget {budget} is no length: give balanced epochs, above 0 and at most {MOST_EPOCHS:,}.")
    if jobs < 1 and jobs != -1:
        raise InputError(f"{jobs} jobs are impossible: give 1 or more, or -1 for all cores.")
    seconds = None if limit is None else parse_duration(limit, "--limit")
    from makeweight.bench.rows import RowFile
    from makeweight.bench.running import Job, run_table
    from makeweight.bench.table import Selection
    from makeweight.bench.tables import TABLES
    from makeweight.cli.progress import shown_progress

    table = TABLES.get(name)()
    known = read_settings(OWN if settings is None else settings)
    if name not in known:
        raise InputError(f"{shown(settings or OWN)} has no section {name}: add one.")
    job = Job(table, known[name], out, budget, device, data_dir, download)
    wanted = Selection(
        parse_names("--readings", readings),
        parse_names("--datasets", datasets),
        parse_names("--methods", methods),
        _seeds(seeds),
        _where(where or []),
    )
    try:
        with shown_progress() as listener:
            ran = run_table(job, wanted, RowFile(out / ROWS), limit=seconds, n_jobs=jobs, listener=listener)
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(
            f"rows and unfinished trainings of GANs are kept in {shown(out)}, and the same command goes on"
        )
        raise
    rows = counted(ran.n_known + ran.n_added, "row")
    say(f"{name}: {rows}, {ran.n_added:,} of them new, {counted(ran.n_left, 'case')} left; {shown(out / ROWS)}")
    if ran.absent:
        say(f"not run, since the files are not at hand: {listed(ran.absent)}")
    if ran.n_left:
        say("stopped at the limit: the same command goes on")
    if ran.failed:
        raise InputError(
            f"{counted(len(ran.failed), 'case')} came to nothing, and the same command tries again; the first: "
            f"{ran.failed[0]}"
        )


@bench_commands.command()
def merge(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="File of rows that grows.")],
    sources: Annotated[list[Path], typer.Argument(metavar="SOURCE", help="Files of rows, from other machines.")],
) -> None:
    """Append the rows of other files whose runs TARGET lacks."""
    from makeweight.bench.rows import RowFile, merge_rows

    for source in sources:
        if not source.is_file():
            raise InputError(f"there is no file of rows at {shown(source)}: check the path.")
    added = merge_rows(RowFile(target), [RowFile(source) for source in sources])
    say(f"{shown(target)}: {counted(added, 'row')} added")


@bench_commands.command()
def table(
    name: Name,
    rows: RowFiles = None,
    out: RowFolder = OUT,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
) -> None:
    """Print a table from rows alone, our figures beside the papers'."""
    from makeweight.bench.results import sections
    from makeweight.bench.table_rows import read_rows, set_aside
    from makeweight.bench.tables import TABLES
    from makeweight.bench.wording import computed_on, markdown, remarks
    from makeweight.cli.bench_table import print_sections

    TABLES.get(name)
    known = read_rows(name, rows or [out / ROWS])
    found = sections(name, known)
    if as_markdown:
        for line in markdown(found).splitlines():
            say(line)
    else:
        print_sections(found)
    for sentence in (*remarks(name, found), *set_aside(name, known), computed_on(known)):
        say(sentence)
        if as_markdown:
            say("")


@bench_commands.command()
def figures(
    name: Name,
    rows: RowFiles = None,
    out: RowFolder = OUT,
    html: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="File to write. [default: NAME.html in --out]", show_default=False),
    ] = None,
) -> None:
    """Write a table with its figures as one HTML file, from rows alone."""
    from makeweight.bench.curves import curves
    from makeweight.bench.results import sections
    from makeweight.bench.table_rows import grouped, read_rows, set_aside
    from makeweight.bench.tables import TABLES
    from makeweight.bench.wording import on_whom, remarks, sentence_of, title_of
    from makeweight.report.render import write_report
    from makeweight.report.tables import bench_page

    kind = TABLES.get(name)
    known = read_rows(name, rows or [out / ROWS])
    found = sections(name, known)
    answers = [
        (difference.verdict, f"{title_of(each)}: {sentence_of(difference)}")
        for each in found
        for difference in each.foremost
    ]
    target = report_file(html, out / f"{name}.html", [])
    if target is not None:
        titles = [title_of(each) for each in found]
        results = list(zip(titles, found, grouped(name, known).values(), strict=True))
        told = [*on_whom(found), *remarks(name, found), *set_aside(name, known)]
        page = bench_page(name, kind.about, kind.paper, results, answers, told, curves(name, found))
        write_report(target, page)
        say(str(target))


def _seeds(text: str | None) -> range | None:
    """Read how many seeds, from 0 on, or from which to which.

    Examples
    --------
    >>> _seeds("3"), _seeds("3-4")
    (range(0, 3), range(3, 5))
    """
    if text is None:
        return None
    told = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", text.strip())
    seeds = range(0)
    if told:
        seeds = range(int(told[1])) if told[2] is None else range(int(told[1]), int(told[2]) + 1)
    if not seeds:
        raise InputError(
            f"--seeds {shown(text)!r} is neither how many, such as 5, nor which, such as 3-4: give one of these."
        )
    return seeds


def _where(told: list[str]) -> dict[str, list[float]]:
    """Read which values of what a table varies.

    Examples
    --------
    >>> _where(["ratio=10,100"])
    {'ratio': [10.0, 100.0]}
    """
    chosen: dict[str, list[float]] = {}
    for each in told:
        name, _, values = each.partition("=")
        try:
            numbers = [float(value) for value in values.split(",")]
        except ValueError:
            raise InputError(f"--where {shown(each)!r} names no values: write such as ratio=10,100.") from None
        chosen.setdefault(name.strip(), []).extend(numbers)
    return chosen
