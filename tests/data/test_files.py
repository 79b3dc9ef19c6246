import os
from pathlib import Path

import pytest

from makeweight.data import files
from makeweight.data.files import partial_name, write_whole


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "figures.json"
    for content in (b"first", b"second, and longer"):
        write_whole(target, content)
        assert target.read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["figures.json"]


def test_what_does_not_fit_on_the_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "figures.json"
    write_whole(target, b"first")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(target, b"second")
    assert target.read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["figures.json"]


@pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")
def test_a_link_is_replaced_and_never_written_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other, target = tmp_path / "other", tmp_path / "figures.json"
    other.write_bytes(b"somebody else's")
    target.symlink_to(other)
    left = tmp_path / partial_name("figures.json")  # of somebody who knew the name before
    monkeypatch.setattr(files, "partial_name", lambda name: left.name)
    left.symlink_to(other)
    write_whole(target, b"ours")
    assert other.read_bytes() == b"somebody else's"
    assert not target.is_symlink()
    assert not left.is_symlink()
    assert target.read_bytes() == b"ours"
