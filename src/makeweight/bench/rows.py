"""Benchmark rows: one JSON line a run, append-only and resumable.

A row says what was run (protocol, data, subset, method, settings, budget), on what, how long it took and what came out,
so that a reader of a table can go back from a figure to the run.
"""

from __future__ import annotations

import errno
import json
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
    model_validator,
)

from makeweight.bench.hashing import hash_settings, to_json
from makeweight.data.files import read_regular
from makeweight.data.wording import counted, shown
from makeweight.errors import InputError
from makeweight.machine import software_and_processor

HASH = r"^[0-9a-f]{64}$"


class TornRowWarning(UserWarning):
    """A line of a row file that was not written to its end."""


class OtherFiguresWarning(UserWarning):
    """Rows of the same runs with other figures, of which the first count."""


class RunKey(NamedTuple):
    """What makes a run the same run: rows with equal keys are not computed twice."""

    protocol: str
    data_hash: str
    subset_seed: int
    method: str
    settings_hash: str
    budget: str


class Run(BaseModel):
    """What is to be run.

    Attributes
    ----------
    protocol : str
        Name of the protocol, such as "aggan-multiclass/fashion-mnist".
    data_hash : str
        `hash_data` of the training images and labels after the subset is drawn.
    subset_seed : int
        Seed of the subset.
    method : str
        Name of the method.
    settings : dict
        All settings, the seed of the training among them.
    settings_hash : str
        `hash_settings` of the settings; filled in where it is not given.
    budget : str
        How long the method may learn, such as "9000 steps" or "1500 s".

    Examples
    --------
    >>> run = Run(protocol="demo", data_hash="0" * 64, subset_seed=0, method="aggan",
    ...           settings={"random_state": 0}, budget="100 steps")
    >>> run.settings_hash[:8]
    'fa74c08c'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: str = Field(min_length=1)
    data_hash: str = Field(pattern=HASH)
    subset_seed: int
    method: str = Field(min_length=1)
    settings: dict[str, JsonValue]
    settings_hash: str = Field(default="", pattern=HASH)
    budget: str = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _hash_of_settings(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or not isinstance(values.get("settings"), Mapping):
            return values
        settings = to_json(values["settings"])
        settings_hash = hash_settings(settings)
        if values.get("settings_hash", settings_hash) != settings_hash:
            raise ValueError("settings_hash is not the hash of settings")
        return {**values, "settings": settings, "settings_hash": settings_hash}

    @property
    def key(self) -> RunKey:
        """What makes this run the same as another."""
        return RunKey(self.protocol, self.data_hash, self.subset_seed, self.method, self.settings_hash, self.budget)


class Row(Run):
    """A run that is done: what was run, on what, and what came out.

    Attributes
    ----------
    device : str
        What computed: the name of a GPU, "mps", or "cpu", of which `versions` has the name.
    versions : dict
        Versions of Python, torch, numpy and makeweight, and the name of the processor.
    seconds : float
        Time of the run, or of the part of it that counts: where a method draws for a classifier, the classifier's.
    metrics : dict
        Results, by name. A figure that is not finite is null.
    history : list of dict
        What was noted along the way, in order.
    finished_at : datetime
        When the run was done, UTC.
    """

    device: str = Field(min_length=1)
    versions: dict[str, str]
    seconds: float = Field(ge=0, allow_inf_nan=False)
    metrics: dict[str, JsonValue]
    history: list[dict[str, JsonValue]]
    finished_at: AwareDatetime

    @field_validator("metrics", "history", mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return to_json(value)

    def to_line(self) -> str:
        """Give the row as one line of JSON, without the line's end."""
        return json.dumps(self.model_dump(mode="json"), allow_nan=False, ensure_ascii=False)


@dataclass(frozen=True)
class Outcome:
    """What a run gives back.

    Attributes
    ----------
    metrics : dict
        Results, by name.
    history : list of dict, default=[]
        What was noted along the way.
    device : str, default="cpu"
        What computed.
    seconds : float, optional
        Time of the part that counts; by default that of the whole run.
    """

    metrics: Mapping[str, Any]
    history: list[dict[str, Any]] = field(default_factory=list)
    device: str = "cpu"
    seconds: float | None = None


class RowFile:
    """A file of rows that only ever grows.

    Parameters
    ----------
    path : str or Path
        The file, `*.jsonl` by custom; it need not exist.

    Raises
    ------
    InputError
        When it is read: if a whole line is no row.

    Notes
    -----
    A line that was cut off when a run was stopped is named in a warning and left alone: its run is not done.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.read())

    def read(self) -> list[Row]:
        """Read all rows, in the order in which they were written."""
        try:
            content = read_regular(self.path)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InputError(f"{shown(self.path)} cannot be read ({error.strerror}).") from error
        numbered = enumerate(content.split(b"\n"), start=1)
        rows = [self._parse(line, number) for number, line in numbered if line.strip()]
        return [row for row in rows if row is not None]

    def done(self, key: RunKey) -> Row | None:
        """Give the first row with this key, None where the run is still to be done."""
        return next((row for row in self.read() if row.key == key), None)

    def append(self, row: Row) -> None:
        """Write a row to the end, in one write, and see it safely on the disk.

        Parameters
        ----------
        row : Row
            What to write.

        Raises
        ------
        OSError
            If the disk is full; a row of which a part was written is passed over by who reads.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = row.to_line().encode() + b"\n"
        handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        try:
            content = b"\n" + line if _is_cut_off(handle) else line
            if os.write(handle, content) != len(content):
                raise OSError(errno.ENOSPC, "no room was left for the whole row", os.fspath(self.path))
            os.fsync(handle)
        finally:
            os.close(handle)

    def _parse(self, line: bytes, number: int) -> Row | None:
        place = f"{shown(self.path)}, line {number}"
        try:
            return Row.model_validate(json.loads(line))
        except (json.JSONDecodeError, UnicodeDecodeError):
            warnings.warn(f"{place}, is cut off or damaged, and ignored", TornRowWarning, stacklevel=3)
            return None
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(str(part) for part in fault["loc"]) or "row"
            raise InputError(f"{place}, is no benchmark row ({shown(where)}: {shown(fault['msg'])}).") from error
        except (RecursionError, ValueError) as error:  # nested too deeply, or a number of thousands of digits
            raise InputError(f"{place}, is no benchmark row (nested too deeply, or a number too long).") from error


def run_once(rows: RowFile, run: Run, compute: Callable[[Run], Outcome]) -> Row:
    """Give the row of a run, which is computed and written only where it is missing.

    Parameters
    ----------
    rows : RowFile
        Where rows are looked for and written to.
    run : Run
        What is to be run.
    compute : callable
        Does it.

    Returns
    -------
    Row

    Examples
    --------
    >>> import tempfile
    >>> rows = RowFile(Path(tempfile.mkdtemp()) / "rows.jsonl")
    >>> run = Run(protocol="demo", data_hash="0" * 64, subset_seed=0, method="aggan", settings={}, budget="1 step")
    >>> run_once(rows, run, lambda run: Outcome({"acsa": 0.5})).metrics
    {'acsa': 0.5}
    >>> run_once(rows, run, lambda run: Outcome({"acsa": 0.9})).metrics
    {'acsa': 0.5}
    """
    if found := rows.done(run.key):
        return found
    row = compute_row(run, compute)
    rows.append(row)
    return row


def compute_row(run: Run, compute: Callable[[Run], Outcome]) -> Row:
    """Do a run, and give its row without writing it."""
    start = time.perf_counter()
    outcome = compute(run)
    seconds = time.perf_counter() - start if outcome.seconds is None else outcome.seconds
    return Row(
        **run.model_dump(),
        device=outcome.device,
        versions=software_and_processor(),
        seconds=round(float(seconds), 3),
        metrics=dict(outcome.metrics),
        history=outcome.history,
        finished_at=datetime.now(UTC).replace(microsecond=0),
    )


def merge_rows(target: RowFile, sources: Iterable[RowFile]) -> int:
    """Append to a file the rows of others whose runs it lacks.

    Parameters
    ----------
    target : RowFile
        The file that grows.
    sources : iterable of RowFile
        Files to take rows from; of rows with the same key the first is taken.

    Returns
    -------
    int
        Number of rows that were added.

    Warns
    -----
    OtherFiguresWarning
        Of rows whose runs are there with other figures.

    Raises
    ------
    InputError
        If the target holds something else than rows, or a source holds none; nothing is added then.
    """
    known = {row.key: row for row in target}
    if not known and target.path.is_file() and target.path.stat().st_size:
        raise InputError(f"{shown(target.path)} holds no row, so none is added: name a file of rows, or a new one.")
    new: list[Row] = []
    for source in sources:
        rows = source.read()
        if not rows:
            raise InputError(f"{shown(source.path)} holds no row, so none is added: name files of rows.")
        new += take_first(known, rows, source.path)
    for row in new:
        target.append(row)
    return len(new)


def take_first(known: dict[RunKey, Row], rows: Iterable[Row], path: Path) -> list[Row]:
    """Add rows of a file to those known, and give the ones whose runs were not there.

    Warns
    -----
    OtherFiguresWarning
        Of rows whose runs are there with other figures.
    """
    new, n_other = [], 0
    for row in rows:
        first = known.setdefault(row.key, row)
        if first is row:
            new.append(row)
        elif first.metrics != row.metrics:
            n_other += 1
    if n_other:
        told = counted(n_other, "row is of a run", "rows are of runs")
        sentence = f"{shown(path)}: {told} whose row before has other figures, and left out: the first counts"
        warnings.warn(sentence, OtherFiguresWarning, stacklevel=3)
    return new


def _is_cut_off(handle: int) -> bool:
    size = os.lseek(handle, 0, os.SEEK_END)
    if size == 0:
        return False
    os.lseek(handle, size - 1, os.SEEK_SET)
    return os.read(handle, 1) != b"\n"
