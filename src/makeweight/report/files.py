"""Image files for a report: read small, all of one size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from makeweight.data.images import (
    PLAIN_MODES,
    ImageSpec,
    UnreadableImageError,
    look_at,
    map_in_threads,
    natural_range,
    read_image,
    strict_pillow,
)

LARGEST_SIDE = 64


RANGES = {"uint8": (0.0, 255.0), "uint16": (0.0, 65535.0)}


def small_spec(path: Path) -> ImageSpec:
    """Give the size and mode in which a report shows images like a file's: at most 64 pixels a side."""
    with strict_pillow():
        spec = look_at(path).spec
    shrink = min(1.0, LARGEST_SIDE / max(spec.height, spec.width))
    height, width = (max(1, round(side * shrink)) for side in (spec.height, spec.width))
    if spec.mode in PLAIN_MODES:
        return ImageSpec(height, width, spec.channels, spec.dtype, spec.mode)
    return ImageSpec(height, width, 3, "uint8", "RGB")


def read_files(paths: Sequence[Path], spec: ImageSpec) -> NDArray[np.float32]:
    """Read image files.

    Parameters
    ----------
    paths : sequence of Path
        The files; those that cannot be read are left out.
    spec : ImageSpec
        Size and mode.

    Returns
    -------
    array of shape (n, c, h, w)
        In [-1, 1].
    """

    def read(path: Path) -> NDArray[np.float32] | None:
        try:
            return read_image(path, spec, resize=True).astype(np.float32)
        except UnreadableImageError:
            return None

    with strict_pillow():
        pixels = [image for image in map_in_threads(read, list(paths)) if image is not None]
    images = np.array(pixels, np.float32).reshape(len(pixels), spec.height, spec.width, spec.channels)
    low, high = RANGES.get(spec.dtype) or natural_range(images.min(initial=0), images.max(initial=1))
    return np.ascontiguousarray(np.moveaxis((images - low) * np.float32(2 / (high - low)) - 1, -1, 1), np.float32)
