"""What one step costs: ACGAN, E-GAN, AGGAN and the plain AGGAN that the tests hold the shipped one against.

Steps of all four are taken in turn, so that whatever else the machine does meets all alike. One row a setting: medians
and quartiles of seconds a step, ratios, and the network passes counted on paper against those that were computed. A
pass is the arithmetic of one forward pass of one batch; a backward pass is two, one to the weights and one to the
inputs.

    python benchmarks/step_cost.py                                  # what is missing, then the table
    python benchmarks/step_cost.py --settings default-28 --rounds 9
    python benchmarks/step_cost.py --precisions                     # float32 and bfloat16, in turn: AGGAN, a matrix
                                                                    # product, a convolution and its gradients
    python benchmarks/step_cost.py --compiled                       # ACGAN as it is and with networks of torch.compile
    python benchmarks/step_cost.py --allocator                      # freed memory given back and kept, in turn: ACGAN,
                                                                    # E-GAN, AGGAN
    python benchmarks/step_cost.py --arithmetic                     # floating-point operations, without a clock
    python benchmarks/step_cost.py --table
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from figures import quartiles
from torch import Tensor
from torch.nn.functional import conv2d
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from makeweight.allocator import SETTINGS as KEPT
from makeweight.allocator import keep_freed_memory
from makeweight.assembly import Assembly
from makeweight.bench.hashing import hash_data
from makeweight.bench.rows import Outcome, Row, RowFile, Run, run_once
from makeweight.chance import Chance as Draws
from makeweight.devices import PRECISIONS, fabric_for, repeatable, set_threads
from makeweight.game import step
from makeweight.gan_sampler import GANSampler
from makeweight.heads import AuxiliaryClassifier
from makeweight.machine import device_name, full_device_name
from makeweight.methods import get_method
from makeweight.replay import Replay
from makeweight.rules import Game, Players

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from tests.reference import Chance, Player, Rules, reference_step  # noqa: E402

N_CLASSES = 10
METHODS = ("acgan", "egan", "aggan", "reference")
STEPS_ON_GPU = 8  # taken in one go, as a training does not wait for the GPU after every step
WARM_UP = 3  # rounds; on a GPU the second captures the step
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
WORK = ("step", "matrix product", "convolution", "its gradients")  # compared in both precisions; maps lie channels last
Stepper = Callable[[], object]
WAYS = ("given back", "kept")  # what is done with freed memory


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
        assembly = Assembly(sampler.setting, shape, np.full(N_CLASSES, 100))
        game = assembly.game(fabric.device, fabric.autocast)
        players = assembly.players(game)
    players.temperature = 1e-3
    return game, players


def real_batch(game: Game, shape: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """Return a batch of noise for real images; arithmetic does not care."""
    random = torch.Generator().manual_seed(1)
    images = torch.rand(game.batch_size, *shape, generator=random) * 2 - 1
    return images.to(game.device), (torch.arange(game.batch_size) % N_CLASSES).to(game.device)


def shipped(game: Game, players: Players, shape: tuple[int, int, int]) -> Stepper:
    """Return a function that takes one step as a training does, on a GPU from a graph."""
    images, codes = real_batch(game, shape)
    random = torch.Generator().manual_seed(2)
    if not Replay.fits(game):
        return lambda: step(game, players, images, codes, random)
    replay = Replay(game, players, random)
    return lambda: replay(images, codes)


def launched(game: Game, players: Players, shape: tuple[int, int, int]) -> Stepper:
    """Return a function that takes one step without a graph."""
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
        drawn = Draws(random, game.device)
        noise, asked = drawn.draw(game.request)
        show_real, show_fake = drawn.draw(game.transform), drawn.draw(game.transform)
        chance = Chance(noise, asked, noise, asked, show_real, show_fake, 0.5)
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
    request = Draws(torch.Generator().manual_seed(0), game.device).draw(game.request)
    images, _ = real_batch(game, shape)
    with torch.no_grad():
        of_generator = arithmetic(lambda: players.generator.network(request.noise, request.codes))
        of_discriminator = arithmetic(lambda: players.discriminator.network(images))
    done = arithmetic(make_stepper(game, players, shape))  # a replayed step is recorded first, and counted then
    kind = "alike" if players.judges_alike else "by mode"
    g, d = COUNTED[kind]["reference" if make_stepper is plain else sampler.name]
    return done / (g * of_generator + d * of_discriminator)


def print_arithmetic(names: list[str]) -> None:
    """Print the arithmetic of a step of each method over that of ACGAN's, in Markdown: counted, not timed."""
    print("| setting |", " | ".join(f"{method}/acgan" for method in METHODS[1:]), "|")
    print("|" + "---|" * len(METHODS))
    for name in names:
        shape, published = SETTINGS[name]
        done = {}
        for method in METHODS:
            table = set_table(make(method, shape, published, "cpu", PRECISIONS[0]), shape)
            done[method] = arithmetic((plain if method == "reference" else shipped)(*table, shape))
        print("|", " | ".join([name, *(f"{done[method] / done['acgan']:.3f}" for method in METHODS[1:])]), "|")


def in_turn(
    steppers: dict[str, Stepper], n_rounds: int, on_gpu: bool, at_once: tuple[str, ...]
) -> dict[str, list[float]]:
    """Take steps of all kinds in turn, and give the seconds a step of each round; on a GPU of several taken at once."""
    seconds: dict[str, list[float]] = {name: [] for name in steppers}
    for number in range(n_rounds + WARM_UP):
        for name, take in steppers.items():
            n_steps = STEPS_ON_GPU if on_gpu and name in at_once else 1
            begin = time.perf_counter()
            for _ in range(n_steps):
                take()
            if on_gpu:
                torch.cuda.synchronize()
            if number >= WARM_UP:
                seconds[name].append((time.perf_counter() - begin) / n_steps)
    return seconds


def measure(name: str, device: str, precision: str | None, n_rounds: int) -> dict[str, Any]:
    """Time all methods in turn."""
    shape, published = SETTINGS[name]
    samplers = {method: make(method, shape, published, device, precision) for method in METHODS}
    makers = {method: plain if method == "reference" else shipped for method in METHODS}
    tables = {method: set_table(sampler, shape) for method, sampler in samplers.items()}
    steppers = {method: makers[method](*table, shape) for method, table in tables.items()}
    on_gpu = device.startswith("cuda")
    seconds = in_turn(steppers, n_rounds, on_gpu, at_once=("acgan", "egan", "aggan"))
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
        **(on_a_gpu(samplers, shape) if on_gpu else {}),
    }


def on_a_gpu(samplers: dict[str, GANSampler], shape: tuple[int, int, int]) -> dict[str, Any]:
    """Kernels of a step, how long they take, and how busy they keep the GPU; replayed, and launched one by one."""
    found: dict[str, Any] = {}
    for way, maker in (("replayed", shipped), ("launched", launched)):
        for method in METHODS[:3]:
            take = maker(*set_table(samplers[method], shape), shape)
            found.setdefault(way, {})[method] = activity(take)
    return found


def activity(take: Stepper, n_steps: int = 10) -> dict[str, float]:
    """Look at the kernels of some steps.

    Returns
    -------
    dict
        `kernels` a step, milliseconds a step by the clock, in which at least one kernel ran (`busy_ms`) and of all
        kernels added up (`kernel_ms`), and the share of the time in which none ran (`gaps`).
    """
    for _ in range(WARM_UP * 8):
        take()
    torch.cuda.synchronize()
    begin = time.perf_counter()
    for _ in range(n_steps):
        take()
    torch.cuda.synchronize()
    clock = (time.perf_counter() - begin) / n_steps
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for _ in range(n_steps):
            take()
        torch.cuda.synchronize()
    cuda = torch.autograd.DeviceType.CUDA
    spans = sorted((e.time_range.start, e.time_range.end) for e in profile.events() if e.device_type == cuda)
    busy, until = 0.0, -np.inf
    for start, end in spans:
        busy += max(0.0, end - max(start, until))
        until = max(until, end)
    per_step = 1e-3 / n_steps
    return {
        "kernels": round(len(spans) / n_steps, 1),
        "clock_ms": round(1e3 * clock, 3),
        "busy_ms": round(busy * per_step, 3),
        "kernel_ms": round(sum(end - start for start, end in spans) * per_step, 3),
        "gaps": round(1 - busy * per_step / (1e3 * clock), 3),
    }


def measure_precisions(name: str, device: str, n_rounds: int) -> dict[str, Any]:
    """Time AGGAN in both precisions, in turn, and with it the bare work that no step of either can do without."""
    shape, published = SETTINGS[name]
    work: dict[str, dict[str, Stepper]] = {of: {} for of in WORK}
    for precision, dtype in zip(PRECISIONS, (torch.float32, torch.bfloat16), strict=True):
        sampler = make("aggan", shape, published, device, precision)
        work["step"][precision] = shipped(*set_table(sampler, shape), shape)
        work["matrix product"][precision] = partial(torch.matmul, *torch.rand(2, 1024, 1024).to(device, dtype))
        images, kernels = (
            torch.rand(sides).to(device, dtype, memory_format=torch.channels_last).requires_grad_()
            for sides in ((100, 64, 32, 32), (64, 64, 3, 3))
        )
        maps = conv2d(images, kernels, padding=1)
        pull = torch.ones_like(maps)
        work["convolution"][precision] = partial(conv2d, images.detach(), kernels.detach(), padding=1)
        work["its gradients"][precision] = partial(
            torch.autograd.grad, maps, (images, kernels), pull, retain_graph=True
        )
    found = {of: of_two(name, device, n_rounds, ways) for of, ways in work.items()}
    single_to_bfloat16 = {of: facts["times_faster"] for of, facts in found.items()}
    return {**found["step"], "times_faster": single_to_bfloat16}


def measure_compiled(name: str, device: str, n_rounds: int) -> dict[str, Any]:
    """Time ACGAN with its networks as they are and compiled, in turn."""
    shape, published = SETTINGS[name]
    ways: dict[str, Stepper] = {}
    for way in ("as it is", "compiled"):
        game, players = set_table(make("acgan", shape, published, device, PRECISIONS[0]), shape)
        for network in (players.generator.network, players.discriminator.network) if way == "compiled" else ():
            network.compile(dynamic=False)
        ways[way] = shipped(game, players, shape)
    begin = time.perf_counter()
    ways["compiled"]()
    return {"compiling_seconds": round(time.perf_counter() - begin, 1)} | of_two(name, device, n_rounds, ways)


class Alone:
    """Steps of some methods in a process of their own, which keeps freed memory or gives it back."""

    steppers: ClassVar[dict[str, Stepper]] = {}

    @classmethod
    def begin(cls, name: str, threads: int, kept: bool) -> None:
        """Make the process ready."""
        if kept:
            keep_freed_memory()
        torch.set_num_threads(threads)
        shape, published = SETTINGS[name]
        for method in METHODS[:3]:
            table = set_table(make(method, shape, published, "cpu", PRECISIONS[0]), shape)
            cls.steppers[method] = shipped(*table, shape)

    @classmethod
    def take(cls, method: str) -> tuple[float, float, int]:
        """Take a step, and tell its seconds, those of them that the system worked for it, and the peak of memory."""
        before, begin = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        cls.steppers[method]()
        seconds, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF)
        return seconds, after.ru_stime - before.ru_stime, after.ru_maxrss // 1024


def measure_allocator(name: str, n_rounds: int) -> dict[str, Any]:
    """Time steps in two processes in turn, of which one keeps freed memory."""
    context = multiprocessing.get_context("spawn")
    taken: dict[tuple[str, str], list[tuple[float, float, int]]] = {}
    with ExitStack() as stack:
        pools = {}
        for way in WAYS:
            start = (name, torch.get_num_threads(), way == "kept")
            pool = ProcessPoolExecutor(1, mp_context=context, initializer=Alone.begin, initargs=start)
            pools[way] = stack.enter_context(pool)
        for number in range(n_rounds + WARM_UP):
            for method in METHODS[:3]:
                for way, pool in pools.items():
                    found = pool.submit(Alone.take, method).result()
                    if number >= WARM_UP:
                        taken.setdefault((method, way), []).append(found)
    figures = {key: np.array(found) for key, found in taken.items()}
    of_system = {key: found[:, 1].sum() / found[:, 0].sum() for key, found in figures.items()}
    faster = {m: quartiles(figures[m, WAYS[0]][:, 0] / figures[m, WAYS[1]][:, 0]) for m in METHODS[:3]}
    return {
        "setting": name,
        "threads": torch.get_num_threads(),
        "rounds": n_rounds,
        "milliseconds": {way: {m: quartiles(1e3 * figures[m, way][:, 0]) for m in METHODS[:3]} for way in WAYS},
        "share_of_system": {way: {m: round(of_system[m, way], 3) for m in METHODS[:3]} for way in WAYS},
        "peak_megabytes": {way: int(max(figures[m, way][:, 2].max() for m in METHODS[:3])) for way in WAYS},
        "faster_by_keeping": faster,
    }


def of_two(name: str, device: str, n_rounds: int, ways: dict[str, Stepper]) -> dict[str, Any]:
    """Time two ways of the same work in turn, and tell how much faster the second is."""
    seconds = in_turn(ways, n_rounds, device.startswith("cuda"), at_once=tuple(ways))
    first, second = (np.array(each) for each in seconds.values())
    return {
        "setting": name,
        "threads": torch.get_num_threads(),
        "rounds": n_rounds,
        "milliseconds": {w: [round(1e3 * v, 2) for v in np.percentile(s, [50, 25, 75])] for w, s in seconds.items()},
        "times_faster": quartiles(first / second),
    }


COLUMNS = (
    "setting",
    "device",
    "precision",
    "ACGAN ms",
    "AGGAN ms",
    "AGGAN/ACGAN",
    "E-GAN/ACGAN",
    "plain/AGGAN",
    "AGGAN counted",
)


def print_table(rows: RowFile) -> None:
    """Print all rows in Markdown; medians, with quartiles in brackets."""
    print("|", " | ".join((*COLUMNS, "measured to counted")), "|")
    print("|" + "---|" * (len(COLUMNS) + 1))
    for row in rows:
        found = row.metrics
        if "aggan_to_acgan" not in found:
            continue
        ratios = ["{} ({}–{})".format(*found[key]) for key in ("aggan_to_acgan", "egan_to_acgan", "reference_to_aggan")]
        cells = [
            found["setting"],
            place_of(row),
            row.settings["precision"],
            *(f"{found['milliseconds'][method][0]:.3g}" for method in ("acgan", "aggan")),
            *ratios,
        ]
        cells += [found["passes_counted"]["aggan"], str(found["passes_measured_to_counted"]["aggan"])]
        print("|", " | ".join(map(str, cells)), "|")


def print_table_of_gpus(rows: RowFile) -> None:
    """Print what was seen of the kernels, in Markdown."""
    print("\n| setting | device | method | kernels | ms replayed | of them busy | gaps | ms launched | gaps |")
    print("|" + "---|" * 9)
    for row in rows:
        for method in METHODS[:3] if "replayed" in row.metrics else ():
            replayed, launched = row.metrics["replayed"][method], row.metrics["launched"][method]
            cells = [row.metrics["setting"], row.device, method, f"{replayed['kernels']:.0f}"]
            cells += [f"{replayed['clock_ms']:.2f}", f"{replayed['busy_ms']:.2f}", f"{replayed['gaps']:.0%}"]
            print("|", " | ".join([*cells, f"{launched['clock_ms']:.1f}", f"{launched['gaps']:.0%}"]), "|")


def print_table_of_two(rows: RowFile) -> None:
    """Print how much faster bfloat16 and compiled networks are, in Markdown."""
    print("\n| setting | device | AGGAN in float32, ms | in bfloat16, ms | times faster |", " | ".join(WORK[1:]), "|")
    print("|" + "---|" * 8)
    for row in rows:
        found = row.metrics
        if "times_faster" in found and "compiling_seconds" not in found:
            faster = found["times_faster"]
            ratios = ["{} ({}–{})".format(*faster[of]) if of in faster else "" for of in WORK]
            print("|", " | ".join([*cells_of_two(row), *ratios]), "|")
    print("\n| setting | device | ACGAN, ms | compiled, ms | times faster | compiling, s |")
    print("|" + "---|" * 6)
    for row in rows:
        found = row.metrics
        if "compiling_seconds" in found:
            ratio = "{} ({}–{})".format(*found["times_faster"])
            print("|", " | ".join([*cells_of_two(row), ratio, f"{found['compiling_seconds']:.0f}"]), "|")


def print_table_of_allocators(rows: RowFile) -> None:
    """Print what keeping freed memory gains, in Markdown."""
    print("\n| setting | device | method | given back, ms | system | kept, ms | system | times faster | peak, MB |")
    print("|" + "---|" * 9)
    for row in rows:
        found = row.metrics
        for method in METHODS[:3] if "faster_by_keeping" in found else ():
            cells = [found["setting"], place_of(row), method]
            for way in WAYS:
                cells += [
                    f"{found['milliseconds'][way][method][0]:.3g}",
                    f"{found['share_of_system'][way][method]:.0%}",
                ]
            cells.append("{} ({}–{})".format(*found["faster_by_keeping"][method]))
            cells.append(" → ".join(str(found["peak_megabytes"][way]) for way in WAYS))
            print("|", " | ".join(cells), "|")


def cells_of_two(row: Row) -> list[str]:
    """Give setting, device and both medians of a comparison of two ways."""
    times = [f"{milliseconds[0]:.3g}" for milliseconds in row.metrics["milliseconds"].values()]
    return [row.metrics["setting"], place_of(row), *times]


def place_of(row: Row) -> str:
    """Name the processor or the GPU, and how many threads there were."""
    where = row.versions["processor"] if row.device == "cpu" else row.device
    return f"{row.settings.get('device', where)}, {row.metrics['threads']} thread" + "s" * (row.metrics["threads"] > 1)


def main() -> None:
    """Measure what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", default=",".join(SETTINGS))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="32-true")
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--precisions", action="store_true", help="compare precisions in place of methods")
    other.add_argument("--compiled", action="store_true", help="compare with compiled networks in place of methods")
    other.add_argument("--allocator", action="store_true", help="compare what is done with freed memory")
    other.add_argument("--arithmetic", action="store_true", help="count operations in place of seconds, and stop")
    parser.add_argument("--rows", type=Path, default=HERE / "results" / "step_cost.jsonl")
    parser.add_argument("--table", action="store_true", help="print the table of the rows that are there, and stop")
    options = parser.parse_args()
    if options.arithmetic:
        print_arithmetic(options.settings.split(","))
        return
    rows = RowFile(options.rows)
    if not options.table:
        set_threads()
        kept = not options.allocator and keep_freed_memory()
        for name in options.settings.split(","):
            shape, published = SETTINGS[name]
            settings = {
                "precision": options.precision,
                "threads": torch.get_num_threads(),
                "methods": {m: make(m, shape, published, options.device, options.precision).settings for m in METHODS},
            }
            if options.precisions:
                settings |= {"precision": "both", "methods": ", ".join(("aggan", *WORK[1:]))}
            if options.compiled:
                settings |= {"methods": "acgan, compiled"}
            if options.allocator:
                settings |= {"methods": ", ".join(METHODS[:3]), "allocator": ", ".join(WAYS)}
            elif kept:
                settings |= {"allocator": {variable: n_bytes for variable, (_, n_bytes) in KEPT.items()}}
            settings |= {"device": full_device_name(options.device)}
            run = Run(
                protocol=f"step-cost/{name}",
                data_hash=hash_data(np.zeros((1, *shape)), np.zeros(1)),
                subset_seed=0,
                method="acgan,egan,aggan,reference",
                settings=settings,
                budget=f"{options.rounds} rounds",
            )

            def compute(run: Run, name: str = name) -> Outcome:
                with repeatable(torch.device(options.device)):
                    if options.precisions:
                        found = measure_precisions(name, options.device, options.rounds)
                    elif options.allocator:
                        found = measure_allocator(name, options.rounds)
                    elif options.compiled:
                        found = measure_compiled(name, options.device, options.rounds)
                    else:
                        found = measure(name, options.device, options.precision, options.rounds)
                return Outcome(found, device=device_name(options.device))

            row: Row = run_once(rows, run, compute)
            print(name, row.metrics["milliseconds"], flush=True)
    print_table(rows)
    print_table_of_gpus(rows)
    print_table_of_two(rows)
    print_table_of_allocators(rows)


if __name__ == "__main__":
    main()
