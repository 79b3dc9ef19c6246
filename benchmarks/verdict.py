"""`makeweight compare` on Fashion-MNIST with the papers' counts.

Draws the papers' counts from the training file, and compares on the full test set, on which nothing is chosen. Every
run is kept in OUT, with the report; the same command goes on where it was stopped.

    python benchmarks/verdict.py OUT                          # five seeds; about seven hours of one core
    python benchmarks/verdict.py OUT --jobs 2
    python benchmarks/verdict.py OUT --methods aggan,smote    # takes over the runs that are there
"""

from __future__ import annotations

import argparse
from pathlib import Path

from makeweight.balance.listener import Listener
from makeweight.compare.job import compare
from makeweight.compare.options import Options
from makeweight.data.named import load_named
from makeweight.data.subsets import PAPER_COUNTS, imbalanced_subset

NAME = "fashion-mnist"


class Lines(Listener):
    """Prints what happens."""

    def stage(self, name: str) -> None:
        """Print the name of a stage."""
        print(name, flush=True)

    def note(self, text: str) -> None:
        """Print a note."""
        print(text, flush=True)


def main() -> None:
    """Compare, and print the verdicts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--methods", default="aggan")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--precision", help="in which GANs learn")
    chosen = parser.parse_args()

    known = load_named(NAME)
    own = imbalanced_subset(
        known.X_train, known.y_train, list(PAPER_COUNTS[NAME]), classes=known.class_names, random_state=0
    )
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
