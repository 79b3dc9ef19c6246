from typing import Any

import numpy as np
import pandas as pd
import pytest

from makeweight.data.arrays import ImageCodec, check_labels
from makeweight.errors import InputError

DTYPES = ["uint8", "uint16", "int32", "float32", "float64", "bool"]
LAYOUTS: dict[str, tuple[tuple[int, ...], tuple[int, int, int]]] = {
    "rows": ((7,), (7, 1, 1)),
    "grey": ((8, 11), (1, 8, 11)),
    "last": ((8, 11, 3), (3, 8, 11)),
    "first": ((4, 8, 11), (4, 8, 11)),
}


def values(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    random = np.random.default_rng(0)
    if dtype.startswith("float"):
        return random.normal(3.0, 40.0, shape).astype(dtype)
    high = {"uint8": 256, "uint16": 65536, "int32": 10**6, "bool": 2}[dtype]
    return random.integers(0, high, shape).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_there_and_back(layout: str, dtype: str) -> None:
    shape, inside = LAYOUTS[layout]
    X = values((9, *shape), dtype)
    codec = ImageCodec.learn(X)
    assert (codec.layout, codec.shape, codec.image_shape, codec.dtype) == (layout, shape, inside, dtype)
    images = codec.encode(X)
    assert images.shape == (9, *inside)
    assert images.dtype == np.float32
    assert images.flags.c_contiguous
    assert images.min() >= -1
    assert images.max() <= 1
    again = codec.decode(images)
    assert again.dtype == X.dtype
    assert again.shape == X.shape
    assert again.flags.c_contiguous
    if dtype.startswith("float"):
        assert again == pytest.approx(X, abs=1e-4)
    elif dtype == "int32":  # single precision inside holds 24 bits
        assert again == pytest.approx(X, abs=1)
    else:
        assert (again == X).all()


@pytest.mark.parametrize("dtype", [">u2", "<u2", ">f4", "<f8"])
def test_byte_order_is_kept(dtype: str) -> None:
    X = values((9, 8, 11), np.dtype(dtype).name).astype(dtype)
    codec = ImageCodec.learn(X)
    assert codec.decode(codec.encode(X)).dtype.str == X.dtype.str == dtype
    native = X.astype(np.dtype(dtype).newbyteorder("="))
    assert (codec.encode(X) == ImageCodec.learn(native).encode(native)).all()
    assert ImageCodec.learn(native).dtype == native.dtype.name


def test_numbers_by_hand() -> None:
    X = np.array([[[10, 20], [30, 50]]], np.uint8)
    codec = ImageCodec.learn(X)
    assert (codec.low, codec.high) == ((10.0,), (50.0,))
    assert codec.encode(X)[0, 0].tolist() == [[-1.0, -0.5], [0.0, 1.0]]
    drawn = np.array([[[[-3.0, -0.49], [0.012, 2.0]]]], np.float32)
    assert codec.decode(drawn)[0].tolist() == [[10, 20], [30, 50]]


def test_rows_have_a_range_for_each_column() -> None:
    X = np.array([[0.0, 5.0, -1.0], [10.0, 5.0, 1.0]])
    codec = ImageCodec.learn(X)
    assert codec.low == (0.0, 5.0, -1.0)
    assert codec.high == (10.0, 5.0, 1.0)
    assert codec.encode(X)[:, :, 0, 0].tolist() == [[-1, -1, -1], [1, -1, 1]]
    drawn = np.full((1, 3, 1, 1), 0.5, np.float32)
    assert codec.decode(drawn).tolist() == [[7.5, 5.0, 0.5]]  # a constant column stays constant


def test_channels_move_and_pixels_stay() -> None:
    last = np.arange(2 * 8 * 9 * 3).reshape(2, 8, 9, 3).astype(np.uint16)
    first = np.moveaxis(last, -1, 1)
    assert (ImageCodec.learn(last).encode(last) == ImageCodec.learn(first).encode(first)).all()


def test_views_and_lists_of_other_strides() -> None:
    X = values((4, 8, 22), "uint8")[:, :, ::2]
    codec = ImageCodec.learn(X)
    assert (codec.decode(codec.encode(X)) == X).all()


def test_what_is_outside_the_learnt_range_is_kept_by_encoding_and_cut_by_decoding() -> None:
    codec = ImageCodec.learn(np.array([[[0, 100]]], np.uint8))
    images = codec.encode(np.array([[[0, 200]]], np.uint8))
    assert images.ravel().tolist() == [-1, 3]
    assert codec.decode(images).ravel().tolist() == [0, 100]


@pytest.mark.parametrize(
    ("shape", "channels", "layout"),
    [
        ((2, 8, 9, 3), None, "last"),
        ((2, 3, 8, 9), None, "first"),
        ((2, 8, 9, 1), None, "last"),
        ((2, 4, 9, 8), None, "first"),
        ((2, 3, 8, 3), "first", "first"),
        ((2, 3, 8, 3), "last", "last"),
        ((2, 8, 9, 3), "last", "last"),
        ((20, 8, 8), None, "grey"),
    ],
)
def test_layouts(shape: tuple[int, ...], channels: Any, layout: str) -> None:
    assert ImageCodec.learn(values(shape, "uint8"), channels).layout == layout


@pytest.mark.parametrize(
    ("X", "channels", "sentence"),
    [
        (
            values((2, 3, 8, 3), "uint8"),
            None,
            "images of shape (3, 8, 3) may have their channels first or last: say channels='first' or 'last'.",
        ),
        (
            values((2, 8, 9, 3), "uint8"),
            "first",
            "images of shape (8, 9, 3) have no axis of 1, 3 or 4 channels where it should be: check the layout.",
        ),
        (
            values((2, 8, 9, 5), "uint8"),
            None,
            "images of shape (8, 9, 5) have no axis of 1, 3 or 4 channels where it should be: check the layout.",
        ),
        (
            values((2, 8, 9), "uint8"),
            "last",
            "channels='last' was given for images of shape (8, 9), which have none: leave it out, or give a 4-D array.",
        ),
        (
            values((28, 28, 3), "uint8"),
            None,
            "an array of shape (28, 28, 3) could be one colour image or 28 grey ones: give (n, h, w), or (n, h, w, c) "
            "for colour.",
        ),
        (
            values((2, 2, 8, 9, 3), "uint8"),
            None,
            "an array of shape (2, 2, 8, 9, 3) holds no images: give (n, h, w), (n, h, w, c), (n, c, h, w) or (n, d).",
        ),
        (
            values((5,), "uint8"),
            None,
            "an array of shape (5,) holds no images: give (n, h, w), (n, h, w, c), (n, c, h, w) or (n, d).",
        ),
        (
            values((2, 8, 9), "uint8"),
            "middle",
            "channels='middle' is impossible: give 'first' or 'last', or leave it out.",
        ),
        (
            np.array([["a", "b"]]),
            None,
            "images of dtype <U1 cannot be learnt: give integers (uint8, uint16) or floats.",
        ),
        (
            np.array([[None, 1]]),
            None,
            "images of dtype object cannot be learnt: give integers (uint8, uint16) or floats.",
        ),
        (
            np.zeros((0, 8, 8)),
            None,
            "there are no images in an array of shape (0, 8, 8): give at least one of each class.",
        ),
    ],
)
def test_refusals(X: np.ndarray, channels: Any, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        ImageCodec.learn(X, channels)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("shape", [(4, 6), (4, 8, 8), (4, 8, 8, 3)])
def test_nan_and_infinity_are_named_by_their_image(shape: tuple[int, ...], bad: float) -> None:
    X = values(shape, "float32")
    X[2].flat[5] = bad
    X[3].flat[0] = bad
    with pytest.raises(InputError) as caught:
        ImageCodec.learn(X)
    assert str(caught.value) == "image 2 of the array holds NaN or infinity: remove or mend it."


@pytest.mark.parametrize("value", [np.int64(2**63 - 1), np.uint64(2**64 - 1), np.float64(1e308), np.float64(-1e200)])
@pytest.mark.parametrize("shape", [(4, 6), (4, 8, 8)])
def test_values_that_are_too_large_to_compute_with_are_refused(value: Any, shape: tuple[int, ...]) -> None:
    X = np.zeros(shape, value.dtype)
    X[1] = value
    with pytest.raises(InputError, match=r"with values as far from 0 as .* cannot be learnt: scale them to"):
        ImageCodec.learn(X)


def test_ranges_too_small_to_divide_by_are_a_single_value() -> None:
    images = np.zeros((2, 8, 8))
    images[1] = 1e-309
    codec = ImageCodec.learn(images, None)
    assert (codec.encode(images) == -1).all()
    assert (codec.decode(codec.encode(images)) == 0).all()


def test_images_of_another_shape_are_refused() -> None:
    codec = ImageCodec.learn(values((4, 8, 11), "uint8"))
    with pytest.raises(InputError) as caught:
        codec.encode(values((2, 11, 8), "uint8"))
    assert str(caught.value) == "images of shape (11, 8) do not fit what was learnt, (8, 11): resize them."


def test_labels_of_two_dimensions_are_left_to_scikit_learn() -> None:
    check_labels(np.array([["a", "b"], ["c", None]], object))
    with pytest.raises(InputError, match="^the label of image 1 is None: give every image a label"):
        check_labels(np.array(["a", None], object))


@pytest.mark.parametrize("labels", [pd.Series(["a", pd.NA], dtype="string"), pd.Series([1, pd.NA], dtype="Int64")])
def test_labels_that_pandas_has_not_are_refused(labels: Any) -> None:
    with pytest.raises(InputError, match="^the label of image 1 is (<NA>|nan): give every image a label"):
        check_labels(labels)


def test_labels_of_two_kinds_are_refused() -> None:
    sentence = r"^some labels are text and some are numbers, which have no order: give one kind\.$"
    with pytest.raises(InputError, match=sentence):
        check_labels(np.array(["boot", 1, "clog"], dtype=object))
    check_labels(np.array(["boot", np.str_("clog")], dtype=object))
    check_labels(np.array([1, np.int64(2), 0.5], dtype=object))
