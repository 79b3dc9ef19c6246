"""What can only be checked on a GPU: steps replayed from CUDA graphs, waiting, determinism, resuming, memory.

    python benchmarks/gpu_checks.py                 # all checks, then the table
    python benchmarks/gpu_checks.py --checks replay,memory

Exit status 1 if a check failed. One row with everything that was seen goes to `benchmarks/results/gpu_checks.jsonl`.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray

import makeweight.loop as loop
import makeweight.train as training
from makeweight.bench.hashing import hash_data
from makeweight.bench.rows import Outcome, RowFile, Run, compute_row
from makeweight.classifiers.small_cnn import CNNClassifier
from makeweight.game import StepOutcome, step
from makeweight.gan_sampler import GANSampler
from makeweight.methods import get_method, method_names
from makeweight.methods.class_dcgan import ClassDCGAN
from makeweight.progress import StepReport
from makeweight.recipe_sampler import RecipeSampler
from makeweight.replay import Replay
from makeweight.rules import Game, Players

HERE = Path(__file__).resolve().parent
N_STEPS, WARM_UP = 30, 20
Found = dict[str, Any]


def images(side: int = 28, n: int = 60) -> tuple[NDArray[np.uint8], NDArray[np.str_]]:
    """Return images of three classes, one of them rare."""
    random = np.random.default_rng(0)
    y = np.array(["a"] * (n // 2) + ["b"] * (n // 3) + ["c"] * (n - n // 2 - n // 3))
    X = random.integers(0, 120, (n, side, side), dtype=np.uint8)
    for number, label in enumerate("abc"):
        X[y == label, 8 * number : 8 * number + 8] += 120
    return X, y


def gans() -> list[str]:
    """Name the methods that play the game."""
    return [name for name in method_names() if issubclass(get_method(name), RecipeSampler)]


def make(name: str, **settings: Any) -> RecipeSampler:
    """Give a method with a short training on the GPU."""
    return get_method(name)(device="cuda", random_state=0, **{"n_steps": N_STEPS, **settings})


@contextlib.contextmanager
def watched(replays: bool = True) -> Iterator[list[Replay]]:
    """Keep hold of the replays that trainings make, or forbid them."""
    made: list[Replay] = []
    begin = Replay.__init__

    def listen(self: Replay, *arguments: Any) -> None:
        begin(self, *arguments)
        made.append(self)

    with mock.patch.object(Replay, "__init__", listen), contextlib.ExitStack() as stack:
        if not replays:
            stack.enter_context(mock.patch.object(Replay, "fits", staticmethod(lambda game: False)))
        yield made


def weights(sampler: RecipeSampler) -> torch.Tensor:
    """Give all that the players of a fitted method are."""
    if isinstance(sampler, ClassDCGAN):
        return torch.cat([weights(each) for each in sampler.samplers_])
    assert isinstance(sampler, GANSampler)
    players = sampler.players_
    return torch.cat([players.generator.row, players.discriminator.row])


def gap(one: torch.Tensor, other: torch.Tensor) -> float:
    """Largest difference, as a share of the largest weight."""
    return float((one - other).abs().max() / one.abs().max())


def check_replay() -> Found:
    """Compare bytes: a training from graphs ends with the bytes of one whose kernels are launched one by one."""
    X, y = images()
    found: Found = {}
    for name in gans():
        settings = {"precision": "32-true"}
        with watched() as made:
            replayed = weights(make(name, **settings).fit(X, y))
            captured = sum(known.graph is not None for known in made[-1].kinds.values())
        with watched(replays=False):
            launched = weights(make(name, **settings).fit(X, y))
        found[name] = {
            "graphs": captured,
            "failed": made[-1].n_failed,
            "refused": made[-1].refused,
            "gap": gap(launched, replayed),
            "ok": captured > 0 and gap(launched, replayed) == 0,
        }
    return found


def check_determinism() -> Found:
    """Compare bytes: equal seeds give equal ones, for every method in each precision, and for classifiers."""
    X, y = images()
    found: Found = {}
    for name in gans():
        for precision in ("32-true", "bf16-mixed"):
            pair = [weights(make(name, precision=precision).fit(X, y)) for _ in range(2)]
            found[f"{name}, {precision}"] = {"gap": gap(*pair), "ok": gap(*pair) == 0}
    for networks in ("by_shape", "classifier_resnet", "published_28"):
        classifier = CNNClassifier(networks=networks, n_steps=N_STEPS, random_state=0, device="cuda")
        chances = [classifier.fit(X, y).predict_proba(X) for _ in range(2)]
        apart = float(np.abs(chances[0] - chances[1]).max())
        found[f"classifier, {networks}"] = {"gap": apart, "ok": apart == 0}
    return found


def check_waiting() -> Found:
    """No step asks anything of the GPU: torch raises where the host would wait."""
    X, y = images()
    found: Found = {}

    def guarded(game: Game, players: Players, *arguments: Any) -> StepOutcome:
        if players.n_steps >= WARM_UP:
            torch.cuda.set_sync_debug_mode("error")
        try:
            return step(game, players, *arguments)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    for name in gans():
        with watched(replays=False), mock.patch.object(training, "step", guarded):
            try:
                make(name).fit(X, y)
                found[name] = {"ok": True}
            except RuntimeError as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                found[name] = {"waits": f"{Path(where.filename).name}:{where.lineno} {where.line}", "ok": False}
    return found


def check_resume() -> Found:
    """Compare bytes: a training that was stopped ends with the bytes of one that was not."""
    X, y = images()
    found: Found = {}

    def stop(report: StepReport) -> None:
        if report.step >= 40:
            raise KeyboardInterrupt

    with mock.patch.object(loop, "KEEP_EVERY", 0.0):
        for name in ("acgan", "aggan", "wgan_gp"):
            settings = {"n_steps": 60}
            whole = weights(make(name, **settings).fit(X, y))
            with tempfile.TemporaryDirectory() as kept:
                with contextlib.suppress(KeyboardInterrupt):
                    make(name, **settings, checkpoints=Path(kept), callback=stop).fit(X, y)
                again = make(name, **settings, checkpoints=Path(kept)).fit(X, y)
            went_on = any("went on from step" in note for note in again.training_notes_)
            apart = gap(whole, weights(again))
            found[name] = {"went_on": went_on, "gap": apart, "ok": went_on and apart == 0}
    return found


def check_memory() -> Found:
    """Where the GPU's memory is too small for a batch, it is computed in parts, and the training comes to its end."""
    X, y = images(64)
    settings: Found = {"n_steps": 30, "batch_size": 256}
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    make("aggan", **settings).fit(X, y)
    most = torch.cuda.max_memory_reserved()
    torch.cuda.empty_cache()
    held = torch.cuda.memory_allocated()
    total = torch.cuda.get_device_properties(0).total_memory
    try:
        torch.cuda.set_per_process_memory_fraction((held + 0.5 * (most - held)) / total)
        sampler = make("aggan", **settings).fit(X, y)
        drawn, _ = sampler.sample({"c": 4})
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    told = [note for note in sampler.training_notes_ if "ran out of memory" in note]
    fine = bool(told) and drawn.shape == (4, 64, 64)
    return {"aggan, half the memory": {"told": told, "most_mb": most >> 20, "ok": fine}}


CHECKS: dict[str, Callable[[], Found]] = {
    "replay": check_replay,
    "determinism": check_determinism,
    "waiting": check_waiting,
    "resume": check_resume,
    "memory": check_memory,
}


def main() -> None:
    """Run the checks and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checks", default=",".join(CHECKS))
    parser.add_argument("--rows", type=Path, default=HERE / "results" / "gpu_checks.jsonl")
    options = parser.parse_args()
    names = options.checks.split(",")
    X, y = images()

    def run_all(run: Run) -> Outcome:
        found: Found = {}
        for name in names:
            begin = time.perf_counter()
            try:
                found[name] = CHECKS[name]()
            except Exception:  # a check that breaks must not hide the others
                found[name] = {name: {"error": traceback.format_exc(limit=-4), "ok": False}}
            for what, seen in found[name].items():
                print("ok    " if seen["ok"] else "FAILED", name, what, {k: v for k, v in seen.items() if k != "ok"})
            print(f"{name}: {time.perf_counter() - begin:.0f} s", flush=True)
        return Outcome(found, device=torch.cuda.get_device_name())

    run = Run(
        protocol="gpu-checks",
        data_hash=hash_data(X, y),
        subset_seed=0,
        method=",".join(gans()),
        settings={"checks": options.checks},
        budget=f"{N_STEPS} steps",
    )
    row = compute_row(run, run_all)
    RowFile(options.rows).append(row)
    sys.exit(not all(seen["ok"] for found in row.metrics.values() for seen in found.values()))  # type: ignore[union-attr]


if __name__ == "__main__":
    main()
