"""Sources of labelled images: files in a folder, or an array."""

import hashlib
import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from makeweight.data.archives import ArraySet
from makeweight.data.base import ImageSource
from makeweight.data.files import open_regular
from makeweight.data.folders import BadFile, Entry, Listing
from makeweight.data.images import (
    WIDE_DTYPES,
    ImageFacts,
    ImageSpec,
    UnreadableImageError,
    fitted,
    map_in_threads,
    natural_range,
    png_bytes,
    read_image,
    strict_pillow,
    to_uint8,
)
from makeweight.data.wording import listed, shown
from makeweight.errors import InputError

_CHUNK = 1 << 20
_AT_ONCE = 1000  # images that are scaled together
# Letters of other alphabets that look like Latin ones, after letters of either case were made small.
_LATIN = str.maketrans("аеіјорсԁһԛѕухѵԝοανιρυκχ", "aeijopcdhqsyxvwoavipukx")


class FolderSource(ImageSource):
    """Images in files."""

    def __init__(
        self,
        listing: Listing,
        name: str,
        found: Sequence[tuple[Entry, ImageFacts]],
        spec: ImageSpec,
        original_spec: ImageSpec | None,
        *,
        skipped: Sequence[BadFile],
        resize: bool,
        value_range: tuple[float, float] | None = None,
    ) -> None:
        super().__init__(
            name,
            np.array([entry.label for entry, _ in found]),
            [entry.file for entry, _ in found],
            spec,
            original_spec,
            skipped=skipped,
            other_splits={split: len(paths) for split, paths in listing.other_splits.items()},
            notes=folder_notes(listing, [facts for _, facts in found]),
        )
        self.attributes = listing.attributes
        self.table = listing.table
        self.lines = [entry.line for entry, _ in found]
        self.drawn = frozenset(row for row, (_, facts) in enumerate(found) if facts.drawn)
        self.paths = [entry.path for entry, _ in found]
        self._n_bytes = sum(facts.n_bytes for _, facts in found)
        self._resize = resize
        self.value_range = value_range or wide_range([facts for _, facts in found])

    def _fill(self, X: NDArray[Any], rows: Sequence[int], *, in_threads: bool) -> None:
        wide_range = self.value_range or (0, 255)

        def read(place: tuple[int, int]) -> None:
            row, index = place
            try:
                X[row] = read_image(self.paths[index], self.spec, resize=self._resize, wide_range=wide_range)
            except UnreadableImageError as error:
                raise InputError(_changed(self.paths[index], error)) from None

        places = list(enumerate(rows))
        with strict_pillow():
            if in_threads:
                map_in_threads(read, places)
            else:
                for place in places:
                    read(place)

    def write(self, index: int, target: Path, *, link: bool = False) -> str:
        """Write an original to a new file; see `ImageSource.write`."""
        with self._opened(index) as file:
            if link and _linked(self.paths[index].resolve(), target):
                return hashlib.file_digest(file, "sha256").hexdigest()
            digest = hashlib.sha256()
            with target.open("xb") as copy:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
                    copy.write(chunk)
            return digest.hexdigest()

    def digest(self, index: int) -> str:
        """Hash an original; see `ImageSource.digest`."""
        with self._opened(index) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _opened(self, index: int) -> BufferedReader:
        try:
            return open_regular(self.paths[index])
        except OSError as error:
            raise InputError(_changed(self.paths[index], (error.strerror or "unknown reason").lower())) from None

    def n_bytes(self) -> int:
        """Give the size of the originals in bytes."""
        return self._n_bytes


class ArraySource(ImageSource):
    """Images in an array; the originals are written as PNG, so floats are images of 8 bits from the beginning."""

    def __init__(
        self,
        data: ArraySet,
        *,
        resize: int | None = None,
        mode: str | None = None,
        value_range: tuple[float, float] | None = None,
    ) -> None:
        own_range = None
        if data.X.dtype.kind == "f":
            own_range = value_range or natural_range(float(data.X.min()), float(data.X.max()))
            data = replace(data, X=_in_8_bits(data.X, own_range))
        original = array_spec(data.X)
        self._data = data
        super().__init__(
            data.name,
            data.labels,
            [f"{row:06d}.png" for row in range(len(data.X))],
            target_spec(original, resize, mode, original.dtype if mode is None else "uint8"),
            original,
            other_splits=data.other_splits,
            notes=["Floats, {:g} to {:g} of which become black to white.".format(*own_range)] if own_range else [],
        )
        self.groups = data.groups
        self.value_range = own_range

    def images(self) -> NDArray[Any]:
        """Give all images; they are in memory already, so only smaller or converted ones are made anew."""
        return self._data.X if self.spec == self.original_spec else self.load()

    def _fill(self, X: NDArray[Any], rows: Sequence[int], *, in_threads: bool) -> None:
        if self.spec == self.original_spec:
            np.take(self._data.X, np.asarray(rows, dtype=np.intp), axis=0, out=X)
            return
        for row, index in enumerate(rows):
            X[row] = fitted(Image.fromarray(self._data.X[index]), self.spec, resize=True, wide_range=(0, 255))

    def write(self, index: int, target: Path, *, link: bool = False) -> str:
        """Write an original to a new file; see `ImageSource.write`."""
        data = png_bytes(self._data.X[index])
        with target.open("xb") as file:
            file.write(data)
        return hashlib.sha256(data).hexdigest()

    def digest(self, index: int) -> str:
        """Hash an original; see `ImageSource.digest`."""
        return hashlib.sha256(png_bytes(self._data.X[index])).hexdigest()

    def n_bytes(self) -> int:
        """Give the size of the originals in bytes."""
        return int(self._data.X.nbytes) + 200 * len(self)


def _in_8_bits(X: NDArray[Any], value_range: tuple[float, float]) -> NDArray[np.uint8]:
    """Scale all images to 0…255, some at a time."""
    scaled = np.empty(X.shape, np.uint8)
    for start in range(0, len(X), _AT_ONCE):
        scaled[start : start + _AT_ONCE] = to_uint8(X[start : start + _AT_ONCE], value_range)
    return scaled


def _linked(original: Path, target: Path) -> bool:
    """Hard-link a file, if its file system and that of the target are one that can."""
    try:
        os.link(original, target)
    except FileExistsError:
        raise
    except OSError:
        return False
    return True


def _changed(path: Path, reason: object) -> str:
    return f"{shown(path)} has changed while it was in use ({reason}): leave the folder alone and start again."


def target_spec(original: ImageSpec, resize: int | None, mode: str | None, dtype: str) -> ImageSpec:
    """Describe images after resizing (to a side in pixels) and conversion (to a mode), either of which may be None."""
    mode = mode or original.mode
    channels = {"L": 1, "RGB": 3}.get(mode, original.channels)
    return ImageSpec(resize or original.height, resize or original.width, channels, dtype, mode)


def array_spec(X: NDArray[Any]) -> ImageSpec:
    """Describe the images of an array (n, h, w) or (n, h, w, c)."""
    channels = 1 if X.ndim == 3 else X.shape[3]
    mode = "I;16" if X.dtype == np.uint16 else {1: "L", 3: "RGB", 4: "RGBA"}[channels]
    return ImageSpec(X.shape[1], X.shape[2], channels, X.dtype.name, mode)


def wide_range(facts: Sequence[ImageFacts]) -> tuple[float, float] | None:
    """Give the values that become black and white when 32-bit images are converted, one range for all."""
    extrema = [each.extrema for each in facts if each.extrema is not None]
    if not extrema:
        return None
    return natural_range(min(low for low, _ in extrema), max(high for _, high in extrema))


def folder_notes(listing: Listing, facts: Sequence[ImageFacts]) -> list[str]:
    """Say what is worth knowing about a folder and stops nobody.

    Parameters
    ----------
    listing : Listing
        What the folder holds.
    facts : sequence of ImageFacts
        What its readable files hold.

    Returns
    -------
    list of str
        A sentence each.
    """
    frames = sum(each.frames > 1 for each in facts)
    reduced = sum(each.reduced for each in facts)
    misnamed = sum(each.misnamed for each in facts)
    wide = sum(each.mode in WIDE_DTYPES for each in facts)
    low, high = wide_range(facts) or (0, 255)
    notes = (
        (listing.empty_classes, f"Folders without images are left out: {listed(listing.empty_classes)}."),
        (listing.stray, f"Images beside the class folders are not used: {listing.stray:,}."),
        (listing.unused, f"Folders beside the splits are not used: {listed(listing.unused)}."),
        (reduced, f"Files with 16 bits a colour channel are read with 8 bits: {reduced:,}."),
        (wide, f"Files with 32-bit values, {low:g} to {high:g} of which become black to white: {wide:,}."),
        (frames, f"Files with several frames or pages, of which the first is read: {frames:,}."),
        (misnamed, f"Files whose suffix promises another format, which are read all the same: {misnamed:,}."),
    )
    return [sentence for applies, sentence in notes if applies]


def look_alikes(labels: Iterable[str]) -> list[str]:
    """Find labels that people may take for the same: by case, by encoding, by letters of other alphabets.

    Parameters
    ----------
    labels : iterable of str
        The classes.

    Returns
    -------
    list of str
        Those that look like another one, each group written with "and".

    Examples
    --------
    >>> look_alikes(["boot", "Boot", "clog"])
    ['Boot and boot']
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for label in sorted(labels):
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).casefold())
        groups[folded.translate(_LATIN)].append(label)
    return [" and ".join(group) for group in groups.values() if len(group) > 1]
