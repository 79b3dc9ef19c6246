import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from makeweight.data.images import ImageSpec
from makeweight.data.source import open_source
from makeweight.errors import InputError


def message(path: Path) -> str:
    with pytest.raises(InputError, match=r"^[^\n]+\.$") as caught:
        open_source(path)
    return str(caught.value)


def save(path: Path, **arrays) -> Path:
    np.savez(path, **arrays)
    return path


GREY = np.random.default_rng(0).integers(0, 256, (4, 9, 8), dtype=np.uint8)


@pytest.mark.parametrize(
    "keys", [("X", "y"), ("images", "labels"), ("x_train", "y_train"), ("train_images", "train_labels")]
)
def test_archives(tmp_path, keys):
    path = save(tmp_path / "set.npz", **{keys[0]: GREY, keys[1]: np.array([[0], [0], [1], [10]])})
    source = open_source(path)
    assert source.name == "set"
    assert source.counts == {"0": 2, "1": 1, "10": 1}
    assert source.files == ["000000.png", "000001.png", "000002.png", "000003.png"]
    assert source.spec == source.original_spec == ImageSpec(9, 8, 1, "uint8", "L")
    X = source.load()
    assert (X == GREY).all()
    X[:] = 0
    assert (source.load([1]) == GREY[1:2]).all()


def test_an_archives_test_part_is_counted_only(tmp_path):
    path = save(tmp_path / "a.npz", x_train=GREY, y_train=list("aabb"), x_test=GREY[:3], y_test=list("abb"))
    source = open_source(path)
    assert source.other_splits == {"test": 3}
    assert len(source) == 4


def test_arrays_are_written_as_png(tmp_path):
    source = open_source(save(tmp_path / "a.npz", X=GREY, y=list("aabb")))
    digest = source.write(2, tmp_path / "out.png", link=True)
    data = (tmp_path / "out.png").read_bytes()
    assert digest == hashlib.sha256(data).hexdigest()
    with Image.open(io.BytesIO(data)) as image:
        assert (np.asarray(image) == GREY[2]).all()
    assert source.n_bytes() >= 4 * len(data) - 400


def test_channels_first_is_turned_and_a_single_channel_dropped(tmp_path):
    colour = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 9), dtype=np.uint8)
    source = open_source(save(tmp_path / "a.npz", X=colour, y=["a", "b"]))
    assert source.spec == ImageSpec(8, 9, 3, "uint8", "RGB")
    assert (source.load() == np.moveaxis(colour, 1, 3)).all()
    source = open_source(save(tmp_path / "b.npz", X=GREY[..., None], y=list("aabb")))
    assert source.load().shape == (4, 9, 8)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [(GREY.astype(np.int64), "uint8"), (GREY.astype(np.uint16), "uint16"), (GREY.astype(np.int32) * 100, "uint16")],
)
def test_integers_find_their_depth(tmp_path, values, dtype):
    source = open_source(save(tmp_path / "a.npz", X=values, y=list("aabb")))
    assert source.spec.dtype == dtype
    assert (source.load() == values).all()


def test_float_arrays_are_images_of_8_bits(tmp_path):
    values = np.linspace(0, 1, 4 * 72).reshape(4, 9, 8).astype(np.float32)
    source = open_source(save(tmp_path / "a.npz", X=values, y=list("aabb")))
    assert source.spec == source.original_spec == ImageSpec(9, 8, 1, "uint8", "L")
    assert source.value_range == (0, 1)
    assert source.notes == ["Floats, 0 to 1 of which become black to white."]
    assert (source.load() == np.rint(values.astype(np.float64) * 255)).all()
    source.write(0, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert (np.asarray(image) == np.rint(values[0].astype(np.float64) * 255)).all()
    small = open_source(tmp_path / "a.npz", resize=4).load()
    assert small.dtype == np.uint8
    assert small.shape == (4, 4, 4)
    assert small.mean() == pytest.approx(255 * values.mean(), abs=2)
    assert open_source(tmp_path / "a.npz", resize=4, mode="RGB").load().shape == (4, 4, 4, 3)
    colour = np.stack([values] * 3, axis=-1)
    assert (open_source(save(tmp_path / "c.npz", X=colour, y=list("aabb")), resize=4).load()[..., 1] == small).all()


def test_arrays_are_resized_and_converted(tmp_path):
    source = open_source(save(tmp_path / "a.npz", X=GREY, y=list("aabb")), resize=16, mode="RGB")
    X = source.load()
    assert X.shape == (4, 16, 16, 3)
    assert (X[..., 0] == X[..., 2]).all()
    assert source.original_spec == ImageSpec(9, 8, 1, "uint8", "L")


@pytest.mark.parametrize(
    ("X", "y", "expected"),
    [
        (GREY, [0, 1, 1], "holds 4 images but 3 labels: give one label per image"),
        (np.where(GREY > 250, np.nan, GREY / 255), [0, 1, 1, 0], "NaN or infinite values: mend or remove"),
        (np.where(np.arange(4)[:, None, None] == 2, np.inf, GREY / 255), [0, 0, 1, 1], "image 2 holds NaN or infinite"),
        (GREY[:0], [], "holds no images"),
        (GREY.reshape(4, -1), [0, 1, 1, 0], "have shape (4, 72): reshape them to (n, h, w)"),
        (np.zeros((4, 3, 9, 3), np.uint8), [0, 1, 1, 0], "could be channels first or last"),
        (np.zeros((4, 2, 9, 2), np.uint8), [0, 1, 1, 0], "has neither 1, 3 nor 4 channels"),
        (GREY > 100, [0, 1, 1, 0], "are of type bool: save them as uint8"),
        (GREY.astype(int) - 3, [0, 1, 1, 0], "save them as uint8 or uint16"),
        (np.zeros((4, 9, 8, 3), np.uint16), [0, 1, 1, 0], "colour images of 16 bits a channel"),
        (GREY, ["a", "a", "../b", "b"], "the label '../b' of"),
        (GREY, ["a", "a", "", "b"], "is empty: rename the class"),
        (GREY, [0.0, np.nan, 1.0, 1.0], "labels of"),
        (GREY, np.zeros((4, 2)), "have shape (4, 2): give one label per image"),
        (GREY, ["a"] * 4, "holds one class only (a)"),
    ],
)
def test_arrays_that_cannot_be_used(tmp_path, X, y, expected):
    path = save(tmp_path / "a.npz", X=X, y=np.array(y))
    sentence = message(path)
    assert str(path) in sentence
    assert expected in sentence


def test_whole_float_labels_are_numbers(tmp_path):
    assert open_source(save(tmp_path / "a.npz", X=GREY, y=[0.0, 1.0, 1.0, 2.0])).classes == ["0", "1", "2"]


def test_archives_that_are_none(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"no archive")
    assert message(tmp_path / "a.npz") == (
        f"{tmp_path / 'a.npz'} is damaged or no .npz archive: save it again with numpy.savez."
    )
    data = save(tmp_path / "b.npz", X=GREY, y=list("aabb")).read_bytes()
    (tmp_path / "b.npz").write_bytes(data[:300])
    assert "is damaged" in message(tmp_path / "b.npz")
    (tmp_path / "c.npz").touch()
    assert "is damaged" in message(tmp_path / "c.npz")
    flipped = bytearray(data)
    flipped[200] ^= 255
    (tmp_path / "d.npz").write_bytes(flipped)
    assert "is damaged" in message(tmp_path / "d.npz")
    assert "holds pictures: give it the images as an array X" in message(save(tmp_path / "e.npz", pictures=GREY))


def test_pickled_arrays_are_never_loaded(tmp_path):
    path = save(tmp_path / "a.npz", X=GREY, y=np.array([{}, 1, 2, 3], dtype=object))
    assert message(path) == (
        f"{path} holds Python objects, which are not loaded for safety: save plain arrays with numpy.savez."
    )
    with Path(tmp_path / "p.npz").open("wb") as file:
        np.save(file, np.array([{}], dtype=object), allow_pickle=True)
    message(tmp_path / "p.npz")


@pytest.mark.parametrize("labels", [[1e20, 1e25], [float(2**60), 3e30]])
def test_large_whole_labels_stay_apart(labels, tmp_path):
    np.savez(tmp_path / "a.npz", X=np.zeros((4, 8, 8), np.uint8), y=np.array(labels * 2))
    assert len(open_source(tmp_path / "a.npz").classes) == 2


def test_labels_of_bytes_that_are_no_text_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", X=np.zeros((4, 8, 8), np.uint8), y=np.array([b"\xe9", b"\xe8"] * 2))
    with pytest.raises(InputError, match="hold bytes that are no UTF-8: save them as strings"):
        open_source(tmp_path / "a.npz")
