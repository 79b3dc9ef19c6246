"""Faults while `makeweight balance` runs: kills, full disks, files that vanish, two runs into one OUT.

After each fault IN must be as it was, OUT whole or not there, and a run afterwards (with ``--resume`` where there is
something to go on from) must end with the bytes of a run that was left alone.
"""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

SCRIPT = "import makeweight.loop as t; t.KEEP_EVERY = 0.05; from makeweight.cli import main; main()"
TELLS_SECONDS = {"model/training.json", "report.html"}


class Bench:
    """A folder of images, and what a run on it gives that nothing disturbs."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp())
        self.source = self.root / "in"
        chance = np.random.default_rng(0)
        for label, number in (("boot", 40), ("clog", 12), ("sandal", 25)):
            (self.source / label).mkdir(parents=True)
            for i in range(number):
                Image.fromarray(chance.integers(0, 256, (16, 16), dtype=np.uint8)).save(
                    self.source / label / f"{i}.png"
                )
        self.before = contents(self.source)
        begin = time.monotonic()
        assert self.run(self.root / "whole") == 0
        self.seconds = time.monotonic() - begin
        self.whole = contents(self.root / "whole")

    def start(self, out: Path, *options: str, source: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a balance."""
        command = [sys.executable, "-c", SCRIPT, "balance", source or self.source, out, "--method", "acgan"]
        return subprocess.Popen(
            [*map(str, command), "--steps", "60", "--device", "cpu", *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def run(self, out: Path, *options: str, source: Path | None = None) -> int:
        """Run a balance to its end; give its status."""
        return self.start(out, *options, source=source).wait()

    def lost(self, out: Path) -> int:
        """Count the bytes of IN, and of a run that goes on, that are not as they should be."""
        wrong = sum(len(data) for name, data in self.before.items() if contents(self.source).get(name) != data)
        if out.exists():  # whole, or not there
            wrong += self._differences(out)
            shutil.rmtree(out)
        if self.run(out, "--resume") != 0:
            return wrong + sum(map(len, self.whole.values()))
        wrong += self._differences(out)
        shutil.rmtree(out)
        return wrong

    def _differences(self, out: Path) -> int:
        found = contents(out)
        names = (found.keys() | self.whole.keys()) - TELLS_SECONDS
        return sum(len(self.whole.get(name, b"-")) for name in names if found.get(name) != self.whole.get(name))


def contents(folder: Path) -> dict[str, bytes]:
    """Read every file of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def killed(bench: Bench, chance: random.Random, number: int) -> int:
    """Kill a run at a random moment."""
    out = bench.root / f"killed-{number}"
    process = bench.start(out)
    time.sleep(chance.uniform(0, bench.seconds))
    process.send_signal(chance.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
    process.wait()
    return bench.lost(out)


def full_disk(bench: Bench, chance: random.Random, number: int) -> int:
    """Let the disk fill up in mid-run, make room, and go on."""
    disk = bench.root / f"disk-{number}"
    disk.mkdir()
    size = chance.randint(100, 12_000)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(disk)], check=True)
    try:
        status = bench.run(disk / "out")
        left = [path.name for path in disk.iterdir() if path.name not in ("out", "out.training")]
        halfway = (disk / "out").exists() and status != 0
        subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
        return bench.lost(disk / "out") + int(bool(left) or halfway)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def vanishing(bench: Bench, chance: random.Random, number: int) -> int:
    """Remove a class of a copy of the input in mid-run: OUT must be absent, or whole by the word of `verify`."""
    copy = bench.root / f"copy-{number}"
    shutil.copytree(bench.source, copy)
    out = bench.root / f"vanished-{number}"
    process = bench.start(out, source=copy)
    time.sleep(chance.uniform(0, bench.seconds / 2))
    shutil.rmtree(copy / chance.choice(["boot", "clog"]), ignore_errors=True)
    status = process.wait()
    damaged = out.exists() and subprocess.run([sys.executable, "-m", "makeweight", "verify", out]).returncode != 0
    wrong = int(damaged or (status not in (0, 2)) or out.with_name(out.name + ".partial").exists())
    shutil.rmtree(out, ignore_errors=True)
    shutil.rmtree(out.with_name(out.name + ".training"), ignore_errors=True)
    return wrong


def two_runs(bench: Bench, chance: random.Random, number: int) -> int:
    """Start two runs into one output: one wins, the other is refused."""
    out = bench.root / f"two-{number}"
    first = bench.start(out)
    time.sleep(chance.uniform(0, 0.3))
    second = bench.start(out)
    statuses = sorted([first.wait(), second.wait()])
    return bench._differences(out) + int(statuses not in ([0, 2],))


def read_only(bench: Bench, chance: random.Random, number: int) -> int:
    """Name an output where nothing can be written."""
    disk = bench.root / f"only-{number}"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(disk)], check=True)
    try:
        return int(bench.run(disk / "out") != 2)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


FAULTS: dict[str, tuple[Callable[[Bench, random.Random, int], int], int]] = {
    "killed, interrupted or ended at a random moment": (killed, 20),
    "the disk fills up": (full_disk, 10),
    "files of IN vanish": (vanishing, 5),
    "two runs into one OUT": (two_runs, 3),
    "a target that cannot be written": (read_only, 1),
}


def running_faults(seed: int, share: float = 1.0) -> list[tuple[str, ...]]:
    """Try all; give the rows of the table: fault, tried, survived, bytes lost."""
    bench, chance, rows = Bench(), random.Random(seed), []
    for name, (fault, number) in FAULTS.items():
        try:
            lost = [fault(bench, chance, i) for i in range(max(1, round(share * number)))]
        except (subprocess.CalledProcessError, PermissionError):
            rows.append((name, "not run: mounting is not allowed here", "", ""))
            continue
        rows.append((name, str(len(lost)), str(lost.count(0)), str(sum(lost))))
    shutil.rmtree(bench.root)
    return rows


if __name__ == "__main__":
    for row in running_faults(0, float(sys.argv[1]) if len(sys.argv) > 1 else 1.0):
        print(*row, sep="\t", flush=True)
