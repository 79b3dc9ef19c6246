"""Distances between images that mirroring, small shifts and changes of brightness and contrast leave alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatImages = NDArray[np.float32]
Vectors = NDArray[np.float32]

COARSE_SIDE = 8
N_CANDIDATES = 16
MOST_STEPS = 5
BLOCK_VALUES = 1 << 24


class Change(NamedTuple):
    """A change that a copy may have gone through: mirrored left to right, then shifted by pixels."""

    mirrored: bool = False
    down: int = 0
    right: int = 0

    def apply(self, images: FloatImages) -> FloatImages:
        """Apply it to images (n, c, h, w); what the shift leaves open is filled by the nearest pixel of the border."""
        moved = images[..., ::-1] if self.mirrored else images
        reach = max(abs(self.down), abs(self.right))
        if not reach:
            return moved
        height, width = images.shape[2:]
        wide = np.pad(moved, ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="edge")
        top, left = reach - self.down, reach - self.right
        return wide[..., top : top + height, left : left + width]

    def __str__(self) -> str:
        """Say in words what was changed; empty for nothing."""
        parts = ["mirrored"] * self.mirrored + ["shifted"] * bool(self.down or self.right)
        return " and ".join(parts)


class Neighbours(NamedTuple):
    """The nearest images of a bank, nearest first.

    Attributes
    ----------
    indices : array of int of shape (n, k)
        Which images of the bank.
    distances : array of shape (n, k)
        How far, from 0 to 2.
    changes : array of int of shape (n, k)
        Which of the bank's changes brings the image there.
    """

    indices: NDArray[np.int64]
    distances: NDArray[np.float64]
    changes: NDArray[np.int64]


@dataclass(frozen=True)
class ImageBank:
    """Images to look for nearest ones in.

    The distance of two images is √(2 - 2ρ), where ρ is the largest correlation of their pixels over mirroring and small
    shifts of one: 0 for equal ones, about √2 for unrelated ones. Shifts reach a fourteenth of the shorter side, one
    pixel at least, in five steps an axis at most. For flat rows it is the root mean square difference of the columns,
    without any change.

    Candidates are found on images averaged to 8 pixels a side; the sixteen best are compared in full.

    Parameters
    ----------
    images : array of shape (n, c, h, w)
        Images in [-1, 1], as `ImageCodec.encode` gives them.

    Examples
    --------
    >>> images = np.random.default_rng(0).uniform(-1, 1, (5, 1, 8, 8)).astype(np.float32)
    >>> found = ImageBank(images).nearest(images[2:3, :, :, ::-1] / 2, k=1)
    >>> found.indices.tolist(), found.distances.round(2).tolist()
    ([[2]], [[0.0]])
    """

    images: FloatImages

    @property
    def are_rows(self) -> bool:
        """Whether these are flat rows: images of a single pixel."""
        return self.images.shape[2:] == (1, 1)

    @property
    def changes(self) -> list[Change]:
        """The changes that are tried, nothing first."""
        if self.are_rows:
            return [Change()]
        reach = max(1, min(self.images.shape[2:]) // 14)
        places = np.linspace(-reach, reach, min(2 * reach + 1, MOST_STEPS)).round().astype(int)
        steps = sorted(places.tolist(), key=abs)
        return [Change(mirrored, down, right) for mirrored in (False, True) for down in steps for right in steps]

    @cached_property
    def _fine_vectors(self) -> Vectors:
        return self._vectors(self.images)

    @cached_property
    def _coarse_vectors(self) -> Vectors:
        return self._vectors(_coarse(self.images))

    def nearest(self, images: FloatImages, k: int, *, own: bool = False) -> Neighbours:
        """Find the `k` nearest images of the bank for each of `images`.

        Parameters
        ----------
        images : array of shape (n, c, h, w)
            Images in the same range.
        k : int
            How many, at most 16; fewer are found where the bank holds fewer.
        own : bool, default=False
            Whether `images` are those of the bank, and none is its own neighbour.

        Returns
        -------
        Neighbours
        """
        k = min(k, len(self.images) - own)
        if k < 1 or not len(images):
            none = np.empty((len(images), max(k, 0)))
            return Neighbours(none.astype(np.int64), none, none.astype(np.int64))
        fine, coarse = self._fine_vectors, self._coarse_vectors
        parts = []
        n_rows = max(1, BLOCK_VALUES // max(len(fine), (N_CANDIDATES + len(self.changes)) * fine.shape[1]))
        for start in range(0, len(images), n_rows):
            block = images[start : start + n_rows]
            itself = np.arange(start, start + len(block)) if own else None
            parts.append(self._nearest_of_block(block, k, fine, coarse, itself))
        return Neighbours(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def _nearest_of_block(
        self, block: FloatImages, k: int, fine: Vectors, coarse: Vectors, itself: NDArray[np.int64] | None
    ) -> Neighbours:
        candidates = self._candidates(block, coarse, itself)
        squares = self._squares(block, fine[candidates])
        change, best = squares.argmin(axis=2), squares.min(axis=2)
        if itself is not None:
            best[candidates == itself[:, None]] = np.inf
        order = best.argsort(axis=1, kind="stable")[:, :k]
        distances = np.sqrt(np.take_along_axis(best, order, 1).astype(np.float64))
        return Neighbours(np.take_along_axis(candidates, order, 1), distances, np.take_along_axis(change, order, 1))

    def _squares(self, block: FloatImages, candidates: Vectors) -> NDArray[np.float32]:
        """Squared distances (n, n_candidates, n_changes) to candidates (n, n_candidates, d)."""
        moved = np.stack([self._vectors(change.apply(block)) for change in self.changes], axis=1)
        sizes = np.einsum("ncd,ncd->nc", candidates, candidates)[:, :, None]
        moved_sizes = np.einsum("ntd,ntd->nt", moved, moved)[:, None, :]
        return np.asarray(np.maximum(0, sizes + moved_sizes - 2 * (candidates @ moved.transpose(0, 2, 1))))

    def _candidates(self, block: FloatImages, coarse: Vectors, itself: NDArray[np.int64] | None) -> NDArray[np.int64]:
        """Find the bank's images that look most alike when averaged to few pixels, of shape (n, n_candidates)."""
        cell = _cell(self.images)
        tried = [each for each in self.changes if all(2 * abs(by) >= cell or not by for by in (each.down, each.right))]
        squares = np.full((len(block), len(coarse)), np.inf, np.float32)
        sizes = (coarse**2).sum(axis=1)
        for change in tried:
            moved = self._vectors(_coarse(change.apply(block)))
            np.minimum(squares, sizes - 2 * (moved @ coarse.T) + (moved**2).sum(axis=1, keepdims=True), out=squares)
        if itself is not None:
            squares[np.arange(len(block)), itself] = np.inf
        n_kept = min(N_CANDIDATES, len(coarse))
        return np.sort(np.argpartition(squares, n_kept - 1, axis=1)[:, :n_kept], axis=1)

    def _vectors(self, images: FloatImages) -> Vectors:
        """Rows whose squared difference is the squared distance."""
        rows = images.reshape(len(images), -1)
        if self.are_rows:
            return rows / np.float32(np.sqrt(rows.shape[1]))
        rows = rows - rows.mean(axis=1, keepdims=True)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        # A constant image becomes the zero vector, as far from all others as an unrelated image is from one.
        return np.asarray(rows / np.where(lengths > 1e-6 * np.sqrt(rows.shape[1]), lengths, np.inf), np.float32)


def _cell(images: FloatImages) -> int:
    """Side of the squares that are averaged."""
    side: int = max(images.shape[2:])
    return math.ceil(side / COARSE_SIDE)


def _coarse(images: FloatImages) -> FloatImages:
    """Average squares of pixels, so that few remain; the border is repeated where the sides do not divide."""
    cell = _cell(images)
    if cell == 1:
        return images
    n, channels, height, width = images.shape
    wide = np.pad(images, ((0, 0), (0, 0), (0, -height % cell), (0, -width % cell)), mode="edge")
    cells = wide.reshape(n, channels, wide.shape[2] // cell, cell, wide.shape[3] // cell, cell)
    return np.asarray(cells.mean(axis=(3, 5)), np.float32)
