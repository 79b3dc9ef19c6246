"""How much the images that AGGAN draws of a class vary, by the weight of the generator's class loss.

One row a run, on scikit-learn's digits: of each class, the mean distance between two drawn images (Euclidean, over
pixels) divided by that between two real ones, and the mean over classes. 1 is the variety of real images. Noise varies
too, so a row also says how often a classifier trained on the real images sees the class asked for. Only training images
are used. Rows that are there are not computed again.

    python benchmarks/diversity.py                     # weights 1 and 0.1, 1,500 steps, seed 0
    python benchmarks/diversity.py --seeds 0,1,2
    python benchmarks/diversity.py --table             # from the rows that are there
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import pdist
from sklearn.svm import SVC

from makeweight import AGGAN
from makeweight.bench import Outcome, Row, RowFile, Run, hash_data, run_once
from makeweight.data.named import NamedSet, load_named
from makeweight.data.subsets import imbalanced_subset
from makeweight.heads import AuxiliaryClassifier

HERE = Path(__file__).resolve().parent
N_DRAWN = 200
RARE = {"3": 10, "8": 15, "9": 20}
N_MANY = 100


def mean_distance(X: NDArray[Any]) -> float:
    """Mean Euclidean distance between two images, in levels of grey."""
    return float(pdist(X.reshape(len(X), -1).astype(np.float64)).mean())


def run_weight(digits: NamedSet, weight: float, n_steps: int, seed: int, rows: RowFile) -> Row:
    """Train AGGAN with this weight of the generator's class loss, and measure what it draws."""
    counts = {name: RARE.get(name, N_MANY) for name in digits.class_names}
    X, y, _ = imbalanced_subset(digits.X_train, digits.y_train, counts, random_state=seed)
    head = AuxiliaryClassifier(fakes=False, generator_weight=weight)
    sampler = AGGAN(head=head, n_steps=n_steps, random_state=seed)

    def compute(run: Run) -> Outcome:
        sampler.fit(X, y)
        judge = SVC(C=10).fit(digits.X_train.reshape(len(digits.X_train), -1), digits.y_train)
        diversity, recognised = {}, {}
        for label in sampler.classes_.tolist():
            drawn = sampler.draw(label, range(N_DRAWN))
            real = digits.X_train[digits.y_train == label]
            diversity[label] = round(mean_distance(drawn) / mean_distance(real), 4)
            recognised[label] = round(100 * float((judge.predict(drawn.reshape(N_DRAWN, -1)) == label).mean()), 2)
        metrics = {
            "generator_weight": weight,
            "diversity": {"mean": round(float(np.mean(list(diversity.values()))), 4), "by_class": diversity},
            "recognised": {"mean": round(float(np.mean(list(recognised.values()))), 2), "by_class": recognised},
            "threads": torch.get_num_threads(),
        }
        return Outcome(metrics, history=sampler.history_)

    run = Run(
        protocol="diversity/digits/training",
        data_hash=hash_data(X, y),
        subset_seed=seed,
        method="aggan",
        settings=sampler.settings,
        budget=f"{n_steps} steps",
    )
    return run_once(rows, run, compute)


def print_table(rows: RowFile) -> None:
    """Print all rows as a table in Markdown."""
    print("| budget | weight of the generator's class loss | seed | diversity | of rare classes | recognised, % |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        diversity = row.metrics["diversity"]
        rare = np.mean([diversity["by_class"][name] for name in RARE])
        print(
            f"| {row.budget} | {row.metrics['generator_weight']} | {row.subset_seed} | {diversity['mean']:.2f} "
            f"| {rare:.2f} | {row.metrics['recognised']['mean']:.1f} |"
        )


def main() -> None:
    """Run what is missing, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="1.0,0.1")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=Path, default=HERE / "results" / "diversity.jsonl")
    parser.add_argument("--table", action="store_true", help="print the table of the rows that are there, and stop")
    options = parser.parse_args()
    rows = RowFile(options.rows)
    if options.table:
        print_table(rows)
        return
    torch.set_num_threads(options.threads)
    digits = load_named("digits")
    for seed in map(int, options.seeds.split(",")):
        for weight in map(float, options.weights.split(",")):
            row = run_weight(digits, weight, options.steps, seed, rows)
            metrics = row.metrics
            print(
                f"weight {weight} seed {seed} diversity {metrics['diversity']['mean']:.3f} "
                f"recognised {metrics['recognised']['mean']:.2f} {row.seconds:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
