"""Does drawing help where answers are averaged? AGGAN's class output and classifiers, two by two.

Takes what `verdict.py OUT` has left in OUT: models and answers on the full test set of Fashion-MNIST. For each seed the
probabilities of two members are averaged, with equal weights, since none could be chosen without looking at the test
set. The rival is two classifiers with augmentation, of this seed and the next: what averaging gains by itself.

    python benchmarks/ensemble.py OUT

One row an ensemble and seed, in benchmarks/results/ensemble.jsonl; prints the differences to the rival.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from makeweight.bench.rows import Outcome, Row, RowFile, Run, run_once
from makeweight.compare.inputs import gather
from makeweight.compare.metrics import class_metrics, summary_metrics
from makeweight.compare.runs import Predictions
from makeweight.compare.splits import Images
from makeweight.compare.statistics import Sample, paired_differences
from makeweight.data.named import load_named
from makeweight.data.subsets import PAPER_COUNTS, imbalanced_subset
from makeweight.sampler import load

HERE = Path(__file__).resolve().parent
NAME, FILL = "fashion-mnist", "AGGAN with augmentation at fill 0.25"
REAL, NEXT, SHARED, TUNED, HEAD = (
    "augmentation", "augmentation of the next seed", f"{FILL} and share 0.25", f"{FILL}, fine-tuned on real images",
    "AGGAN's class output",
)  # fmt: skip
RIVAL = (REAL, NEXT)
ENSEMBLES = (RIVAL, (REAL, HEAD), (REAL, SHARED), (REAL, TUNED), (SHARED, HEAD), (TUNED, HEAD), (SHARED, TUNED))
Chances = NDArray[np.float64]


def answers_of(folder: Path, rows: list[Row], images: Images) -> dict[tuple[str, int], Chances]:
    """Read what each arm and each class output says, by member and seed."""
    found: dict[tuple[str, int], Chances] = {}
    for row in rows:
        seed = int(str(row.settings["seed"]))
        if "predictions" in row.metrics:
            found[row.method, seed] = Predictions.read(folder / str(row.metrics["predictions"])).chances
        elif "model" in row.metrics:
            head = load(folder / str(row.metrics["model"]), device="cpu").classifier_
            found[HEAD, seed] = head.predict_proba(images.X[images.tested]).astype(np.float64)
    n_seeds = 1 + max(seed for _, seed in found)
    return found | {(NEXT, seed): found[REAL, (seed + 1) % n_seeds] for seed in range(n_seeds)}


def main() -> None:
    """Average, write rows and print differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="what verdict.py wrote")
    parser.add_argument("--rows", type=Path, default=HERE / "results" / "ensemble.jsonl")
    chosen = parser.parse_args()
    known = load_named(NAME)
    own = imbalanced_subset(
        known.X_train, known.y_train, list(PAPER_COUNTS[NAME]), classes=known.class_names, random_state=0
    )
    images = gather(own.X, own.y, known.X_test, known.y_test)
    true, n_classes = images.codes[images.tested], len(images.classes)
    rows = RowFile(chosen.out / "rows.jsonl").read()
    answers = answers_of(chosen.out, rows, images)
    n_seeds = 1 + max(seed for _, seed in answers)
    target = RowFile(chosen.rows)
    right = {}
    for members in ((HEAD,), (REAL,), *ENSEMBLES):
        each = [np.mean([answers[name, seed] for name in members], axis=0) for seed in range(n_seeds)]
        right[members] = np.stack([chances.argmax(axis=1) == true for chances in each])
        for seed, chances in enumerate(each):
            metrics = summary_metrics(true, chances.argmax(axis=1), chances)
            metrics |= class_metrics(true, chances.argmax(axis=1), n_classes)  # type: ignore[arg-type]
            run = Run(
                protocol=f"ensemble/{NAME}",
                data_hash=rows[0].data_hash,
                subset_seed=0,
                method=" + ".join(members),
                settings={"members": list(members), "seed": seed, "weights": "equal"},
                budget="that of its members",
            )
            run_once(target, run, lambda _, metrics=metrics: Outcome(metrics))  # type: ignore[misc]
    correct = np.stack([right[members] for members in ENSEMBLES])
    sample = Sample(true, n_classes, np.arange(len(true)))
    found = paired_differences(correct, correct[0], sample)
    low, high = (ends[:, -1] for ends in found.interval())
    for members in ((HEAD,), (REAL,)):
        recall = np.mean([right[members][:, true == code].mean() for code in range(n_classes)])
        print(f"| {members[0]} alone | {100 * recall:.2f} | |")
    for place, members in enumerate(ENSEMBLES):
        recall = 100 * np.mean([correct[place][:, true == code].mean() for code in range(n_classes)])
        gain = f"{100 * found.estimate[place, -1]:+.2f} ({100 * low[place]:.2f} to {100 * high[place]:.2f})"
        print(f"| {' + '.join(members)} | {recall:.2f} | {gain if place else ''} |")


if __name__ == "__main__":
    main()
