import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from makeweight.balance.drawn_images import Mark, check_draws_images, drawn_png, pixels_from, read_pixels, resized
from makeweight.data.arrays import ImageCodec
from makeweight.data.images import UnreadableImageError
from makeweight.errors import InputError

MARK = Mark("aggan", "f" * 64, 7, 12, "Größe 靴")


@pytest.mark.parametrize(
    ("shape", "dtype", "mode"),
    [
        ((8, 9), np.uint8, "L"),
        ((8, 9, 3), np.uint8, "RGB"),
        ((8, 9, 4), np.uint8, "RGBA"),
        ((8, 9), np.uint16, "I;16"),
    ],
)
def test_pngs_hold_exact_pixels_and_the_mark(shape: tuple[int, ...], dtype: type, mode: str, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)
    data = drawn_png(pixels, MARK)
    assert data == drawn_png(pixels, MARK)
    image = Image.open(io.BytesIO(data))
    assert (image.mode, image.size) == (mode, (9, 8))
    assert image.text == {
        "makeweight": "drawn",
        "method": "aggan",
        "model_hash": "f" * 64,
        "seed": "7",
        "row": "12",
        "label": "Größe 靴",
    }
    (tmp_path / "a.png").write_bytes(data)
    again = read_pixels(tmp_path / "a.png")
    assert again.dtype == dtype
    assert (again == pixels).all()


def test_what_would_decompress_to_too_much_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(drawn_png(np.zeros((9, 8), np.uint8), MARK))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 71)
    with pytest.raises(UnreadableImageError, match="^decompression bomb: more than 71 pixels"):
        read_pixels(tmp_path / "a.png")


def test_arrays_of_any_layout_become_pixels() -> None:
    first = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 9), dtype=np.uint8)
    assert (pixels_from(first, ImageCodec.learn(first, "first")) == np.moveaxis(first, 1, -1)).all()
    one = first[:, 0, :, :, None]
    assert pixels_from(one, ImageCodec.learn(one, "last")).shape == (2, 8, 9)
    whole = first[:, 0].astype(np.int64)
    assert pixels_from(whole, ImageCodec.learn(whole)).dtype == np.uint8
    assert (pixels_from(whole, ImageCodec.learn(whole)) == whole).all()
    floats = np.array([[[0.0, 0.5], [0.25, 1.0]]])
    assert pixels_from(floats, ImageCodec.learn(floats)).tolist() == [[[0, 128], [64, 255]]]


def test_flat_rows_are_no_images() -> None:
    rows = np.zeros((3, 5))
    with pytest.raises(InputError, match="learnt flat rows, not images"):
        check_draws_images(ImageCodec.learn(rows))


@pytest.mark.parametrize(("dtype", "value"), [(np.uint8, 200), (np.uint16, 40000)])
def test_resizing_keeps_dtype_and_flat_colours(dtype: type, value: int) -> None:
    scaled = resized(np.full((8, 8), value, dtype), 12, 20)
    assert scaled.shape == (20, 12)
    assert scaled.dtype == dtype
    assert (scaled == value).all()


def test_resizing_deep_grey_does_not_wrap_around() -> None:
    edge = np.zeros((8, 8), np.uint16)
    edge[:, 4:] = 65535
    scaled = resized(edge, 16, 16)
    assert scaled[:, 0].max() < 2000
    assert scaled[:, -1].min() > 63000
