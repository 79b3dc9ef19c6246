"""The quality of drawn images: whether they show their class, how near and how varied they are, whether they copy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import nn

from makeweight.classifiers.small_cnn import CNNClassifier
from makeweight.data.arrays import Channels
from makeweight.errors import InputError
from makeweight.quality.copies import CopyFinder, Nearness
from makeweight.quality.crossfit import CrossFit, Extractor, extract, hash_of
from makeweight.quality.figures import METRICS, Figure, bootstrap, refused, share
from makeweight.quality.inputs import QualityInput
from makeweight.quality.leak import LeakReport, leak_test
from makeweight.quality.report import ClassQuality, QualityReport, warnings_of
from makeweight.quality.resampling import FoldFeatures, feature_figures
from makeweight.quality.similarity import has_collapsed, pair_similarity
from makeweight.ranges import SEED

KINDS = ("identical", "near", "suspect")
N_CODE_DIGITS = 8
# The unbiased estimate of the kernel distance takes images for drawn independently. Among all of them two of one class
# meet more rarely than between the two sides, since each side holds a fixed number of each.
BY_CLASS = ("kernel",)
OnStage = Callable[[str, int, int], None]


def evaluate_images(
    X: ArrayLike,
    y: ArrayLike,
    X_drawn: ArrayLike,
    y_drawn: ArrayLike,
    *,
    X_test: ArrayLike | None = None,
    y_test: ArrayLike | None = None,
    extractor: Extractor | None = None,
    classifier: CNNClassifier | None = None,
    n_folds: int = 3,
    n_resamples: int = 100,
    n_components: int = 16,
    random_state: int = 0,
    device: str = "auto",
    channels: Channels | None = None,
    groups: ArrayLike | None = None,
    crossfit: CrossFit | None = None,
    progress: OnStage | None = None,
) -> QualityReport:
    """Measure the quality of drawn images, per class and overall.

    Parameters
    ----------
    X, y : array-like of shape (n, ...) and (n,)
        The real training images, in any layout and dtype that the samplers take, and their labels; two classes at
        least.
    X_drawn, y_drawn : array-like of shape (m, ...) and (m,)
        The drawn images in the same layout and dtype, and the labels that they were asked to show.
    X_test, y_test : array-like, optional
        Test images and labels, for the leak test alone.
    extractor : Module or callable, optional
        Images (batch, c, h, w) in [-1, 1] to features (batch, n_features). By default the trunk of each fold's
        classifier, for what that classifier has not seen.
    classifier : CNNClassifier, optional
        What is trained on the folds, which is cloned.
    n_folds : int, default=3
        Number of folds, at least 2.
    n_resamples : int, default=100
        Resamples for the intervals of the figures on features, at least 2.
    n_components : int, default=16
        Directions in which the Fréchet distance is taken: the first principal components of the real features.
    random_state : int, default=0
        Seed; equal seeds give equal figures. Global random states are left as they were found.
    device : str, default="auto"
        Where to train, if no classifier is given.
    channels : "first" or "last", optional
        Where the channels of 4-D arrays are, where their shape leaves that open.
    groups : array-like of shape (n,), optional
        What each real image belongs to, such as a patient or a track; None for one that is by itself. Folds part no
        group, so that no image is judged by what has seen its like.
    crossfit : CrossFit, optional
        One that was fitted to these real images already; `classifier`, `n_folds`, `device` and `groups` are its own
        then.
    progress : callable, optional
        Called with the name of the stage, the number of pieces done, and of all.

    Returns
    -------
    QualityReport

    Raises
    ------
    InputError
        If the arrays do not fit each other, there is one class only, nothing was drawn, or there are fewer groups than
        folds.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> digits = load_digits()
    >>> X, y = digits.images[:300], digits.target[:300]
    >>> report = evaluate_images(X, y, X[:5], y[:5], classifier=CNNClassifier(n_epochs=1), n_resamples=2)
    >>> report.copies_alarm, report.overall.n_copies["identical"]
    (True, 5)
    """
    data = QualityInput.check(X, y, X_drawn, y_drawn, channels)
    if n_resamples < 2 or n_components < 1 or not SEED.holds(random_state):
        raise InputError("give n_resamples of 2 at least, n_components of 1 at least, and a seed from 0 to 2**31 - 1.")
    test = data.check_test(X_test, y_test)
    tell = progress or (lambda stage, done, total: None)
    if crossfit is None:
        crossfit = CrossFit(n_folds, classifier, random_state, device)
        crossfit.fit(
            data.X,
            data.codes,
            codec=data.codec,
            groups=None if groups is None else data.check_groups(groups),
            progress=lambda done, total: tell("cross-fitting", done, total),
            classes=data.classes,
        )
    elif not hasattr(crossfit, "folds_"):
        raise InputError("the given crossfit has not been fitted: fit it to X and the codes of y.")
    elif len(crossfit.folds_) != len(data.X) or crossfit.n_classes_ != len(data.classes):
        raise InputError("the given crossfit was fitted to other images: fit it to X and the codes of y.")
    work = _Evaluation(data, crossfit, extractor, n_resamples, n_components, random_state)
    classes = []
    for code in data.drawn_classes:
        classes.append(work.judge_class(code))
        tell("comparing", len(classes), len(data.drawn_classes))
    return work.report(classes, None if test is None else work.test_for_leaks(*test))


class _Evaluation:
    """What all classes share, computed once."""

    def __init__(
        self,
        data: QualityInput,
        crossfit: CrossFit,
        extractor: Extractor | None,
        n_resamples: int,
        n_components: int,
        seed: int,
    ) -> None:
        self.data, self.crossfit = data, crossfit
        self.n_resamples, self.n_components, self.seed = n_resamples, n_components, seed
        self.finder = CopyFinder(data.X, data.codec)
        self.nearness: Nearness = self.finder.find(data.X_drawn)
        originals = np.full(len(data.X_drawn), -1)
        for copy in self.nearness.copies:
            originals[copy.index] = copy.of
        self.real_answers = crossfit.real_probabilities(data.X)
        self.drawn_answers = crossfit.drawn_probabilities(data.X_drawn, originals)
        self.extractor, self.extractor_hash = self._name(extractor)
        self.folds = self._fold_features(extractor)

    def judge_class(self, code: int) -> ClassQuality:
        data = self.data
        random = np.random.default_rng([self.seed, 1, code])
        real, drawn = data.codes == code, data.drawn_codes == code
        figures = self._recognition(code, random) | feature_figures(
            self.folds, [code], random, self.n_resamples, self.crossfit.n_groups_ is not None
        )
        figures["nearest_pixels"] = self._nearest_pixels(real, drawn, random)
        real_pairs = pair_similarity(data.codec.encode(data.X[real]), random)
        drawn_pairs = pair_similarity(data.codec.encode(data.X_drawn[drawn]), random)
        figures["ssim"] = replace(drawn_pairs, reference=real_pairs.value)
        votes = self._votes(drawn)
        kinds = Counter(copy.kind for copy in self.nearness.copies if drawn[copy.index])
        return ClassQuality(
            label=data.label(code),
            n_real=int(real.sum()),
            n_drawn=int(drawn.sum()),
            figures={name: figures[name] for name in METRICS},
            n_copies={kind: kinds[kind] for kind in KINDS},  # type: ignore[index]
            taken_for=data.label(int(votes.argmax())) if votes.any() else None,
            collapsed=has_collapsed(drawn_pairs.value, real_pairs.value),
            answers={
                str(data.label(place)): float(votes[place] / votes.sum()) for place in np.flatnonzero(votes).tolist()
            },
        )

    def test_for_leaks(self, X_test: NDArray[Any], test_codes: NDArray[np.int64]) -> LeakReport:
        data = self.data
        random = np.random.default_rng([self.seed, 2])
        parts = (data.X, data.codes, data.X_drawn, data.drawn_codes, X_test, test_codes)
        return leak_test(*parts, codec=data.codec, finder=self.finder, random=random)

    def report(self, classes: list[ClassQuality], leak: LeakReport | None) -> QualityReport:
        copies = self.nearness.copies
        overall = self._overall(classes)
        alarm = self.finder.alarming(copies, len(self.data.X_drawn))
        settings = {
            "n_folds": self.crossfit.n_folds,
            "n_groups": self.crossfit.n_groups_,
            "n_resamples": self.n_resamples,
            "n_components": self.n_components,
            "random_state": self.seed,
            "image_shape": list(self.data.codec.image_shape),
        }
        return QualityReport(
            classes=tuple(classes),
            overall=overall,
            copies=copies,
            copies_alarm=alarm,
            false_alarm_rate=self.finder.false_alarm_rate_,
            leak=leak,
            extractor=self.extractor,
            extractor_hash=self.extractor_hash,
            settings=settings,
            warnings=tuple(warnings_of(classes, overall, copies if alarm else (), leak)),
        )

    def _overall(self, classes: list[ClassQuality]) -> ClassQuality:
        random = np.random.default_rng([self.seed, 3])
        of_features = feature_figures(
            self.folds, self.data.drawn_classes, random, self.n_resamples, self.crossfit.n_groups_ is not None
        )
        figures = {
            name: of_features[name]
            if info.of_features and name not in BY_CLASS
            else _mean([each.figures[name] for each in classes])
            for name, info in METRICS.items()
        }
        return ClassQuality(
            label=None,
            n_real=sum(each.n_real for each in classes),
            n_drawn=sum(each.n_drawn for each in classes),
            figures=figures,
            n_copies={kind: sum(each.n_copies[kind] for each in classes) for kind in KINDS},
            collapsed=any(each.collapsed for each in classes),
        )

    def _recognition(self, code: int, random: np.random.Generator) -> dict[str, Figure]:
        """Accuracy and confidence of the classifiers that may judge."""
        real = _hits_and_confidence(self.real_answers[None, self.data.codes == code], code)
        drawn = _hits_and_confidence(self.drawn_answers[:, self.data.drawn_codes == code], code)
        references = [float(values.mean()) if len(values) else None for values in real]
        if not len(drawn[0]):
            reason = "no classifier learnt this class without the images in question: too few real ones"
            return {"accuracy": refused(reason, references[0]), "confidence": refused(reason, references[1])}
        figures = share(drawn[0]), bootstrap(drawn[1], random)
        return {
            name: replace(figure, reference=reference)
            for name, figure, reference in zip(("accuracy", "confidence"), figures, references, strict=True)
        }

    def _nearest_pixels(self, real: NDArray[np.bool_], drawn: NDArray[np.bool_], random: np.random.Generator) -> Figure:
        others = self.finder.distances_[real]
        others = others[np.isfinite(others)]
        figure = bootstrap(self.nearness.distances[drawn], random, np.median, n_resamples=200)
        return replace(figure, reference=float(np.median(others)) if len(others) else None)

    def _votes(self, drawn: NDArray[np.bool_]) -> NDArray[np.int64]:
        """How often the classifiers take these drawn images for each class."""
        answers = self.drawn_answers[:, drawn].reshape(-1, self.crossfit.n_classes_)
        judged = answers[~np.isnan(answers).all(axis=1)]
        places = np.nanargmax(judged, axis=1) if len(judged) else np.empty(0, np.int64)
        return np.bincount(places, minlength=self.crossfit.n_classes_)

    def _name(self, extractor: Extractor | None) -> tuple[str, str]:
        if extractor is None:
            classifiers = [judge.classifier for judge in self.crossfit.judges_]
            trunks: list[Extractor] = [each.network_.trunk for each in classifiers if each is not None]
            digest, name = hash_of(trunks, np.empty((0, 0, 0, 0), np.float32)), "cnn"
        else:
            digest, name = hash_of([extractor], self.data.codec.encode(self.data.X)), _name_of(extractor)
        return f"{name} {digest[:N_CODE_DIGITS]}", digest

    def _fold_features(self, extractor: Extractor | None) -> list[FoldFeatures]:
        data, folds = self.data, []
        fixed = None
        if extractor is not None:
            fixed = extract(extractor, data.codec.encode(data.X)), extract(extractor, data.codec.encode(data.X_drawn))
        for judge in self.crossfit.judges_:
            if fixed is None and judge.classifier is None:
                continue
            real, drawn = fixed or (judge.features(data.X), judge.features(data.X_drawn))
            held_out = self.crossfit.folds_ == judge.fold
            parts = (real, data.codes, held_out, drawn, data.drawn_codes)
            folds.append(FoldFeatures.of(*parts, n_components=self.n_components, seed=self.seed))
        return folds


def _hits_and_confidence(answers: NDArray[np.float64], code: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean over the judges of (n_judges, n, n_classes) for each image that one of them may judge."""
    may = ~np.isnan(answers[:, :, code])
    answers, may = answers[:, may.any(axis=0)], may[:, may.any(axis=0)]
    hits = np.where(may, np.where(np.isnan(answers), -1, answers).argmax(axis=2) == code, 0)
    confidence = np.where(may, answers[:, :, code], 0)
    n_judges = may.sum(axis=0)
    return hits.sum(axis=0) / n_judges, confidence.sum(axis=0) / n_judges


def _mean(figures: list[Figure]) -> Figure:
    """Mean over classes, of those with a reference if there are any; the intervals add as variances do."""
    known = [figure for figure in figures if figure.value is not None]
    known = [figure for figure in known if figure.reference is not None] or known
    if not known:
        return refused("no class has this figure")
    values = np.array([[figure.value, figure.low, figure.high] for figure in known], float)
    value = float(values[:, 0].mean())
    below, above = np.sqrt(np.square(values[:, 1:] - values[:, :1]).sum(axis=0)) / len(known)
    references = [figure.reference for figure in known if figure.reference is not None]
    reference = float(np.mean(references)) if references else None
    return Figure(value, float(value - below), float(value + above), reference)


def _name_of(extractor: Extractor) -> str:
    return type(extractor).__name__ if isinstance(extractor, nn.Module) else getattr(extractor, "__name__", "own")
