"""How fast images are drawn and written, and how fast balanced batches come from memory and from files.

Two rows for drawing (28×28 grey and 64×64 colour) and one for batches; a run takes under five minutes on two cores.

    python benchmarks/throughput.py                    # both parts
    python benchmarks/throughput.py --parts draw       # one of them
    python benchmarks/throughput.py --parts batches --side 64 --steps 10 --rounds 1    # 614 MB of pixels
    python benchmarks/throughput.py --table            # from the rows that are there

Drawing. `generator` is the forward pass alone, `encoder` is encoding as marked PNG and writing alone, each in as many
processes of one thread as there are cores, all at work at once. On a processor both need the same cores, so the best
that both can do together is 1 / (1 / generator + 1 / encoder) images a second; a GPU draws beside the cores, so there
it is the smaller of the two. `written` is what `balance` and `sample` do: noise, forward pass, decoding, encoding,
writing, hashing, rows of the manifest, and the start and end of the workers. `share` is `written` over that best.

Batches. PNGs of 28×28, or of more pixels in colour, are written to a temporary folder, from Fashion-MNIST where it is
found, else noise. Each case runs in a process of its own: from memory, and from files with 1 and 2 workers. `batches`
are balanced batches a second with nothing else to do, `steps` are steps of AGGAN a second on such batches, `opening` is
seconds to list and check the folder (and to load it). Peaks are in megabytes and include the workers: `rss` counts
pages that processes share in each of them, `pss` counts them once; `at_start` is `pss` before the folder is opened.

The parts alternate within a run; figures are medians over the rounds, with the smallest and the largest.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from makeweight import AGGAN
from makeweight.balance.drawing import Press, blocks_of
from makeweight.balance.drawn_images import Mark, drawn_png
from makeweight.bench.hashing import hash_data
from makeweight.bench.rows import Outcome, Row, RowFile, Run, run_once
from makeweight.data.batches import cores_for_this_process, read_batches
from makeweight.data.images import png_bytes
from makeweight.data.lazy import LazyImages
from makeweight.data.named import load_named
from makeweight.data.source import open_source
from makeweight.errors import InputError
from makeweight.gan_sampler import GANSampler
from makeweight.machine import full_device_name
from makeweight.stabilisers import balanced_epoch, endless_batches

HERE = Path(__file__).resolve().parent
DRAWN = {(28, 28): 12_800, (64, 64, 3): 1_280}
CASES = {"memory": ("100000", "0"), "files, 1 worker": ("0", "1"), "files, 2 workers": ("0", "2")}
BATCH = 64


def images_of(shape: tuple[int, ...], n: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Make noise with two classes."""
    return np.random.default_rng(0).integers(0, 256, (n, *shape), dtype=np.uint8), np.arange(n) % 2


def summary(figures: list[float]) -> dict[str, float]:
    """Median, smallest and largest."""
    return {"median": round(median(figures), 3), "least": round(min(figures), 3), "most": round(max(figures), 3)}


# --- drawing ---------------------------------------------------------------------------------------------------------


def together(work: Callable[[int], None], n_processes: int) -> float:
    """Run work in several processes at once; give the seconds from when all are ready to when the last is done."""
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(n_processes + 1)

    def one(number: int) -> None:
        torch.set_num_threads(1)
        barrier.wait()
        work(number)

    processes = [context.Process(target=one, args=(number,)) for number in range(n_processes)]
    for process in processes:
        process.start()
    barrier.wait()
    begin = time.perf_counter()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise SystemExit("a process of the benchmark failed")
    return time.perf_counter() - begin


class Drawing:
    """The three figures of drawing images of one shape."""

    def __init__(self, shape: tuple[int, ...], n_images: int) -> None:
        self.shape = shape
        self.n_images = n_images
        self.n_cores = cores_for_this_process()
        channels = "last" if len(shape) == 3 else None
        self.sampler: GANSampler = AGGAN(n_steps=2, random_state=0, channels=channels)
        self.sampler.fit(*images_of(shape, 200))
        self.device = next(self.sampler.generator_.parameters()).device

    def generator(self) -> float:
        """Images a second by the forward pass alone."""
        n_processes = self.n_cores if self.device.type == "cpu" else 1
        n_blocks = -(-self.n_images // self.sampler.block_size // n_processes)
        noise = torch.randn(self.sampler.block_size, self.sampler.setting("latent_dim"), device=self.device)
        codes = torch.zeros(self.sampler.block_size, dtype=torch.long, device=self.device)

        @torch.no_grad()
        def forward(_: int) -> None:
            for _ in range(n_blocks):
                images = self.sampler.generator_(noise, codes)
            images.cpu()

        if self.device.type == "cpu":
            seconds = together(forward, n_processes)
        else:
            forward(0)
            begin = time.perf_counter()
            forward(0)
            seconds = time.perf_counter() - begin
        return n_processes * n_blocks * self.sampler.block_size / seconds

    def encoder(self) -> float:
        """Images a second by encoding and writing alone."""
        pixels = self.sampler.draw(0, range(self.sampler.block_size))
        n_each = self.n_images // self.n_cores
        mark = Mark("aggan", "f" * 64, 0, 0, "0")
        with tempfile.TemporaryDirectory() as folder:

            def write(number: int) -> None:
                for row in range(n_each):
                    Path(folder, f"drawn-aggan-s0-{number}-{row:06d}.png").write_bytes(
                        drawn_png(pixels[row % len(pixels)], mark)
                    )

            return self.n_cores * n_each / together(write, self.n_cores)

    def written(self) -> float:
        """Images a second as `balance` and `sample` draw and write them."""
        with tempfile.TemporaryDirectory() as folder:
            begin = time.perf_counter()
            press = Press(self.sampler, 0, Path(folder))
            press.run(list(blocks_of(self.sampler, 0, range(self.n_images))), lambda done, total: None)
            return self.n_images / (time.perf_counter() - begin)

    def best(self, generator: float, encoder: float) -> float:
        """Images a second that both can do together."""
        return 1 / (1 / generator + 1 / encoder) if self.device.type == "cpu" else min(generator, encoder)

    def measure(self, n_rounds: int) -> dict[str, Any]:
        """Measure all in turns."""
        figures: dict[str, list[float]] = {name: [] for name in ("generator", "encoder", "best", "written", "share")}
        for _ in range(n_rounds):
            generator, encoder, written = self.generator(), self.encoder(), self.written()
            best = self.best(generator, encoder)
            for name, value in zip(figures, (generator, encoder, best, written, written / best), strict=True):
                figures[name].append(value)
        return {name: summary(values) for name, values in figures.items()}


def run_drawing(shape: tuple[int, ...], options: argparse.Namespace) -> Row:
    """Measure drawing images of a shape, unless the row is there."""
    settings = {
        "shape": list(shape),
        "images": DRAWN[shape],
        "rounds": options.rounds,
        "cores": cores_for_this_process(),
        "device": full_device_name("cpu"),
    }
    run = Run(
        protocol=f"throughput/drawing/{'x'.join(map(str, shape))}",
        data_hash=hash_data(*images_of(shape, 200)),
        subset_seed=0,
        method="aggan",
        settings=settings,
        budget=f"{options.rounds} rounds",
    )

    def compute(run: Run) -> Outcome:
        drawing = Drawing(shape, DRAWN[shape])
        return Outcome(drawing.measure(options.rounds), device=drawing.device.type)

    return run_once(RowFile(options.rows), run, compute)


# --- batches ---------------------------------------------------------------------------------------------------------


class Peak:
    """Watches the memory of this process and those that it started."""

    def __init__(self) -> None:
        self.rss = self.pss = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.2):
            rss, pss = memory()
            self.rss, self.pss = max(self.rss, rss), max(self.pss, pss)


def memory() -> tuple[int, int]:
    """Resident and proportional bytes of this process and its children, both 0 where the system does not tell."""
    sums = {"Rss:": 0, "Pss:": 0}
    for process in [os.getpid(), *(child.pid for child in multiprocessing.active_children())]:
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        for name, value, *_ in (line.split() for line in lines[1:]):
            if name in sums:
                sums[name] += int(value) * 1024
    return sums["Rss:"], sums["Pss:"]


def make_folder(root: Path, n_images: int, side: int) -> str:
    """Write PNGs into class folders, other sides than 28 in colour, and give the hash of the images before that."""
    try:
        known = load_named("fashion-mnist")
        X, y = known.X_train[:n_images], known.y_train[:n_images]
    except InputError:
        X, y = images_of((28, 28), n_images)
    for label in np.unique(y).tolist():
        (root / str(label)).mkdir(parents=True)
    for row, (pixels, label) in enumerate(zip(X, y.tolist(), strict=True)):
        if side != 28:
            pixels = np.asarray(Image.fromarray(pixels).resize((side, side)).convert("RGB"))
        (root / str(label) / f"{row:06d}.png").write_bytes(png_bytes(pixels))
    return hash_data(X, y)


def measure_case(folder: Path, n_steps: int) -> dict[str, float]:
    """Open the folder as the variables of this process say, and measure batches, steps and memory."""
    at_start = memory()[1]
    with Peak() as peak:
        begin = time.perf_counter()
        source = open_source(folder)
        X, codes = source.images(), np.unique(source.labels, return_inverse=True)[1]
        opened = time.perf_counter() - begin
        sampler: GANSampler = AGGAN(random_state=0)
        codec = sampler._codec_for(X)  # type: ignore[arg-type]
        random = np.random.default_rng(0)
        indices = endless_batches(lambda: balanced_epoch(codes, random), BATCH)
        batches: Iterator[Any] = read_batches(X, codes, indices, codec, torch.device("cpu"))
        rate = rate_of(batches, 400)
        del batches
        sampler.set_params(n_steps=n_steps).fit(X, source.labels)
    return {
        "batches": rate,
        "steps": sampler.history_[-1]["steps_per_second"],
        "opening": opened,
        "rss": peak.rss / 1e6,
        "pss": peak.pss / 1e6,
        "at_start": at_start / 1e6,
        "lazy": float(isinstance(X, LazyImages)),
    }


def rate_of(batches: Iterator[Any], n: int) -> float:
    """Batches a second, after those that were read ahead."""
    for _ in range(20):
        next(batches)
    begin = time.perf_counter()
    for _ in range(n):
        next(batches)
    return n / (time.perf_counter() - begin)


def run_batches(options: argparse.Namespace) -> Row:
    """Measure every case in processes of their own, unless the row is there."""
    n_rounds = (options.rounds + 1) // 2
    with tempfile.TemporaryDirectory() as folder:
        data_hash = make_folder(Path(folder), options.images, options.side)
        run = Run(
            protocol="throughput/batches",
            data_hash=data_hash,
            subset_seed=0,
            method="aggan",
            settings={
                "images": options.images,
                "batch": BATCH,
                "steps": options.steps,
                "rounds": n_rounds,
                "threads": options.threads,
                "device": full_device_name("cpu"),
                **({"side": options.side} if options.side != 28 else {}),
            },
            budget=f"{n_rounds} rounds",
        )

        def compute(run: Run) -> Outcome:
            found: dict[str, list[dict[str, float]]] = {name: [] for name in CASES}
            for _ in range(n_rounds):
                for name, (memory_limit, n_workers) in CASES.items():
                    variables = {"MAKEWEIGHT_MEMORY": memory_limit, "MAKEWEIGHT_WORKERS": n_workers}
                    command = [sys.executable, __file__, "--case", folder, "--threads", str(options.threads)]
                    command += ["--steps", str(options.steps)]
                    answer = subprocess.run(
                        command, env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True, check=True
                    )
                    found[name].append(json.loads(answer.stdout))
            return Outcome(
                {
                    name: {figure: summary([each[figure] for each in rounds]) for figure in rounds[0]}
                    for name, rounds in found.items()
                }
            )

        return run_once(RowFile(options.rows), run, compute)


# --- what is printed -------------------------------------------------------------------------------------------------


def print_table(rows: RowFile) -> None:
    """Print all rows as tables in Markdown."""
    for row in rows:
        sides = f", {row.settings['side']} pixels a side" if "side" in row.settings else ""
        print(f"\n{row.protocol}{sides}, {row.device}, {row.versions['cores']} cores, {row.versions['processor']}\n")
        first = next(iter(row.metrics.values()))
        if "median" in first:
            print("| | median | least | most |\n|---|---|---|---|")
            for name, figure in row.metrics.items():
                print("|", name, "|", " | ".join(f"{figure[key]:,.2f}" for key in ("median", "least", "most")), "|")
        else:
            print("|", " | ".join(["case", *first]), "|\n|", "---|" * (len(first) + 1), sep="")
            for name, figures in row.metrics.items():
                cells = [f"{f['median']:,.1f} ({f['least']:,.1f}–{f['most']:,.1f})" for f in figures.values()]
                print("|", " | ".join([name, *cells]), "|")


def main() -> None:
    """Run what is missing and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default="draw,batches")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--side", type=int, default=28)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=Path, default=HERE / "results" / "throughput.jsonl")
    parser.add_argument("--table", action="store_true", help="print the rows that are there, and stop")
    parser.add_argument("--case", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.case:
        print(json.dumps(measure_case(options.case, options.steps)))
        return
    if not options.table and "draw" in options.parts:
        for shape in DRAWN:
            run_drawing(shape, options)
    if not options.table and "batches" in options.parts:
        run_batches(options)
    print_table(RowFile(options.rows))


if __name__ == "__main__":
    main()
