"""Images that stay where they are until they are asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from makeweight.data.base import ImageSource

_BLOCK_BYTES = 16_000_000
_BLOCK_IMAGES = 1024


class LazyImages:
    """Images of a source in the place of an array of shape (n, h, w) or (n, h, w, c) that would not fit into memory.

    It has an array's `shape`, `dtype`, `ndim`, `size` and length. Indexing reads images into a new array; nothing else
    is held. Only integers occur: sources of floats are in memory anyway.

    Parameters
    ----------
    source : ImageSource
        Where the images are.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from makeweight.data.source import open_source
    >>> folder = Path(tempfile.mkdtemp()) / "shoes"
    >>> for number, label in enumerate(("boot", "sandal")):
    ...     (folder / label).mkdir(parents=True)
    ...     Image.new("L", (8, 8), 7 * number).save(folder / label / "1.png")
    >>> X = LazyImages(open_source(folder))
    >>> X.shape, X[[1, 1, 0]][:, 0, 0].tolist(), int(X.max())
    ((2, 8, 8), [7, 7, 0], 7)
    """

    def __init__(self, source: ImageSource) -> None:
        self.source = source
        self.shape = (len(source), *source.spec.shape)
        self.dtype = np.dtype(source.spec.dtype)
        self.ndim = len(self.shape)
        self.size = math.prod(self.shape)
        self.nbytes = self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | Sequence[int] | NDArray[Any]) -> NDArray[Any]:
        return self.source.load(np.arange(len(self))[rows])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        raise TypeError("These images are not in memory: index them, or call load().")

    def read(self, rows: Sequence[int] | NDArray[np.int64]) -> NDArray[Any]:
        """Read images one after the other, without threads, for a process that is one of several."""
        return self.source.load(rows, in_threads=False)

    def load(self) -> NDArray[Any]:
        """Read all images into one array; see `ImageSource.load`."""
        return self.source.load()

    def min(self) -> Any:
        """Give the smallest value of all images; the first call of this or `max` reads them."""
        return self._extremes[0]

    def max(self) -> Any:
        """Give the largest value of all images."""
        return self._extremes[1]

    @cached_property
    def _extremes(self) -> tuple[int, int]:
        """Read block by block, until the ends of the dtype were seen or all images."""
        ends = np.iinfo(self.dtype)
        low, high = ends.max, ends.min
        step = max(1, min(_BLOCK_IMAGES, _BLOCK_BYTES * len(self) // max(1, self.nbytes)))
        for first in range(0, len(self), step):
            block = self[first : first + step]
            low, high = min(low, int(block.min())), max(high, int(block.max()))
            if (low, high) == (ends.min, ends.max):
                break
        return low, high
