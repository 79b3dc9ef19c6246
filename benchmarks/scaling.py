"""What a second process brings: AGGAN on one core, on two threads, and in two processes that train one model.

Each way is started by itself, in turn, several times: 28×28 images, default settings, one thread a process unless it
says two. A row holds steps a second of each way, medians and quartiles over the rounds, and the efficiency: the pace
over that of one process on one core, divided by the cores used.

    python benchmarks/scaling.py                          # what is missing, then the table
    python benchmarks/scaling.py --waiting passive        # threads sleep while they wait, as on the command line
    python benchmarks/scaling.py --beside 1 --steps 5     # as many processes beside it that do nothing but compute
    python benchmarks/scaling.py --table
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from figures import quartiles

from makeweight.bench.hashing import hash_data
from makeweight.bench.rows import Outcome, RowFile, Run, run_once
from makeweight.machine import full_device_name
from makeweight.methods import get_method

HERE = Path(__file__).resolve().parent
WAYS = {  # processes, threads each
    "one process, one thread": (1, 1),
    "one process, two threads": (1, 2),
    "two processes, one thread each": (2, 1),
}
WARM_UP = 3
DEFAULTS = {"waiting": "spinning first", "beside": "nothing"}  # as OpenMP's threads wait where nothing is said


def train(n_steps: int) -> None:
    """Train in this process, or in the team it belongs to, and let the first one print its pace."""
    marks: list[float] = []
    X = np.random.default_rng(0).integers(0, 256, (640, 28, 28)).astype(np.uint8)
    sampler = get_method("aggan")(n_steps=WARM_UP + n_steps, best_every=0, random_state=0, device="cpu")
    sampler.set_params(callback=lambda report: marks.append(report.seconds)).fit(X, np.arange(640) % 10)
    if marks:  # only the first process of a team hears of the steps
        print(json.dumps({"pace": n_steps / (marks[-1] - marks[WARM_UP - 1])}), flush=True)


def start(n_processes: int, n_threads: int, n_steps: int) -> float:
    """Start processes that train, and give back their pace."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={n_processes}"]
    command = [sys.executable, *(launcher if n_processes > 1 else []), __file__, "--pace", str(n_steps)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(n_threads)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout)["pace"])


def keep_busy() -> None:
    """Keep a core busy."""
    while True:
        pass


@contextmanager
def beside(n_processes: int) -> Iterator[None]:
    """Keep processes beside this one that do nothing but compute."""
    busy = [multiprocessing.Process(target=keep_busy, daemon=True) for _ in range(n_processes)]
    for process in busy:
        process.start()
    try:
        yield
    finally:
        for process in busy:
            process.terminate()


def measure(n_rounds: int, n_steps: int) -> dict[str, Any]:
    """Start all ways in turn."""
    paces: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(n_rounds):
        for way, (n_processes, n_threads) in WAYS.items():
            paces[way].append(start(n_processes, n_threads, n_steps))
    alone = np.array(paces["one process, one thread"])
    return {
        "rounds": n_rounds,
        "steps_per_second": {way: quartiles(np.array(each)) for way, each in paces.items()},
        "efficiency": {
            way: quartiles(np.array(paces[way]) / alone / (n_processes * n_threads))
            for way, (n_processes, n_threads) in WAYS.items()
        },
    }


def print_table(rows: RowFile) -> None:
    """Print all rows in Markdown; medians, with quartiles in brackets."""
    print("| way | steps/s | efficiency | threads wait | beside it | processor |\n" + "|---" * 6 + "|")
    for row in rows:
        where = [row.settings.get(name, default) for name, default in DEFAULTS.items()] + [row.versions["processor"]]
        for way in WAYS:
            figures = ["{} ({}–{})".format(*row.metrics[key][way]) for key in ("steps_per_second", "efficiency")]
            print("|", " | ".join([way, *figures, *where]), "|")


def main() -> None:
    """Measure what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--waiting", choices=("passive",))
    parser.add_argument("--beside", type=int, default=0)
    parser.add_argument("--rows", type=Path, default=HERE / "results" / "scaling.jsonl")
    parser.add_argument("--table", action="store_true", help="print the table of the rows that are there, and stop")
    parser.add_argument("--pace", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.pace:
        train(options.pace)
        return
    rows = RowFile(options.rows)
    if not options.table:
        run = Run(
            protocol="scaling/28x28",
            data_hash=hash_data(np.zeros((1, 28, 28)), np.zeros(1)),
            subset_seed=0,
            method="aggan",
            settings={
                "sampler": get_method("aggan")(random_state=0).settings,
                "steps": options.steps,
                "device": full_device_name("cpu"),
                **({"waiting": options.waiting} if options.waiting else {}),
                **({"beside": f"{options.beside} busy"} if options.beside else {}),
            },
            budget=f"{options.rounds} rounds",
        )
        if options.waiting:
            os.environ["OMP_WAIT_POLICY"] = options.waiting.upper()
        with beside(options.beside):
            run_once(rows, run, lambda run: Outcome(measure(options.rounds, options.steps)))
    print_table(rows)


if __name__ == "__main__":
    main()
