"""What one step costs: ACGAN, E-GAN, AGGAN and the plain AGGAN that the tests hold the shipped one against.

Steps of all four are taken in turn, so that whatever else the machine does meets all alike. One row a setting: medians
and quartiles of seconds a step, ratios, and the network passes counted on paper against those that were computed. A
pass is the arithmetic of one forward pass of one batch; a backward pass is two, one to the weights and one to the
inputs.

    python benchmarks/step_cost.py                                  # what is missing, then the table
    python benchmarks/step_cost.py --settings default-28 --rounds 9
    python benchmarks/step_cost.py --table
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from figures import quartiles
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from makeweight.bench.hashing import hash_data
from makeweight.bench.rows import Outcome, Row, RowFile, Run, run_once
from makeweight.devices import fabric_for, set_threads
from makeweight.game import step
from makeweight.gan_sampler import GANSampler
from makeweight.heads import AuxiliaryClassifier
from makeweight.methods import get_method
from makeweight.rules import Game, Players

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from tests.reference import Chance, Player, Rules, reference_step  # noqa: E402

N_CLASSES = 10
METHODS = ("acgan", "egan", "aggan", "reference")
SETTINGS: dict[str, tuple[tuple[int, int, int], bool]] = {
    "published-28": ((1, 28, 28), True),
    "default-28": ((1, 28, 28), False),
    "default-32": ((3, 32, 32), False),
    "default-64": ((3, 64, 64), False),
}
# Passes through the generator and through the discriminator, counted on paper.
COUNTED = {
    "alike": {"acgan": (4, 8), "egan": (10, 15), "aggan": (10, 16), "reference": (14, 40)},
    "by mode": {"acgan": (4, 8), "egan": (10, 22), "aggan": (11, 25), "reference": (14, 40)},
}
Stepper = Callable[[], object]


def make(method: str, shape: tuple[int, int, int], published: bool, device: str, precision: str | None) -> GANSampler:
    """Return a sampler with the settings of one of the two kinds."""
    kind = get_method("aggan" if method == "reference" else method)
    sampler: GANSampler = kind.from_paper() if published else kind()
    return sampler.set_params(device=device, precision=precision, random_state=0)


def set_table(sampler: GANSampler, shape: tuple[int, int, int]) -> tuple[Game, Players]:
    """Build a game and its players as `fit` does."""
    fabric = fabric_for(sampler.device, sampler.precision)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        game = sampler._game(np.full(N_CLASSES, 100), fabric.device, fabric.autocast)
        players = sampler._players(shape, game)
    players.temperature = 1e-3
    return game, players


def real_batch(game: Game, shape: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """Return a batch of noise for real images; arithmetic does not care."""
    random = torch.Generator().manual_seed(1)
    images = torch.rand(game.batch_size, *shape, generator=random) * 2 - 1
    return images.to(game.device), (torch.arange(game.batch_size) % N_CLASSES).to(game.device)


def shipped(game: Game, players: Players, shape: tuple[int, int, int]) -> Stepper:
    """Return a function that takes one step of the shipped kind."""
    images, codes = real_batch(game, shape)
    random = torch.Generator().manual_seed(2)
    return lambda: step(game, players, images, codes, random)


def plain(game: Game, players: Players, shape: tuple[int, int, int]) -> Stepper:
    """Return a function that takes one step of the plain AGGAN."""
    images, codes = real_batch(game, shape)
    head = game.head
    assert isinstance(head, AuxiliaryClassifier)
    rules = Rules(
        mutations=tuple(mutation.name for mutation in game.mutations),
        parent_competes=True,
        temperature=1e-3,
        class_weight=head.weight,
        class_weight_of_generator=head.generator_weight,
        classes_of_fakes=head.fakes,
    )
    random = torch.Generator().manual_seed(2)
    judge = Player.of(players.discriminator.network, players.discriminator.learning_rate)
    state = {"parent": Player.of(players.generator.network, players.generator.learning_rate), "number": 0}

    def one() -> None:
        noise, asked = game.request(random)
        chance = Chance(noise, asked, noise, asked, game.transform(random), game.transform(random), 0.5)
        state["parent"], _ = reference_step(
            state["parent"], judge, rules, images, codes, chance, number=state["number"], parent_draws_again=False
        )
        state["number"] += 1

    return one


class Arithmetic(TorchDispatchMode):
    """Counts the floating-point operations of convolutions and matrix products, forwards and backwards."""

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count one operation."""
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket in flop_registry:
            self.total += flop_registry[func.overloadpacket](*args, **(kwargs or {}), out_val=result)
        return result


def arithmetic(work: Stepper) -> int:
    """Floating-point operations of some work."""
    with Arithmetic() as counter:
        work()
    return counter.total


def passes(sampler: GANSampler, shape: tuple[int, int, int], make_stepper: Callable[..., Stepper]) -> float:
    """Arithmetic of a step in forward passes of generator and discriminator together, weighed by the paper's count."""
    game, players = set_table(sampler, shape)
    request = game.request(torch.Generator().manual_seed(0))
    images, _ = real_batch(game, shape)
    with torch.no_grad():
        of_generator = arithmetic(lambda: players.generator.network(request.noise, request.codes))
        of_discriminator = arithmetic(lambda: players.discriminator.network(images))
    done = arithmetic(make_stepper(game, players, shape))
    kind = "alike" if players.judges_alike else "by mode"
    g, d = COUNTED[kind]["reference" if make_stepper is plain else sampler.name]
    return done / (g * of_generator + d * of_discriminator)


def measure(name: str, device: str, precision: str | None, n_rounds: int) -> dict[str, Any]:
    """Time all methods in turn."""
    shape, published = SETTINGS[name]
    samplers = {method: make(method, shape, published, device, precision) for method in METHODS}
    makers = {method: plain if method == "reference" else shipped for method in METHODS}
    tables = {method: set_table(sampler, shape) for method, sampler in samplers.items()}
    steppers = {method: makers[method](*table, shape) for method, table in tables.items()}
    seconds: dict[str, list[float]] = {method: [] for method in METHODS}
    for number in range(n_rounds + 2):
        for method, take in steppers.items():
            begin = time.perf_counter()
            take()
            if device.startswith("cuda"):
                torch.cuda.synchronize()
            if number >= 2:
                seconds[method].append(time.perf_counter() - begin)
    _, players = tables["aggan"]
    kind = "alike" if players.judges_alike else "by mode"

    def ratio(one: str, other: str) -> list[float]:
        return quartiles(np.array(seconds[one]) / np.array(seconds[other]))

    return {
        "setting": name,
        "judges_alike": players.judges_alike,
        "threads": torch.get_num_threads(),
        "rounds": n_rounds,
        "milliseconds": {
            m: [round(1e3 * float(v), 2) for v in np.percentile(s, [50, 25, 75])] for m, s in seconds.items()
        },
        "aggan_to_acgan": ratio("aggan", "acgan"),
        "egan_to_acgan": ratio("egan", "acgan"),
        "reference_to_aggan": ratio("reference", "aggan"),
        "passes_counted": {m: "{}G + {}D".format(*COUNTED[kind][m]) for m in METHODS},
        "passes_measured_to_counted": {m: round(passes(samplers[m], shape, makers[m]), 3) for m in METHODS},
    }


COLUMNS = ("setting", "device", "precision", "ACGAN ms", "AGGAN/ACGAN", "E-GAN/ACGAN", "plain/AGGAN", "AGGAN counted")


def print_table(rows: RowFile) -> None:
    """Print all rows in Markdown; medians, with quartiles in brackets."""
    print("|", " | ".join((*COLUMNS, "measured to counted")), "|")
    print("|" + "---|" * (len(COLUMNS) + 1))
    for row in rows:
        found = row.metrics
        ratios = ["{} ({}–{})".format(*found[key]) for key in ("aggan_to_acgan", "egan_to_acgan", "reference_to_aggan")]
        where = f"{row.device}, {found['threads']} thread" + "s" * (found["threads"] > 1)
        cells = [
            found["setting"],
            where,
            row.settings["precision"],
            f"{found['milliseconds']['acgan'][0]:.0f}",
            *ratios,
        ]
        cells += [found["passes_counted"]["aggan"], str(found["passes_measured_to_counted"]["aggan"])]
        print("|", " | ".join(map(str, cells)), "|")


def main() -> None:
    """Measure what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", default=",".join(SETTINGS))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--rows", type=Path, default=HERE / "results" / "step_cost.jsonl")
    parser.add_argument("--table", action="store_true", help="print the table of the rows that are there, and stop")
    options = parser.parse_args()
    rows = RowFile(options.rows)
    if not options.table:
        set_threads()
        for name in options.settings.split(","):
            shape, published = SETTINGS[name]
            settings = {
                "precision": options.precision,
                "threads": torch.get_num_threads(),
                "methods": {m: make(m, shape, published, options.device, options.precision).settings_ for m in METHODS},
            }
            run = Run(
                protocol=f"step-cost/{name}",
                data_hash=hash_data(np.zeros((1, *shape)), np.zeros(1)),
                subset_seed=0,
                method="acgan,egan,aggan,reference",
                settings=settings,
                budget=f"{options.rounds} rounds",
            )
            compute = lambda run, name=name: Outcome(  # noqa: E731
                measure(name, options.device, options.precision, options.rounds)
            )
            row: Row = run_once(rows, run, compute)
            print(name, row.metrics["milliseconds"], flush=True)
    print_table(rows)


if __name__ == "__main__":
    main()
