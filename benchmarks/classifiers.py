"""Every classifier of the registry on Fashion-MNIST with the papers' counts, on one backbone and one schedule.

One row a run: mean recall (ACSA), recall a class, mean recall of the three rarest classes, seconds a step. Rows that
are there are not computed again.

    python benchmarks/classifiers.py                                      # all but the GANs', one seed, 2,000 steps
    python benchmarks/classifiers.py --variants gan --steps 2500          # AGGAN's class head: a quarter of an hour
    python benchmarks/classifiers.py --variants cn,dos --seeds 0,1,2 --threads 2
    python benchmarks/classifiers.py --table                              # from the rows that are there

The protocol is `development` of class_heads.py: the papers' counts in reverse order of the classes, measured on 10,000
other images of the training file. The test set is never read.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from class_heads import Split

from makeweight.augmentations import Affine
from makeweight.bench.rows import Outcome, Row, RowFile, run_once
from makeweight.classifiers import classifier_names, get_classifier
from makeweight.classifiers.class_weights import ClassBalanced
from makeweight.classifiers.gan_classifier import GANClassifier
from makeweight.classifiers.losses import Focal
from makeweight.classifiers.risks import Mixup
from makeweight.data.named import load_named

HERE = Path(__file__).resolve().parent
GAMES = [name for name in classifier_names() if issubclass(get_classifier(name), GANClassifier)]
PLAIN: dict[str, Any] = {"augmentation": "none"}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in classifier_names()},
    "cn-as-in-the-papers": ("cn", PLAIN),
    "os_cn-as-in-the-papers": ("os_cn", PLAIN),
    "class_balanced-0.9999": ("class_balanced", {"class_weight": ClassBalanced(beta=0.9999)}),
    "class_balanced-sigmoid": ("class_balanced", {"loss": "sigmoid"}),
    "class_balanced-focal": ("class_balanced", {"loss": Focal(gamma=1.0)}),
    "mixup-balanced": ("mixup", {"balanced_batches": True}),
    "mixup-0.2-balanced": ("mixup", {"balanced_batches": True, "risk": Mixup(alpha=0.2)}),
    "os_cn-mirrored": ("os_cn", {"augmentation": Affine(mirror=True)}),
    "manifold-mixup-balanced": ("os_cn", {"risk": "manifold_mixup"}),
    "mixup-logit-adjusted": ("logit_adjusted", {"risk": "mixup"}),
    "mixup-balanced-mirrored": ("mixup", {"balanced_batches": True, "augmentation": Affine(mirror=True)}),
}


def make(variant: str, n_steps: int, seed: int) -> tuple[Any, dict[str, Any]]:
    """Give the classifier of a variant, and its settings as a row tells them."""
    name, changes = VARIANTS[variant]
    kind = get_classifier(name)
    if issubclass(kind, GANClassifier):
        sampler = kind.default(n_steps=n_steps, random_state=seed)
        return kind(sampler=sampler), {"classifier": name, "sampler": sampler.settings}
    classifier = kind(n_steps=n_steps, random_state=seed, **changes)
    return classifier, classifier.settings


def run_classifier(split: Split, variant: str, n_steps: int, rows: RowFile) -> Row:
    """Train a classifier and measure it."""
    classifier, settings = make(variant, n_steps, split.seed)

    def compute(run: Any) -> Outcome:
        start = time.perf_counter()
        classifier.fit(split.X, split.y)
        seconds = time.perf_counter() - start
        metrics = split.recalls(classifier.predict(split.X_eval), classifier.classes_)
        labels, counts = np.unique(split.y, return_counts=True)
        rarest = [metrics["recall"][label] for label in labels[np.argsort(counts)[:3]].tolist()]
        metrics |= {"variant": variant, "rarest": round(float(np.mean(rarest)), 3)}
        metrics |= {"seconds_per_step": round(seconds / n_steps, 4), "threads": torch.get_num_threads()}
        return Outcome(metrics, seconds=seconds)

    run = split.run(VARIANTS[variant][0], settings, n_steps)
    return run_once(rows, run.model_copy(update={"protocol": "classifiers/fashion-mnist/development"}), compute)


def print_table(rows: RowFile) -> None:
    """Print all rows as a table in Markdown: means over seeds, and the spread (standard deviation) of ACSA."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.budget, row.metrics["variant"]), []).append(row)
    print("| budget | classifier | seeds | ACSA | spread | three rarest | s/step |")
    print("|---|---|---|---|---|---|---|")
    for key, group in sorted(groups.items()):
        acsa, rarest, pace = ([row.metrics[name] for row in group] for name in ("acsa", "rarest", "seconds_per_step"))
        spread = f"{np.std(acsa, ddof=1):.2f}" if len(group) > 1 else ""
        figures = [f"{np.mean(acsa):.2f}", spread, f"{np.mean(rarest):.2f}", f"{np.mean(pace):.3f}"]
        print("|", " | ".join([*key, str(len(group)), *figures]), "|")


def main() -> None:
    """Run what is missing and say what came out, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", default=",".join(name for name in VARIANTS if name not in GAMES))
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=Path, default=HERE / "results" / "classifiers.jsonl")
    parser.add_argument("--table", action="store_true", help="print the table of the rows that are there, and stop")
    options = parser.parse_args()
    rows = RowFile(options.rows)
    if options.table:
        print_table(rows)
        return
    torch.set_num_threads(options.threads)
    known = load_named("fashion-mnist")
    for seed in map(int, options.seeds.split(",")):
        split = Split(known, "development", seed)
        for variant in options.variants.split(","):
            row = run_classifier(split, variant, options.steps, rows)
            figures = f"ACSA {row.metrics['acsa']:.2f} rarest {row.metrics['rarest']:.2f}"
            print(variant, f"seed {seed}", figures, f"{row.metrics['seconds_per_step']:.4f} s/step", flush=True)


if __name__ == "__main__":
    main()
