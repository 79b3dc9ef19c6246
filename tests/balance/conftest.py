from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from makeweight.balance import BalanceSummary, balance_folder

Fill = Callable[..., None]
Contents = Callable[[Path], dict[str, bytes]]


def _fill(folder: Path, n_images: int, *, mode: str = "L", size: tuple[int, int] = (9, 8), seed: int = 0) -> None:
    """Write images of (width, height) that differ from each other."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng([seed, n_images])
    for number in range(n_images):
        if mode == "I;16":
            image = Image.fromarray(random.integers(0, 65536, size[::-1], dtype=np.uint16))
        else:
            channels = Image.getmodebands(mode)
            pixels = random.integers(0, 256, (size[1], size[0], channels), dtype=np.uint8)
            image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
        image.save(folder / f"{number}.png")


def _contents(folder: Path) -> dict[str, bytes]:
    """Bytes of every file below a folder, by relative name."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def fill() -> Fill:
    """Give the function that fills a folder with images."""
    return _fill


@pytest.fixture
def contents() -> Contents:
    """Give the function that reads a whole folder."""
    return _contents


@pytest.fixture
def shoes(tmp_path: Path) -> Path:
    """Twelve boots, five sandals, two clogs, 9 wide and 8 high."""
    root = tmp_path / "shoes"
    for seed, (label, n_images) in enumerate((("boot", 12), ("sandal", 5), ("clog", 2))):
        _fill(root / label, n_images, seed=seed)
    return root


@pytest.fixture
def balanced(shoes: Path, tmp_path: Path) -> BalanceSummary:
    """The shoes balanced with duplicates into ``out``."""
    return balance_folder(shoes, tmp_path / "out", method="duplicates", seed=7)
