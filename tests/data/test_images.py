import io
import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from makeweight.data.images import (
    ImageSpec,
    UnreadableImageError,
    is_image_name,
    look_at,
    map_in_threads,
    natural_range,
    png_bytes,
    read_image,
    strict_pillow,
    to_uint8,
)


def raw_png(width: int, height: int, depth: int, colour: int, data: bytes) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def reason(path: Path) -> str:
    with strict_pillow(), pytest.raises(UnreadableImageError) as caught:
        look_at(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("suffix", "mode"),
    [
        (".png", "L"),
        (".PNG", "RGB"),
        (".png", "RGBA"),
        (".png", "I;16"),
        (".jpg", "L"),
        (".JPEG", "RGB"),
        (".bmp", "L"),
        (".bmp", "RGB"),
        (".tif", "L"),
        (".tiff", "RGB"),
        (".tiff", "RGBA"),
        (".tif", "I;16"),
        (".webp", "RGB"),
        (".webp", "RGBA"),
    ],
)
def test_each_format_and_mode_is_read_as_it_is(tmp_path, paint, suffix, mode):
    path = paint(tmp_path / f"a{suffix}", 1, mode=mode)
    facts = look_at(path)
    assert (facts.height, facts.width, facts.mode) == (8, 10, mode)
    assert facts.n_bytes == path.stat().st_size
    assert not facts.misnamed
    assert not facts.reduced
    pixels = read_image(path, facts.spec)
    assert pixels.shape == facts.spec.shape
    assert pixels.dtype == facts.spec.dtype == ("uint16" if mode == "I;16" else "uint8")
    with Image.open(path) as image:
        assert (pixels == np.asarray(image)).all()


def test_big_endian_tiff_of_16_bits_becomes_native(tmp_path):
    values = (np.arange(80, dtype=np.uint16) * 800).reshape(8, 10)
    Image.fromarray(values.astype(">u2")).save(tmp_path / "a.tif")
    facts = look_at(tmp_path / "a.tif")
    assert facts.mode == "I;16"
    pixels = read_image(tmp_path / "a.tif", facts.spec)
    assert pixels.dtype == np.dtype("=u2")
    assert (pixels == values).all()


def test_colour_png_of_16_bits_is_read_with_8_and_says_so(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(raw_png(8, 8, 16, 2, (b"\0" + bytes(48)) * 8))
    facts = look_at(path)
    assert (facts.mode, facts.reduced) == ("RGB", True)


def test_exif_rotation_is_honoured(tmp_path):
    pixels = np.zeros((8, 12), np.uint8)
    pixels[:, :6] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° clockwise: the left side comes to the top
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    facts = look_at(tmp_path / "a.png")
    assert (facts.height, facts.width) == (12, 8)
    assert (read_image(tmp_path / "a.png", facts.spec) == np.rot90(pixels, -1)).all()


def test_damaged_exif_does_not_make_an_image_unreadable(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\xff\xff")
    with strict_pillow():
        assert look_at(tmp_path / "a.jpg").mode == "L"


def test_png_named_jpg_is_read_and_marked(tmp_path, paint):
    path = paint(tmp_path / "a.png", 1).rename(tmp_path / "a.jpg")
    assert look_at(path).misnamed


def test_frames_are_counted(tmp_path):
    pages = [Image.new("L", (8, 8), grey) for grey in (1, 2, 3)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    facts = look_at(tmp_path / "a.tif")
    assert facts.frames == 3
    assert (read_image(tmp_path / "a.tif", facts.spec) == 1).all()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif", ".webp"])
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_truncated_files_are_unreadable(tmp_path, paint, suffix, kept):
    path = paint(tmp_path / f"a{suffix}", 1, mode="RGB", size=(40, 40))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    assert "truncated" in reason(path) or "damaged" in reason(path)


def test_reasons_are_told(tmp_path):
    (tmp_path / "empty.png").touch()
    assert reason(tmp_path / "empty.png") == "empty"
    (tmp_path / "text.png").write_text("hello")
    assert reason(tmp_path / "text.png") == "no PNG, JPEG, BMP, TIFF or WebP image, or damaged"
    Image.new("L", (8, 8)).save(tmp_path / "a.gif")
    (tmp_path / "a.gif").rename(tmp_path / "gif.png")
    assert reason(tmp_path / "gif.png").startswith("no PNG")
    (tmp_path / "link.png").symlink_to(tmp_path / "nowhere.png")
    assert reason(tmp_path / "link.png") == "broken link"
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    assert reason(tmp_path / "self.png") == os.strerror(40).lower()
    (tmp_path / "folder.png").mkdir()
    assert reason(tmp_path / "folder.png") == "is a directory"


@pytest.mark.parametrize("side", [10_000, 20_000])
def test_decompression_bombs_are_refused_by_their_header(tmp_path, side):
    path = tmp_path / "bomb.png"
    path.write_bytes(raw_png(side, side, 8, 0, b""))
    assert reason(path) == "decompression bomb: more than 89,478,485 pixels"


def test_warning_filters_are_left_as_they_were(tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(raw_png(10_000, 10_000, 8, 0, b""))
    before = list(warnings.filters)
    reason(path)
    assert warnings.filters == before
    with pytest.raises(Image.DecompressionBombWarning):
        Image.open(path)


def test_nan_in_float_tiff_is_refused(tmp_path):
    Image.fromarray(np.full((8, 8), np.nan, np.float32)).save(tmp_path / "a.tif")
    assert reason(tmp_path / "a.tif") == "holds NaN or infinite values"


def test_deep_grey_is_scaled_not_clipped(tmp_path):
    values = np.array([[0, 257, 12850, 65535]], np.uint16).repeat(8, axis=0)
    Image.fromarray(values).save(tmp_path / "a.png")
    grey = read_image(tmp_path / "a.png", ImageSpec(8, 4, 1, "uint8", "L"))
    assert grey[0].tolist() == [0, 1, 50, 255]
    colour = read_image(tmp_path / "a.png", ImageSpec(8, 4, 3, "uint8", "RGB"))
    assert colour[0].tolist() == [[0] * 3, [1] * 3, [50] * 3, [255] * 3]


@pytest.mark.parametrize("mode", ["1", "P", "LA", "CMYK"])
@pytest.mark.parametrize("target", ["L", "RGB"])
def test_odd_modes_are_converted_as_pillow_does(tmp_path, paint, mode, target):
    path = paint(tmp_path / ("a.tif" if mode == "CMYK" else "a.png"), 3, mode=mode)
    spec = ImageSpec(8, 10, 1 if target == "L" else 3, "uint8", target)
    with Image.open(path) as image:
        assert (read_image(path, spec) == np.asarray(image.convert(target))).all()


def test_resizing_keeps_flat_areas_and_refuses_what_was_not_asked_for(tmp_path):
    Image.new("RGB", (100, 50), (10, 20, 30)).save(tmp_path / "a.png")
    spec = ImageSpec(16, 16, 3, "uint8", "RGB")
    assert (read_image(tmp_path / "a.png", spec, resize=True) == [10, 20, 30]).all()
    with pytest.raises(UnreadableImageError, match="is 100×50, no longer 16×16"):
        read_image(tmp_path / "a.png", spec)


def test_resizing_16_bits_never_wraps_around(tmp_path):
    values = np.zeros((64, 64), np.uint16)
    values[:, 32:] = 65535
    Image.fromarray(values).save(tmp_path / "a.png")
    small = read_image(tmp_path / "a.png", ImageSpec(30, 30, 1, "uint16", "I;16"), resize=True).astype(int)
    assert small.dtype == int
    assert small[:, :13].max() < 1500
    assert small[:, 17:].min() > 64000


@pytest.mark.parametrize(
    ("extremes", "expected"),
    [
        ((0, 1), (0, 1)),
        ((-0.5, 1), (-1, 1)),
        ((0, 200), (0, 255)),
        ((0, 3000), (0, 4095)),
        ((5, 300), (5, 300)),
        ((1, 60000), (0, 65535)),
        ((-7, 3), (-7, 3)),
        ((0, 1 + 1e-6), (0, 1)),
        ((-1 - 1e-6, 1), (-1, 1)),
        ((0, 1.5), (0, 1.5)),
        ((0, 200.5), (0, 200.5)),
        ((0, 16), (0, 16)),
        ((0, 128), (0, 255)),
    ],
)
def test_natural_range(extremes, expected):
    assert natural_range(*extremes) == expected


def test_to_uint8_of_a_single_value():
    assert to_uint8(np.full((2, 2), 5.0), (5, 5)).tolist() == [[0, 0], [0, 0]]


def test_png_bytes_come_back_and_are_equal_each_time():
    pixels = np.random.default_rng(0).integers(0, 65536, (8, 9), dtype=np.uint16)
    data = png_bytes(pixels, {"label": "Stiefel für Köln", "row": "3"})
    assert data == png_bytes(pixels, {"label": "Stiefel für Köln", "row": "3"})
    with Image.open(io.BytesIO(data)) as image:
        assert image.text == {"label": "Stiefel für Köln", "row": "3"}
        assert (np.asarray(image) == pixels).all()


def test_names_of_images():
    assert is_image_name("a.b.TIFF")
    assert not is_image_name("Thumbs.db")
    assert not is_image_name("png")


@pytest.mark.parametrize("n_items", [3, 200])
def test_threads_keep_order_and_report(n_items):
    seen = []
    squares = map_in_threads(lambda item: item**2, range(n_items), lambda done, total: seen.append((done, total)))
    assert squares == [item**2 for item in range(n_items)]
    assert seen == [(done, n_items) for done in range(1, n_items + 1)]


def test_threads_pass_errors_on():
    with pytest.raises(ZeroDivisionError):
        map_in_threads(lambda item: 1 / item, range(100))
