"""Figures on features, with intervals and references, from random halves of the real images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from makeweight.quality.crossfit import Features
from makeweight.quality.distances import frechet_distance, kernel_distance
from makeweight.quality.figures import METRICS, Figure, refused
from makeweight.quality.neighbours import neighbour_figures

MIN_IMAGES = 10
MOST_IMAGES = 200
MOST_OVERALL = 600
Z = 1.959964
NAMES = tuple(name for name, info in METRICS.items() if info.of_features)
SHARES = ("precision", "recall", "coverage")


@dataclass(frozen=True)
class FoldFeatures:
    """Features of one fold.

    Attributes
    ----------
    seen, held_out, drawn : arrays of shape (n, n_features)
        Features of the real images that the extractor was trained on, of those that it was not, and of drawn images.
    seen_codes, held_out_codes, drawn_codes : arrays of int of shape (n,)
        Their classes.
    projection : PCA
        The directions in which the Fréchet distance is taken.
    """

    seen: Features
    held_out: Features
    drawn: Features
    seen_codes: NDArray[np.int64]
    held_out_codes: NDArray[np.int64]
    drawn_codes: NDArray[np.int64]
    projection: PCA

    @classmethod
    def of(
        cls,
        real: Features,
        codes: NDArray[np.int64],
        is_held_out: NDArray[np.bool_],
        drawn: Features,
        drawn_codes: NDArray[np.int64],
        n_components: int,
        seed: int,
    ) -> FoldFeatures:
        """Split real features, and scale all by one number, so that the seen ones have a mean square of 1."""
        seen = real[~is_held_out]
        centre = seen.mean(axis=0)
        scale = float(np.sqrt(np.square(seen - centre).mean())) or 1.0
        seen, held_out, drawn = ((part - centre) / scale for part in (seen, real[is_held_out], drawn))
        size = min(n_components, *seen.shape)
        projection = PCA(size, svd_solver="randomized", random_state=seed).fit(seen)
        return cls(seen, held_out, drawn, codes[~is_held_out], codes[is_held_out], drawn_codes, projection)

    def side(self, code: int) -> int:
        """Images of a class that a comparison can have on each side."""
        n_seen, n_held_out, n_drawn = (
            int((codes == code).sum()) for codes in (self.seen_codes, self.held_out_codes, self.drawn_codes)
        )
        return min(n_seen // 2, n_held_out, n_drawn // 2)

    def figures(self, real: Features, other: Features) -> list[float]:
        """Compute all figures of two sets of equal size, in the order of `NAMES`; NaN where a set is too small."""
        neighbours = neighbour_figures(real, other)._asdict()
        neighbours["nearest_features"] = neighbours.pop("nearest")
        answers = {"kernel": kernel_distance(real, other), "frechet": np.nan, **neighbours}
        if len(real) > self.projection.n_components_:
            directions = self.projection.components_.T
            answers["frechet"] = frechet_distance(real @ directions, other @ directions)
        return [answers[name] for name in NAMES]


def feature_figures(
    folds: Sequence[FoldFeatures],
    classes: Sequence[int],
    random: np.random.Generator,
    n_resamples: int,
    grouped: bool = False,
) -> dict[str, Figure]:
    """Compare drawn and real features of some classes together.

    Each resample takes, of every class, m images at random without repetition: of the drawn ones, of the real ones that
    the fold's extractor was trained on, and of those that it was not, where m is at most half of what there is. The
    drawn ones and the held-out real ones are compared with the same trained-on ones. The mean over resamples and folds
    is the figure, that of the held-out ones its reference, and the spread over resamples gives the interval: times
    √(m / (n − m)), it is that of the figures of all n over new ones. With halves the factor is 1. Resampling with
    repetition would not do, since an image is its own nearest neighbour.

    Parameters
    ----------
    folds : sequence of FoldFeatures
        One for each fold.
    classes : sequence of int
        Codes of the classes; equally many images of a class are taken from every side.
    random : numpy Generator
        Source of the resamples.
    n_resamples : int
        How many.
    grouped : bool, default=False
        Whether folds keep groups together, which may leave few images on a side.

    Returns
    -------
    dict of str to Figure
        By the names of the metrics on features.

    References
    ----------
    Shao and Wu, 1989, "A General Theory for Jackknife Variance Estimation", for the factor.
    """
    most = min(MOST_IMAGES, max(1, MOST_OVERALL // max(1, len(classes))))
    sizes = {code: min(most, *(fold.side(code) for fold in folds)) for code in classes} if folds else {}
    side = sum(sizes.values())
    if side < MIN_IMAGES:
        needed = MIN_IMAGES * max(3, len(folds))
        reason = (
            f"{side} images a side are too few: {MIN_IMAGES} are needed, which takes about {needed} real and "
            f"{2 * MIN_IMAGES} drawn ones" + (", in groups that can be spread over the folds" if grouped else "")
        )
        return {name: refused(reason) for name in NAMES}
    drawn_figures, real_figures = np.zeros((2, n_resamples, len(NAMES)))
    for resample in range(n_resamples):
        chosen = _choose(folds[0].drawn_codes, sizes, random)
        for fold in folds:
            base = fold.seen[_choose(fold.seen_codes, sizes, random)]
            held_out = fold.held_out[_choose(fold.held_out_codes, sizes, random)]
            drawn_figures[resample] += fold.figures(base, fold.drawn[chosen])
            real_figures[resample] += fold.figures(base, held_out)
    drawn_figures /= len(folds)
    real_figures /= len(folds)
    factor = math.sqrt(max(_share(folds, code, size) for code, size in sizes.items() if size) + 1 / n_resamples)
    found = {
        name: _figure(name, drawn_figures[:, place], real_figures[:, place], factor) for place, name in enumerate(NAMES)
    }
    if np.isnan(drawn_figures[0, NAMES.index("frechet")]):
        n_components = max(fold.projection.n_components_ for fold in folds)
        found["frechet"] = refused(
            f"{side} images a side are too few for {n_components} dimensions: more images than dimensions are needed"
        )
    return found


def _share(folds: Sequence[FoldFeatures], code: int, size: int) -> float:
    """Give the ratio of a class's images that are in a resample to those that are not, on the side with fewer."""
    least = min(int((codes == code).sum()) for fold in folds for codes in (fold.seen_codes, fold.drawn_codes))
    return size / (least - size)


def _figure(name: str, drawn: NDArray[np.float64], real: NDArray[np.float64], factor: float) -> Figure:
    value, spread = float(drawn.mean()), Z * factor * float(drawn.std())
    lowest = -np.inf if name == "kernel" else 0.0
    highest = 1.0 if name in SHARES else np.inf
    return Figure(value, max(lowest, value - spread), min(highest, value + spread), float(real.mean()))


def _choose(codes: NDArray[np.int64], sizes: Mapping[int, int], random: np.random.Generator) -> NDArray[np.int64]:
    """Choose so many images of each class, without repetition."""
    return np.concatenate([random.permutation(np.flatnonzero(codes == code))[:size] for code, size in sizes.items()])
