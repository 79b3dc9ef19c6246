"""Benchmarks: the format of their rows, one JSON line a run."""

from makeweight.bench.grid import run_grid
from makeweight.bench.hashing import hash_data, hash_settings
from makeweight.bench.rows import (
    OtherFiguresWarning,
    Outcome,
    Row,
    RowFile,
    Run,
    RunKey,
    TornRowWarning,
    merge_rows,
    run_once,
)

__all__ = [
    "OtherFiguresWarning",
    "Outcome",
    "Row",
    "RowFile",
    "Run",
    "RunKey",
    "TornRowWarning",
    "hash_data",
    "hash_settings",
    "merge_rows",
    "run_grid",
    "run_once",
]
