"""Ask what drawn images teach a classifier: by their labels, by what a teacher says of them, and by where they lie.

On Fashion-MNIST with the papers' counts, by the protocol `development`.

A method draws the rare classes, 0.25 of the largest in all, a quarter of their part of a batch. Learners are the small
CNN of `compare`, with augmentation and balanced batches, of one length; their teachers are averages of two, with equal
weights. Learners of AGGAN's images, and beside them:

    real                          no drawn image
    labels                        drawn images, each with the class that was asked for
    boundary, middle              as labels, of four times as many those of which a learner of real images is least
                                  sure, but right; and those of which it is surest
    two plain: drawn images       drawn images, each with the probabilities of two learners of real images alone
    plain and head: drawn images  drawn images, each with those of one such learner and of AGGAN's class output
    two plain: real images        no drawn image; half of what an image counts for is what the two say of it
    mixup, mixup: labels          as real and labels, of blends of two images (mixup)
    adjusted mixup                as mixup, batches as they come, with logit adjustment in place of balanced ones; by
                                  itself and averaged with the others
    blending head, blending twin  the class output of AGGAN that learns from blends (`head.mixup=True`), as long as its
                                  recipe says, and its trunk trained alone, by themselves and averaged with mixup
    mixup from the head, twin     as mixup, from the weights of that class output or of its trunk trained alone
    ..., twice as long            the same after twice as many steps of the game and of the trunk

and `labels` of SMOTE, DeepSMOTE and GAMO, in pixels and in a latent space.

    python benchmarks/distilling.py [--seeds 0,1,2] [--lessons teachers,places,drawers,blends,heads,trunks,longer]
    python benchmarks/distilling.py --table

One row a learner and seed in benchmarks/results/distilling.jsonl, teachers too; nothing is measured on the test set.
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from class_heads import Split
from numpy.typing import NDArray
from sklearn.base import clone
from torch import Tensor
from torch.nn.functional import cross_entropy

from makeweight import AGGAN, GAMO, SMOTE, DeepSMOTE
from makeweight.balance.settings import apply_settings
from makeweight.bench.rows import Outcome, RowFile, Run, run_once
from makeweight.classifiers.risks import BatchRisk, Mixup, Risk, Study
from makeweight.classifiers.small_cnn import CNNClassifier
from makeweight.compare.arms import AdjustedBlended, AugmentedArm, Shared
from makeweight.compare.classifier import MixedClassifier
from makeweight.data.named import load_named
from makeweight.judges import Discriminator
from makeweight.machine import device_name
from makeweight.sampler import ImageSampler, load

HERE = Path(__file__).resolve().parent
GAN_STEPS, N_STEPS = 2500, 12500
FILL = SHARE = 0.25
BLENDING, LONGER = "blending aggan", "blending aggan, twice as long"
POOL = 4  # times as many drawn images to choose from
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


def drawers(seed: int) -> dict[str, ImageSampler]:
    """Give the methods that draw, AGGAN first."""
    settings: dict[str, Any] = {"n_steps": GAN_STEPS, "random_state": seed}
    blending = AGGAN(random_state=seed)
    apply_settings(blending, {"head.mixup": "true"})
    longer = clone(blending).set_params(n_steps=2 * blending.settings["n_steps"])
    return {
        AGGAN.name: AGGAN(**settings),
        "smote": SMOTE(random_state=seed),
        "deep_smote": DeepSMOTE(**settings),
        "gamo": GAMO(**settings),
        "gamo in latent space": GAMO(**settings, start="convex_latent"),
        BLENDING: blending,
        LONGER: longer,
    }


class Begun(MixedClassifier):
    """A classifier that begins from weights learnt before, those of `begin_from`."""

    begin_from: Discriminator

    def _build(self) -> Discriminator:
        return copy.deepcopy(self.begin_from)


class Lesson:
    """One subset, its learners and what they learn from."""

    def __init__(self, split: Split, rows: RowFile, kept: Path) -> None:
        self.split, self.rows, self.kept = split, rows, kept
        self.labels, codes, counts = np.unique(split.y, return_inverse=True, return_counts=True)
        self.hard = np.eye(len(self.labels))[codes]
        self.numbers = Shared(fill=FILL, share=SHARE).counts(counts).tolist()
        self.asked = np.eye(len(self.labels))[np.repeat(np.arange(len(self.labels)), self.numbers)]
        self.base = MixedClassifier(n_steps=N_STEPS, random_state=split.seed)

    def drawer(self, name: str) -> ImageSampler:
        """Let a method learn, or take it from the cache."""
        sampler = drawers(self.split.seed)[name]
        n_steps = sampler.settings.get("n_steps", GAN_STEPS)
        folder = self.kept / f"{name.replace(' ', '-')}-{n_steps}-seed{self.split.seed}"
        if not folder.is_dir():
            if "checkpoints" in sampler.get_params(deep=False):
                sampler.set_params(checkpoints=folder.with_suffix(".training"))
            sampler.fit(self.split.X, self.split.y).save(folder)
        return load(folder)

    def draw(self, sampler: ImageSampler, times: int = 1) -> NDArray[Any]:
        """Draw what the rare classes lack, or several times as much, class by class."""
        each = zip(self.labels.tolist(), self.numbers, strict=True)
        return np.concatenate([sampler.draw(label, range(times * number)) for label, number in each])

    def note(self, name: str, sampler: ImageSampler, predicted: NDArray[Any], seconds: float) -> None:
        """Write what a learner reached."""
        split = self.split
        settings = {"gan": sampler.settings, "learner": self.base.settings, "fill": FILL, "share": SHARE}
        run: Run = split.run(name, settings, N_STEPS).model_copy(
            update={"protocol": "distilling/fashion-mnist/development"}
        )
        found = split.recalls(predicted, self.labels)
        run_once(self.rows, run, lambda _: Outcome(found, device=device_name("auto"), seconds=seconds))
        print(split.seed, name, found["acsa"], flush=True)

    def learn(
        self,
        name: str,
        sampler: ImageSampler,
        targets: Chances,
        X_drawn: NDArray[Any] | None = None,
        seed: int = 0,
        risk: Risk | None = None,
        begin_from: Discriminator | None = None,
    ) -> MixedClassifier:
        """Train a learner on real images, and on drawn ones if there are, with the targets of all of them.

        A risk that is given goes by labels, not by targets.
        """
        split, drawn = self.split, X_drawn is not None
        X = np.concatenate([split.X, X_drawn]) if X_drawn is not None else split.X
        y = self.labels[np.concatenate([self.hard, self.asked]).argmax(axis=1)][: len(X)]
        arm = Shared(fill=FILL, share=SHARE) if drawn else AugmentedArm()
        learner = arm.classifier(self.base).set_params(random_state=split.seed + 1000 * seed)
        if begin_from is not None:
            learner = Begun(**learner.get_params(deep=False))
            learner.begin_from = begin_from
        learner.risk = Taught(targets) if risk is None else risk
        begin = time.perf_counter()
        learner.fit(X, y, drawn=np.arange(len(X)) >= len(split.X))
        self.note(name, sampler, learner.predict(split.X_eval), time.perf_counter() - begin)
        return learner

    def teachers(self) -> None:
        """Learn from what teachers say."""
        X_eval, gan = self.split.X_eval, self.drawer(AGGAN.name)
        assert isinstance(gan, AGGAN)
        X_drawn, head = self.draw(gan), gan.classifier_
        one = self.learn("real", gan, self.hard)
        other = self.learn("real, another seed", gan, self.hard, seed=1)
        self.note("class output", gan, head.predict(X_eval), 0.0)
        teachers = {"two plain": (one, other), "plain and head": (one, head)}
        for name, members in teachers.items():
            self.average(name, gan, *members)
            of_drawn = np.mean([member.predict_proba(X_drawn) for member in members], axis=0)
            self.learn(f"{name}: drawn images", gan, np.concatenate([self.hard, of_drawn]), X_drawn)
        of_real = np.mean([member.predict_proba(self.split.X) for member in teachers["two plain"]], axis=0)
        self.learn("two plain: real images", gan, (self.hard + of_real) / 2)

    def average(self, name: str, sampler: ImageSampler, *members: Any) -> None:
        """Write what the mean of the members' probabilities reaches."""
        said = np.mean([member.predict_proba(self.split.X_eval) for member in members], axis=0)
        self.note(f"{name}: averaged", sampler, self.labels[said.argmax(axis=1)], 0.0)

    def blends(self) -> None:
        """Learn from blends of two images (mixup), with and without drawn ones among them."""
        gan = self.drawer(AGGAN.name)
        assert isinstance(gan, AGGAN)
        head = gan.classifier_
        one = self.learn("mixup", gan, self.hard, risk=Mixup())
        drawn = self.learn("mixup: labels", gan, np.concatenate([self.hard, self.asked]), self.draw(gan), risk=Mixup())
        other = self.learn("mixup, another seed", gan, self.hard, seed=1, risk=Mixup())
        self.average("two mixup", gan, one, other)
        self.average("mixup and head", gan, one, head)
        self.average("mixup: labels, and mixup", gan, drawn, other)
        self.average("mixup: labels, and head", gan, drawn, head)

    def adjusted(self, sampler: ImageSampler) -> MixedClassifier:
        """Learn from blends with logit adjustment."""
        learner = AdjustedBlended().classifier(self.base)
        begin = time.perf_counter()
        learner.fit(self.split.X, self.split.y)
        self.note("adjusted mixup", sampler, learner.predict(self.split.X_eval), time.perf_counter() - begin)
        return learner

    def heads(self) -> None:
        """Let the class output itself learn from blends, and its trunk alone."""
        told, plain = "mixup: labels of the blending", drawers(self.split.seed)[AGGAN.name]
        gan, head, twin, drawn = self.blending(BLENDING)
        one = self.learn("mixup", plain, self.hard, risk=Mixup())  # no drawn image: `plain` is for the row's settings
        self.average("mixup and blending head", gan, one, head)
        self.average("mixup and blending twin", gan, one, twin)
        self.average(f"{told}, and blending head", gan, drawn, head)
        adjusted = self.adjusted(plain)
        self.average("adjusted mixup, and mixup", plain, adjusted, one)
        self.average("adjusted mixup, and blending head", gan, adjusted, head)
        self.average("adjusted mixup, and blending twin", gan, adjusted, twin)
        self.average("adjusted mixup, mixup, and blending twin", gan, adjusted, one, twin)
        self.average("adjusted mixup, mixup, and blending head", gan, adjusted, one, head)
        self.average(f"adjusted mixup, {told}, and blending head", gan, adjusted, drawn, head)

    def blending(self, name: str, long: str = "") -> tuple[AGGAN, Any, CNNClassifier, MixedClassifier]:
        """Let an AGGAN learn from blends; give it, its class output, its twin, and a learner of what it draws."""
        gan, X_eval = self.drawer(name), self.split.X_eval
        assert isinstance(gan, AGGAN)
        head = gan.classifier_
        self.note(f"blending head{long}", gan, head.predict(X_eval), 0.0)
        twin = CNNClassifier.twin(gan, gan.settings["n_steps"]).fit(self.split.X, self.split.y)
        self.note(f"blending twin{long}", gan, twin.predict(X_eval), 0.0)
        targets = np.concatenate([self.hard, self.asked])
        drawn = self.learn(f"mixup: labels of the blending{long}", gan, targets, self.draw(gan), risk=Mixup())
        return gan, head, twin, drawn

    def trunks(self) -> None:
        """Let classifiers with mixup begin from what the class output has learnt, and from what its trunk has alone."""
        gan = self.drawer(BLENDING)
        assert isinstance(gan, AGGAN)
        twin = CNNClassifier.twin(gan, gan.settings["n_steps"]).fit(self.split.X, self.split.y)
        plain = drawers(self.split.seed)[AGGAN.name]
        one = self.learn("mixup", plain, self.hard, risk=Mixup())
        for name, network in {"head": gan.players_.discriminator.network, "twin": twin.network_}.items():
            assert isinstance(network, Discriminator)
            begun = self.learn(f"mixup from the {name}", gan, self.hard, risk=Mixup(), begin_from=network)
            self.average(f"mixup, and mixup from the {name}", gan, one, begun)

    def longer(self) -> None:
        """Let the AGGAN that learns from blends play twice as long, and its trunk learn as long."""
        long = ", twice as long"
        gan, head, twin, drawn = self.blending(LONGER, long)
        plain = drawers(self.split.seed)[AGGAN.name]
        one = self.learn("mixup", plain, self.hard, risk=Mixup())
        self.average(f"mixup and blending head{long}", gan, one, head)
        self.average(f"mixup and blending twin{long}", gan, one, twin)
        self.average(f"mixup: labels of the blending, and blending head{long}", gan, drawn, head)

    def places(self) -> None:
        """Learn from drawn images near the boundary of a class, and from those far from it."""
        gan, targets = self.drawer(AGGAN.name), np.concatenate([self.hard, self.asked])
        judge = self.learn("real", gan, self.hard)
        many = self.draw(gan, POOL)
        asked = np.repeat(np.arange(len(self.labels)), [POOL * number for number in self.numbers])
        chances = judge.predict_proba(many)
        sure = chances[np.arange(len(many)), asked]
        # Those that are taken for another class come last: what they show is open.
        doubt = np.where(chances.argmax(axis=1) == asked, -sure, -2.0)
        for name, order in {"boundary": doubt, "middle": sure}.items():
            of_class = [np.flatnonzero(asked == code) for code in range(len(self.labels))]
            best = [own[np.argsort(-order[own])[:number]] for own, number in zip(of_class, self.numbers, strict=True)]
            self.learn(name, gan, targets, many[np.concatenate(best)])

    def drawers(self) -> None:
        """Learn from the images of each method."""
        for name in [each for each in drawers(0) if each not in (BLENDING, LONGER)]:
            sampler = self.drawer(name)
            told = "labels" if name == AGGAN.name else f"labels: {name}"
            self.learn(told, sampler, np.concatenate([self.hard, self.asked]), self.draw(sampler))


def print_table(rows: RowFile) -> None:
    """Print mean recall by learner, network and length, the best first."""
    found: dict[tuple[str, ...], list[float]] = {}
    for row in rows:
        networks = row.settings["learner"]["networks"]["name"]
        found.setdefault((row.method, networks, row.budget), []).append(float(str(row.metrics["acsa"])))
    print("| learner | network | length | seeds | mean recall | deviation |")
    print("|---|---|---|---|---|---|")
    for key, values in sorted(found.items(), key=lambda item: -np.mean(item[1])):
        deviation = f"{np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
        print("|", " | ".join([*key, str(len(values)), f"{np.mean(values):.2f}", deviation]), "|")


def main() -> None:
    """Run the lessons, or print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--rows", type=Path, default=HERE / "results" / "distilling.jsonl")
    parser.add_argument("--lessons", default="teachers,places,drawers,blends,heads,trunks,longer")
    parser.add_argument("--table", action="store_true", help="print the table of the rows that are there, and stop")
    chosen = parser.parse_args()
    if chosen.table:
        print_table(RowFile(chosen.rows))
        return
    known = load_named("fashion-mnist")
    for seed in map(int, chosen.seeds.split(",")):
        lesson = Lesson(Split(known, "development", seed), RowFile(chosen.rows), HERE / "cache" / "distilling")
        for name in chosen.lessons.split(","):
            getattr(lesson, name)()


if __name__ == "__main__":
    main()
