from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Paint = Callable[..., Path]


@pytest.fixture
def paint() -> Paint:
    """Write a small image whose pixels depend on `seed`, and give its path."""

    def write(path: Path, seed: int = 0, *, mode: str = "L", size: tuple[int, int] = (10, 8), **options: Any) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        width, height = size
        channels = Image.getmodebands(mode)
        pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
        if mode == "I;16":
            image = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
        else:
            base = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
            image = base if base.mode == mode else base.convert(mode)
        image.save(path, **options)
        return path

    return write


@pytest.fixture
def shoes(tmp_path: Path, paint: Paint) -> Path:
    """Three boots and two sandals, grey, 10 wide and 8 high."""
    root = tmp_path / "shoes"
    for seed, name in enumerate(("boot/a.png", "boot/b.png", "boot/c.png", "sandal/a.png", "sandal/b.png")):
        paint(root / name, seed)
    return root
