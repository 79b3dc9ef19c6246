"""One picture that shows real and drawn images of each class side by side."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, features

from makeweight.data.images import to_uint8

MOST_ROWS = 100
TILE = 64
GAP = 4
HEADER = 30
LABEL_WIDTH = 210
LABEL_ROOM = LABEL_WIDTH - 5 * GAP
BACKGROUND, INK, FAINT = (255, 255, 255), (20, 20, 20), (120, 120, 120)
NO_CHARACTER = "\U0010ffff"


@dataclass(frozen=True)
class GridRow:
    """One class of the picture.

    Attributes
    ----------
    label : str
        Name of the class.
    n_real, n_drawn : int
        How many images there are of it.
    real, drawn : sequence of array of shape (h, w) or (h, w, c)
        The images to show, uint8 or uint16.
    """

    label: str
    n_real: int
    n_drawn: int
    real: Sequence[NDArray[Any]]
    drawn: Sequence[NDArray[Any]]


def samples_grid(rows: Sequence[GridRow], columns: int = 8) -> Image.Image:
    """Lay out real images on the left and drawn ones on the right, one row for each class.

    Classes with drawn images come first, the rarest of them at the top; the others follow, again from the rarest.

    Small images are enlarged pixel by pixel, large ones reduced. Deep grey is shown from each class's darkest to its
    brightest value; transparency over white.

    Parameters
    ----------
    rows : sequence of GridRow
        The classes; a hundred of them are shown.
    columns : int, default=8
        Most images on either side.

    Returns
    -------
    Image
        An RGB picture.
    """
    shown = sorted(rows, key=lambda row: (row.n_drawn == 0, row.n_real))[:MOST_ROWS]
    half = columns * (TILE + GAP)
    middle = LABEL_WIDTH + half + 3 * GAP
    height = HEADER + len(shown) * (TILE + GAP) + GAP + (HEADER if len(rows) > len(shown) else 0)
    picture = Image.new("RGB", (middle + half + GAP, height), BACKGROUND)
    pen = ImageDraw.Draw(picture)
    title = _font(16)
    pen.text((LABEL_WIDTH, 6), "real", INK, title)
    pen.text((middle, 6), "drawn", INK, title)
    for number, row in enumerate(shown):
        top = HEADER + number * (TILE + GAP)
        _label(pen, row, top)
        limits = _limits(row.real)
        for tiles, left in ((row.real, LABEL_WIDTH), (row.drawn, middle)):
            for column, pixels in enumerate(tiles[:columns]):
                picture.paste(_tile(pixels, limits), (left + column * (TILE + GAP), top))
        if not row.drawn:
            pen.text((middle, top + TILE // 2 - 8), "none drawn", FAINT, _font(13))
    line = middle - 2 * GAP
    pen.line([(line, GAP), (line, height - GAP)], FAINT, 1)
    if len(rows) > len(shown):
        pen.text((2 * GAP, height - HEADER + 6), f"and {len(rows) - len(shown)} more classes", FAINT, title)
    return picture


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Give DejaVu Sans, which matplotlib brings, for its many letters; Pillow's own font where it is missing."""
    import matplotlib

    try:
        return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)
    except (OSError, ImportError):
        return ImageFont.load_default(size)


def _label(pen: ImageDraw.ImageDraw, row: GridRow, top: int) -> None:
    """Write the name in one line, or smaller in two, above the counts."""
    name, count = _font(16), _font(12)
    text = "".join(_writable(letter, name) for letter in unicodedata.normalize("NFC", row.label))
    if name.getlength(text) <= LABEL_ROOM:
        pen.text((GAP * 2, top + 10), text, INK, name)
    else:
        fitting = next(n for n in range(len(text), -1, -1) if count.getlength(text[:n]) <= LABEL_ROOM)
        fitting = text.rfind(" ", fitting // 2, fitting + 1) + 1 or fitting
        pen.text((GAP * 2, top + 3), text[:fitting], INK, count)
        pen.text((GAP * 2, top + 20), _fitted(text[fitting:], count), INK, count)
    pen.text((GAP * 2, top + 38), _fitted(f"{row.n_real:,} real, {row.n_drawn:,} drawn", count), FAINT, count)


def _fitted(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Leave out the middle of what has no room: names that begin alike often end apart."""
    if font.getlength(text) <= LABEL_ROOM:
        return text
    kept = len(text)
    while font.getlength(cut := f"{text[: kept - kept // 2]}...{text[len(text) - kept // 2 :]}") > LABEL_ROOM:
        kept -= 1
    return cut


@cache
def _writable(letter: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    r"""Give a character, or its escape, such as ``\u65e5``, where the font cannot show it."""
    return letter if _has_glyph(letter, font) else ascii(letter)[1:-1]


def _has_glyph(letter: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> bool:
    if letter.isascii() or not isinstance(font, ImageFont.FreeTypeFont):
        return letter.isascii() and letter.isprintable()
    if unicodedata.bidirectional(letter) in {"R", "AL"} and not features.check("raqm"):  # would stand back to front
        return False
    return letter.isprintable() and bytes(font.getmask(letter)) != bytes(font.getmask(NO_CHARACTER))


def _limits(images: Sequence[NDArray[Any]]) -> tuple[float, float]:
    if not images:
        return (0.0, 65535.0)
    return float(min(pixels.min() for pixels in images)), float(max(pixels.max() for pixels in images))


def _tile(pixels: NDArray[Any], limits: tuple[float, float]) -> Image.Image:
    """Fit one image into the middle of a square tile."""
    values = pixels if pixels.dtype == np.uint8 else to_uint8(pixels, limits)
    image = Image.fromarray(np.ascontiguousarray(values))
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*BACKGROUND, 255)), image)
    image = image.convert("RGB")
    longest = max(image.size)
    if longest <= TILE:
        factor = TILE // longest
        image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    else:
        image.thumbnail((TILE, TILE), Image.Resampling.LANCZOS)
    tile = Image.new("RGB", (TILE, TILE), (235, 235, 235))
    tile.paste(image, ((TILE - image.width) // 2, (TILE - image.height) // 2))
    return tile
