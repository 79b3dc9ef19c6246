"""Drawn images as files: from the sampler's arrays to marked PNGs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from makeweight.data.arrays import ImageCodec
from makeweight.data.images import DRAWN, natural_range, opened_image, png_bytes, to_uint8
from makeweight.errors import InputError


@dataclass(frozen=True)
class Mark:
    """What stands inside a drawn PNG, in its text chunks.

    Attributes
    ----------
    method, model_hash, label : str
        What drew the image, and its class.
    seed, row : int
        Which of the model's images it is.
    """

    method: str
    model_hash: str
    seed: int
    row: int
    label: str

    def chunks(self) -> dict[str, str]:
        """Keyword and text of each chunk; ``makeweight`` says ``drawn``."""
        return {
            DRAWN[0]: DRAWN[1],
            "method": self.method,
            "model_hash": self.model_hash,
            "seed": str(self.seed),
            "row": str(self.row),
            "label": self.label,
        }


def check_draws_images(codec: ImageCodec) -> None:
    """Refuse a model whose drawings no image file can hold.

    Raises
    ------
    InputError
        If the model learnt flat rows.
    """
    if codec.layout == "rows":
        raise InputError("this model learnt flat rows, not images: draw with makeweight.load(...).sample(...) instead.")


def pixels_from(X: NDArray[Any], codec: ImageCodec) -> NDArray[Any]:
    """Bring a sampler's images into the form that PNG files hold.

    Parameters
    ----------
    X : array of shape (n, ...)
        Images in the layout and dtype that the sampler learnt.
    codec : ImageCodec
        The sampler's ``codec_``.

    Returns
    -------
    array of shape (n, h, w) or (n, h, w, c)
        uint8 or, for deeper grey, uint16. Floats are scaled from the range that they were probably meant for.

    """
    if codec.layout == "first":
        X = np.moveaxis(X, 1, -1)
    if X.ndim == 4 and X.shape[-1] == 1:
        X = X[..., 0]
    if X.dtype == np.uint8 or (X.dtype == np.uint16 and X.ndim == 3):
        return X
    return to_uint8(X, (0, 65535) if X.dtype == np.uint16 else natural_range(codec.low[0], codec.high[0]))


def resized(pixels: NDArray[Any], width: int, height: int) -> NDArray[Any]:
    """Scale one image to the given size (Lanczos), keeping its dtype.

    Parameters
    ----------
    pixels : array of shape (h, w) or (h, w, c)
        uint8, or uint16 for grey.
    width, height : int
        The new size in pixels.

    Returns
    -------
    array of shape (height, width) or (height, width, c)
    """
    if pixels.shape[:2] == (height, width):
        return pixels
    if pixels.dtype == np.uint8:
        scaled: NDArray[Any] = np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))
        return scaled
    wide = Image.fromarray(pixels.astype(np.float32)).resize((width, height), Image.Resampling.LANCZOS)
    deep: NDArray[Any] = np.clip(np.rint(np.asarray(wide)), 0, np.iinfo(pixels.dtype).max).astype(pixels.dtype)
    return deep


def drawn_png(pixels: NDArray[Any], mark: Mark) -> bytes:
    """Encode one drawn image as a marked PNG."""
    return png_bytes(pixels, mark.chunks())


def read_pixels(path: Path) -> NDArray[Any]:
    """Read a PNG back as the array that was written; raises `UnreadableImageError`."""
    with opened_image(path, ("PNG",)) as image:
        pixels: NDArray[Any] = np.asarray(image)
        return pixels.astype(np.uint16) if image.mode.startswith("I") else pixels
