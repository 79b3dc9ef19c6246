from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from makeweight.checkpoints import Checkpoints, State, fingerprint
from makeweight.errors import InputError

IDENTITY = {"settings": "a", "seed": 1, "data": "b"}


def state(step: int) -> State:
    tensors = {"weights": torch.arange(6.0).view(2, 3) * step, "count": torch.tensor(step)}
    return State(tensors, {"step": step, "temperature": 0.1 + 0.2, "none": None})


def whole(state: State) -> State:
    return state


def keep(folder: Path, *steps: int) -> Checkpoints:
    kept = Checkpoints(folder, IDENTITY)
    for step in steps:
        kept.write(step, state(step))
    return kept


def test_only_what_differs_is_named(tmp_path: Path) -> None:
    Checkpoints(tmp_path, {"betas": (0.5, 0.9), "seed": 1}).write(1, state(1))
    with pytest.raises(InputError, match=r"of another training \(other seed\)"):
        Checkpoints(tmp_path, {"betas": (0.5, 0.9), "seed": 2}).latest(whole)


def test_a_folder_that_cannot_be_made_costs_a_note_and_not_the_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("theirs")
    kept = keep(tmp_path / "file" / "below", 1)
    assert kept.notes == ["no checkpoint could be written at step 1: Not a directory."]
    assert (tmp_path / "file").read_text() == "theirs"


def test_what_is_written_is_read_to_the_bit(tmp_path: Path) -> None:
    keep(tmp_path / "new", 7)
    found = Checkpoints(tmp_path / "new", IDENTITY).latest(whole)
    assert found is not None
    assert found.numbers == state(7).numbers
    assert found.tensors.keys() == state(7).tensors.keys()
    assert all(torch.equal(found.tensors[name], value) for name, value in state(7).tensors.items())


def test_nothing_is_found_where_nothing_was_written(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "absent", IDENTITY).latest(whole) is None


def test_the_last_two_are_kept_and_the_newest_is_read(tmp_path: Path) -> None:
    kept = keep(tmp_path, 9, 10, 100)
    assert [path.name[:10] for path in sorted(tmp_path.iterdir())] == ["000000002-", "000000003-"]
    found = kept.latest(whole)
    assert found is not None
    assert found.numbers["step"] == 100


@pytest.mark.parametrize("harm", ["flip", "truncate", "empty", "numbers"])
def test_a_damaged_one_is_named_and_the_one_before_it_used(tmp_path: Path, harm: str) -> None:
    kept = keep(tmp_path, 1, 2)
    newest = max(tmp_path.iterdir())
    data = bytearray(newest.read_bytes())
    if harm == "flip":
        data[-1] ^= 1
    elif harm == "numbers":
        data = data.replace(b"temperature", b"tempwrature")
    newest.write_bytes({"truncate": data[: len(data) // 2], "empty": b""}.get(harm, data))
    found = kept.latest(whole)
    assert found is not None
    assert found.numbers["step"] == 1
    assert kept.notes == [f"the checkpoint {newest.name} is damaged, so the one before it was used."]


def test_damaged_ones_do_not_push_out_new_ones(tmp_path: Path) -> None:
    keep(tmp_path, 299, 300)
    for path in tmp_path.iterdir():
        path.write_bytes(b"harm")
    kept = Checkpoints(tmp_path, IDENTITY)
    assert kept.latest(whole) is None
    for step in (50, 100, 298):
        kept.write(step, state(step))
    assert [path.name[:9] for path in sorted(tmp_path.iterdir())] == ["000000004", "000000005"]
    assert (found := kept.latest(whole)) is not None
    assert found.numbers["step"] == 298


def test_after_a_rollback_the_last_two_written_are_kept(tmp_path: Path) -> None:
    kept = keep(tmp_path, 10, 20, 5)
    assert [path.name[:9] for path in sorted(tmp_path.iterdir())] == ["000000002", "000000003"]
    last = kept.latest(whole)
    assert last is not None
    assert last.numbers["step"] == 5


def test_a_folder_in_the_place_of_one_is_left_alone(tmp_path: Path) -> None:
    odd = tmp_path / f"{1:09}-{'0' * 64}.safetensors"
    odd.mkdir()
    kept = keep(tmp_path, 1, 2, 3)
    assert odd.is_dir()
    assert kept.notes == []
    assert len(list(tmp_path.iterdir())) == 3


def test_foreign_files_are_neither_read_nor_removed(tmp_path: Path) -> None:
    (tmp_path / "mine.safetensors").write_bytes(b"mine")
    (tmp_path / "download.partial").write_bytes(b"mine")
    kept = keep(tmp_path, 1, 2, 3)
    assert (tmp_path / "mine.safetensors").read_bytes() == (tmp_path / "download.partial").read_bytes() == b"mine"
    assert kept.latest(whole) is not None


def test_another_training_is_refused_and_told_apart(tmp_path: Path) -> None:
    keep(tmp_path, 1)
    with pytest.raises(InputError, match=r"holds checkpoints of another training \(other data, seed\): give the same"):
        Checkpoints(tmp_path, {**IDENTITY, "seed": 2, "data": "c"}).latest(whole)


@pytest.mark.parametrize("identity", [None, [], "a", {}, {**IDENTITY, "a\0b": 1}])
def test_an_identity_that_tells_nothing(tmp_path: Path, identity: Any) -> None:
    Checkpoints(tmp_path, identity).write(1, state(1))
    with pytest.raises(
        InputError, match=r"holds checkpoints of another training \(of an unknown kind\): give the same"
    ):
        Checkpoints(tmp_path, IDENTITY).latest(whole)


def test_a_full_disk_leaves_a_note_and_the_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = keep(tmp_path, 1)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("makeweight.checkpoints.write_synced", full)
    kept.write(2, state(2))
    assert kept.notes == ["no checkpoint could be written at step 2: No space left on device."]
    found = kept.latest(whole)
    assert found is not None
    assert found.numbers["step"] == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_what_a_killed_writer_left_is_cleared(tmp_path: Path) -> None:
    (tmp_path / "000000001-abc.partial").write_bytes(b"half")
    keep(tmp_path, 2)
    assert [path.suffix for path in tmp_path.iterdir()] == [".safetensors"]


def test_fingerprint_sees_every_image_and_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("makeweight.checkpoints.BLOCK", 2)
    X, codes = np.arange(5 * 4, dtype=np.uint8).reshape(5, 2, 2), np.array([0, 1, 0, 1, 1])
    other, swapped = X.copy(), codes.copy()
    other[4, 1, 1] += 1
    swapped[0] = 1
    found = {fingerprint(X, codes), fingerprint(other, codes), fingerprint(X, swapped), fingerprint(X[:4], codes[:4])}
    assert len(found) == 4
    assert fingerprint(X, codes) == fingerprint(np.asfortranarray(X), codes.astype(np.int32).astype(np.int64))
