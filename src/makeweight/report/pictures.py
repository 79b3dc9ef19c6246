"""Images as pictures of a report: strips of tiles, small and with few colours."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from makeweight.data.wording import counted, shown
from makeweight.report.page import Gallery, Picture

FloatImages = NDArray[np.float32]

SHOWN = 8
LARGEST_TILE, TILE_WIDTH = 48, 40
GAP = 1
N_COLOURS = 64
MOST_CLASSES = 30
MOST_SEARCHED = 4000


@dataclass(frozen=True, eq=False)
class ClassImages:
    """Images of one class to look at.

    Attributes
    ----------
    label : object
        The class.
    real, drawn : arrays of shape (n, c, h, w)
        Images in [-1, 1].
    nearest : array of shape (n_drawn, c, h, w)
        The nearest real image of the class for each drawn one.
    distances : array of shape (n_drawn,)
        How far it is; see `makeweight.quality.ImageBank`.
    n_searched : int
        How many real images it was looked for among.
    """

    label: object
    real: FloatImages
    drawn: FloatImages
    nearest: FloatImages
    distances: NDArray[np.float64]
    n_searched: int


def side_by_side(label: object, real: FloatImages, drawn: FloatImages) -> ClassImages:
    """Choose the first real and drawn images of a class, and find the nearest real one for each drawn one.

    Parameters
    ----------
    label : object
        The class.
    real, drawn : arrays of shape (n, c, h, w)
        All of its images, in [-1, 1].

    Returns
    -------
    ClassImages
    """
    from makeweight.quality.alignment import ImageBank

    chosen, searched = drawn[:SHOWN], thinned(real, MOST_SEARCHED)
    found = ImageBank(searched).nearest(chosen, 1)
    nearest, distances = real[:0], np.empty(0)
    if found.indices.size:
        nearest, distances = searched[found.indices[:, 0]], found.distances[:, 0]
    return ClassImages(label, real[:SHOWN], chosen, nearest, distances, len(searched))


def only_real(label: object, real: FloatImages) -> ClassImages:
    """Give real images of a class of which nothing is drawn."""
    return ClassImages(label, real, real[:0], real[:0], np.empty(0), 0)


def pairs_of_copies(copies: FloatImages, originals: FloatImages) -> list[Gallery]:
    """Show copies, and the real image that each copies below it; nothing where there are none."""
    if not len(copies) or copies.shape[2:] == (1, 1):
        return []
    what = counted(len(copies), "drawn image that copies a real one", "drawn images that copy real ones")
    pictures = [
        _picture("drawn", f"{what}.", copies),
        _picture("what they copy", "For each of them, from left to right, the real image that it copies.", originals),
    ]
    return [Gallery("The first copies, and the real images that they copy.", [("Copies", pictures)])]


def thinned(images: FloatImages, most: int) -> FloatImages:
    """Give at most so many images, evenly spread over all."""
    return images if len(images) <= most else images[np.linspace(0, len(images) - 1, most).round().astype(int)]


def gallery(caption: str, classes: Sequence[ClassImages]) -> list[Gallery]:
    """Show real and drawn images of each class, and the nearest real one below each drawn one.

    Parameters
    ----------
    caption : str
        What is shown.
    classes : sequence of ClassImages
        The first thirty are shown.

    Returns
    -------
    list of Gallery
        None where the rows are no images.
    """
    rows = []
    for each in classes[:MOST_CLASSES]:
        if not len(each.real) or each.real.shape[2:] == (1, 1):
            continue
        name = shown(each.label)
        pictures = [_picture("real", f"{counted(len(each.real), 'real image')} of {name}.", each.real)]
        if len(each.drawn):
            pictures.append(_picture("drawn", f"{counted(len(each.drawn), 'drawn image')} of {name}.", each.drawn))
        if len(each.nearest):
            alt = f"For each drawn image of {name}, from left to right, the nearest of {each.n_searched:,} real images."
            apart = ", ".join(f"{distance:.2f}" for distance in each.distances)
            ends = f"distance {each.distances.min():.2f} to {each.distances.max():.2f}"
            pictures.append(_picture("nearest real", f"{alt} Distances: {apart}.", each.nearest, ends))
        rows.append((name, pictures))
    more = f" The first {MOST_CLASSES} of {len(classes)} classes." if len(classes) > MOST_CLASSES else ""
    return [Gallery(caption + more, rows)] if rows else []


def strip(images: FloatImages) -> Image.Image:
    """Lay images (n, c, h, w) in [-1, 1] side by side; large ones are reduced, colours of a palette."""
    tiles = [_tile(image) for image in images]
    width, height = tiles[0].size
    mode = tiles[0].mode
    whole = Image.new(mode, (len(tiles) * (width + GAP) - GAP, height), "grey")
    for place, tile in enumerate(tiles):
        whole.paste(tile, (place * (width + GAP), 0))
    if mode == "L":
        return whole
    return whole.quantize(N_COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


def _tile(image: FloatImages) -> Image.Image:
    pixels = np.clip(np.rint((np.moveaxis(image, 0, -1) + 1) * 127.5), 0, 255).astype(np.uint8)
    if pixels.shape[-1] not in (3, 4):
        tile = Image.fromarray(np.ascontiguousarray(pixels[..., 0]))
    else:
        tile = Image.fromarray(pixels)
    if tile.mode == "RGBA":
        tile = Image.alpha_composite(Image.new("RGBA", tile.size, "white"), tile).convert("RGB")
    if max(tile.size) > LARGEST_TILE:
        tile.thumbnail((LARGEST_TILE, LARGEST_TILE), Image.Resampling.LANCZOS)
    return tile


def _picture(what: str, alt: str, images: FloatImages, told: str = "") -> Picture:
    whole = strip(images)
    stream = io.BytesIO()
    whole.save(stream, "PNG", optimize=True)
    width = TILE_WIDTH * len(images)
    caption = f"{what}, {told}" if told else what
    return Picture(caption, alt, stream.getvalue(), width, round(width * whole.height / whole.width))
