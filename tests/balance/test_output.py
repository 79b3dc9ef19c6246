import errno
import os
import shutil
from collections import namedtuple
from pathlib import Path

import filelock
import pytest

from makeweight.balance.output import MARKER, OutputFolder, size_text
from makeweight.errors import InputError

NOTHING: list[str] = []


def folder(path: Path, *, overwrite: bool = False) -> OutputFolder:
    return OutputFolder(path, overwrite, lambda place: None if (place / "ours").exists() else "it holds no ours")


def write(output: OutputFolder, name: str = "ours") -> None:
    with output.writing(NOTHING.append) as partial:
        (partial / name).write_text("new")


def test_an_output_appears_whole(tmp_path: Path) -> None:
    output = folder(tmp_path / "deep" / "out")
    output.check()
    with output.writing(NOTHING.append) as partial:
        assert partial == tmp_path / "deep" / "out.partial"
        assert not output.path.exists()
        (partial / "ours").touch()
    assert sorted(os.listdir(tmp_path / "deep")) == ["out"]
    assert os.listdir(output.path) == ["ours"]


def fail_half_way(output: OutputFolder, error: type[BaseException]) -> None:
    with output.writing(NOTHING.append) as partial:
        (partial / "sub").mkdir()
        (partial / "sub" / "half").touch()
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_after_an_error_nothing_is_left_and_the_old_output_stands(tmp_path: Path, error: type[BaseException]) -> None:
    write(folder(tmp_path / "out"))
    (tmp_path / "out" / "old").touch()
    with pytest.raises(error):
        fail_half_way(folder(tmp_path / "out", overwrite=True), error)
    assert os.listdir(tmp_path) == ["out"]
    assert sorted(os.listdir(tmp_path / "out")) == ["old", "ours"]


def test_overwriting_replaces_an_output_of_ours_only(tmp_path: Path) -> None:
    write(folder(tmp_path / "out"))
    with pytest.raises(InputError, match=r"is not empty: name another folder, or replace it with --overwrite\."):
        folder(tmp_path / "out").check()
    output = folder(tmp_path / "out", overwrite=True)
    output.check()
    (tmp_path / "out" / "old").touch()
    write(output)
    assert os.listdir(tmp_path) == ["out"]
    assert os.listdir(tmp_path / "out") == ["ours"]

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(
        InputError, match=r"does not look like an output of makeweight \(it holds no ours\), so it is not over"
    ):
        folder(tmp_path / "mine", overwrite=True).check()


def test_a_failing_swap_puts_the_old_output_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder(tmp_path / "out"))
    (tmp_path / "out" / "old").touch()
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name.endswith(".partial"):
            raise PermissionError(errno.EACCES, "no")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(
        InputError, match=r"out cannot be put in place \(no\), so the finished result is kept in .*partial"
    ):
        write(folder(tmp_path / "out", overwrite=True))
    assert sorted(os.listdir(tmp_path)) == ["out", "out.partial"]
    assert sorted(os.listdir(tmp_path / "out")) == ["old", "ours"]
    assert os.listdir(tmp_path / "out.partial") == ["ours"]


def fill_meanwhile(output: OutputFolder) -> None:
    with output.writing(NOTHING.append) as partial:
        (partial / "ours").touch()
        output.path.mkdir(exist_ok=True)
        (output.path / "thesis.tex").touch()


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("made_before", [False, True])
def test_an_output_filled_meanwhile_stays_and_the_result_is_kept(
    tmp_path: Path, overwrite: bool, made_before: bool
) -> None:
    output = folder(tmp_path / "out", overwrite=overwrite)
    if made_before:
        output.path.mkdir()
    output.check()
    with pytest.raises(InputError, match=r"was filled by something else .* result is kept in .*out\.partial: move it"):
        fill_meanwhile(output)
    assert os.listdir(output.path) == ["thesis.tex"]
    assert os.listdir(output.partial) == ["ours"]
    assert sorted(os.listdir(tmp_path)) == ["out", "out.partial"]
    with pytest.raises(InputError):
        output.check()
    assert os.listdir(output.partial) == ["ours"]


def test_an_output_filled_after_the_check_is_refused_before_the_work(tmp_path: Path) -> None:
    output = folder(tmp_path / "out")
    output.check()
    output.path.mkdir()
    (output.path / "thesis.tex").touch()
    with pytest.raises(InputError, match="is not empty"):
        write(output)
    assert os.listdir(tmp_path) == ["out"]


def test_an_older_output_that_cannot_be_removed_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder(tmp_path / "out"))
    notes: list[str] = []

    def refuse(place: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with folder(tmp_path / "out", overwrite=True).writing(notes.append) as partial:
        (partial / "new").touch()
    assert os.listdir(tmp_path / "out") == ["new"]
    assert notes == [f"the older output could not be removed (Permission denied): delete {tmp_path / 'out.replaced'}"]


def test_an_empty_folder_and_a_link_to_one_are_filled(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    output = folder(tmp_path / "link")
    output.check()
    write(output)
    assert (tmp_path / "link").is_symlink()
    assert os.listdir(tmp_path / "real") == ["ours"]


def test_a_stale_partial_of_ours_goes_and_another_stays(tmp_path: Path) -> None:
    stale = tmp_path / "out.partial"
    stale.mkdir()
    (stale / MARKER).touch()
    (stale / "junk").touch()
    output, notes = folder(tmp_path / "out"), []
    output.check()
    assert (stale / "junk").exists()
    with output.writing(notes.append):
        pass
    assert notes == [f"removed {stale}, left from an interrupted run"]
    shutil.rmtree(output.path)

    stale.mkdir()
    (stale / "thesis.tex").touch()
    with pytest.raises(InputError, match="is in the way and is no unfinished output of makeweight: move it away"):
        output.check()
    assert (stale / "thesis.tex").exists()


def test_a_partial_that_another_run_holds_is_left_alone(tmp_path: Path) -> None:
    first, second = folder(tmp_path / "out"), folder(tmp_path / "out")
    second.check()
    with first.writing(NOTHING.append) as partial:
        (partial / "ours").touch()
        for attempt in (second.check, lambda: write(second, "other")):
            with pytest.raises(InputError, match="out is in use by another run: wait for it, or name another folder"):
                attempt()
        assert sorted(os.listdir(partial)) == sorted([MARKER, "ours"])
        assert sorted(os.listdir(tmp_path)) == ["out.partial", "out.partial.lock"]
    assert os.listdir(tmp_path) == ["out"]
    assert os.listdir(first.path) == ["ours"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_foreign_folder_where_the_older_output_would_wait_is_left_alone(tmp_path: Path, overwrite: bool) -> None:
    output = folder(tmp_path / "out", overwrite=overwrite)
    with output.writing(NOTHING.append) as partial:
        (partial / "ours").touch()
        output.replaced.mkdir()
        (output.replaced / "thesis.tex").touch()
    assert os.listdir(output.path) == ["ours"]
    assert os.listdir(output.replaced) == ["thesis.tex"]


def test_the_lock_is_held_until_the_output_is_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename, held = Path.rename, []

    def watch(self: Path, target: Path) -> Path:
        with pytest.raises(filelock.Timeout):
            filelock.FileLock(tmp_path / "out.partial.lock", timeout=0).acquire()
        held.append(self.name)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", watch)
    write(folder(tmp_path / "out"))
    assert held == ["out.partial"]


def test_a_lock_left_from_a_killed_run_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "out.partial.lock").touch()
    output = folder(tmp_path / "out")
    output.check()
    write(output)
    assert os.listdir(tmp_path) == ["out"]


class Killed(BaseException):
    """Stands for a kill: nothing is cleared up."""


@pytest.mark.parametrize("at", ["rename", "marker", "removal"])
def test_a_kill_while_the_output_is_put_in_place_is_put_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    write(folder(tmp_path / "out"))
    (tmp_path / "out" / "old").touch()
    rename, unlink, rmtree = Path.rename, Path.unlink, shutil.rmtree

    def renamed(self: Path, target: Path) -> Path:
        moved = rename(self, target)
        if at == "rename" and self.name == "out":
            raise Killed
        return moved

    def unlinked(self: Path, missing_ok: bool = False) -> None:
        if at == "marker" and self.name == MARKER:
            raise Killed
        unlink(self, missing_ok)

    def removed(place: Path) -> None:
        if at == "removal" and Path(place).name == "out.replaced":
            raise Killed
        rmtree(place)

    with monkeypatch.context() as kill:
        kill.setattr(Path, "rename", renamed)
        kill.setattr(Path, "unlink", unlinked)
        kill.setattr(shutil, "rmtree", removed)
        with pytest.raises(Killed):
            write(folder(tmp_path / "out", overwrite=True))
    notes: list[str] = []
    again = folder(tmp_path / "out", overwrite=True)
    again.check()
    with again.writing(notes.append) as partial:
        (partial / "ours").write_text("newer")
    assert notes[0].endswith("was being replaced when a run was interrupted: what it left was put right")
    assert os.listdir(tmp_path) == ["out"]
    assert os.listdir(tmp_path / "out") == ["ours"]


def test_what_follows_an_output_happens_under_its_lock(tmp_path: Path) -> None:
    output, seen = folder(tmp_path / "out"), []
    with output.writing(NOTHING.append, lambda: seen.append((output.path.is_dir(), output.lock.exists()))) as partial:
        (partial / "ours").touch()
    assert seen == [(True, True)]


def test_where_all_files_lie(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is where all files lie: name a new folder inside it"):
        folder(Path(tmp_path.anchor)).check()


def test_a_name_without_room_for_what_is_added_to_it(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"cannot be used \(File name too long\): name another place, or give a shorter"
    ):
        folder(tmp_path / ("y" * 250)).check()


def test_leftovers_of_an_interrupted_swap_are_named(tmp_path: Path) -> None:
    (tmp_path / "out.replaced").mkdir()
    with pytest.raises(InputError, match=r"out\.replaced is left from an interrupted run: move it away or delete it"):
        folder(tmp_path / "out").check()


def test_output_and_input_must_lie_apart(tmp_path: Path) -> None:
    source = tmp_path / "in"
    (source / "boot").mkdir(parents=True)
    (tmp_path / "alias").symlink_to(source)
    for inside in (
        source,
        source / "out",
        source / "boot" / "a" / "b",
        tmp_path / "alias" / "out",
        source / ".." / "in",
    ):
        with pytest.raises(InputError, match="lies inside the input .*in: name a folder outside it"):
            folder(inside).check([source])
    for around in (tmp_path, tmp_path / "alias" / ".."):
        with pytest.raises(InputError, match=r"the input .*in lies inside the output|cannot be replaced"):
            folder(around, overwrite=True).check([source])
    with pytest.raises(InputError, match="the input .* lies inside the output"):
        folder(tmp_path / "in2").check([_made(tmp_path / "in2.partial")])
    folder(tmp_path / "in-out").check([source])


def test_an_input_that_links_into_the_output_is_refused(tmp_path: Path) -> None:
    write(folder(tmp_path / "out"))
    (tmp_path / "in" / "boot").mkdir(parents=True)
    (tmp_path / "in" / "boot" / "a.png").symlink_to(tmp_path / "out" / "ours")
    with pytest.raises(InputError, match="links into the output"):
        folder(tmp_path / "out", overwrite=True).check([tmp_path / "in"])


def test_places_that_cannot_be_written_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file: name a new folder for the output"):
        folder(tmp_path / "file").check()
    with pytest.raises(InputError, match=r"out cannot be made, since .*file is a file: name another place"):
        folder(tmp_path / "file" / "out").check()
    with pytest.raises(InputError, match=r"out cannot be written \(.*\): name another place"):
        write(folder(tmp_path / "file" / "out"))
    for length in (244, 249, 256):
        with pytest.raises(InputError, match=r"nn cannot be used \(File name too long\): .* give a shorter name\.$"):
            folder(tmp_path / ("n" * length)).check()
    monkeypatch.chdir(_made(tmp_path / "here"))
    with pytest.raises(InputError, match="cannot be replaced in one step: name a new folder inside it"):
        folder(Path()).check()


def test_a_place_that_is_not_writable_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda place, mode: place != tmp_path)
    with pytest.raises(InputError, match=r"out cannot be made, since .* is not writable: name another place\.$"):
        folder(tmp_path / "not" / "there" / "out").check()
    folder(_made(tmp_path / "sub") / "out").check()


def test_too_small_a_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1_000_000))
    with pytest.raises(InputError, match=r"not enough disk for .*out: about 2\.5 GB needed, 1\.0 MB free\."):
        folder(tmp_path / "not" / "there" / "out").check_space(2_500_000_000)
    folder(tmp_path / "out").check_space(999_999)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0))
    with pytest.raises(InputError, match="out lies where there is no room for files at all: name another place"):
        folder(tmp_path / "out").check_space(1)


def test_a_disk_that_fills_up_is_told_in_a_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="the disk filled up while .*out was written"),
        folder(tmp_path / "out").writing(NOTHING.append),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert os.listdir(tmp_path) == []


def test_a_file_that_is_too_large_is_told_in_a_sentence(tmp_path: Path) -> None:
    message = r"^a file of .*out grew larger than this system or its limits \(ulimit -f\) allow: raise the limit and"
    with pytest.raises(InputError, match=message), folder(tmp_path / "out").writing(print):
        raise OSError(errno.EFBIG, "File too large")
    assert os.listdir(tmp_path) == []


def test_sizes_read_well() -> None:
    assert [size_text(n) for n in (0, 999, 1000, 1_550_000, 12e9, 3e15)] == [
        "0 bytes",
        "999 bytes",
        "1.0 kB",
        "1.6 MB",
        "12 GB",
        "3000 TB",
    ]


def _made(path: Path) -> Path:
    path.mkdir()
    return path
