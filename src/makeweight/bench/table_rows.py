"""The rows of a table: read, checked, and sorted by what may stand side by side."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from makeweight.bench.rows import Row, RowFile, RunKey, take_first
from makeweight.bench.settings import read_settings
from makeweight.data.wording import counted, listed, shown
from makeweight.errors import InputError

Group = dict[str, dict[int, Row]]  # by method and seed
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
LARGEST_DISTANCE = 1e6
ROUNDING = 1e-6
UNKNOWN = "unknown"  # settings of rows that do not tell


class DrawnMetrics(BaseModel):
    """What tables read from the figures of drawn images."""

    model_config = ConfigDict(strict=True)

    seen: Share | None = None
    frechet: Annotated[float, Field(ge=0, le=LARGEST_DISTANCE)] | None = None
    ssim: Annotated[float, Field(ge=-1, le=1)] | None = None
    ssim_of_real: Annotated[float, Field(ge=-1, le=1)] | None = None


class CaseMetrics(BaseModel):
    """What tables and figures read from the metrics of a row; rows may come from anybody."""

    model_config = ConfigDict(strict=True)

    acsa: Share
    macro_f1: Share
    geometric_mean_recall: Share
    recall: dict[str, Share]
    precision: dict[str, Share]
    classes: list[str] = Field(min_length=2)
    counts: list[Count]
    confusion: list[list[Count]]
    recall_of_rare: Share | None = None
    drawn: DrawnMetrics | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        names, n = set(self.classes), len(self.classes)
        square = len(self.confusion) == n and all(len(line) == n for line in self.confusion)
        if not (square and len(self.counts) == n and names == self.recall.keys() == self.precision.keys()):
            raise ValueError("the figures are not of the classes")
        of_each = {
            name: line[place] / sum(line)
            for place, (name, line) in enumerate(zip(self.classes, self.confusion, strict=True))
            if sum(line)
        }
        if any(abs(self.recall[name] - value) > ROUNDING for name, value in of_each.items()):
            raise ValueError("recall is not that of the confusion matrix")
        if abs(self.acsa - fmean(self.recall.values())) > ROUNDING:
            raise ValueError("acsa is not the mean of recall")
        return self


def read_rows(name: str, files: Sequence[Path]) -> list[Row]:
    """Read the rows of a table; of several of one run the first counts, as where files are merged, with a warning.

    Raises
    ------
    InputError
        If a file is missing, one of its rows lacks what the table shows, none is of the table, or rows that stand side
        by side are of other classes.
    """
    for file in files:
        if not file.is_file():
            raise InputError(
                f"there is no file of rows at {shown(file)}: run the table first, or name one with --rows."
            )
    found: dict[RunKey, Row] = {}
    for file in files:
        own = [row for row in RowFile(file) if row.protocol.partition("/")[0] == name]
        for row in own:
            try:
                CaseMetrics.model_validate(row.metrics)
            except ValidationError as error:
                fault = error.errors()[0]
                where = ".".join(map(str, fault["loc"])) or "metrics"
                raise InputError(
                    f"{shown(file)} holds a row of {name} that no bench has written ({shown(row.method)}, seed "
                    f"{row.subset_seed}: {shown(where)}: {shown(fault['msg'])}): remove it."
                ) from error
        take_first(found, own, file)
    if not found:
        raise InputError(f"{listed(map(str, files))} holds no rows of {name}: run it first.")
    for (_, group, *_), methods in grouped(name, found.values()).items():
        classes = {tuple(row.metrics["classes"]) for by_seed in methods.values() for row in by_seed.values()}  # type: ignore[arg-type]
        if len(classes) > 1:
            raise InputError(
                f"{listed(map(str, files))} hold rows of {shown(group)} with other classes: remove one kind."
            )
    return list(found.values())


def grouped(name: str, rows: Iterable[Row]) -> dict[tuple[str, str, str, str], Group]:
    """Sort the rows of a table by reading, set, length and settings; then by method and seed.

    Of several runs of one method and seed, which differ in more than these, the last counts.
    """
    shipped = read_settings()
    own = shipped[name].hash if name in shipped else ""
    found: dict[tuple[str, str, str, str], Group] = {}
    for row in rows:
        table, _, rest = row.protocol.partition("/")
        reading, _, group = rest.partition("/")
        if table == name:
            fixed = str(row.settings.get("fixed", ""))
            methods = found.setdefault((reading, group, row.budget, "" if fixed == own else fixed[:8] or UNKNOWN), {})
            methods.setdefault(row.method, {})[row.subset_seed] = row
    return dict(sorted(found.items(), key=lambda each: [_natural(part) for part in each[0]]))


def set_aside(name: str, rows: Sequence[Row]) -> list[str]:
    """Say how many rows have one of the same method and seed after them, with other images or settings."""
    shown_rows = sum(len(by_seed) for methods in grouped(name, rows).values() for by_seed in methods.values())
    n = len(rows) - shown_rows
    if not n:
        return []
    return [
        f"{counted(n, 'row')} left out, since another of the same method and seed, with other images or settings, "
        "comes later."
    ]


def _natural(text: str) -> list[tuple[bool, int, str]]:
    """Give what to sort by, so that 200 comes before 1600."""
    parts = re.split(r"(\d{1,18})", text)
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]
