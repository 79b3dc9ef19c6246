"""Real images of each class, among which the originals of drawn ones are looked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makeweight.data.arrays import ImageCodec
from makeweight.data.lazy import LazyImages
from makeweight.quality.copies import Copy, CopyFinder

DIGITS = 4
NOBODY = object()
NO_COPY: tuple[str, float | None] = ("", None)


@dataclass
class Originals:
    """Finds the real images that drawn ones copy, in the class of these; one class is held at a time.

    Parameters
    ----------
    X : array of shape (n, ...) or LazyImages
        The real images, in the codec's layout.
    labels : array of shape (n,)
        Their classes.
    files : list of str
        Their names.
    codec : ImageCodec
        The way from arrays to images.
    """

    X: NDArray[Any] | LazyImages
    labels: NDArray[Any]
    files: list[str]
    codec: ImageCodec
    _held: object = field(default=NOBODY, repr=False)
    _finder: CopyFinder = field(init=False, repr=False)
    _rows: NDArray[np.int64] = field(init=False, repr=False)

    def copies(self, label: Any, X_drawn: NDArray[Any]) -> tuple[Copy, ...]:
        """Find the copies among drawn images of a class; `Copy.of` counts within the class."""
        if self._held != label:
            self._rows = np.flatnonzero(self.labels == label)
            self._finder = CopyFinder(self.X[self._rows], self.codec)
            self._held = label
        return self._finder.find(X_drawn).copies

    def named(self, label: Any, X_drawn: NDArray[Any]) -> list[tuple[str, float | None]]:
        """Give the file that each drawn image copies and their distance; an empty name and None for no copy."""
        found = [NO_COPY] * len(X_drawn)
        for copy in self.copies(label, X_drawn):
            found[copy.index] = (self.files[self._rows[copy.of]], round(copy.distance, DIGITS))
        return found
