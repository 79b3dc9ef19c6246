"""Ask whether a classifier learns more from drawn images if a teacher says what they show.

On Fashion-MNIST with the papers' counts, by the protocol `development`.

AGGAN draws the rare classes, 0.25 of the largest in all, a quarter of their part of a batch. Learners are the small
CNN of `compare`, with augmentation and balanced batches, of one length; their teachers are averages of two, with equal
weights:

    real                          no drawn image
    labels                        drawn images, each with the class that was asked for
    two plain: drawn images       drawn images, each with the probabilities of two learners of real images alone
    plain and head: drawn images  drawn images, each with those of one such learner and of AGGAN's class output
    two plain: real images        no drawn image; half of what an image counts for is what the two say of it

    python benchmarks/distilling.py [--seeds 0,1,2]

One row a learner and seed in benchmarks/results/distilling.jsonl, teachers too; nothing is measured on the test set.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from class_heads import Split
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from makeweight.bench.rows import Outcome, RowFile, Run, run_once
from makeweight.bench.running import device_name
from makeweight.classifiers.risks import BatchRisk, Risk, Study
from makeweight.compare.arms import Augmented, Shared
from makeweight.compare.classifier import MixedClassifier
from makeweight.data.named import load_named
from makeweight.methods.aggan import AGGAN
from makeweight.sampler import load

HERE = Path(__file__).resolve().parent
GAN_STEPS, N_STEPS = 2500, 12500
FILL = SHARE = 0.25
Chances = NDArray[np.float64]


class Taught(Risk):
    """Cross-entropy against a probability of each class, in place of a label.

    Parameters
    ----------
    targets : array of shape (n, n_classes)
        Probabilities for each training image.
    """

    def __init__(self, targets: Chances) -> None:
        self.targets = targets

    def begin(self, study: Study) -> BatchRisk:
        """Give what is minimised on a batch."""
        targets = torch.tensor(self.targets, dtype=torch.float32, device=study.device)

        def of_batch(step: int, index: NDArray[np.int64], images: Tensor, codes: Tensor) -> Tensor:
            return cross_entropy(study.network(images).class_logits, targets[index])

        return of_batch


class Lesson:
    """One subset: its learners, each trained when it is first asked for."""

    def __init__(self, split: Split, rows: RowFile, kept: Path) -> None:
        self.split, self.rows = split, rows
        self.labels, codes, counts = np.unique(split.y, return_inverse=True, return_counts=True)
        self.hard = np.eye(len(self.labels))[codes]
        self.numbers = Shared(method="aggan", fill=FILL, share=SHARE).counts(counts).tolist()
        self.base = MixedClassifier(n_steps=N_STEPS, random_state=split.seed)
        folder = kept / f"aggan-{GAN_STEPS}-seed{split.seed}"
        if not folder.is_dir():
            AGGAN(n_steps=GAN_STEPS, random_state=split.seed).fit(split.X, split.y).save(folder)
        self.gan = load(folder)
        self.X_drawn = np.concatenate(
            [self.gan.draw(label, range(n)) for label, n in zip(self.labels.tolist(), self.numbers, strict=True)]
        )
        self.asked = np.eye(len(self.labels))[np.repeat(np.arange(len(self.labels)), self.numbers)]

    def row(self, name: str, predicted: NDArray[Any], seconds: float) -> None:
        """Write what a learner reached."""
        split = self.split
        settings = {"gan": self.gan.settings_, "learner": self.base.settings_, "fill": FILL, "share": SHARE}
        run: Run = split.run(name, settings, N_STEPS).model_copy(
            update={"protocol": "distilling/fashion-mnist/development"}
        )
        found = split.recalls(predicted, self.labels)
        run_once(self.rows, run, lambda _: Outcome(found, device=device_name("auto"), seconds=seconds))
        print(split.seed, name, found["acsa"], flush=True)

    def learn(self, name: str, targets: Chances, *, drawn: bool, seed: int = 0) -> MixedClassifier:
        """Train a learner on real images, and drawn ones if told, with the targets of all of them."""
        split = self.split
        X = np.concatenate([split.X, self.X_drawn]) if drawn else split.X
        y = self.labels[np.concatenate([self.hard, self.asked]).argmax(axis=1)][: len(X)]
        arm = Shared(method="aggan", fill=FILL, share=SHARE) if drawn else Augmented()
        learner = arm.classifier(self.base).set_params(random_state=split.seed + 1000 * seed)
        learner.risk = Taught(targets)
        begin = time.perf_counter()
        learner.fit(X, y, drawn=np.arange(len(X)) >= len(split.X))
        self.row(name, learner.predict(split.X_eval), time.perf_counter() - begin)
        return learner

    def all(self) -> None:
        """Train all learners, teachers first."""
        X_eval, head = self.split.X_eval, self.gan.classifier_
        one = self.learn("real", self.hard, drawn=False)
        other = self.learn("real, another seed", self.hard, drawn=False, seed=1)
        self.row("class output", head.predict(X_eval), 0.0)
        teachers = {"two plain": (one, other), "plain and head": (one, head)}
        self.learn("labels", np.concatenate([self.hard, self.asked]), drawn=True)
        for name, members in teachers.items():
            said = np.mean([member.predict_proba(X_eval) for member in members], axis=0)
            self.row(f"{name}: averaged", self.labels[said.argmax(axis=1)], 0.0)
            of_drawn = np.mean([member.predict_proba(self.X_drawn) for member in members], axis=0)
            self.learn(f"{name}: drawn images", np.concatenate([self.hard, of_drawn]), drawn=True)
        of_real = np.mean([member.predict_proba(self.split.X) for member in teachers["two plain"]], axis=0)
        self.learn("two plain: real images", (self.hard + of_real) / 2, drawn=False)


def main() -> None:
    """Run the lessons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--rows", type=Path, default=HERE / "results" / "distilling.jsonl")
    chosen = parser.parse_args()
    known = load_named("fashion-mnist")
    for seed in map(int, chosen.seeds.split(",")):
        Lesson(Split(known, "development", seed), RowFile(chosen.rows), HERE / "cache" / "distilling").all()


if __name__ == "__main__":
    main()
