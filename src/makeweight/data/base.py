"""What all sources of labelled images have in common."""

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makeweight.data.folders import BadFile
from makeweight.data.images import ImageSpec
from makeweight.data.lazy import LazyImages
from makeweight.data.memory import available_memory, fits_in_memory
from makeweight.data.wording import counted, shown
from makeweight.errors import InputError

_WORTH_ASKING = 100_000_000


class ImageSource(ABC):
    """Labelled images of a training part, read when they are asked for.

    Attributes
    ----------
    name : str
        Name of the folder, archive or set; never a path.
    labels : ndarray of shape (n,), str
        One label per image.
    classes : list of str
        The labels, sorted.
    files : list of str
        File names, unique within their class; they may hold subfolders, parted by "/".
    spec : ImageSpec
        What is learnt from, after resizing and conversion.
    original_spec : ImageSpec or None
        What the originals share; None where they differ.
    skipped : list of BadFile
        Files left out because they cannot be used.
    other_splits : dict of str to int
        Images of each split that is not learnt from.
    notes : list of str
        What else is worth knowing, a sentence each.
    attributes : dict of str to tuple of int
        Binary attributes of each class, where a table tells them in place of labels; else empty.
    groups : ndarray of shape (n,), str, or None
        What each image belongs to, such as a track, where a known set tells; None where it does not.
    table : Path, optional
        The table of labels, if there is one.
    lines : list of int
        The line of each image in it; empty where there is none.
    drawn : frozenset of int
        The images whose files say that makeweight drew them.
    value_range : tuple of two floats, optional
        The values that become black and white, where these are converted to 8 bits; None where they are not.
    """

    def __init__(
        self,
        name: str,
        labels: NDArray[np.str_],
        files: list[str],
        spec: ImageSpec,
        original_spec: ImageSpec | None,
        *,
        skipped: Sequence[BadFile] = (),
        other_splits: Mapping[str, int] | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.labels = labels
        self.classes: list[str] = np.unique(labels).tolist()
        self.files = files
        self.spec = spec
        self.original_spec = original_spec
        self.skipped = list(skipped)
        self.other_splits = dict(other_splits or {})
        self.notes = list(notes)
        self.attributes: dict[str, tuple[int, ...]] = {}
        self.groups: NDArray[np.str_] | None = None
        self.table: Path | None = None
        self.lines: list[int] = []
        self.drawn: frozenset[int] = frozenset()
        self.value_range: tuple[float, float] | None = None

    def __len__(self) -> int:
        """Give the number of images."""
        return len(self.files)

    @property
    def counts(self) -> dict[str, int]:
        """Number of images of each class, in the order of the classes."""
        counts = Counter(self.labels.tolist())
        return {label: counts[label] for label in self.classes}

    def images(self) -> NDArray[Any] | LazyImages:
        """Give all images: an array where `fits_in_memory` allows, else what reads them when they are asked for.

        Returns
        -------
        ndarray or LazyImages of shape (n, h, w) or (n, h, w, c)
            In the order of the labels, not to be changed.
        """
        lazy = LazyImages(self)
        return self.load() if fits_in_memory(lazy.nbytes) else lazy

    def load(
        self, indices: Sequence[int] | NDArray[np.integer] | None = None, *, in_threads: bool = True
    ) -> NDArray[Any]:
        """Read images into one new array.

        Parameters
        ----------
        indices : sequence of int, optional
            Which images; by default all, in the order of the labels.
        in_threads : bool, default=True
            Whether many files are decoded in a few threads.

        Returns
        -------
        ndarray of shape (n, h, w) or (n, h, w, c)
            Of the spec's dtype.

        Raises
        ------
        InputError
            If a file has changed since the source was opened, or there is not enough memory.
        """
        rows = range(len(self)) if indices is None else [int(index) for index in indices]
        X = self._room(len(rows))
        self._fill(X, rows, in_threads=in_threads)
        return X

    def _room(self, n_images: int) -> NDArray[Any]:
        """Take memory for images; systems that promise more than they have are asked first."""
        shape, dtype = (n_images, *self.spec.shape), np.dtype(self.spec.dtype)
        n_bytes = math.prod(shape) * dtype.itemsize
        with suppress(MemoryError):
            if n_bytes < _WORTH_ASKING or n_bytes <= (available_memory() or n_bytes):
                return np.empty(shape, dtype)
        raise InputError(
            f"{shown(self.name)} holds {counted(n_images, 'image')} of {self.spec.width}×{self.spec.height}, too "
            f"many for the memory: make them smaller with --resize 64 (resize=64)."
        )

    @abstractmethod
    def _fill(self, X: NDArray[Any], rows: Sequence[int], *, in_threads: bool) -> None:
        """Write the images of the given rows into `X`."""

    @abstractmethod
    def write(self, index: int, target: Path, *, link: bool = False) -> str:
        """Write an original to a new file.

        Parameters
        ----------
        index : int
            Which image.
        target : Path
            The file to write; its folder exists, itself it does not.
        link : bool, default=False
            Whether to hard-link instead of copying; where the file system cannot, it is copied.

        Returns
        -------
        str
            sha256 of the bytes of the file, 64 hex digits.

        Raises
        ------
        FileExistsError
            If there is such a file.
        """

    @abstractmethod
    def digest(self, index: int) -> str:
        """Give the sha256 of the file that `write` would write, 64 hex digits."""

    @abstractmethod
    def n_bytes(self) -> int:
        """Give the size of the originals on disk, in bytes; an upper estimate for arrays."""
