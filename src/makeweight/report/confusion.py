"""What is taken for what, as tables with shaded cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from makeweight.data.wording import points, shown
from makeweight.report.page import Cell, Table


def share_cell(value: float) -> Cell:
    """Give a share in per cent, shaded by its size; a dot for none."""
    return Cell(points(value) if value else "·", shade=value if value else None)


def confusion_table(name: str, counts: ArrayLike, labels: Sequence[str]) -> Table:
    """Give a confusion as a table of per cent.

    Parameters
    ----------
    name : str
        What answered.
    counts : array-like of shape (n_classes, n_classes)
        Answers, by true class in rows and answer in columns.
    labels : sequence of str
        The classes.

    Returns
    -------
    Table
    """
    answers = np.asarray(counts)
    shares = answers / np.maximum(1, answers.sum(axis=1, keepdims=True))
    rows: list[Sequence[str | Cell]] = [
        [shown(label), *map(share_cell, row)] for label, row in zip(labels, shares.tolist(), strict=True)
    ]
    note = "True class (rows), answer (columns), in per cent of the class, all seeds together."
    return Table(f"Confusion: {name}", ("class", *map(shown, labels)), rows, note=note)
