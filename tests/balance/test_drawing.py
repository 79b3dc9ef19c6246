import errno
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from makeweight.balance import Listener, balance_folder, drawing, read_manifest, sample_folder
from makeweight.balance.drawing import Block, Drawn, Press, blocks_of
from makeweight.balance.drawn_images import Mark, drawn_png, pixels_from, resized
from makeweight.balance.manifest import ManifestRow
from makeweight.balance.names import drawn_name
from makeweight.errors import InputError
from makeweight.methods import get_method
from makeweight.sampler import ImageSampler, load
from makeweight.team import Team

Fill = Callable[..., None]
Contents = Callable[[Path], dict[str, bytes]]


@pytest.fixture
def pair(tmp_path: Path, fill: Fill) -> Path:
    """Three hundred and fifty images of a, two of b: six blocks of b for a GAN to draw."""
    fill(tmp_path / "in" / "a", 350)
    fill(tmp_path / "in" / "b", 2, seed=1)
    return tmp_path / "in"


@pytest.fixture
def many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make duplicates draw in small blocks."""
    monkeypatch.setattr(get_method("duplicates"), "block_size", 16)


@pytest.fixture
def trained(tmp_path: Path) -> ImageSampler:
    """Give a small AGGAN."""
    X = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    settings = {"n_steps": 1, "random_state": 0, "device": "cpu", "precision": "32-true"}
    sampler: ImageSampler = get_method("aggan")(**settings).fit(X, np.array(["a"] * 12 + ["b"] * 8))
    return sampler


def plainly(
    sampler: ImageSampler, label: str, rows: range, seed: int, folder: str, size: tuple[int, int] | None = None
) -> Iterator[tuple[ManifestRow, bytes]]:
    """Draw and encode images one after the other: the reference."""
    pixels = pixels_from(sampler.draw(label, rows, seed=seed), sampler.codec_)
    for row, image in zip(rows, pixels, strict=True):
        mark = Mark(sampler.name, sampler.model_hash_, seed, row, label)
        data = drawn_png(resized(image, *size) if size else image, mark)
        file = folder + drawn_name(sampler.name, seed, row)
        hashes = sampler.model_hash_, sampler.settings_hash, sha256(data).hexdigest()
        yield ManifestRow(file, label, "drawn", sampler.name, seed, row, *hashes), data


@pytest.mark.parametrize("method", ["aggan", "duplicates"])
@pytest.mark.usefixtures("many_blocks")
def test_files_and_manifest_are_those_of_a_plain_loop(method: str, pair: Path, tmp_path: Path) -> None:
    length = {"n_steps": 1, "device": "cpu", "precision": "32-true"} if method == "aggan" else {}
    out = balance_folder(pair, tmp_path / "out", method=method, seed=3, resize=10, **length).out  # type: ignore[arg-type]
    sampler = load(out / "model", device="cpu")
    expected = list(plainly(sampler, "b", range(348), sampler.seed_, "images/b/", (9, 8)))
    drawn = [row for row in read_manifest(out / "manifest.csv") if row.origin == "drawn"]
    assert [replace(row, copy_of="", copy_distance=None) for row in drawn] == [row for row, _ in expected]
    assert all((out / row.file).read_bytes() == data for row, data in expected)

    sample_folder(out, 100, label="b", out=tmp_path / "more")
    expected = list(plainly(sampler, "b", range(348, 448), sampler.seed_, ""))
    assert read_manifest(tmp_path / "more" / "manifest.csv") == [row for row, _ in expected]
    assert all((tmp_path / "more" / row.file).read_bytes() == data for row, data in expected)


@pytest.mark.parametrize("few", [0, 100], ids=["processes", "one thread"])
def test_helpers_do_not_change_bytes(
    few: int, trained: ImageSampler, tmp_path: Path, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "FEW_BLOCKS", few)
    monkeypatch.setattr(drawing, "cores_for_this_process", lambda: 2)
    told: list[tuple[int, int]] = []
    before = torch.get_num_threads()
    drawn = Press(trained, 5, tmp_path).run(
        list(blocks_of(trained, "b", range(10, 150), n_shown=60)), lambda *n: told.append(n)
    )
    expected = dict(plainly(trained, "b", range(10, 150), 5, "")).items()
    assert [row for block in drawn for row in block.rows] == [row for row, _ in expected]
    assert contents(tmp_path) == {row.file: data for row, data in expected}
    assert told == [(54, 140), (118, 140), (140, 140)]
    assert (
        np.concatenate([block.shown for block in drawn if block.shown]) == trained.draw("b", range(10, 70), 5)
    ).all()
    assert torch.get_num_threads() == before
    assert not multiprocessing.active_children()


def test_processes_of_a_team_draw_every_other_block(
    trained: ImageSampler, tmp_path: Path, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Apart(Team):
        """A process whose team is elsewhere: what the others drew is what they left in `drawn`."""

        drawn: ClassVar[dict[int, Any]] = {}

        def gather(self, value: Any) -> list[Any]:
            self.drawn[self.rank] = value
            return [self.drawn.get(rank, value) for rank in range(self.size)]

    blocks = list(blocks_of(trained, "b", range(256)))
    for rank in range(2):
        monkeypatch.setattr(drawing, "team", lambda rank=rank: Apart(rank, 2))
        (tmp_path / str(rank)).mkdir()
        drawn = Press(trained, 5, tmp_path / str(rank)).run(blocks, lambda done, total: None)
    files = [contents(tmp_path / str(rank)) for rank in range(2)]
    own = [{drawn_name("aggan", 5, row) for block in blocks[rank::2] for row in block.rows} for rank in range(2)]
    assert [set(each) for each in files] == own
    expected = {row.file: data for row, data in plainly(trained, "b", range(256), 5, "")}
    assert files[0] | files[1] == expected
    assert [row.file for block in drawn for row in block.rows] == list(expected)


def test_rows_are_cut_where_the_sampler_cuts_them(trained: ImageSampler) -> None:
    assert list(blocks_of(trained, "a", range(60, 200), folder="x/", n_shown=8)) == [
        Block("a", range(60, 64), "x/", 4),
        Block("a", range(64, 128), "x/", 4),
        Block("a", range(128, 192), "x/", 0),
        Block("a", range(192, 200), "x/", 0),
    ]
    assert list(blocks_of(trained, "a", range(0))) == []


class Counting(Press):
    """Counts blocks that were drawn here and not yet taken back."""

    drawn = most = 0

    def draw(self, block: Block) -> NDArray[Any]:
        self.drawn += 1
        self.most = max(self.most, self.drawn)
        return super().draw(block)

    def finished(self, *_: int) -> None:
        self.drawn -= 1


@pytest.mark.parametrize(("few", "most"), [(0, 6), (1000, 3)], ids=["processes", "one thread"])
@pytest.mark.usefixtures("many_blocks")
def test_few_blocks_are_held_at_a_time(few: int, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "FEW_BLOCKS", few)
    monkeypatch.setattr(drawing, "cores_for_this_process", lambda: 2)
    X = np.random.default_rng(0).integers(0, 256, (6, 8, 8), dtype=np.uint8)
    sampler = get_method("duplicates")(random_state=0).fit(X, np.arange(6) % 2)
    press = Counting(sampler, 0, tmp_path)
    written = press.run(list(blocks_of(sampler, 0, range(16 * 40))), press.finished)
    assert len(written) == 40
    assert len(os.listdir(tmp_path)) == 640
    assert 1 <= press.most <= most
    assert isinstance(written[0], Drawn)


class AtFirstBlock(Listener):
    """Does something when the first block is written."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.act = act
        self.drawing = False

    def stage(self, name: str) -> None:
        self.drawing = name == "drawing"

    def count(self, done: int, total: int) -> None:
        if self.drawing:
            self.drawing = False
            self.act()


def balance(source: Path, listener: Listener | None = None) -> None:
    balance_folder(source, source.parent / "out", n_steps=1, device="cpu", precision="32-true", listener=listener)


def to_workers(number: int) -> None:
    workers = multiprocessing.active_children()
    assert workers
    for worker in workers:
        os.kill(worker.pid or 0, number)


def test_an_interrupt_while_drawing_leaves_what_was_learnt(pair: Path, tmp_path: Path) -> None:
    def interrupt() -> None:
        to_workers(signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        balance(pair, AtFirstBlock(interrupt))
    assert sorted(os.listdir(tmp_path)) == ["in", "out.training"]
    assert not multiprocessing.active_children()


def test_a_worker_that_is_killed_is_told_of(pair: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="^a process that writes images was ended from outside, perhaps for want"):
        balance(pair, AtFirstBlock(lambda: to_workers(signal.SIGKILL)))
    assert sorted(os.listdir(tmp_path)) == ["in", "out.training"]


def test_a_disk_that_fills_up_in_a_worker_is_told_of(
    pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name.endswith("-000200.png"):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match=r"^the disk filled up while .*out was written: make room and start again"):
        balance(pair)
    assert sorted(os.listdir(tmp_path)) == ["in", "out.training"]


def test_folders_larger_than_memory_are_balanced_alike(
    pair: Path, tmp_path: Path, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = []
    for megabytes in ("1000", "0"):
        monkeypatch.setenv("MAKEWEIGHT_MEMORY", megabytes)
        balance(pair)
        outputs.append(contents(tmp_path / "out"))
        (tmp_path / "out").rename(tmp_path / f"out-{megabytes}")
    names = [name for name in outputs[0] if name != "model/training.json"]  # which holds times
    assert len(names) > 700
    assert all(outputs[0][name] == outputs[1][name] for name in names)
