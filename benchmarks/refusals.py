"""How often AGGAN's best offspring is fitter than its parent with the papers' networks, by how both are scored.

Their discriminator has batch norm and dropout, so it answers in another way when it is trained than when it is only
asked. Offspring learn from the former; fitness is taken from the latter, on the noise of the step. A game of AGGAN on
Fashion-MNIST with the papers' counts and settings lets every offspring through; every few steps parent and offspring
are scored again, each time in another way, and the game goes on as if they had not been. One row a run; only training
images are used. Rows that are there are not computed again.

    python benchmarks/refusals.py                      # seed 0, 1,600 steps, a look every 20 from the 200th on
    python benchmarks/refusals.py --table              # from the rows that are there
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from makeweight import game as step
from makeweight.bench import Outcome, Row, RowFile, Run, hash_data, run_once
from makeweight.bench.learners import paper_learner
from makeweight.breeding import half_of
from makeweight.data.named import load_named
from makeweight.data.subsets import PAPER_COUNTS, imbalanced_subset
from makeweight.evolution import Annealed, Evolution
from makeweight.individual import Individual
from makeweight.rules import Batch, Game, Players

HERE = Path(__file__).resolve().parent
DATASET, FIRST = "fashion-mnist", 200
# Which layers answer as in training, and whether the noise is that of the step; the first is how fitness is taken.
SCORINGS: dict[str, tuple[tuple[type[nn.Module], ...], bool]] = {
    "as fitness is taken": ((), False),
    "on other noise": ((), True),
    "batch norm as in training": ((nn.modules.batchnorm._BatchNorm,), False),
    "dropout as in training": ((nn.modules.dropout._DropoutNd,), False),
    "both as in training": ((nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd), False),
}


class Looks:
    """Scores parent and offspring in several ways, every few steps, and leaves the game as it found it."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.found: list[dict[str, Any]] = []
        self.judged: Batch | None = None  # last
        self.real: Batch | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look at every contest of a game while this lasts."""
        judge, half, compete = Game.judge, step.half_of, step.compete

        def judged(game: Game, network: nn.Module, batch: Batch) -> Any:
            self.judged = batch
            return judge(game, network, batch)

        def halved(*arguments: Any, real: bool) -> Any:
            if real:  # what parent and offspring are scored beside
                self.real = self.judged
            return half(*arguments, real=real)

        def competed(game: Game, players: Players, individuals: Sequence[Individual], real: Any, *rest: Any) -> Any:
            contest = compete(game, players, individuals, real, *rest)
            if players.n_steps >= FIRST and players.n_steps % self.every == 0:
                self._look(game, players, individuals, *rest[:2])
            return contest

        Game.judge, step.half_of, step.compete = judged, halved, competed  # type: ignore[method-assign]
        try:
            yield
        finally:
            Game.judge, step.half_of, step.compete = judge, half, compete  # type: ignore[method-assign]

    def _look(
        self, game: Game, players: Players, individuals: Sequence[Individual], request: Any, transform: Any
    ) -> None:
        network, real = players.discriminator.network, self.real
        assert real is not None
        before = {name: value.clone() for name, value in network.state_dict().items()}
        statistics = [each.statistics.clone() for each in individuals]
        chance = torch.get_rng_state()
        look: dict[str, Any] = {"step": players.n_steps}
        for name, (in_training, other_noise) in SCORINGS.items():
            network.eval()
            for module in network.modules():
                module.train(isinstance(module, in_training))
            asked = game.request(torch.Generator().manual_seed(players.n_steps)) if other_noise else request
            halves = []
            torch.manual_seed(players.n_steps)
            base = half_of(game, players, game.judge(network, real), real.codes, real=True)
            for individual in individuals:
                with torch.no_grad():
                    images = game.draw(individual.network, asked)
                torch.manual_seed(players.n_steps + 1)  # the same neurons are left out for all
                judgement = game.judge(network, Batch(images, asked.codes, transform))
                halves.append(half_of(game, players, judgement, asked.codes, real=False))
            look[name] = self._gaps(
                torch.stack([half.realness for half in halves]),
                torch.stack([half.gradient for half in halves]) + base.gradient,
                game,
            )
        network.eval()
        network.load_state_dict(before)
        torch.set_rng_state(chance)
        for individual, own in zip(individuals, statistics, strict=True):
            individual.statistics.copy_(own)
        self.found.append(look)

    @staticmethod
    def _gaps(realness: Tensor, gradients: Tensor, game: Game) -> dict[str, float]:
        """Best offspring less parent, which comes last: of fitness, and of the two terms that it is the sum of."""
        fitness = step.fitness(realness, gradients, game.terms)
        best = int(fitness[:-1].argmax())
        quality = float(realness[best] - realness[-1])
        gap = float(fitness[best] - fitness[-1])
        return {"gap": gap, "quality": quality, "variety": gap - quality}


def run_game(n_steps: int, every: int, seed: int, rows: RowFile) -> Row:
    """Play a game, look at it, and sum up."""
    known = load_named(DATASET)
    X, y, _ = imbalanced_subset(
        known.X_train, known.y_train, PAPER_COUNTS[DATASET], classes=known.class_names, random_state=seed
    )
    all_through = Evolution(acceptance=Annealed(temperature=1e9, cooling=1.0))
    learner = paper_learner("aggan", DATASET, n_steps, seed, evolution=all_through)

    def compute(run: Run) -> Outcome:
        looks = Looks(every)
        with looks.watching():
            learner.fit(X, y)
        found = {
            name: {
                "ahead": round(float(np.mean([look[name]["gap"] > 0 for look in looks.found])), 4),
                **{
                    part: float(f"{np.mean([look[name][part] for look in looks.found]):.4g}")
                    for part in ("gap", "quality", "variety")
                },
            }
            for name in SCORINGS
        }
        metrics = {"by_scoring": found, "n_looks": len(looks.found), "threads": torch.get_num_threads()}
        return Outcome(metrics, history=looks.found)

    run = Run(
        protocol=f"refusals/{DATASET}/training",
        data_hash=hash_data(X, y),
        subset_seed=seed,
        method="aggan",
        settings={**learner.settings, "first": FIRST, "every": every},
        budget=f"{n_steps} steps",
    )
    return run_once(rows, run, compute)


def print_table(rows: RowFile) -> None:
    """Print all rows as tables in Markdown."""
    for row in rows:
        print(f"Seed {row.subset_seed}, {row.budget}, {row.metrics['n_looks']} looks.\n")
        print("| how parent and offspring are scored | offspring fitter, % | mean gap | of quality | of variety |")
        print("|---|---|---|---|---|")
        for name, found in row.metrics["by_scoring"].items():
            gaps = " | ".join(f"{found[part]:+.4f}" for part in ("gap", "quality", "variety"))
            print(f"| {name} | {100 * found['ahead']:.0f} | {gaps} |")
        print()


def main() -> None:
    """Run what is missing, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--steps", type=int, default=1600)
    parser.add_argument("--every", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=Path, default=HERE / "results" / "refusals.jsonl")
    parser.add_argument("--table", action="store_true", help="print the table of the rows that are there, and stop")
    options = parser.parse_args()
    rows = RowFile(options.rows)
    if not options.table:
        torch.set_num_threads(options.threads)
        for seed in map(int, options.seeds.split(",")):
            run_game(options.steps, options.every, seed, rows)
    print_table(rows)


if __name__ == "__main__":
    main()
