"""Images and labels of a data set of Hugging Face's package `datasets`, which is not imported here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from makeweight.data.checks import check_options, modes_problem, refuse, sizes_problem
from makeweight.data.images import PLAIN_MODES, WIDE_DTYPES, ImageSpec, fitted, strict_pillow
from makeweight.data.memory import fits_in_memory
from makeweight.data.stores import target_spec
from makeweight.data.wording import counted, listed, shown
from makeweight.errors import InputError

IMAGE_NAMES = ("image", "img")
LABEL_NAMES = ("label", "labels", "fine_label")


def read_hugging_face(
    dataset: Any,
    *,
    image: str | None = None,
    label: str | None = None,
    resize: int | None = None,
    mode: str | None = None,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Read the images and labels of one split of a data set.

    The object is looked at, not its type: it has `column_names`, `features` and a length, and gives a mapping for a
    number. Formats and transforms that were set on it do not matter.

    Parameters
    ----------
    dataset : datasets.Dataset
        One split.
    image, label : str, optional
        Names of the columns. By default the only one of type ``Image``, and of type ``ClassLabel``, or else those that
        are called "image" or "img", and "label", "labels" or "fine_label".
    resize : int, optional
        Scale all images to this many pixels a side (Lanczos; 1 to 1024).
    mode : "L" or "RGB", optional
        Convert all images to grey or to RGB.

    Returns
    -------
    X : ndarray of shape (n, h, w) or (n, h, w, c)
        uint8, or uint16 for 16-bit grey, in the order of the data set.
    y : ndarray of shape (n,)
        Names of the classes where the column is a ``ClassLabel``, else what it holds.

    Raises
    ------
    InputError
        If the object is no such split, columns are missing or may be meant in two ways, an image cannot be read, a
        label is missing, or the images differ in size or mode. One sentence says which.

    Examples
    --------
    >>> rows = {"image": [Image.new("L", (9, 8)), Image.new("L", (9, 8))], "label": ["boot", "clog"]}
    >>> class Split:  # stands for what load_dataset(..., split="train") gives
    ...     column_names = [*rows]
    ...     __len__ = lambda self: 2
    ...     __getitem__ = lambda self, key: rows.get(key) or {name: rows[name][key] for name in rows}
    >>> X, y = read_hugging_face(Split())
    >>> X.shape, y.tolist()
    ((2, 8, 9), ['boot', 'clog'])
    """
    check_options(resize, mode)
    _check_split(dataset)
    plain = dataset.with_format(None) if hasattr(dataset, "with_format") else dataset
    features = getattr(plain, "features", None) or {}
    picture = _column("image", image, plain.column_names, _of_kind(features, "Image"), IMAGE_NAMES)
    answer = _column("label", label, plain.column_names, _of_kind(features, "ClassLabel"), LABEL_NAMES)
    if not len(plain):
        raise InputError("the data set holds no images: give one that has some.")
    y = _labels(plain[answer], getattr(features.get(answer), "names", None), answer)
    with strict_pillow():
        X = _images(plain, picture, resize, mode)
    return X, y


def _check_split(dataset: Any) -> None:
    if isinstance(dataset, Mapping):
        name = shown(next(iter(dataset), "train"))
        raise InputError(f"this is a group of splits ({listed(dataset)}): give one of them, such as dataset['{name}'].")
    if hasattr(dataset, "column_names") and not hasattr(dataset, "__len__"):
        raise InputError("this data set is a stream, of which only a part is at hand: load it without streaming=True.")
    if not (hasattr(dataset, "column_names") and hasattr(dataset, "__getitem__")):
        raise InputError(
            f"{type(dataset).__name__} is no data set of the package datasets: give what load_dataset(...) gave, or "
            f"images and labels as arrays."
        )


def _of_kind(features: Mapping[str, Any], kind: str) -> list[str]:
    return [name for name, feature in features.items() if type(feature).__name__ == kind]


def _column(what: str, given: str | None, names: Sequence[str], fitting: Sequence[str], usual: Sequence[str]) -> str:
    if given is not None:
        if given not in names:
            raise InputError(f"the data set has no column {shown(given)}: it has {listed(names)}.")
        return given
    if len(fitting) == 1:
        return fitting[0]
    called = [name for name in usual if name in (fitting or names)]
    if len(called) == 1:
        return called[0]
    raise InputError(f"which column holds the {what}s is not clear ({listed(names)}): say {what}=.")


def _labels(values: Sequence[Any], names: Sequence[str] | None, column: str) -> NDArray[Any]:
    """Give labels as an array; names in place of their numbers."""
    values = list(values)
    missing = [place for place, value in enumerate(values) if value is None or (names and not 0 <= value < len(names))]
    if missing:
        raise InputError(
            f"{counted(len(missing), 'row')} of the data set have no label in {shown(column)} (the first is row "
            f"{missing[0]}): leave them out with filter, or give a split that is labelled."
        )
    y = np.asarray([names[value] for value in values] if names else values)
    if y.ndim != 1:
        raise InputError(f"the column {shown(column)} holds no single label an image: say which one does with label=.")
    return y


def _images(dataset: Any, column: str, resize: int | None, mode: str | None) -> NDArray[Any]:
    """Decode every image once, into one array; those that differ are counted and told afterwards."""
    modes: Counter[str] = Counter()
    sizes: Counter[tuple[int, int]] = Counter()
    X: NDArray[Any] | None = None
    for place, picture in enumerate(_pictures(dataset, column)):
        own = "I;16" if picture.mode.startswith("I;16") else picture.mode
        modes[own] += 1
        sizes[picture.height, picture.width] += 1
        if X is None:
            spec = _spec(picture, own, resize, mode)
            X = _room(len(dataset), spec)
        if (mode is not None or len(modes) == 1) and (resize is not None or len(sizes) == 1):
            X[place] = fitted(picture, spec, resize=True, wide_range=(0, 255))
    assert X is not None
    refuse(
        modes_problem("the data set", modes) if mode is None else None,
        sizes_problem("the data set", sizes) if resize is None else None,
    )
    return X


def _pictures(dataset: Any, column: str) -> Iterator[Image.Image]:
    for place in range(len(dataset)):
        try:
            picture = dataset[place][column]
            if isinstance(picture, Image.Image):
                picture.load()
        except Exception as error:  # damaged files make Pillow raise nearly anything
            raise InputError(
                f"the image in row {place} of the data set cannot be read ({shown(error)}): leave it out with select."
            ) from None
        if not isinstance(picture, Image.Image):
            raise InputError(
                f"row {place} of the column {shown(column)} holds a {type(picture).__name__} and no image: say which "
                f"column does with image=, or make it one with cast_column(..., datasets.Image())."
            )
        if picture.mode in WIDE_DTYPES:
            raise InputError(
                f"the image in row {place} of the data set has 32 bits a pixel: bring all to 8 or 16 bits with map."
            )
        with suppress(Exception):  # damaged EXIF asks for no rotation, and the pixels are fine
            picture = ImageOps.exif_transpose(picture)
        yield picture


def _spec(picture: Image.Image, own: str, resize: int | None, mode: str | None) -> ImageSpec:
    if own not in PLAIN_MODES and mode is None:
        refuse(modes_problem("the data set", {own: 1}))
    dtype = "uint16" if own == "I;16" else "uint8"
    first = ImageSpec(picture.height, picture.width, Image.getmodebands(own), dtype, own)
    return target_spec(first, resize, mode, dtype if mode is None else "uint8")


def _room(n_images: int, spec: ImageSpec) -> NDArray[Any]:
    shape = (n_images, *spec.shape)
    if not fits_in_memory(int(np.prod(shape)) * np.dtype(spec.dtype).itemsize):
        raise InputError(
            f"{counted(n_images, 'image')} of {spec.width}×{spec.height} do not fit into memory: make them smaller "
            f"with resize=64, or save them into one folder for each class, which is read from disk."
        )
    return np.empty(shape, spec.dtype)
