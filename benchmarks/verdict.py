"""`makeweight compare` on Fashion-MNIST with the papers' counts.

Draws the papers' counts from the training file, and compares on the full test set, on which nothing is chosen. Every
run is kept in OUT, with the report; the same command goes on where it was stopped.

    python benchmarks/verdict.py OUT                          # five seeds; about seven hours of one core
    python benchmarks/verdict.py OUT --jobs 2
    python benchmarks/verdict.py OUT --methods aggan,smote    # takes over the runs that are there
    python benchmarks/verdict.py OUT --rival 25000            # augmentation alone, for as many steps: is more better?
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from makeweight.balance.listener import Listener
from makeweight.compare.arms import AugmentedArm
from makeweight.compare.classifier import MixedClassifier
from makeweight.compare.inputs import gather
from makeweight.compare.job import compare
from makeweight.compare.options import Options
from makeweight.compare.runs import Workbench, run_all
from makeweight.compare.splits import make_splits
from makeweight.compare.workspace import workspace
from makeweight.data.named import NamedSet, load_named
from makeweight.data.subsets import PAPER_COUNTS, Subset, imbalanced_subset

NAME = "fashion-mnist"


class Lines(Listener):
    """Prints what happens."""

    def stage(self, name: str) -> None:
        """Print the name of a stage."""
        print(name, flush=True)

    def note(self, text: str) -> None:
        """Print a note."""
        print(text, flush=True)


def rival_alone(own: Subset, known: NamedSet, out: Path, n_steps: int, n_seeds: int, n_jobs: int) -> None:
    """Train the arm of augmentation alone for another number of steps, and print its mean recall."""
    images = gather(own.X, own.y, known.X_test, known.y_test)
    with workspace(out, images, NAME) as (folder, data_hash):
        bench = Workbench(folder, images, NAME, data_hash, MixedClassifier(n_steps=n_steps), None, None)
        rows = run_all(bench, [AugmentedArm()], make_splits(images, range(n_seeds), None), n_jobs, Lines())
    recalls = [100 * float(str(row.metrics["acsa"])) for row in rows.values()]
    print(f"augmentation, {n_steps:,} steps: {[round(each, 2) for each in recalls]}, mean {np.mean(recalls):.2f}")


def main() -> None:
    """Compare, and print the verdicts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--methods", default="aggan")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--rival", type=int, metavar="STEPS", help="train augmentation alone, for as many steps")
    parser.add_argument("--precision", help="in which GANs learn")
    chosen = parser.parse_args()

    known = load_named(NAME)
    own = imbalanced_subset(
        known.X_train, known.y_train, list(PAPER_COUNTS[NAME]), classes=known.class_names, random_state=0
    )
    if chosen.rival is not None:
        rival_alone(own, known, chosen.out, chosen.rival, chosen.seeds, chosen.jobs)
        return
    options = Options(
        methods=chosen.methods.split(","),
        n_seeds=chosen.seeds,
        fills=[0.25],
        shares=[0.25],
        n_jobs=chosen.jobs,
        precision=chosen.precision,
    )
    found = compare(
        own.X, own.y, known.X_test, known.y_test, options=options, out=chosen.out, name=NAME, listener=Lines()
    )
    for verdict in found.verdicts:
        print(verdict.sentence)


if __name__ == "__main__":
    main()
