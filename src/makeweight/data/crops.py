"""Images of known sets that come in many sizes: a part of each, scaled to one size.

The sets are a closed list of formats and sizes, so the bounds are tighter than those for folders of anybody's images.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from makeweight.data.files import open_regular, room_for
from makeweight.data.images import UnreadableImageError, map_in_threads, strict_pillow
from makeweight.data.wording import counted, reason_of, shown
from makeweight.errors import InputError

Box = tuple[int, int, int, int]

LARGEST_FILE = 1 << 20
MOST_PIXELS = 1 << 22


def centre_square(width: int, height: int) -> Box:
    """Give the largest square in the middle of an image, as left, top, right and bottom edge in pixels.

    Examples
    --------
    >>> centre_square(178, 218)
    (0, 20, 178, 198)
    """
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def whole(width: int, height: int) -> Box:
    """Give the whole image as its box."""
    return 0, 0, width, height


def crop_of(content: bytes, formats: tuple[str, ...], side: int, box: Callable[[int, int], Box]) -> NDArray[np.uint8]:
    """Decode an image, cut a part out of it and scale that (bilinear).

    Parameters
    ----------
    content : bytes
        The encoded image.
    formats : tuple of str
        The formats that it may have, by Pillow's names.
    side : int
        Height and width of the result, in pixels.
    box : callable
        Gives the part from width and height; it may refuse them with an `UnreadableImageError`.

    Returns
    -------
    ndarray of shape (side, side, 3), dtype uint8

    Raises
    ------
    UnreadableImageError
        If it cannot be decoded or has too many pixels; the message follows the name of the image.
    """
    try:
        with Image.open(BytesIO(content), formats=formats) as image:
            if image.width * image.height > MOST_PIXELS:
                raise UnreadableImageError(f"has {image.width}×{image.height} pixels, which are too many")
            place = box(image.width, image.height)
            part = image.convert("RGB").crop(place)
            return np.asarray(part.resize((side, side), Image.Resampling.BILINEAR))
    except UnreadableImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableImageError("has far too many pixels") from error
    except Exception as error:  # damaged files make Pillow raise nearly anything
        raise UnreadableImageError(f"is damaged or no {' or '.join(formats)} image") from error


def read_crop(path: Path, formats: tuple[str, ...], side: int, box: Callable[[int, int], Box]) -> NDArray[np.uint8]:
    """Read an image file of at most 1 MiB as `crop_of` does.

    Raises
    ------
    InputError
        If it is no such file, or no such image.
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > LARGEST_FILE:
                raise UnreadableImageError("is larger than 1 MiB")
            content = file.read(size)
        return crop_of(content, formats, side, box)
    except OSError as error:
        raise InputError(
            f"the image {shown(path)} cannot be read ({reason_of(error)}): put the official file there."
        ) from error
    except UnreadableImageError as error:
        raise InputError(f"the image {shown(path)} {error}: replace it by the official file.") from error


def read_crops(rows: int, side: int, read: Callable[[int], NDArray[np.uint8]], where: Path) -> NDArray[np.uint8]:
    """Fill an array with images, in a few threads.

    Parameters
    ----------
    rows : int
        Number of images.
    side : int
        Height and width of each, in pixels.
    read : callable
        Gives the image of a row.
    where : Path
        What the message names if there is no room.

    Returns
    -------
    ndarray of shape (rows, side, side, 3), dtype uint8

    Raises
    ------
    InputError
        As from `new_images` and `read`.
    """
    images = new_images(rows, side, where)

    def put(row: int) -> None:
        images[row] = read(row)

    with strict_pillow():
        map_in_threads(put, range(rows))
    return images


def new_images(rows: int, side: int, where: Path) -> NDArray[np.uint8]:
    """Make room for colour images.

    Raises
    ------
    InputError
        If they would take more than half of the memory that is available.
    """
    n_bytes = 3 * rows * side * side
    if n_bytes > room_for():
        raise InputError(
            f"the {counted(rows, 'image')} of {shown(where)} do not fit into memory ({n_bytes:,} bytes for "
            f"{side}×{side} pixels each): free some memory, or take a machine that has more."
        )
    return np.empty((rows, side, side, 3), np.uint8)
