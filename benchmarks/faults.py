"""Faults: what makeweight is given that it should not be given, and what becomes of it.

    python benchmarks/faults.py                     # everything
    python benchmarks/faults.py --inputs 500        # a smaller campaign of damaged inputs
    python benchmarks/faults.py --kinds npz card    # some kinds of input, by parts of their names

Prints one table for each campaign, as Markdown; equal seeds try equal inputs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Sequence

import faults_input
import faults_kills
import faults_running
from faults_kinds import KINDS

Table = list[tuple[str, ...]]


def input_as_attack(options: argparse.Namespace) -> tuple[str, Table]:
    """Damaged and hostile input against every reader."""
    kinds = [kind for kind in KINDS if not options.kinds or any(part in kind.name for part in options.kinds)]
    start = time.monotonic()
    tallies = faults_input.campaign(options.inputs, options.seed, kinds)
    minutes = (time.monotonic() - start) / 60
    table: Table = [("kind of input", "tried", *faults_input.COLUMNS, "bytes lost")]
    for name, tally in tallies.items():
        counts = [tally.outcomes[outcome] for outcome in faults_input.OUTCOMES]
        table.append((name, *(f"{number:,}" for number in (tally.tried, *counts, tally.lost))))
    sums = [sum(int(row[column].replace(",", "")) for row in table[1:]) for column in range(1, len(table[0]))]
    table.append(("all", *(f"{number:,}" for number in sums)))
    slowest = max((tally.slowest for tally in tallies.values()), default=0.0)
    return f"Damaged inputs, seed {options.seed}: {minutes:.0f} minutes, the slowest {slowest:.1f} s", table


def kills(options: argparse.Namespace) -> tuple[str, Table]:
    """Trainings killed at random moments, in one process and in two."""
    table: Table = [("training", "trials", "kills", "ended with other bytes")]
    for n_processes, n_kills in ((1, 100), (2, 30)):
        table += faults_kills.killed_trainings(n_kills, options.seed, n_processes)
    return f"Killed trainings, seed {options.seed}", table


def running(options: argparse.Namespace) -> tuple[str, Table]:
    """Faults while a balance runs."""
    table: Table = [("fault", "tried", "survived", "bytes lost"), *faults_running.running_faults(options.seed)]
    return f"Faults in a running balance, seed {options.seed}", table


# What is tried, one table each.
CAMPAIGNS: dict[str, Callable[[argparse.Namespace], tuple[str, Table]]] = {
    "input": input_as_attack,
    "kills": kills,
    "running": running,
}


def show(title: str, table: Table) -> None:
    """Print a table as Markdown, the numbers to the right."""
    print(f"\n{title}\n")
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    for row in (table[0], rule, *table[1:]):
        print("| " + " | ".join(_aligned(row, widths)) + " |")


def _aligned(row: Sequence[str], widths: Sequence[int]) -> Iterable[str]:
    pairs = enumerate(zip(row, widths, strict=True))
    return (cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in pairs)


def main() -> None:
    """Run the campaigns and print their tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--campaigns", nargs="*", choices=sorted(CAMPAIGNS), default=sorted(CAMPAIGNS))
    parser.add_argument("--inputs", type=int, default=10_000, help="damaged inputs in all (default: 10,000)")
    parser.add_argument("--kinds", nargs="*", help="kinds of input, by parts of their names (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="equal seeds try equal inputs (default: 0)")
    options = parser.parse_args()
    tables = [CAMPAIGNS[name](options) for name in options.campaigns]
    for title, table in tables:
        show(title, table)


if __name__ == "__main__":
    main()
