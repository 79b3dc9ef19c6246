"""Copies: drawn images that lie far nearer to a real image than real images lie to each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import fisher_exact

from makeweight.data.arrays import ImageCodec
from makeweight.quality.alignment import ImageBank, Neighbours

SAME = 0.02
LARGEST_RATIO = 0.5
LARGEST_FALSE_ALARM = 0.01
SIGNIFICANT = 0.01
N_NEIGHBOURS = 6


@dataclass(frozen=True)
class Copy:
    """One image that copies another.

    Attributes
    ----------
    index : int
        Row of the image among those that were judged.
    of : int
        Row of the image that it copies.
    kind : {"identical", "near", "suspect"}
        Equal in every pixel; so near that it is a copy beyond doubt; nearer than the rule allows.
    change : str
        "mirrored", "shifted", "mirrored and shifted", "brightness or contrast", or empty.
    distance : float
        Their distance, see `ImageBank`.
    ratio : float or None
        The distance in units of that of the copied image to its nearest other one; None where there is no other.
    """

    index: int
    of: int
    kind: Literal["identical", "near", "suspect"]
    change: str
    distance: float
    ratio: float | None


@dataclass(frozen=True)
class Nearness:
    """Where each judged image lies among the real ones.

    Attributes
    ----------
    nearest : array of int of shape (n,)
        Nearest real image; -1 where there is none.
    distances : array of shape (n,)
        How far it is.
    copies : tuple of Copy
        The images that copy it.
    """

    nearest: NDArray[np.int64]
    distances: NDArray[np.float64]
    copies: tuple[Copy, ...]


class CopyFinder:
    """Finds copies of real images.

    An image that equals a real image in every pixel is identical. Others are told by the ratio of two distances: that
    of the image to its nearest real one, and that of the latter to its own nearest other real one. An image is suspect
    if the ratio is below `threshold_`, and near if it is below half of that or if the distance is at most 0.02. The
    threshold is one half, or less where real images lie that close to each other: it is lowered until at most one in a
    hundred real images would be suspect.

    Parameters
    ----------
    X : array of shape (n, ...)
        Real images in the codec's layout.
    codec : ImageCodec
        The way from arrays to images.

    Attributes
    ----------
    threshold_ : float
        Ratio of distances below which an image is suspect.
    false_alarm_rate_ : float or None
        Share of the real images that would be suspect or near if they had been drawn, counting one more than was found;
        None where there are too few to say.
    distances_ : array of shape (n,)
        Distance of each real image to its nearest other one that is not the same.

    Examples
    --------
    >>> X = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    >>> finder = CopyFinder(X, ImageCodec.learn(X))
    >>> [(copy.index, copy.of, copy.kind, copy.change) for copy in finder.find(X[3:4, :, ::-1]).copies]
    [(0, 3, 'near', 'mirrored')]
    """

    def __init__(self, X: NDArray[Any], codec: ImageCodec) -> None:
        self.codec = codec
        self.bank = ImageBank(codec.encode(X))
        self._places = {bytes(row): place for place, row in reversed(list(enumerate(_bytes_of(X))))}
        among = self.bank.nearest(self.bank.images, N_NEIGHBOURS, own=True)
        self.distances_, ratios = _spacing(among, len(X))
        known = ratios[np.isfinite(ratios)]
        self.threshold_ = LARGEST_RATIO
        if len(known):
            self.threshold_ = min(LARGEST_RATIO, float(np.quantile(known, LARGEST_FALSE_ALARM, method="lower")))
        self._n_known = len(known)
        self._n_suspect, self._n_near = (int((known < self.threshold_ / part).sum()) for part in (1, 2))
        self.false_alarm_rate_ = (self._n_suspect + 1) / (self._n_known + 1) if self._n_known else None

    def alarming(self, copies: Sequence[Copy], n_judged: int) -> bool:
        """Tell whether copies are more than real images, which lie as they lie by chance, can explain.

        An identical one always gives alarm. Near ones do unless real images lie as near to each other, and as many of
        them; suspects do where they are more than among the real images. Both are compared by Fisher's exact test at
        0.01.

        Parameters
        ----------
        copies : sequence of Copy
            What was found.
        n_judged : int
            Among how many images.

        Returns
        -------
        bool
        """
        kinds = Counter(copy.kind for copy in copies)
        if kinds["identical"] or (kinds["near"] and not self._n_near):
            return True
        return self._excess(kinds["near"], n_judged, self._n_near) or self._excess(
            len(copies), n_judged, self._n_suspect
        )

    def _excess(self, n_found: int, n_judged: int, n_real: int) -> bool:
        table = [[n_found, n_judged - n_found], [n_real, self._n_known - n_real]]
        return bool(n_found and self._n_known and fisher_exact(table, alternative="greater").pvalue < SIGNIFICANT)

    def find(self, X: NDArray[Any]) -> Nearness:
        """Find the copies among the images `X` of the codec's layout."""
        found = self.bank.nearest(self.codec.encode(X), 1)
        if not found.indices.shape[1]:
            return Nearness(np.full(len(X), -1), np.full(len(X), np.nan), ())
        nearest, distances, change = found.indices[:, 0].copy(), found.distances[:, 0].copy(), found.changes[:, 0]
        copies = []
        for index, row in enumerate(_bytes_of(X)):
            twin = self._places.get(bytes(row))
            if twin is not None:
                nearest[index], distances[index] = twin, 0.0
                copies.append(Copy(index, twin, "identical", "", 0.0, 0.0))
                continue
            copy = self._judge(index, int(nearest[index]), float(distances[index]), int(change[index]))
            if copy is not None:
                copies.append(copy)
        return Nearness(nearest, distances, tuple(copies))

    def _judge(self, index: int, of: int, distance: float, change: int) -> Copy | None:
        """Say whether an image so far from its nearest real one, after a change, is a copy that is not identical."""
        spacing = float(self.distances_[of])
        ratio = distance / spacing if np.isfinite(spacing) else None
        near = distance <= SAME or (ratio is not None and ratio < self.threshold_ / 2)
        if not near and (ratio is None or ratio >= self.threshold_):
            return None
        words = str(self.bank.changes[change])
        if not words and distance <= SAME and not self.bank.are_rows:
            words = "brightness or contrast"
        return Copy(index, of, "near" if near else "suspect", words, distance, ratio)


def _bytes_of(X: NDArray[Any]) -> NDArray[np.uint8]:
    """Each image as a row of bytes."""
    return np.ascontiguousarray(X).reshape(len(X), -1).view(np.uint8)


def _spacing(among: Neighbours, n_images: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance of each image to its nearest other one, and the ratio that it would have if it had been drawn.

    Images that are the same do not count, and the ratio of an image is that to its nearest one's distance to a third.
    """
    distances = np.where(among.distances > SAME, among.distances, np.inf)
    spacing = distances.min(axis=1, initial=np.inf)
    ratios = np.full(n_images, np.nan)
    for image in np.flatnonzero(np.isfinite(spacing)):
        nearest = among.indices[image, distances[image].argmin()]
        third = distances[nearest][among.indices[nearest] != image].min(initial=np.inf)
        if np.isfinite(third):
            ratios[image] = spacing[image] / third
    return spacing, ratios
