import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from makeweight import AGGAN
from makeweight.data.arrays import ImageCodec
from makeweight.data.base import ImageSource
from makeweight.data.folders import list_folder
from makeweight.data.lazy import LazyImages
from makeweight.data.source import open_source
from makeweight.errors import InputError
from makeweight.methods import get_method

Paint = Callable[..., Path]


def test_it_stands_in_for_an_array(shoes: Path) -> None:
    source = open_source(shoes)
    X, lazy = source.load(), LazyImages(source)
    assert (lazy.shape, lazy.dtype, lazy.ndim, lazy.size, lazy.nbytes) == (X.shape, X.dtype, X.ndim, X.size, X.nbytes)
    assert len(lazy) == 5
    for rows in ([4, 0, 4], np.array([3, 1]), slice(1, 3), [-1], [True, False, True, False, False], []):
        assert lazy[rows].tolist() == X[rows].tolist()
        assert lazy[rows].dtype == X.dtype
    assert (lazy.read([2, 2]) == X[[2, 2]]).all()
    assert (lazy.min(), lazy.max()) == (X.min(), X.max())
    assert ImageCodec.learn(lazy) == ImageCodec.learn(X)  # type: ignore[arg-type]


def test_it_does_not_become_an_array_unasked(shoes: Path) -> None:
    with pytest.raises(TypeError, match=r"not in memory: index them, or call load\(\)"):
        np.asarray(LazyImages(open_source(shoes)))


def test_the_range_is_known_once_both_ends_were_seen(tmp_path: Path, paint: Paint) -> None:
    for number in range(3):
        paint(tmp_path / "s/a" / f"{number}.png", number, size=(40, 40))
        paint(tmp_path / "s/b" / f"{number}.png", number, size=(40, 40))
    lazy = LazyImages(open_source(tmp_path / "s"))
    lazy.nbytes = 16_000_000 * len(lazy)  # so that a block holds a single image
    (tmp_path / "s/b/2.png").unlink()
    assert (lazy.min(), lazy.max()) == (0, 255)


def test_the_memory_decides(shoes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_source(shoes)
    monkeypatch.setenv("MAKEWEIGHT_MEMORY", "0.0004")
    images = source.images()
    assert isinstance(images, np.ndarray)
    assert (images == source.load()).all()
    monkeypatch.setenv("MAKEWEIGHT_MEMORY", "0.0003")
    assert isinstance(source.images(), LazyImages)


def test_arrays_are_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "a.npz", X=np.arange(4 * 64, dtype=np.uint8).reshape(4, 8, 8), y=[0, 0, 1, 1])
    monkeypatch.setenv("MAKEWEIGHT_MEMORY", "0")
    source = open_source(tmp_path / "a.npz")
    assert source.images() is source.images()
    assert open_source(tmp_path / "a.npz", resize=4).images().shape == (4, 4, 4)


def test_more_than_the_memory_is_refused_before_it_is_taken(shoes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_source(shoes)
    monkeypatch.setattr("makeweight.data.base._WORTH_ASKING", 100)
    monkeypatch.setattr("makeweight.data.base.available_memory", lambda: 399)
    with pytest.raises(
        InputError, match="^shoes holds 5 images of 10×8, too many for the memory: make them smaller with"
    ):
        source.load()
    assert len(source.load([0, 1])) == 2


def test_labels_are_read_without_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for label, n_images in (("boot", 3), ("clog", 1)):
        (tmp_path / label).mkdir()
        for number in range(n_images):
            (tmp_path / label / f"{number}.png").write_bytes(b"no image")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("an image was opened")

    monkeypatch.setattr(Image, "open", refuse)
    assert [entry.label for entry in list_folder(tmp_path).entries] == ["boot", "boot", "boot", "clog"]


def test_labels_and_counts_of_an_open_source_need_no_files(shoes: Path) -> None:
    source = open_source(shoes)
    for path in shoes.glob("*/*.png"):
        path.unlink()
    assert source.counts == {"boot": 3, "sandal": 2}
    assert source.labels.tolist() == ["boot"] * 3 + ["sandal"] * 2


@pytest.fixture
def many(tmp_path: Path, paint: Paint) -> Path:
    """Thirty boots and ten sandals."""
    for number in range(40):
        paint(tmp_path / "many" / ("boot" if number < 30 else "sandal") / f"{number}.png", number)
    return tmp_path / "many"


def train(X: Any, y: NDArray[np.str_]) -> AGGAN:
    sampler = AGGAN(n_steps=4, batch_size=4, random_state=0, device="cpu", precision="32-true")
    return sampler.fit(X, y)


def test_training_is_the_same_from_files(many: Path) -> None:
    source = open_source(many)
    from_files, from_memory = (train(X, source.labels) for X in (LazyImages(source), source.load()))
    assert from_files.model_hash_ == from_memory.model_hash_
    assert from_files.n_features_in_ == from_memory.n_features_in_
    assert from_files.sampling_strategy_ == {"sandal": 20}


def test_training_never_holds_more_than_a_batch_or_two(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held, most, load = [0], [0], ImageSource.load

    def counting(self: ImageSource, indices: Sequence[int], *, in_threads: bool = True) -> NDArray[Any]:
        images = load(self, indices, in_threads=in_threads)
        held[0] += len(images)
        most[0] = max(most[0], held[0])
        weakref.finalize(images, lambda n: held.__setitem__(0, held[0] - n), len(images))
        return images

    monkeypatch.setattr(ImageSource, "load", counting)
    monkeypatch.setattr("makeweight.data.lazy._BLOCK_IMAGES", 8)
    monkeypatch.setenv("MAKEWEIGHT_WORKERS", "0")
    source = open_source(many)
    train(LazyImages(source), source.labels)
    assert 4 <= most[0] <= 16


def test_methods_that_keep_all_images_load_them(many: Path) -> None:
    source = open_source(many)
    lazy, X = LazyImages(source), source.load()
    results = [get_method("duplicates")(random_state=0).fit_resample(images, source.labels) for images in (lazy, X)]
    assert (results[0][0] == results[1][0]).all()
    assert results[0][1].tolist() == results[1][1].tolist()
    fitted = [get_method("smote")(random_state=0).fit(images, source.labels) for images in (lazy, X)]
    assert fitted[0].model_hash_ == fitted[1].model_hash_


def test_as_many_labels_as_images_are_asked_for(many: Path) -> None:
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        train(LazyImages(open_source(many)), np.array(["boot", "sandal"]))
