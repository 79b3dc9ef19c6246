"""How the commands print: text that is not broken, and tables."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import TYPE_CHECKING, Any

from makeweight.data.wording import shown

if TYPE_CHECKING:
    from rich.console import Console


PLAIN = str.maketrans({"−": "-", "–": "-", "±": "+-", "×": "x", "…": "...", "é": "e", "→": "->", "·": "*"})


class UnprintedError(OSError):
    """What is printed to refuses it, or has been closed."""


def console() -> Console:
    """Give what prints on the output."""
    from rich.console import Console

    class Printer(Console):
        def on_broken_pipe(self) -> None:
            raise  # what rich has caught, in place of status 1

        def print(self, *things: Any, **options: Any) -> None:
            try:
                super().print(*things, **options)
            except OSError as error:
                raise UnprintedError(error.errno, error.strerror) from None

    return Printer()


def put(text: str) -> None:
    """Print text as it is, for programs."""
    import typer

    try:
        typer.echo(text)
    except OSError as error:
        raise UnprintedError(error.errno, error.strerror) from None


def say(text: str) -> None:
    """Print text without breaking it, so that names and paths can be copied; control characters are escaped."""
    console().print(shown(text), markup=False, highlight=False, soft_wrap=True)


def writable(text: str, encoding: str) -> str:
    """Give words of ours with plain signs in place of those that an encoding lacks; names are escaped instead.

    Examples
    --------
    >>> writable("−0.5 ± 0.1", "ascii"), writable("−0.5 ± 0.1", "utf-8")
    ('-0.5 +- 0.1', '−0.5 ± 0.1')
    """
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(PLAIN)
    return text


def show(thing: object) -> None:
    """Print a table, or whatever else rich can lay out, as it is."""
    console().print(thing, markup=False, highlight=False)


def show_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    title: str = "",
    numbers: Container[str] = (),
    whole: Container[str] = (),
    widest: int | None = None,
    ruled: bool = False,
    indented: bool = True,
) -> None:
    """Print a table; what has no room in a line of a cell goes on in the next.

    Parameters
    ----------
    columns : sequence of str
        Their names.
    rows : sequence of sequence of str
        One cell a column.
    title : str, default=""
        What stands above it.
    numbers : container of str, default=()
        Columns whose cells end in line.
    whole : container of str, default=()
        Columns whose cells stay in one line, cut off where they have no room.
    widest : int, optional
        Most letters in a line of a cell.
    ruled : bool, default=False
        Whether a line parts the last row from the others.
    indented : bool, default=True
        Whether a blank stands before and after each line.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(title) if title else None,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=indented,
    )
    encoding = console().encoding
    for column in columns:
        table.add_column(
            Text(writable(column, encoding)),
            justify="right" if column in numbers else "left",
            overflow="ellipsis" if column in whole else "fold",
            no_wrap=column in whole,
            max_width=widest,
        )
    for number, row in enumerate(rows):
        cells = [
            writable(cell, encoding) if column in numbers else cell for column, cell in zip(columns, row, strict=True)
        ]
        table.add_row(*map(Text, cells), end_section=ruled and number == len(rows) - 2)
    show(table)
