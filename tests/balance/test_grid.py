import matplotlib
import numpy as np
import pytest

from makeweight.balance import grid
from makeweight.balance.grid import GAP, HEADER, LABEL_WIDTH, TILE, GridRow, samples_grid

BLACK, WHITE = np.zeros((8, 8), np.uint8), np.full((8, 8), 255, np.uint8)
LEFT, RIGHT = LABEL_WIDTH, LABEL_WIDTH + 8 * (TILE + GAP) + 3 * GAP


def pixel(rows: list[GridRow], x: int, y: int) -> tuple[int, ...]:
    return samples_grid(rows).getpixel((x, y))  # type: ignore[return-value]


def test_real_images_stand_left_and_drawn_ones_right() -> None:
    rows = [GridRow("a", 5, 3, [BLACK], [WHITE, BLACK])]
    middle = HEADER + TILE // 2
    assert pixel(rows, LEFT + TILE // 2, middle) == (0, 0, 0)
    assert pixel(rows, RIGHT + TILE // 2, middle) == (255, 255, 255)
    assert pixel(rows, RIGHT + TILE + GAP + TILE // 2, middle) == (0, 0, 0)


def test_small_images_are_enlarged_pixel_by_pixel() -> None:
    half = BLACK.copy()
    half[:, 4:] = 255
    grid = samples_grid([GridRow("a", 1, 0, [half], [])])
    assert grid.getpixel((LEFT + TILE // 2 - 1, HEADER + 5)) == (0, 0, 0)
    assert grid.getpixel((LEFT + TILE // 2, HEADER + 5)) == (255, 255, 255)


def test_every_kind_of_image_fits_its_tile() -> None:
    random = np.random.default_rng(0)
    kinds = [
        random.integers(0, 256, (8, 30, 3), dtype=np.uint8),
        random.integers(0, 256, (300, 200, 4), dtype=np.uint8),
        random.integers(0, 65536, (16, 16), dtype=np.uint16),
    ]
    rows = [GridRow(f"kind {number}", 1, 1, [pixels], [pixels]) for number, pixels in enumerate(kinds)]
    grid = samples_grid(rows)
    assert grid.mode == "RGB"
    assert grid.height == HEADER + 3 * (TILE + GAP) + GAP


def test_long_names_and_many_classes_keep_the_picture_readable() -> None:
    rows = [GridRow("a very long name of a class " * 5, 1, 0, [BLACK], [])] * 130
    grid = samples_grid(rows)
    assert grid.height == HEADER + 100 * (TILE + GAP) + GAP + HEADER
    name = np.asarray(grid.crop((0, HEADER, LABEL_WIDTH, HEADER + TILE)))
    assert name[:, : LABEL_WIDTH // 2].min() < 100
    assert name[:, LABEL_WIDTH - GAP :].min() == 255


def written(label: str) -> bytes:
    return samples_grid([GridRow(label, 1, 0, [BLACK], [])]).tobytes()


def test_names_keep_their_letters_and_what_the_font_lacks_is_escaped() -> None:
    assert written("naïve") == written("nai\u0308ve") != written("naive")
    assert written("日本 é") == written(r"\u65e5\u672c é") != written("日木 é")
    assert len({written(label) for label in ("日本語", "中国語", "Ελλάδα", "Беларусь")}) == 4
    assert written("a\nb\u202ec") == written(r"a\nb\u202ec")


def test_letters_from_right_to_left_are_escaped_where_they_would_stand_back_to_front(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grid.features, "check", lambda name: False)
    grid._writable.cache_clear()
    assert written("שלום") == written(r"\u05e9\u05dc\u05d5\u05dd")
    grid._writable.cache_clear()


def test_names_are_written_without_the_font_of_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matplotlib, "get_data_path", lambda: "nowhere")
    monkeypatch.setattr(grid, "_font", grid._font.__wrapped__)
    assert written("a日") == written(r"a\u65e5") != written("a")


def test_long_names_that_differ_at_their_ends_alone_can_be_told_apart() -> None:
    stem = "a very long name of a class of rare defects on steel plates, "
    assert written(stem + "left") != written(stem + "right")
    assert written("日本語日本語日本語日本語の左") != written("日本語日本語日本語日本語の右")


def test_classes_with_drawn_images_come_first_the_rarest_at_the_top() -> None:
    rows = [
        *(GridRow(f"large {number}", 9, 0, [BLACK], []) for number in range(99)),
        GridRow("rare", 2, 7, [WHITE], [WHITE]),
        GridRow("rarest", 1, 8, [WHITE], [BLACK]),
    ]
    middles = [HEADER + place * (TILE + GAP) + TILE // 2 for place in range(3)]
    assert [pixel(rows, RIGHT + TILE // 2, y) for y in middles[:2]] == [(0, 0, 0), (255, 255, 255)]
    assert [pixel(rows, LEFT + TILE // 2, y) for y in middles[1:]] == [(255, 255, 255), (0, 0, 0)]


def test_the_count_of_further_classes_is_indented_like_the_names() -> None:
    rows = [GridRow("m", 1, 0, [BLACK], [])] * 101
    picture = np.asarray(samples_grid(rows))[:, :LABEL_WIDTH].min(axis=2)
    first_ink = [np.flatnonzero((part < 200).any(axis=0))[0] for part in (picture[HEADER:-HEADER], picture[-HEADER:])]
    assert abs(first_ink[0] - first_ink[1]) <= 1
