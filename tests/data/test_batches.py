import itertools
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from makeweight import ACGAN, DeepSMOTE
from makeweight.data import batches
from makeweight.data.arrays import ImageCodec
from makeweight.data.batches import default_workers, encoder, from_device, is_looked_up, read_batches
from makeweight.data.lazy import LazyImages
from makeweight.data.source import open_source
from makeweight.errors import InputError
from makeweight.stabilisers import balanced_epoch, endless_batches

Paint = Callable[..., Path]
CPU = torch.device("cpu")


@pytest.fixture
def folder(tmp_path: Path, paint: Paint) -> Path:
    """Twelve boots and five sandals in colour."""
    for number in range(17):
        paint(tmp_path / "in" / ("boot" if number < 12 else "sandal") / f"{number}.png", number, mode="RGB")
    return tmp_path / "in"


def balanced(codes: NDArray[np.int64], batch_size: int = 6) -> Iterator[NDArray[np.int64]]:
    random = np.random.default_rng(0)
    return endless_batches(lambda: balanced_epoch(codes, random), batch_size)


def batches_of(folder: Path, n_workers: int | None, **options: Any) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches from memory, or from files for a number of workers."""
    source = open_source(folder, **options)
    X = source.load()
    codes = np.unique(source.labels, return_inverse=True)[1]
    images = X if n_workers is None else LazyImages(source)
    return read_batches(images, codes, balanced(codes), ImageCodec.learn(X), CPU, n_workers)


@pytest.mark.parametrize("options", [{}, {"resize": 6, "mode": "L"}], ids=["as they are", "resized grey"])
def test_batches_are_the_same_from_memory_and_from_files(folder: Path, options: dict[str, Any]) -> None:
    state = torch.get_rng_state()
    taken = [list(itertools.islice(batches_of(folder, n, **options), 12)) for n in (None, 0, 1, 2)]
    shape = (6, 3, 8, 10) if not options else (6, 1, 6, 6)
    assert taken[0][0][0].shape == shape
    assert sorted(torch.cat([codes for _, codes in taken[0][:4]]).tolist()) == [0] * 12 + [1] * 12
    for other in taken[1:]:
        for (images, codes), (other_images, other_codes) in zip(taken[0], other, strict=True):
            assert images.numpy().tobytes() == other_images.numpy().tobytes()
            assert codes.tolist() == other_codes.tolist()
    assert torch.equal(state, torch.get_rng_state())
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    ("shape", "dtype", "channels"),
    [
        ((9, 8), np.uint8, None),
        ((9, 8, 3), np.uint8, None),
        ((9, 8, 1), np.uint8, None),
        ((3, 9, 8), np.uint8, "first"),
        ((9, 8), np.uint16, None),
        ((9, 8), np.dtype(">u2"), None),
        ((9, 8), np.float32, None),
        ((12,), np.uint8, None),
    ],
)
def test_batches_are_encoded_as_the_codec_does(shape: tuple[int, ...], dtype: Any, channels: Any) -> None:
    X = (np.random.default_rng(0).integers(3, 250, (5, *shape)) * 0.9).astype(dtype)
    codec = ImageCodec.learn(X, channels)
    images = encoder(codec, CPU)(X)
    assert images.is_contiguous()
    assert images.dtype == torch.float32
    assert (images.numpy() == codec.encode(X)).all()
    ((drawn, codes),) = read_batches(X[::-1], np.arange(5), [np.array([4, 0, 0])], codec, CPU)
    assert (drawn.numpy() == codec.encode(X[[0, 4, 4]])).all()
    assert codes.tolist() == [4, 0, 0]


def test_images_held_on_a_device_are_picked_there() -> None:
    X = np.random.default_rng(0).integers(0, 256, (5, 8, 9), dtype=np.uint8)
    ((index, picked),) = from_device(X[::-1], [np.array([1, 1, 3])], CPU)
    assert index.tolist() == [1, 1, 3]
    assert (picked.numpy() == X[::-1][[1, 1, 3]]).all()
    codec = ImageCodec.learn(X)
    assert (encoder(codec, CPU)(picked).numpy() == codec.encode(X[::-1][[1, 1, 3]])).all()


@pytest.mark.parametrize("n_workers", [0, 1])
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (Path.unlink, "no such file"),
        (lambda path: path.write_bytes(path.read_bytes()[:60]), "truncated"),
        (lambda path: path.write_bytes(b""), "empty"),
    ],
    ids=["vanished", "truncated", "emptied"],
)
def test_a_file_that_went_is_named_in_one_sentence(
    folder: Path, damage: Callable[[Path], Any], reason: str, n_workers: int
) -> None:
    batches = batches_of(folder, n_workers)
    damage(folder / "sandal/14.png")
    with pytest.raises(InputError) as raised:
        list(itertools.islice(batches, 20))
    sentence = str(raised.value)
    assert sentence.startswith(f"{folder}/sandal/14.png has changed while it was in use ({reason}")
    assert sentence.endswith("): leave the folder alone and start again.")
    assert "\n" not in sentence
    assert not multiprocessing.active_children()


def test_a_worker_that_is_killed_is_told_of(folder: Path) -> None:
    batches = batches_of(folder, 1)
    next(batches)
    (worker,) = multiprocessing.active_children()
    os.kill(worker.pid or 0, signal.SIGKILL)
    with pytest.raises(InputError, match=r"was ended from outside.*fewer processes \(MAKEWEIGHT_WORKERS=0\)\.$"):
        list(itertools.islice(batches, 50))


def test_workers_end_with_the_batches(folder: Path) -> None:
    batches = batches_of(folder, 2)
    next(batches)
    assert len(multiprocessing.active_children()) == 2
    del batches
    assert not multiprocessing.active_children()


def test_workers_end_with_a_training_whose_error_is_still_held(folder: Path) -> None:
    def stop(report: Any) -> None:
        raise RuntimeError("enough")

    source, held = open_source(folder), []
    for kind in (ACGAN, DeepSMOTE):
        sampler = kind(n_steps=4, batch_size=4, latent_dim=4, random_state=0, device="cpu", callback=stop)
        try:
            sampler.fit(LazyImages(source), source.labels)
        except RuntimeError as error:
            held.append(error)
    assert len(held) == 2
    assert not multiprocessing.active_children()


def test_batches_may_come_to_an_end(folder: Path) -> None:
    source = open_source(folder)
    indices = [np.array([0, 1]), np.array([2])]
    codec = ImageCodec.learn(source.load())
    taken = list(read_batches(LazyImages(source), np.arange(17), indices, codec, CPU, 1))
    assert [codes.tolist() for _, codes in taken] == [[0, 1], [2]]


@pytest.mark.parametrize(
    ("cores", "processes", "kind", "expected"),
    [(2, 1, "cpu", 1), (16, 1, "cpu", 4), (64, 1, "cpu", 8), (16, 1, "cuda", 8), (16, 4, "cuda", 4), (2, 4, "cuda", 1)],
)
def test_workers_leave_the_cores_to_the_training(
    cores: int, processes: int, kind: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MAKEWEIGHT_WORKERS", raising=False)
    monkeypatch.setattr(batches, "processes_here", lambda: processes)
    monkeypatch.setattr(joblib, "cpu_count", lambda: cores)
    assert default_workers(torch.device(kind)) == expected


def test_a_users_number_of_workers_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKEWEIGHT_WORKERS", "3")
    assert default_workers(CPU) == 3
    monkeypatch.setenv("MAKEWEIGHT_WORKERS", "-1")
    with pytest.raises(InputError, match="^MAKEWEIGHT_WORKERS=-1 is no number of processes: give 0 or more"):
        default_workers(CPU)


def test_processes_that_may_start_none_read_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAKEWEIGHT_WORKERS", raising=False)
    monkeypatch.setattr("makeweight.data.batches.can_fork", lambda: False)
    assert default_workers(CPU) == 0


@pytest.mark.parametrize(
    ("shape", "dtype", "looked_up"),
    [((4, 8, 8), "uint8", True), ((4, 8, 8, 3), "uint8", True), ((4, 6), "uint8", False), ((4, 8, 8), "uint16", False)],
)
def test_what_may_lie_on_a_device_as_it_is(shape: tuple[int, ...], dtype: str, looked_up: bool) -> None:
    X = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    codec = ImageCodec.learn(X)
    assert is_looked_up(codec) is looked_up
    if looked_up:
        encoded = encoder(codec, torch.device("cpu"))(torch.from_numpy(X))
        assert np.array_equal(encoded.numpy(), codec.encode(X))
