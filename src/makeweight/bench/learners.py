"""What a table compares, as classifiers: as in the papers, and as people would do it."""

from __future__ import annotations

import re
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import filelock
import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

import makeweight
from makeweight.balance.settings import apply_settings
from makeweight.bench.entrant import AND, CLASS_OUTPUT, FORMS, IMAGES, TWIN, Entrant, read_entrant
from makeweight.bench.hashing import hash_data, hash_settings
from makeweight.bench.settings import ReadingSettings
from makeweight.checkpoints import kin_of
from makeweight.classifiers import classifier_names, get_classifier
from makeweight.classifiers.gan_classifier import GANClassifier
from makeweight.classifiers.small_cnn import CNNClassifier
from makeweight.compare.arms import ARMS, Arm, FilledAugmented, Shared, SharedBlended, plain_arms, with_drawn
from makeweight.compare.classifier import MixedClassifier
from makeweight.component import describe
from makeweight.data.wording import no_such, shown
from makeweight.errors import InputError
from makeweight.gan_sampler import GANSampler
from makeweight.methods import classifies, get_method, method_names
from makeweight.methods.aggan import AGGAN
from makeweight.sampler import ImageSampler, load

ANOTHER_SEED = 1000  # how far the seeds of the members of an average are apart
PAPER, PRACTICAL = "paper", "practical"
READINGS = (PAPER, PRACTICAL)
BATCH_SIZES = {PAPER: 50, PRACTICAL: 64}
AUTHORS_NETWORKS = "published_28"  # AGGAN's, for images of 28×28 pixels, with batch norm
SMALL_SETS = ("mnist", "fashion-mnist")  # that have such images


class Learner:
    """A classifier by itself, or the class output of a GAN's discriminator.

    Parameters
    ----------
    classifier : CNNClassifier or None
        What is trained as a classifier, and answers.
    sampler : ImageSampler or None
        What is trained to draw; answers where there is no classifier.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        Labels in the order of `predict_proba`.
    seconds_ : float
        How long what answers has learnt, whenever that was; what draws for a classifier is not counted.
    """

    classes_: NDArray[Any]
    seconds_: float

    def __init__(self, classifier: CNNClassifier | None = None, sampler: ImageSampler | None = None) -> None:
        self.classifier = classifier
        self.sampler = sampler
        self.models: Path | None = None

    @property
    def parts(self) -> dict[str, Any]:
        """What is trained, by the name that rows give it."""
        both = {"classifier": self.classifier, "draws": self.sampler}
        return {name: part for name, part in both.items() if part is not None}

    def prepare(self, models: Path | None = None, **settings: Any) -> None:
        """Tell all parts where to compute, and whatever else they have a parameter for.

        Parameters
        ----------
        models : Path, optional
            Folder of what has been learnt before and is not to be learnt again, for learners that draw.
        **settings
            Parameters and their values.
        """
        self.models = models
        for part in self.parts.values():
            own = part.get_params(deep=False)
            part.set_params(**{name: value for name, value in settings.items() if name in own})

    @property
    def settings(self) -> dict[str, Any]:
        """All settings as JSON data."""
        return {name: part.settings for name, part in self.parts.items()}

    @property
    def history_(self) -> list[dict[str, Any]]:
        """What was noted while the sampler learnt."""
        return list(getattr(self.sampler, "history_", []))

    @property
    def notes_(self) -> list[str]:
        """What went wrong while the sampler learnt and was put right, such as a damaged checkpoint."""
        return list(getattr(self.sampler, "training_notes_", []))

    def fit(self, X: NDArray[Any], y: NDArray[Any]) -> Self:
        """Learn from images and labels (n,)."""
        (part,) = self.parts.values()
        begin = time.perf_counter()
        self.classes_ = part.fit(X, y).classes_
        self.seconds_ = self._seconds_of_history() or time.perf_counter() - begin
        return self

    def _seconds_of_history(self) -> float:
        """How long the sampler learnt, whenever that was, as its history says; 0 without one."""
        return float(self.history_[-1]["seconds"]) if self.history_ else 0.0

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float32]:
        """Return the probability of each class, of shape (n, n_classes)."""
        judge: Any = self.classifier
        if judge is None:
            assert isinstance(self.sampler, GANSampler)
            judge = self.sampler.classifier_
        chances: NDArray[np.float32] = judge.predict_proba(X)
        return chances

    def learnt(self, sampler: ImageSampler, X: NDArray[Any], y: NDArray[Any]) -> ImageSampler:
        """Let a method learn, unless a model of the same settings and images is kept, or another process makes one."""
        if self.models is None or not sampler.learns:
            fitted: ImageSampler = sampler.fit(X, y)
            return fitted
        version = kin_of(makeweight.__version__)
        own = hash_settings({"settings": sampler.settings, "data": hash_data(X, y), "version": version})
        target = self.models / f"{sampler.name}-{own[:16]}"
        self.models.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{target}.lock"):
            if not target.is_dir():
                partial = target.with_name(f"{target.name}.partial")
                shutil.rmtree(partial, ignore_errors=True)
                sampler.fit(X, y).save(partial)
                partial.rename(target)
        return load(target, device=sampler.get_params(deep=False)["device"])


class FromClassOutput(Learner):
    """The class output of a GAN whose model is kept, so that it need not learn again to draw."""

    def fit(self, X: NDArray[Any], y: NDArray[Any]) -> Self:
        """Learn from images and labels (n,)."""
        assert self.sampler is not None
        self.sampler = self.learnt(self.sampler, X, y)
        self.classes_ = self.sampler.classes_
        self.seconds_ = self._seconds_of_history()
        return self


class FromDrawn(Learner):
    """A classifier that learns from real images and from those that a method draws of the rare classes.

    Parameters
    ----------
    arm : Arm
        How the classifier learns, and from how many drawn images.
    base : MixedClassifier
        What all arms share.
    sampler : ImageSampler or None
        What draws; None where the arm draws nothing.
    """

    classifier: MixedClassifier

    def __init__(self, arm: Arm, base: MixedClassifier, sampler: ImageSampler | None) -> None:
        super().__init__(arm.classifier(base), sampler)
        self.arm = arm

    @property
    def settings(self) -> dict[str, Any]:
        """All settings as JSON data."""
        return {**super().settings, "arm": describe(self.arm)}

    def fit(self, X: NDArray[Any], y: NDArray[Any]) -> Self:
        """Let the method learn and draw, and the classifier learn from both."""
        drawn = np.zeros(len(y), bool)
        if self.sampler is not None:
            labels, counts = np.unique(y, return_counts=True)
            numbers = self.arm.counts(counts).tolist()
            if not any(numbers):
                raise InputError(f"{self.arm.title} adds no image, since every class has as many: give a larger fill.")
            self.sampler = self.learnt(self.sampler, X, y)
            X, y, drawn = with_drawn(X, y, labels, self.sampler, [range(n) for n in numbers])
        begin = time.perf_counter()
        self.classifier.fit(X, y, drawn=drawn)
        self.classes_, self.seconds_ = self.classifier.classes_, time.perf_counter() - begin
        return self


class Averaged(Learner):
    """Several learners whose probabilities are averaged with equal weights; `answer` lets each learn and answer.

    Parameters
    ----------
    members : sequence of Learner
        What is averaged.
    """

    def __init__(self, members: Sequence[Learner]) -> None:
        super().__init__()
        self.members = list(members)

    def prepare(self, models: Path | None = None, **settings: Any) -> None:
        """Tell all members where to compute, and each where to keep an unfinished training."""
        kept = settings.pop("checkpoints", None)
        for place, member in enumerate(self.members):
            own = settings if kept is None else {**settings, "checkpoints": Path(kept) / str(place)}
            member.prepare(models, **own)

    @property
    def settings(self) -> dict[str, Any]:
        """All settings as JSON data."""
        return {"members": [member.settings for member in self.members]}


def paper_learner(name: str, dataset: str, n_steps: int, seed: int, **changes: Any) -> Learner:
    """Give a method with the papers' networks and settings; a GAN classifies by its class output.

    AGGAN's authors have published networks for 28×28 pixels alone; images of other sizes have this library's, by shape.

    Parameters
    ----------
    name : str
        A GAN with a class output, a classifier, or "twin": AGGAN's discriminator trained alone. "aggan by batch
        statistics" scores offspring with batch norm as it is in training.
    dataset : str
        Name of the set.
    n_steps : int
        Length of the training.
    seed : int
        Seed of the training.
    **changes
        Settings of a GAN that are not the papers'.

    Raises
    ------
    InputError
        If there is no such method, or it does not classify, or has no offspring to be scored so.
    """
    networks = AUTHORS_NETWORKS if dataset in SMALL_SETS else "by_shape"
    if name == TWIN:
        return Learner(CNNClassifier.twin(AGGAN.from_paper().set_params(networks=networks, random_state=seed), n_steps))
    own = [each for each in classifier_names() if not issubclass(get_classifier(each), GANClassifier)]
    if name in own:
        game = AGGAN.from_paper()
        classifier = get_classifier(name)(
            networks=networks,
            n_steps=n_steps,
            batch_size=game.batch_size,
            learning_rate=game.learning_rate,
            learning_rate_decay=game.learning_rate_decay,
            betas=game.betas,
            augmentation=game.augmentation,
            random_state=seed,
        )
        return Learner(classifier)
    games = [each for each in method_names() if classifies(each) and hasattr(get_method(each), "from_paper")]
    told = read_entrant(name)
    if told is None or told.method not in games or told != Entrant(told.method, by_batches=told.by_batches):
        raise InputError(no_such(f"method of the reading {PAPER}", name, [TWIN, *own, *games]))
    sampler: GANSampler = get_method(told.method).from_paper()
    if sampler.networks == AUTHORS_NETWORKS:
        sampler.set_params(networks=networks)
    sampler.set_params(precision="32-true", n_epochs=None, n_steps=n_steps, random_state=seed, **changes)
    if told.by_batches:
        if len(sampler.setting("evolution").mutations) == 1:
            raise InputError(f"{told.method} scores no offspring, so leave out 'by batch statistics'.")
        if sampler.networks != AUTHORS_NETWORKS:
            raise InputError(f"networks for {dataset} have no batch norm, so leave out {shown(name)!r}.")
        apply_settings(sampler, {"evolution.batch_statistics": "true"})
    return Learner(sampler=sampler)


def practical_learner(name: str, dataset: str, settings: ReadingSettings, n_steps: int, seed: int) -> Learner:
    """Give a method with its defaults, and the one classifier of all that learns from what it draws.

    Parameters
    ----------
    name : str
        An arm of a comparison that draws nothing, or a method that draws: "aggan at fill 0.5" fills classes so far, in
        "aggan at share 0.25" drawn images are that share of a class's part of a batch, "aggan at fill 0.5 and share
        0.25" is both, "aggan with mixup at share 0.25" learns from blends of two images, "aggan's class output" is the
        method itself as a classifier, and "twin" the trunk of its discriminator trained alone; "aggan with mixup's
        class output" and "twin with mixup" learn the classes from blends, too, and "aggan with mixup's images at share
        0.25" are drawn by the former for a classifier with mixup. Several with " + " between them are averaged; what
        classifies has another seed in each place, and what draws another where its name comes again.
    dataset : str
        Name of the set.
    settings : ReadingSettings
        The classifier's networks, and how far classes are filled.
    n_steps : int
        Length of the classifier's training; a method learns as long as its recipe says.
    seed : int
        Seed of both.

    Raises
    ------
    InputError
        If there is no such method.
    """
    base = MixedClassifier(networks=settings.networks_of(dataset), n_steps=n_steps)
    members, seen = [], Counter[str]()
    for place, each in enumerate(name.split(AND)):
        own = clone(base).set_params(random_state=seed + ANOTHER_SEED * place)
        members.append(_member(each, own, settings.fill, seed + ANOTHER_SEED * seen[each]))
        seen[each] += 1
    return Averaged(members) if len(members) > 1 else members[0]


def _member(name: str, base: MixedClassifier, fill: float, seed: int) -> Learner:
    """Give one method of the practical reading: `base` has the seed of what classifies, `seed` is of what draws."""
    plain, told = plain_arms(), read_entrant(name)
    if told and (told.mixed or told.by_batches):
        told = None  # of other tables
    if name in plain:
        return FromDrawn(ARMS.get(name)(), base, None)
    if told in (Entrant(TWIN), Entrant(TWIN, mixup=True)):
        game = _drawer(AGGAN.name, base.random_state, told.mixup)
        return Learner(CNNClassifier.twin(game, game.settings["n_steps"]))
    method = told.method if told else re.match(r"\w*", name)[0]  # type: ignore[index]
    games = [each for each in method_names() if classifies(each)]
    if method in (TWIN, *plain) and not (told and told.part == CLASS_OUTPUT):
        raise InputError(f"{shown(name)!r} is no method of a table: {method} draws nothing, so give it alone.")
    if told and told.part and method not in games:
        raise InputError(no_such("method with a class output", method, games))
    if told and told.part == CLASS_OUTPUT:
        return FromClassOutput(sampler=_drawer(method, seed, told.mixup))
    if method not in method_names():
        known = {TWIN, *plain, *method_names()}
        raise InputError(no_such(f"method of the reading {PRACTICAL}", method, known))
    if told is None or (told.mixup and not told.share):
        raise InputError(f"{shown(name)!r} is no method of a table: write {FORMS}.")
    if told.fill:
        fill = _number(name, told.fill, "fills classes to no share of the largest", most=1.0)
    arm: Arm = FilledAugmented(method=method, fill=fill)
    if told.share:
        kind = SharedBlended if told.mixup else Shared
        arm = kind(method=method, fill=fill, share=_number(name, told.share, "takes no share of a batch", most=0.99))
    return FromDrawn(arm, base, _drawer(method, seed, told.part == IMAGES))


def _drawer(method: str, seed: int, blends: bool) -> Any:
    """Give a method; the class output of one that is to learn from blends does."""
    sampler = get_method(method)(random_state=seed)
    if blends:
        apply_settings(sampler, {"head.mixup": "true"})
    return sampler


def _number(name: str, told: str, fault: str, most: float) -> float:
    """Read how far classes are filled, or a share of drawn images; one number has one spelling."""
    try:
        value = float(told)
    except ValueError:
        value = 0.0
    if not 0 < value <= most:
        raise InputError(f"{shown(name)!r} {fault}: give one above 0 and at most {most:g}.")
    if told != f"{value:g}":
        raise InputError(f"{shown(name)!r} has a number of another spelling: write {value:g} for {shown(told)}.")
    return value
