"""Every method of the registry on Fashion-MNIST with the papers' counts, under one budget.

One row a run: how often a classifier trained on the whole data sees the class asked for in drawn images, overall and
in the two rarest classes; SSIM of random pairs of drawn images beside real ones; seconds a step; mean recall (ACSA)
of the discriminator's class output, where there is one, and of the small CNN trained on the balanced set. Rows that are
there are not computed again, and a training that was stopped goes on.

    python benchmarks/samplers.py                                   # every method, 20 minutes of one core each
    python benchmarks/samplers.py --threads 2                       # the same in 10 minutes of two cores
    python benchmarks/samplers.py --methods bagan,gamo --seeds 0,1
    python benchmarks/samplers.py --table                           # from the rows that are there

The protocol is `development` of class_heads.py: the papers' counts in reverse order of the classes, measured on 10,000
other images of the training file. Defaults may be chosen by what comes out, since the test set is never read.
"""

from __future__ import annotations

import argparse
import time
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import torch
from class_heads import N_DRAWN, Split, full_data_classifier
from numpy.typing import NDArray

from makeweight.bench.rows import Outcome, Row, RowFile, Run, run_once
from makeweight.classifiers.small_cnn import CNNClassifier
from makeweight.data.named import load_named
from makeweight.heads import HEADS
from makeweight.methods import get_method, method_names
from makeweight.quality.similarity import pair_similarity
from makeweight.sampler import ImageSampler

HERE = Path(__file__).resolve().parent
CORE_SECONDS = 1200
CNN_STEPS = 2000
RAREST = 2
NOTHING = "nothing"


def make(method: str, seed: int, seconds: float, kept: Path) -> ImageSampler:
    """Give a method with its practical defaults and a budget."""
    kind = get_method(method)
    if not kind.learns:
        plain: ImageSampler = kind(random_state=seed)
        return plain
    learning: ImageSampler = kind(random_state=seed, budget=seconds, checkpoints=kept)
    return learning


def seen_in(X_drawn: dict[str, NDArray[Any]], judge: CNNClassifier) -> dict[str, float]:
    """How often the judge sees the class asked for, in percent, class by class."""
    return {label: 100 * float((judge.predict(X) == label).mean()) for label, X in X_drawn.items()}


def likeness(X_drawn: dict[str, NDArray[Any]], sampler: ImageSampler) -> float:
    """Mean SSIM of random pairs of a class, averaged over the classes."""
    random = np.random.default_rng(0)
    found = [pair_similarity(sampler.codec_.encode(X), random).value for X in X_drawn.values()]
    return float(np.mean([value for value in found if value is not None]))


def small_cnn(split: Split, X: NDArray[Any], y: NDArray[Any]) -> float:
    """ACSA, in percent, of the small CNN with augmentation after a fixed number of steps on some images."""
    classifier = CNNClassifier(n_steps=CNN_STEPS, random_state=split.seed).fit(X, y)
    return float(split.recalls(classifier.predict(split.X_eval), classifier.classes_)["acsa"])


def measure(split: Split, sampler: ImageSampler, judge: CNNClassifier, real: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Let a method learn, draw and balance, and say what came of it."""
    marks: deque[tuple[float, int]] = deque(maxlen=1)
    if "callback" in sampler.get_params(deep=False):
        sampler.set_params(callback=lambda report: marks.append((report.seconds, report.step)))
    begin = time.perf_counter()
    sampler.fit(split.X, split.y)
    seconds = time.perf_counter() - begin
    labels, counts = np.unique(split.y, return_counts=True)
    X_drawn = {label: sampler.draw(label, range(N_DRAWN)) for label in labels.tolist()}
    seen = seen_in(X_drawn, judge)
    rarest = labels[np.argsort(counts)[:RAREST]].tolist()
    lacking = {label: int(counts.max() - n) for label, n in zip(labels.tolist(), counts, strict=True)}
    new = [sampler.draw(label, range(n)) for label, n in lacking.items() if n]
    y_new = [np.repeat(label, n) for label, n in lacking.items() if n]
    head = sampler.settings.get("head", {}).get("name")
    own = sampler.classifier_.predict(split.X_eval) if head and HEADS.get(head).classifies else None  # type: ignore[attr-defined]
    return {
        "seconds": round(seconds, 1),
        "threads": torch.get_num_threads(),
        "steps": marks[-1][1] if marks else None,
        "seconds_per_step": round(marks[-1][0] / marks[-1][1], 4) if marks else None,
        "seen": round(float(np.mean(list(seen.values()))), 2),
        "seen_rarest": round(float(np.mean([seen[label] for label in rarest])), 2),
        "seen_by_class": {label: round(value, 1) for label, value in seen.items()},
        "likeness": round(likeness(X_drawn, sampler), 4),
        "likeness_of_real": round(likeness(real, sampler), 4),
        "acsa_of_head": None if own is None else split.recalls(own, sampler.classes_)["acsa"],
        "acsa_of_cnn": small_cnn(split, np.concatenate([split.X, *new]), np.concatenate([split.y, *y_new])),
        "notes": list(getattr(sampler, "training_notes_", [])),
    }


def run_method(split: Split, method: str, core_seconds: int, judge: CNNClassifier, rows: RowFile) -> Row:
    """Measure a method, unless its row is there."""
    kept = HERE / "cache" / "training" / f"{method}-seed{split.seed}-{core_seconds}"
    sampler = make(method, split.seed, core_seconds / torch.get_num_threads(), kept)
    run = Run(
        protocol="samplers/fashion-mnist/development",
        data_hash=split.run(method, {}, 0).data_hash,
        subset_seed=split.seed,
        method=method,
        settings={name: value for name, value in sampler.settings.items() if name != "budget"},
        budget=f"{core_seconds} core seconds",
    )
    real = {label: split.X_eval[split.y_eval == label][:N_DRAWN] for label in np.unique(split.y_eval).tolist()}
    return run_once(rows, run, lambda run: Outcome(measure(split, sampler, judge, real)))


def run_nothing(split: Split, rows: RowFile) -> Row:
    """Train the small CNN on the images as they are, and on balanced batches of them, to compare with."""
    run = split.run(NOTHING, {"cnn_steps": CNN_STEPS}, CNN_STEPS).model_copy(
        update={"protocol": "samplers/fashion-mnist/development"}
    )
    return run_once(rows, run, lambda run: Outcome({"acsa_of_cnn": small_cnn(split, split.X, split.y)}))


def cell(values: list[float | None], digits: int = 1) -> str:
    """Write the mean of what is there."""
    known = [value for value in values if value is not None]
    return f"{np.mean(known):.{digits}f}" if known else ""


def print_table(rows: RowFile) -> None:
    """Print all rows as a table in Markdown, means over seeds, the most recognised first."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.method, []).append(row)
    columns = ("seen", "seen_rarest", "likeness", "likeness_of_real", "seconds_per_step", "acsa_of_head", "acsa_of_cnn")
    digits = (1, 1, 3, 3, 3, 1, 1)
    print("| method | seeds | steps | seen | two rarest | SSIM | of real | s/step | ACSA of head | ACSA of CNN |")
    print("|---" * 10 + "|")

    def rank(item: tuple[str, list[Row]]) -> float:
        return -float(np.mean([row.metrics.get("seen", 0.0) for row in item[1]]))

    for method, group in sorted(groups.items(), key=rank):
        steps = cell([row.metrics.get("steps") for row in group], 0)
        figures = [cell([row.metrics.get(name) for row in group], n) for name, n in zip(columns, digits, strict=True)]
        print("|", " | ".join([method, str(len(group)), steps, *figures]), "|")


def main() -> None:
    """Measure what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", default=",".join(method_names()))
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--core-seconds", type=int, default=CORE_SECONDS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=Path, default=HERE / "results" / "samplers.jsonl")
    parser.add_argument("--table", action="store_true", help="print the table of the rows that are there, and stop")
    options = parser.parse_args()
    rows = RowFile(options.rows)
    if not options.table:
        torch.set_num_threads(options.threads)
        known = load_named("fashion-mnist")
        judge = full_data_classifier(known)
        for seed in map(int, options.seeds.split(",")):
            split = Split(known, "development", seed)
            print(NOTHING, run_nothing(split, rows).metrics, flush=True)
            for method in options.methods.split(","):
                row = run_method(split, method, options.core_seconds, judge, rows)
                figures = {name: value for name, value in row.metrics.items() if not isinstance(value, (dict, list))}
                print(method, f"seed {seed}", figures, flush=True)
    print_table(rows)


if __name__ == "__main__":
    main()
