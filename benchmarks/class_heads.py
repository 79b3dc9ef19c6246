"""AGGAN, E-GAN, ACGAN and their twin on Fashion-MNIST with the papers' counts.

One row a run: mean recall (ACSA) of the discriminator's class head; that of its twin, the same trunk trained alone
on the same real batches, augmentation and schedule; accuracy of a classifier trained on the whole data on images
drawn by the last, the averaged and the best generator; seconds a step. Rows that are there are not computed again.

    python benchmarks/class_heads.py                                   # the test protocol, default settings
    python benchmarks/class_heads.py --protocol development --variants default,real-labels --steps 2500
    python benchmarks/class_heads.py --table                           # from the rows that are there

The protocol `test` draws the papers' counts from the training file and measures on the full test set; nothing is chosen
there. The protocol `development`, on which defaults are chosen, gives the counts to the classes in reverse order and
measures on 10,000 other images of the training file, 1,000 a class; it never reads the test set.
"""

from __future__ import annotations

import argparse
import json
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from sklearn.metrics import recall_score

from makeweight.assembly import drawer
from makeweight.bench.hashing import hash_data
from makeweight.bench.rows import Outcome, Row, RowFile, Run, run_once
from makeweight.classifiers.small_cnn import CNNClassifier
from makeweight.component import describe
from makeweight.data.named import NamedSet, load_named
from makeweight.data.subsets import PAPER_COUNTS, imbalanced_subset
from makeweight.evolution import Annealed, Evolution
from makeweight.gan_sampler import GANSampler
from makeweight.heads import AuxiliaryClassifier
from makeweight.machine import device_name
from makeweight.methods import get_method
from makeweight.networks import DCGAN
from makeweight.penalties import R1

HERE = Path(__file__).resolve().parent
N_DRAWN = 200
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "all-labels": {"head": AuxiliaryClassifier(), "learning_rate": 2e-4},
    "real-labels": {"head": AuxiliaryClassifier(fakes=False), "learning_rate": 2e-4},
    "gentle-larger-steps": {"head": AuxiliaryClassifier(fakes=False, generator_weight=0.2), "learning_rate": 4e-4},
    "gentle-largest-steps": {"head": AuxiliaryClassifier(fakes=False, generator_weight=0.1), "learning_rate": 1e-3},
    "still-larger-steps": {"learning_rate": 2e-3},
    "mixup": {"head": AuxiliaryClassifier(fakes=False, generator_weight=0.1, mixup=True)},
    "slope-penalty": {"penalty": R1()},
    "wider-trunk": {"networks": DCGAN(width=64)},
    "narrower-generator": {"networks": DCGAN(generator_width=32)},
    "no-augmentation": {"augmentation": "none"},
    "fresh-noise": {"evolution": Evolution(acceptance=Annealed(), fresh_noise=True)},
    # On fresh noise fitnesses of best and parent differ by thousandths: T where it counts, and both of its ends.
    "fresh-noise-warm": {
        "evolution": Evolution(acceptance=Annealed(temperature=0.03, cooling=0.998), fresh_noise=True)
    },
    "fresh-noise-always": {"evolution": Evolution(acceptance="always", fresh_noise=True)},
    "fresh-noise-elitist": {"evolution": Evolution(acceptance="elitist", fresh_noise=True)},
    "slow-cooling": {"evolution": Evolution(acceptance=Annealed(cooling=0.999))},
    "bfloat16": {"precision": "bf16-mixed"},
    "single-precision": {"precision": "32-true"},  # what the default is on a processor, for a GPU
}


class Split:
    """A training subset and the images to measure on."""

    def __init__(self, known: NamedSet, protocol: str, seed: int) -> None:
        counts = list(PAPER_COUNTS["fashion-mnist"])
        X, y, classes = known.X_train, known.y_train, known.class_names
        if protocol == "development":
            counts.reverse()
            own = imbalanced_subset(X, y, counts, classes=classes, random_state=seed + 1000)
            rest = np.setdiff1d(np.arange(len(y)), own.indices)
            self.X_eval, self.y_eval, _ = imbalanced_subset(
                X[rest], y[rest], [1000] * len(classes), classes=classes, random_state=seed
            )
        else:
            own = imbalanced_subset(X, y, counts, classes=classes, random_state=seed)
            self.X_eval, self.y_eval = known.X_test, known.y_test
        self.X, self.y, self.seed = own.X, own.y, seed
        self.protocol = f"class-heads/fashion-mnist/{protocol}"

    def run(self, method: str, settings: dict[str, Any], n_steps: int) -> Run:
        """Describe a run on this split."""
        return Run(
            protocol=self.protocol,
            data_hash=hash_data(self.X, self.y),
            subset_seed=self.seed,
            method=method,
            settings=settings,
            budget=f"{n_steps} steps",
        )

    def recalls(self, predicted: NDArray[Any], classes: NDArray[Any]) -> dict[str, Any]:
        """ACSA and recall a class, in percent."""
        recalls = 100 * recall_score(self.y_eval, predicted, labels=classes, average=None)
        return {
            "acsa": round(float(recalls.mean()), 3),
            "recall": dict(zip(classes.tolist(), recalls.round(2).tolist(), strict=True)),
        }


def full_data_classifier(known: NamedSet) -> CNNClassifier:
    """Train a classifier on the whole training file, or read it from the cache."""
    judge = CNNClassifier(networks=DCGAN(width=32), n_epochs=8, random_state=0)
    cache = HERE / "cache" / "fashion-mnist-judge.safetensors"
    if cache.exists():
        judge.set_params(n_steps=1).fit(known.X_train[:2000], known.y_train[:2000])
        judge.network_.load_state_dict(load_file(cache))
    else:
        judge.fit(known.X_train, known.y_train)
        cache.parent.mkdir(exist_ok=True)
        save_file({name: value.contiguous() for name, value in judge.network_.state_dict().items()}, cache)
    return judge


def drawn_accuracy(sampler: GANSampler, judge: CNNClassifier) -> dict[str, Any]:
    """How often the judge sees the class asked for, in percent, by the generator that draws."""
    accuracy: dict[str, Any] = {}
    for draws in ("average", "last", "best"):
        try:
            sampler.generator_ = drawer(sampler.players_, draws)
        except ValueError:
            continue
        of_class = {}
        for label in sampler.classes_.tolist():
            seen = judge.predict(sampler.draw(label, range(N_DRAWN)))
            of_class[label] = round(100 * float((seen == label).mean()), 2)
        accuracy[draws] = {"mean": round(float(np.mean(list(of_class.values()))), 2), "by_class": of_class}
    return accuracy


def run_gan(split: Split, method: str, variant: str, n_steps: int, judge: CNNClassifier, rows: RowFile) -> Row:
    """Train a GAN and measure its class head and its images."""
    sampler: GANSampler = get_method(method)(n_steps=n_steps, random_state=split.seed, **VARIANTS[variant])

    def compute(run: Run) -> Outcome:
        marks: deque[float] = deque(maxlen=1)
        sampler.set_params(callback=lambda report: marks.append(report.seconds)).fit(split.X, split.y)
        metrics = split.recalls(sampler.classifier_.predict(split.X_eval), sampler.classes_)
        metrics |= {"variant": variant, "seconds_per_step": round(marks[-1] / n_steps, 4)}
        metrics["drawn_accuracy"] = drawn_accuracy(sampler, judge)
        metrics["threads"] = torch.get_num_threads()
        return Outcome(metrics, history=sampler.history_, device=device_name("auto"), seconds=marks[-1])

    return run_once(rows, split.run(method, sampler.settings, n_steps), compute)


def run_twin(split: Split, variant: str, n_steps: int, rows: RowFile) -> Row:
    """Train the twin: the trunk alone."""
    sampler: GANSampler = get_method("aggan")(random_state=split.seed, **VARIANTS[variant])
    twin = CNNClassifier.twin(sampler, n_steps)

    def compute(run: Run) -> Outcome:
        twin.fit(split.X, split.y)
        metrics = split.recalls(twin.predict(split.X_eval), twin.classes_)
        return Outcome(metrics | {"variant": variant, "threads": torch.get_num_threads()}, device=device_name("auto"))

    return run_once(
        rows, split.run("twin", {key: describe(value) for key, value in twin.get_params().items()}, n_steps), compute
    )


def print_table(rows: RowFile) -> None:
    """Print all rows as a table in Markdown, the mean over seeds and the spread (standard deviation) of ACSA."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        key = (row.protocol.rsplit("/", 1)[1], row.budget, row.metrics["variant"], row.method)
        groups.setdefault(key, []).append(row)
    print("| protocol | budget | variant | method | seeds | ACSA | spread | drawn: average | last | best | s/step |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for key, group in sorted(groups.items()):
        acsa = [row.metrics["acsa"] for row in group]
        spread = f"{np.std(acsa, ddof=1):.2f}" if len(group) > 1 else ""
        drawn = []
        for draws in ("average", "last", "best"):
            means = [row.metrics.get("drawn_accuracy", {}).get(draws, {}).get("mean") for row in group]
            drawn.append("" if None in means else f"{np.mean(means):.2f}")
        paces = [row.metrics["seconds_per_step"] for row in group if "seconds_per_step" in row.metrics]
        pace = f"{np.mean(paces):.3f}" if paces else ""
        print("|", " | ".join([*key, str(len(group)), f"{np.mean(acsa):.2f}", spread, *drawn, pace]), "|")


def main() -> None:
    """Run what is missing and say what came out, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protocol", choices=("test", "development"), default="test")
    parser.add_argument("--methods", default="aggan,egan,acgan,twin")
    parser.add_argument("--variants", default="default")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int, default=9000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", type=Path, default=HERE / "results" / "class_heads.jsonl")
    parser.add_argument("--table", action="store_true", help="print the table of the rows that are there, and stop")
    options = parser.parse_args()
    if options.table:
        print_table(RowFile(options.rows))
        return
    torch.set_num_threads(options.threads)
    known = load_named("fashion-mnist")
    judge = full_data_classifier(known)
    rows = RowFile(options.rows)
    for seed in map(int, options.seeds.split(",")):
        split = Split(known, options.protocol, seed)
        for variant in options.variants.split(","):
            for method in options.methods.split(","):
                if method == "twin":
                    row = run_twin(split, variant, options.steps, rows)
                else:
                    row = run_gan(split, method, variant, options.steps, judge, rows)
                drawn = {name: each["mean"] for name, each in row.metrics.get("drawn_accuracy", {}).items()}
                pace = row.metrics.get("seconds_per_step", "")
                print(
                    method,
                    variant,
                    f"seed {seed}",
                    f"ACSA {row.metrics['acsa']:.2f}",
                    json.dumps(drawn),
                    pace,
                    flush=True,
                )


if __name__ == "__main__":
    main()
