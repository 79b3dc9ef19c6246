"""One image file at a time: what it holds, its pixels, and pixels back into PNG bytes."""

import io
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from makeweight.data.arrays import Channels
from makeweight.data.files import open_regular

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff", ".webp"})
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
OVERSHOOT = 1e-3  # beyond 0, −1 or 1 that values may be and still be meant for them
FORMAT_NAMES = "PNG, JPEG, BMP, TIFF or WebP"
LARGEST_FILE = 1 << 30
PLAIN_MODES = ("L", "RGB", "RGBA", "I;16")
WIDE_DTYPES = {"I": "int32", "F": "float32"}
DRAWN = ("makeweight", "drawn")  # keyword and text of the chunk by which a PNG says that its image was drawn
_FORMATS_OF_SUFFIX = {
    ".png": {"PNG"},
    ".bmp": {"BMP", "DIB"},
    ".tif": {"TIFF"},
    ".tiff": {"TIFF"},
    ".webp": {"WEBP"},
}
_POOL_FROM = 64
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
OnProgress = Callable[[int, int], None]


class UnreadableImageError(Exception):
    """A file that cannot be read as an image; the message is the reason in a few words."""


@dataclass(frozen=True)
class ImageSpec:
    """What every image of a source shares.

    Parameters
    ----------
    height, width : int
        Size in pixels, upright.
    channels : int
        1 for grey, 3 for RGB, 4 for RGBA.
    dtype : str
        "uint8" or "uint16"; a float's name for arrays only.
    mode : str
        Pillow's mode of the files: "L", "RGB", "RGBA" or "I;16".

    Examples
    --------
    >>> spec = ImageSpec(28, 20, 3, "uint8", "RGB")
    >>> spec.shape, spec.layout
    ((28, 20, 3), 'last')
    """

    height: int
    width: int
    channels: int
    dtype: str
    mode: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image as an array: (h, w) for grey, (h, w, c) for colour."""
        return (self.height, self.width) if self.channels == 1 else (self.height, self.width, self.channels)

    @property
    def layout(self) -> Channels | None:
        """Where the channels of such arrays are, as samplers and classifiers are told it; None for grey, without any.

        Sides of 1, 3 or 4 pixels would leave it open.
        """
        return None if self.channels == 1 else "last"


@dataclass(frozen=True)
class ImageFacts:
    """What one file was found to hold.

    Parameters
    ----------
    height, width : int
        Size in pixels, after the rotation that EXIF asks for.
    mode : str
        Pillow's mode; 16-bit grey is "I;16" in either byte order.
    n_bytes : int
        Size of the file.
    misnamed : bool
        The suffix promises another format than the file holds; it is read all the same.
    reduced : bool
        The file holds 16 bits a channel, of which Pillow reads 8.
    frames : int
        Number of frames or pages, of which the first is read.
    extrema : tuple of two floats, optional
        Smallest and largest value; for 32-bit images only.
    drawn : bool
        The file says that it holds a drawn image.
    """

    height: int
    width: int
    mode: str
    n_bytes: int
    misnamed: bool = False
    reduced: bool = False
    frames: int = 1
    extrema: tuple[float, float] | None = None
    drawn: bool = False

    @property
    def spec(self) -> ImageSpec:
        """The same as a spec, also for modes that are read only after conversion."""
        dtype = "uint16" if self.mode == "I;16" else WIDE_DTYPES.get(self.mode, "uint8")
        return ImageSpec(self.height, self.width, Image.getmodebands(self.mode), dtype, self.mode)


def is_image_name(name: str) -> bool:
    """Tell by its suffix, in either case, whether a file is taken for an image."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


@contextmanager
def strict_pillow() -> Iterator[None]:
    """Make decompression bombs errors and silence Pillow's other warnings, for the time of a block.

    The warning filters are the process's own, so this is entered once by the thread that starts the work, never
    inside the worker threads.
    """
    Image.init()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def look_at(path: Path) -> ImageFacts:
    """Decode a file once and say what it holds.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    ImageFacts

    Raises
    ------
    UnreadableImageError
        If the file is empty, truncated, damaged, no image, or would decompress to too many pixels.
    """
    with opened_image(path) as image:
        frames = 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))
        reduced = any(";16" in str(tile.args) for tile in getattr(image, "tile", ())) and not image.mode.startswith("I")
        upright = _upright(image)
        mode = _plain_mode(upright.mode)
        extrema = _extrema(upright) if mode in WIDE_DTYPES else None
        expected = _FORMATS_OF_SUFFIX.get(path.suffix.lower(), {"JPEG", "MPO"})
        return ImageFacts(
            height=upright.height,
            width=upright.width,
            mode=mode,
            n_bytes=path.stat().st_size,
            misnamed=image.format not in expected,
            reduced=reduced,
            frames=frames,
            extrema=extrema,
            drawn=image.info.get(DRAWN[0]) == DRAWN[1],
        )


def read_image(
    path: Path, spec: ImageSpec, *, resize: bool = False, wide_range: tuple[float, float] = (0, 255)
) -> NDArray[Any]:
    """Decode a file to an array of the given spec.

    Parameters
    ----------
    path : Path
        The file.
    spec : ImageSpec
        Size and mode of the result; other modes are converted.
    resize : bool, default=False
        Whether an image of another size is scaled to `spec` (Lanczos).
    wide_range : tuple of two floats, default=(0, 255)
        Values of 32-bit images that become black and white.

    Returns
    -------
    ndarray of shape `spec.shape`

    Raises
    ------
    UnreadableImageError
        If the file cannot be decoded, or has another size and `resize` is False.
    """
    with opened_image(path) as image:
        return fitted(_upright(image), spec, resize=resize, wide_range=wide_range)


def fitted(image: Image.Image, spec: ImageSpec, *, resize: bool, wide_range: tuple[float, float]) -> NDArray[Any]:
    """Convert and scale an upright image to the given spec; see `read_image`."""
    image = _converted(image, spec.mode, wide_range)
    if image.size != (spec.width, spec.height):
        if not resize:
            raise UnreadableImageError(f"is {image.width}×{image.height}, no longer {spec.width}×{spec.height}")
        image = _scaled(image, (spec.width, spec.height))
    return np.asarray(image)


def _scaled(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Scale to (width, height); 16 bits go through floats, because Pillow rounds their two bytes apart."""
    if image.mode != "I;16":
        return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    floats = _scaled(Image.fromarray(np.asarray(image).astype(np.float32)), size)
    return Image.fromarray(np.clip(np.rint(np.asarray(floats)), 0, 65535).astype(np.uint16))


def natural_range(low: float, high: float) -> tuple[float, float]:
    """Give the range that values between two extremes were probably meant for: up to 1, of 8, 12 or 16 bits, or theirs.

    Of bits are extremes that are whole numbers and reach the upper half of them. What is beyond 1 by no more than
    resizing and rounding leave counts as 1.

    Parameters
    ----------
    low, high : float
        Smallest and largest value of all images together.

    Returns
    -------
    tuple of two floats
        The values to show as black and as white.

    Examples
    --------
    >>> natural_range(0.1, 0.9)
    (0.0, 1.0)
    >>> natural_range(0.0, 1.5), natural_range(0.0, 200.0)
    ((0.0, 1.5), (0.0, 255.0))
    """
    for bottom in (0, -1):
        if bottom - OVERSHOOT <= low and high <= 1 + OVERSHOOT:
            return float(bottom), 1.0
    whole = low == round(low) and high == round(high)
    for top in (255, 4095, 65535):
        if whole and low >= 0 and top / 2 < high <= top:
            return 0.0, float(top)
    return float(low), float(high)


def to_uint8(values: NDArray[Any], value_range: tuple[float, float]) -> NDArray[np.uint8]:
    """Scale values linearly to 0…255, rounding to the nearest and clipping outside the range.

    Examples
    --------
    >>> to_uint8(np.array([0.0, 0.5, 1.0, 7.0]), (0, 1)).tolist()
    [0, 128, 255, 255]
    """
    low, high = value_range
    if high <= low:
        return np.zeros(values.shape, np.uint8)
    scaled = (values.astype(np.float64) - low) * (255 / (high - low))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def png_bytes(pixels: NDArray[Any], text: Mapping[str, str] | None = None) -> bytes:
    """Encode one image as PNG, the same bytes for the same input and library versions.

    Parameters
    ----------
    pixels : ndarray of shape (h, w) or (h, w, 3 or 4)
        uint8, or uint16 for grey.
    text : mapping of str to str, optional
        Text chunks to put into the file.

    Returns
    -------
    bytes

    Examples
    --------
    >>> Image.open(io.BytesIO(png_bytes(np.zeros((8, 8), np.uint16), {"Source": "drawn"}))).text
    {'Source': 'drawn'}
    """
    chunks = PngInfo()
    for key, value in (text or {}).items():
        chunks.add_text(key, value)
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", pnginfo=chunks)
    return buffer.getvalue()


def map_in_threads(
    function: Callable[[_Item], _Result], items: Sequence[_Item], progress: OnProgress | None = None
) -> list[_Result]:
    """Apply a function to each item, in a few threads where there are many items.

    Pillow releases the interpreter's lock while it decodes, so threads pay; an error or Ctrl-C drops what is
    still waiting.

    Parameters
    ----------
    function : callable
        Called with one item.
    items : sequence
        What to work on.
    progress : callable, optional
        Called with the number done and the number of all, in order.

    Returns
    -------
    list
        Results in the order of the items.
    """
    if len(items) < _POOL_FROM:
        return _collected(map(function, items), len(items), progress)
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="makeweight-images")
    try:
        return _collected(pool.map(function, items), len(items), progress)
    finally:
        pool.shutdown(cancel_futures=True)


def _collected(results: Iterator[_Result], total: int, progress: OnProgress | None) -> list[_Result]:
    collected = []
    for done, result in enumerate(results, start=1):
        collected.append(result)
        if progress is not None:
            progress(done, total)
    return collected


@contextmanager
def opened_image(path: Path, formats: tuple[str, ...] = FORMATS) -> Iterator[Image.Image]:
    """Open a file for a block that decodes it; what goes wrong becomes an `UnreadableImageError` with its reason."""
    try:
        # Not by its name: Pillow would map some files into memory, and then a file that is cut off ends the process.
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size == 0 or size > LARGEST_FILE:
                raise UnreadableImageError("larger than 1 GB" if size else "empty")
            with Image.open(file, formats=formats) as image:
                _refuse_bomb(image)
                yield image
    except UnreadableImageError:
        raise
    except Exception as error:  # damaged files make Pillow raise nearly anything
        raise UnreadableImageError(_reason(path, error)) from error


def _refuse_bomb(image: Image.Image) -> None:
    """Hold the limit of Pillow's own warning, whatever the filters of other threads say."""
    if Image.MAX_IMAGE_PIXELS is not None and image.width * image.height > Image.MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError(f"{image.width}×{image.height}")


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"decompression bomb: more than {Image.MAX_IMAGE_PIXELS or 0:,} pixels"
    if isinstance(error, UnidentifiedImageError):
        return f"no {FORMAT_NAMES} image, or damaged"
    if isinstance(error, FileNotFoundError):
        return "broken link" if path.is_symlink() else "no such file"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if isinstance(error, EOFError) or "truncated" in str(error).lower():
        return "truncated"
    return "truncated or damaged"


def _upright(image: Image.Image) -> Image.Image:
    """Decode and apply the rotation that EXIF asks for; unreadable EXIF asks for none."""
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF makes Pillow raise nearly anything, and the pixels are fine
        return image


def _plain_mode(mode: str) -> str:
    return "I;16" if mode.startswith("I;16") else mode


def _extrema(image: Image.Image) -> tuple[float, float]:
    values = np.asarray(image)
    if not np.isfinite(values).all():
        raise UnreadableImageError("holds NaN or infinite values")
    return float(values.min()), float(values.max())


def _converted(image: Image.Image, mode: str, wide_range: tuple[float, float]) -> Image.Image:
    """Convert to the mode; Pillow would clip deep values at 255, so these are scaled first."""
    source_mode = _plain_mode(image.mode)
    if source_mode == "I;16":
        values = np.asarray(image).astype(np.uint16)
        image = Image.fromarray(values if mode == "I;16" else to_uint8(values, (0, 65535)))
    elif source_mode in WIDE_DTYPES:
        image = Image.fromarray(to_uint8(np.asarray(image), wide_range))
    return image if image.mode == mode else image.convert(mode)
