"""Reports as HTML: one file that needs no other, no script and no network."""

from __future__ import annotations

import base64
from pathlib import Path

from makeweight.data.files import write_whole
from makeweight.report.page import Page

MARK = "<!-- makeweight report -->"


def render(page: Page) -> str:
    """Render a report.

    Parameters
    ----------
    page : Page
        What it holds. Everything in it is escaped but the drawings, which are markup.

    Returns
    -------
    str
        HTML. The same page gives the same text.

    Examples
    --------
    >>> from makeweight.report.page import Answer, Paragraph, Section
    >>> text = render(Page("shoes", "A test.", [Answer("use", "use <it>")], [Section("More", [Paragraph("words")])]))
    >>> text.startswith("<!DOCTYPE html>"), "use &lt;it&gt;" in text
    (True, True)
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("makeweight.report", "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["base64"] = lambda content: base64.b64encode(content).decode()
    return environment.get_template("page.html").render(page=page, mark=MARK)


def write_report(path: Path, page: Page) -> None:
    """Write a report, whole or not at all.

    Parameters
    ----------
    path : Path
        The file; an older one is replaced.
    page : Page
        What it holds.
    """
    write_whole(path, render(page).encode("utf-8", errors="backslashreplace"))


def is_report(path: Path) -> bool:
    """Tell whether a file is a report of makeweight."""
    try:
        with path.open("rb") as file:
            return MARK.encode() in file.read(200)
    except OSError:
        return False
