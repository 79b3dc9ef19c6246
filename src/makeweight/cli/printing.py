"""How the commands print: text that is not broken, and tables."""

from __future__ import annotations

from makeweight.data.wording import shown


def say(text: str) -> None:
    """Print text without breaking it, so that names and paths can be copied; control characters are escaped."""
    from rich.console import Console

    Console().print(shown(text), markup=False, highlight=False, soft_wrap=True)


def show(thing: object) -> None:
    """Print a table, or whatever else rich can lay out, as it is."""
    from rich.console import Console

    Console().print(thing, markup=False, highlight=False)
