"""Arrays of images: what the user gives, float tensors inside, and back in the same dtype and layout."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from makeweight.errors import InputError, ScaleWarning

Channels = Literal["first", "last"]
COUNTS = (1, 3, 4)
ROOM = 8  # times that values of another kind may span less than the learnt ones
SMALLEST_SPAN = 1e-150  # of values that differ; what 2 is divided by
LARGEST = {"i": 2.0**53, "f": 1e150}  # beyond these float64 tells whole numbers no more apart, or has no squares


@dataclass(frozen=True)
class ImageCodec:
    """The way from a user's array to images (n, c, h, w) in [-1, 1] and back.

    The range of values is learnt: over all pixels for images, column by column for flat rows. What is drawn lies
    within it.

    Attributes
    ----------
    layout : {"rows", "grey", "first", "last"}
        Flat rows (n, d); grey images (n, h, w); colour images (n, c, h, w) or (n, h, w, c).
    shape : tuple of int
        Shape of one image as the user gave it.
    dtype : str
        Name of the user's dtype; with its byte order (">u2") where that is not the machine's.
    low, high : tuple of float
        Learnt range; a single value each for images, one a column for rows.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[[0, 255], [51, 204]]], dtype=np.uint8)
    >>> codec = ImageCodec.learn(X)
    >>> codec.layout, codec.image_shape
    ('grey', (1, 2, 2))
    >>> codec.encode(X)[0, 0, 0].tolist()
    [-1.0, 1.0]
    >>> bool((codec.decode(codec.encode(X)) == X).all())
    True
    """

    layout: Literal["rows", "grey", "first", "last"]
    shape: tuple[int, ...]
    dtype: str
    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def learn(cls, X: NDArray[Any], channels: Channels | None = None) -> ImageCodec:
        """Learn layout, dtype and range of an array.

        Parameters
        ----------
        X : array of shape (n, d), (n, h, w), (n, h, w, c) or (n, c, h, w)
            Integers, booleans or floats; c is 1, 3 or 4.
        channels : "first" or "last", optional
            Where the channels of a 4-D array are; needed only where its shape leaves that open.

        Raises
        ------
        InputError
            For other shapes and dtypes, NaN or infinity, no images at all, a shape that leaves the channels open, and
            values too large to compute with.
        """
        if channels not in (None, "first", "last"):
            raise InputError(f"channels={channels!r} is impossible: give 'first' or 'last', or leave it out.")
        if X.dtype.kind not in "buif":
            raise InputError(f"images of dtype {X.dtype} cannot be learnt: give integers (uint8, uint16) or floats.")
        if X.size == 0:
            raise InputError(f"there are no images in an array of shape {X.shape}: give at least one of each class.")
        check_finite(X)
        layout = _layout(X.shape, channels)
        if layout == "rows":
            low, high = X.min(axis=0).astype(float), X.max(axis=0).astype(float)
        else:
            low, high = np.array([X.min()], float), np.array([X.max()], float)
        most, farthest = LARGEST["f" if X.dtype.kind == "f" else "i"], max(-low.min(), high.max())
        if farthest > most:
            raise InputError(
                f"images of {X.dtype} with values as far from 0 as {farthest:.3g} cannot be learnt: scale them to "
                f"{most:.0e} at most."
            )
        dtype = X.dtype.name if X.dtype.isnative else X.dtype.str
        return cls(layout, X.shape[1:], dtype, tuple(low.tolist()), tuple(high.tolist()))

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) inside; a flat row of d values is d channels of a single pixel."""
        if self.layout == "rows":
            return (self.shape[0], 1, 1)
        if self.layout == "grey":
            return (1, *self.shape)  # type: ignore[return-value]
        if self.layout == "first":
            return self.shape  # type: ignore[return-value]
        height, width, channels = self.shape
        return (channels, height, width)

    @property
    def reach(self) -> tuple[float, float]:
        """The least and the largest value that was learnt."""
        return min(self.low), max(self.high)

    def check(self, X: NDArray[Any]) -> None:
        """Refuse an array whose images do not have the shape that was learnt."""
        if X.shape[1:] != self.shape:
            raise InputError(f"images of shape {X.shape[1:]} do not fit what was learnt, {self.shape}: resize them.")

    def check_scale(self, X: NDArray[Any]) -> None:
        """Warn of images whose values lie far from where the learnt ones did, such as 0 to 1 in place of 0 to 255.

        Warns
        -----
        ScaleWarning
            Where most images reach beyond the learnt range by more than that range or, of another kind of numbers,
            span less than an eighth of it.
        """
        if not X.size:
            return
        flat = X.reshape(len(X), -1)
        (low, high), least, most = self.reach, float(np.median(flat.min(axis=1))), float(np.median(flat.max(axis=1)))
        span = high - low
        beyond = max(low - least, most - high) > span > 0
        within = ROOM * (most - least) < span and (X.dtype.kind == "f") != (np.dtype(self.dtype).kind == "f")
        if beyond or within:
            warnings.warn(
                f"images with values from {X.min():g} to {X.max():g} are classified by what learnt values from {low:g} "
                f"to {high:g}: scale them alike.",
                ScaleWarning,
                stacklevel=2,
            )

    def encode(self, X: NDArray[Any]) -> NDArray[np.float32]:
        """Turn an array of the learnt layout into float32 images (n, c, h, w) in [-1, 1]."""
        self.check(X)
        low, span = self._range()
        images = ((X.reshape(len(X), -1).astype(np.float64) - low) * (2 / span) - 1).astype(np.float32)
        images = images.reshape(len(X), *self.shape)
        if self.layout == "last":
            images = np.moveaxis(images, -1, 1)
        return np.ascontiguousarray(images.reshape(len(X), *self.image_shape))

    def decode(self, images: NDArray[np.float32]) -> NDArray[Any]:
        """Turn images (n, c, h, w) into an array of the learnt dtype and layout; values are clipped to the range."""
        n = len(images)
        if self.layout == "last":
            images = np.moveaxis(images, 1, -1)
        low, span = self._range()
        values = (images.reshape(n, -1).clip(-1, 1).astype(np.float64) + 1) * (span / 2) + low
        dtype = np.dtype(self.dtype)
        if dtype.kind in "bui":
            values = values.round()
        return np.ascontiguousarray(values.clip(self.low, self.high).astype(dtype).reshape(n, *self.shape))

    def _range(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        low, high = np.array(self.low), np.array(self.high)
        return low, np.where(high - low > SMALLEST_SPAN, high - low, 1.0)


def is_missing(value: Any) -> bool:
    """Tell whether a value stands for none: None, NaN, or pandas' NA, which will not say what it equals.

    Examples
    --------
    >>> is_missing(None), is_missing(float("nan")), is_missing(0)
    (True, True, False)
    """
    try:
        return value is None or bool(value != value)
    except TypeError:
        return True


def check_labels(y: ArrayLike) -> None:
    """Refuse labels that are none, and types that no model holds.

    Raises
    ------
    InputError
        For NaN, infinity and None, for labels other than numbers, True and False, and strings, and for both kinds.
    """
    labels = np.asarray(y)
    if labels.dtype.kind in "mMSV":
        raise InputError(f"labels of dtype {labels.dtype} are not taken: give numbers, True and False, or strings.")
    if labels.dtype.kind == "f":
        faulty = ~np.isfinite(labels)
    else:
        own = labels.tolist() if labels.dtype == object and labels.ndim == 1 else []
        faulty = np.array([is_missing(value) or value in (math.inf, -math.inf) for value in own], bool)
    if labels.ndim == 1 and faulty.any():  # other shapes are refused by scikit-learn
        first = int(np.flatnonzero(faulty)[0])
        raise InputError(f"the label of image {first} is {labels[first]}: give every image a label.")
    if labels.dtype == object and labels.ndim == 1:
        kinds = sorted({"text" if isinstance(each, str) else "numbers" for each in labels.tolist()})
        if len(kinds) > 1:
            raise InputError("some labels are text and some are numbers, which have no order: give one kind.")


def check_finite(X: NDArray[Any], of: str = "the array") -> None:
    """Refuse an array of images of which one holds NaN or infinity.

    Parameters
    ----------
    X : array of shape (n, ...)
        The images.
    of : str, default="the array"
        What they are called in the message.

    Raises
    ------
    InputError
        If one does; the message names the first.
    """
    if X.dtype.kind == "f" and not np.isfinite(X).all():
        bad = int(np.flatnonzero(~np.isfinite(X).reshape(len(X), -1).all(axis=1))[0])
        raise InputError(f"image {bad} of {of} holds NaN or infinity: remove or mend it.")


def _layout(shape: tuple[int, ...], channels: Channels | None) -> Literal["rows", "grey", "first", "last"]:
    if len(shape) == 2:
        return "rows"
    if len(shape) == 3:
        if channels is not None:
            raise InputError(
                f"channels={channels!r} was given for images of shape {shape[1:]}, which have none: leave it out, "
                "or give a 4-D array."
            )
        if shape[-1] in (3, 4) and min(shape[1:]) < 8:
            raise InputError(
                f"an array of shape {shape} could be one colour image or {shape[0]} grey ones: give (n, h, w), or "
                "(n, h, w, c) for colour."
            )
        return "grey"
    if len(shape) != 4:
        raise InputError(
            f"an array of shape {shape} holds no images: give (n, h, w), (n, h, w, c), (n, c, h, w) or (n, d)."
        )
    possible = [place for place, size in (("first", shape[1]), ("last", shape[3])) if size in COUNTS]
    if channels is None and len(possible) == 2:
        raise InputError(
            f"images of shape {shape[1:]} may have their channels first or last: say channels='first' or 'last'."
        )
    if channels is None and possible:
        return "first" if possible == ["first"] else "last"
    if channels in possible:
        return channels
    raise InputError(
        f"images of shape {shape[1:]} have no axis of 1, 3 or 4 channels where it should be: check the layout."
    )
