"""Parts of images, scaled."""

import io

import numpy as np
import pytest
from PIL import Image

from makeweight.data.crops import MOST_PIXELS, centre_square, crop_of, whole
from makeweight.data.images import UnreadableImageError


def encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("size", "box"), [((178, 218), (0, 20, 178, 198)), ((5, 2), (1, 0, 3, 2)), ((1, 1), (0, 0, 1, 1))]
)
def test_the_square_in_the_middle(size: tuple[int, int], box: tuple[int, int, int, int]) -> None:
    assert centre_square(*size) == box


def test_scaling_by_hand() -> None:
    """Halving takes triangles four pixels wide: weights 3, 3 and 1 of 7 at the edge of four pixels."""
    row = np.array([0, 70, 140, 210], np.uint8)
    pixels = np.broadcast_to(row[None, :, None], (4, 4, 3))
    small = crop_of(encoded(np.ascontiguousarray(pixels)), ("PNG",), 2, whole)
    assert small.tolist() == [[[50] * 3, [160] * 3]] * 2


def test_what_lies_outside_of_the_part_does_not_bleed_into_it() -> None:
    pixels = np.full((8, 8, 3), 255, np.uint8)
    pixels[2:6, 2:6] = 10
    assert (crop_of(encoded(pixels), ("PNG",), 2, lambda *_: (2, 2, 6, 6)) == 10).all()


def test_grey_becomes_colour() -> None:
    assert crop_of(encoded(np.full((3, 3), 9, np.uint8)), ("PNG",), 4, whole).tolist() == [[[9] * 3] * 4] * 4


def test_only_given_formats_and_sizes() -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(UnreadableImageError, match="^is damaged or no WEBP or JPEG image$"):
        crop_of(encoded(pixels), ("WEBP", "JPEG"), 4, whole)
    long = np.zeros((1, MOST_PIXELS + 1), np.uint8)
    with pytest.raises(UnreadableImageError, match="^has 4194305×1 pixels, which are too many$"):
        crop_of(encoded(long), ("PNG",), 4, whole)
