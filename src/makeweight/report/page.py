"""What a report holds, as plain data: sections of tables, drawings, pictures, facts and sentences."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from makeweight.data.wording import shown

TONES = {
    **dict.fromkeys(("use", "good", "ahead"), "good"),
    **dict.fromkeys(("do not use", "warning", "problem", "behind"), "bad"),
}


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes
    ----------
    text : str
        What stands in it.
    small : str
        What stands below, smaller: an interval.
    shade : float or None
        How dark its ground is, 0 to 1; None for that of the page.
    """

    text: str
    small: str = ""
    shade: float | None = None


@dataclass(frozen=True)
class Table:
    """A table whose first column heads the rows.

    Attributes
    ----------
    caption : str
        What it holds.
    columns : sequence of str
        Heads of the columns.
    rows : sequence of sequence of str or Cell
        Cells.
    words : int
        How many columns, from the first, hold words; the others hold figures.
    note : str
        How to read it.
    """

    kind: ClassVar[str] = "table"
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    words: int = 1
    note: str = ""

    @property
    def cells(self) -> list[list[Cell]]:
        """The rows, every cell a `Cell`."""
        return [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in self.rows]


@dataclass(frozen=True)
class Drawing:
    """A drawing: the inside of an SVG element, trusted, since `plots` made it.

    Attributes
    ----------
    caption : str
        What stands below.
    alt : str
        What it shows, for those who do not see it.
    svg : str
        The element.
    """

    kind: ClassVar[str] = "drawing"
    caption: str
    alt: str
    svg: str


@dataclass(frozen=True)
class Picture:
    """A picture: a strip of images side by side, as PNG.

    Attributes
    ----------
    caption, alt : str
        What stands beside it, and what it shows, for those who do not see it.
    png : bytes
        The file.
    width, height : int
        Size in which it is shown, in pixels of the page.
    """

    caption: str
    alt: str
    png: bytes
    width: int
    height: int


@dataclass(frozen=True)
class Gallery:
    """Pictures of each class.

    Attributes
    ----------
    caption : str
        What is shown.
    rows : sequence of (str, sequence of Picture)
        Head of each row, and its pictures.
    """

    kind: ClassVar[str] = "gallery"
    caption: str
    rows: Sequence[tuple[str, Sequence[Picture]]]


@dataclass(frozen=True)
class Facts:
    """Names and values."""

    kind: ClassVar[str] = "facts"
    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Sentences:
    """A list of sentences."""

    kind: ClassVar[str] = "sentences"
    lines: Sequence[str]


@dataclass(frozen=True)
class Paragraph:
    """A paragraph."""

    kind: ClassVar[str] = "paragraph"
    text: str


Block = Table | Drawing | Gallery | Facts | Sentences | Paragraph


@dataclass(frozen=True)
class Section:
    """A part of a report with a heading; one without blocks is left out."""

    title: str
    blocks: Sequence[Block]

    @property
    def anchor(self) -> str:
        """Name of the part in links."""
        return re.sub(r"\W+", "-", self.title.lower()).strip("-")

    @property
    def groups(self) -> list[list[Block]]:
        """Neighbouring blocks of one kind, which may stand side by side."""
        return [list(group) for _, group in itertools.groupby(self.blocks, key=lambda block: block.kind)]


@dataclass(frozen=True)
class Answer:
    """One sentence of the verdict.

    Attributes
    ----------
    word : str
        The answer in a word or two: "use", "do not use", "cannot tell", "ahead", "perhaps ahead", "behind", "perhaps
        behind", "warning", "good", "note".
    sentence : str
        The whole of it.
    """

    word: str
    sentence: str

    @property
    def tone(self) -> str:
        """How it is coloured: "good", "bad" or "open"."""
        return TONES.get(self.word, "open")


@dataclass(frozen=True)
class Page:
    """A report.

    Attributes
    ----------
    title : str
        What it is about.
    lead : str
        One sentence below the title.
    answers : sequence of Answer
        The verdict, which comes first.
    sections : sequence of Section
        Everything else.
    """

    title: str
    lead: str
    answers: Sequence[Answer]
    sections: Sequence[Section]

    @property
    def parts(self) -> list[Section]:
        """Sections that hold anything."""
        return [section for section in self.sections if section.blocks]


def short(label: object, most: int = 24) -> str:
    """Give a name for a drawing, without its middle where it is long: names that begin alike may end differently.

    Examples
    --------
    >>> short("ankle boot"), short("a very long name of a class")
    ('ankle boot', 'a very long … of a class')
    """
    text = shown(label)
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-((most - 1) // 2) :]}"
