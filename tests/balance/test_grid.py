import numpy as np

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


def test_what_the_font_cannot_show_becomes_a_question_mark() -> None:
    def written(label: str) -> bytes:
        return samples_grid([GridRow(label, 1, 0, [BLACK], [])]).tobytes()

    assert written("naïve 猫") == written("nai\u0308ve 猫") == written("naive ?") != written("naive")
    assert written("a\nb\u202ec") == written("a?b?c")
    assert written("ﬁsh") == written("fish")
