from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

import makeweight.loop
from makeweight.balance import Listener, balance_folder
from makeweight.balance.output import MARKER, OutputFolder, training_folder
from makeweight.balance.resuming import check_kept, keep_in, kept_training
from makeweight.errors import InputError, TrainingError
from makeweight.progress import StepReport

Contents = Callable[[Path], dict[str, bytes]]
STEPS = 8
LABELS = ("boot", "clog")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for label, number in (("boot", 14), ("clog", 11)):
        (tmp_path / "shoes" / label).mkdir(parents=True)
        for i in range(number):
            pixels = random.integers(0, 256, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "shoes" / label / f"{i}.png")
    return tmp_path / "shoes"


@pytest.fixture(autouse=True)
def keep_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(makeweight.loop, "KEEP_EVERY", 0.0)


class Stopping(Listener):
    """Interrupts at a step, and remembers what it heard."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.steps: list[int] = []
        self.notes: list[str] = []

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)

    def step(self, report: Any) -> None:
        assert isinstance(report, StepReport)
        self.steps.append(report.step)
        if report.step == self.at:
            raise KeyboardInterrupt


def balance(folder: Path, out: Path, at: int | None = None, **options: Any) -> Stopping:
    listener = Stopping(at)
    options = {"method": "acgan", "n_steps": STEPS, "device": "cpu", **options}
    balance_folder(folder, out, listener=listener, **options)
    return listener


@pytest.mark.parametrize("method", ["duplicates", "acgan"])
def test_a_folder_of_somebody_else_is_left_alone(folder: Path, tmp_path: Path, method: str) -> None:
    other = tmp_path / "out.training"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match=r"out\.training is in the way of what training keeps: move it\.$"):
        balance(
            folder,
            tmp_path / "out",
            method=method,
            **({"n_steps": None, "device": "auto"} if method == "duplicates" else {}),
        )
    assert (other / "thesis.txt").read_text() == "mine"
    assert not (tmp_path / "out").exists()


def test_an_input_that_lies_where_training_is_kept(folder: Path, tmp_path: Path, contents: Contents) -> None:
    folder.rename(tmp_path / "out.training")
    before = contents(tmp_path / "out.training")
    with pytest.raises(InputError, match="the input .* lies inside the output .*: name another output folder"):
        balance(tmp_path / "out.training", tmp_path / "out", method="duplicates", n_steps=None)
    assert contents(tmp_path / "out.training") == before


def test_a_link_within_what_is_kept(folder: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "1-a.partial").write_text("mine")
    keep_in(tmp_path / "out.training")
    (tmp_path / "out.training" / "learning").symlink_to(victim)
    with pytest.raises(InputError, match=r"out\.training is in the way of what training keeps: move it\.$"):
        balance(folder, tmp_path / "out", resume=True)
    assert [path.name for path in victim.iterdir()] == ["1-a.partial"]


def test_a_run_that_was_killed_after_its_end(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    balance(folder, out)
    keep_in(training_folder(out))
    (out / MARKER).touch()
    assert balance(folder, out, resume=True).steps == []
    assert not training_folder(out).exists()
    assert not (out / MARKER).exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_steps": STEPS + 1}, "method, length, seed or settings"),
        ({"seed": 7}, "method, length, seed or settings"),
        ({"method": "duplicates", "n_steps": None, "device": "auto"}, "method, length, seed or settings"),
        ({"settings": {"head": "projection"}}, "method, length, seed or settings"),
        ({"method": "augmentation", "n_steps": None, "device": "auto"}, "method, length, seed or settings"),
        ({"method": "acgan", "sampling_strategy": {"clog": 12}}, "method, length, seed or settings"),
        ({"fill": "auto"}, "fill or gate"),
        ({"gate": True}, "fill or gate"),
        ({}, "images"),
    ],
    ids=str,
)
def test_the_finished_output_of_another_run(options: dict[str, Any], words: str, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    balance(folder, out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    if not options:
        (folder / "boot" / "0.png").write_bytes((folder / "clog" / "0.png").read_bytes())
    sentence = rf"out is the finished output of another run \({words}\): name another folder, or replace it with --over"
    with pytest.raises(InputError, match=sentence):
        balance(folder, out, resume=True, **options)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("content", ["{", "[]", "[" * 100_000])
def test_a_finished_output_whose_record_is_damaged(content: str, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    balance(folder, out, method="duplicates", n_steps=None, device="auto")
    (out / "balance.json").write_text(content)
    with pytest.raises(InputError, match=r"balance\.json is damaged: name another folder, or replace the output with"):
        balance(folder, out, resume=True, method="duplicates", n_steps=None, device="auto")


@pytest.mark.parametrize(
    "options",
    [
        {"method": "duplicates", "n_steps": None, "device": "auto"},
        {"method": "smote", "n_steps": None, "device": "auto", "gate": True},
        {"method": "smote", "n_steps": None, "device": "auto", "fill": "auto"},
        {"method": "smote", "n_steps": None, "device": "auto", "fill": 0.9},
        {"method": "smote", "n_steps": None, "device": "auto", "sampling_strategy": {"clog": 12}},
        {"settings": {"head": "projection"}},
    ],
    ids=str,
)
def test_the_finished_output_of_the_same_run(options: dict[str, Any], folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    balance(folder, out, **options)
    given = {"method": "acgan", "n_steps": STEPS, "device": "cpu", **options}
    again = balance_folder(folder, out, resume=True, **given)
    assert again.was_finished
    assert [each.total for each in again.classes] == [
        len(list((out / "images" / c).iterdir())) for c in ("boot", "clog")
    ]


def test_a_finished_output_that_lacks_files_is_not_finished(folder: Path, tmp_path: Path) -> None:
    balance(folder, tmp_path / "out")
    lost = sorted((tmp_path / "out" / "images" / "clog").iterdir())[0]
    lost.unlink()
    with pytest.raises(
        InputError, match=f"out lacks images/clog/{lost.name}, which its manifest names: see makeweight"
    ):
        balance(folder, tmp_path / "out", resume=True)


def test_what_another_run_is_learning_is_left_alone(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    balance(folder, out)
    keep_in(training_folder(out))
    lock = FileLock(OutputFolder(out, True, lambda _: None).lock)
    with lock, pytest.raises(InputError, match="is in use by another run"):
        balance(folder, out, resume=True)
    assert training_folder(out).exists()


@pytest.mark.parametrize("gate", [False, True])
def test_a_finished_output_for_which_drawing_nothing_was_chosen(gate: bool, tmp_path: Path) -> None:
    for label, colour, n in (("dark", 0, 12), ("light", 255, 4)):
        for number in range(n):
            (tmp_path / "in" / label).mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(number).integers(0, 20, (8, 8), dtype=np.uint8) ^ colour
            Image.fromarray(pixels).save(tmp_path / "in" / label / f"{number}.png")
    options: dict[str, Any] = {"method": "smote", "fill": "auto", "gate": gate, "seed": 0}
    first = balance_folder(tmp_path / "in", tmp_path / "out", **options)
    assert sum(each.drawn for each in first.classes) == 0
    assert balance_folder(tmp_path / "in", tmp_path / "out", resume=True, **options).was_finished
    for other in ({"seed": 99}, {"method": "adasyn"}, {"method": "aggan", "n_steps": 7}):
        with pytest.raises(InputError, match=r"of another run \(method, length, seed or settings\): name another"):
            balance_folder(tmp_path / "in", tmp_path / "out", resume=True, **{**options, **other})


def test_a_finished_output_of_other_groups(folder: Path, tmp_path: Path) -> None:
    files = [f"{label}/{i}.png" for label, number in (("boot", 14), ("clog", 11)) for i in range(number)]
    options = {"method": "duplicates", "n_steps": None, "device": "auto"}
    for place, size in (("one", 2), ("two", 5)):
        (tmp_path / place).mkdir()
        rows = "".join(f"{file},g{i // size}\n" for i, file in enumerate(files))
        (tmp_path / place / "groups.csv").write_text(f"file_name,group\n{rows}")
    balance(folder, tmp_path / "out", groups=str(tmp_path / "one" / "groups.csv"), **options)
    balance(folder, tmp_path / "out", groups=str(tmp_path / "one" / "groups.csv"), resume=True, **options)
    with pytest.raises(InputError, match=r"of another run \(groups\): name another folder"):
        balance(folder, tmp_path / "out", groups=str(tmp_path / "two" / "groups.csv"), resume=True, **options)


def test_a_run_without_a_checkpoint_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        balance(folder, tmp_path / "out", at=1, n_steps=30)
    assert not (tmp_path / "out.partial").exists()
    assert not training_folder(tmp_path / "out").exists()


def test_a_link_in_the_place_of_what_is_kept(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out.training").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"out\.training is in the way of what training keeps: move it\.$"):
        balance(folder, tmp_path / "out", resume=True)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_an_interrupted_balance_goes_on_to_the_same_bytes(folder: Path, tmp_path: Path, contents: Contents) -> None:
    with pytest.raises(KeyboardInterrupt) as caught:
        balance(folder, tmp_path / "out", at=6)
    assert caught.value.__notes__ == [
        f"what is kept in {training_folder(tmp_path / 'out')} goes on with the arguments of its run and --resume",
        "unfinished work was removed",
    ]
    assert sorted(os.listdir(tmp_path)) == ["out.training", "shoes"]
    resumed = balance(folder, tmp_path / "out", resume=True)
    assert resumed.steps == [6, 7, 8]
    assert sorted(os.listdir(tmp_path)) == ["out", "shoes"]
    balance(folder, tmp_path / "whole")
    whole, found = contents(tmp_path / "whole"), contents(tmp_path / "out")
    assert found.keys() == whole.keys()
    differing = {name for name, data in whole.items() if found[name] != data}
    assert differing <= {"model/training.json", "report.html"}  # which tell seconds


def test_what_is_kept_is_not_thrown_away_unasked(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        balance(folder, tmp_path / "out", at=3)
    with pytest.raises(InputError, match=r"holds a training that was interrupted: go on with --resume, or delete it"):
        balance(folder, tmp_path / "out")
    with pytest.raises(InputError, match=r"holds checkpoints of another training \(other settings\.n_steps\)"):
        balance(folder, tmp_path / "out", n_steps=9, resume=True)
    assert balance(folder, tmp_path / "out", resume=True).steps[0] == 3


def test_a_fill_that_was_being_chosen_goes_on(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        balance(folder, tmp_path / "out", at=5, fill="auto")
    assert sorted(os.listdir(tmp_path / "out.training")) == [".makeweight-training", "choosing"]
    resumed = balance(folder, tmp_path / "out", fill="auto", resume=True)
    assert resumed.steps[:4] == [5, 6, 7, 8]
    assert not training_folder(tmp_path / "out").exists()


def test_resuming_nothing_begins_and_says_so(folder: Path, tmp_path: Path) -> None:
    begun = balance(folder, tmp_path / "out", resume=True)
    assert begun.steps == list(range(1, STEPS + 1))
    note = f"there is no training to go on with in {training_folder(tmp_path / 'out')}, so it begins anew"
    assert begun.notes.count(note) == 1


def test_an_empty_folder_is_nothing_kept(tmp_path: Path) -> None:
    training_folder(tmp_path / "out").mkdir()
    check_kept(tmp_path / "out", resume=False)


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out.training").write_text("mine")
    with pytest.raises(InputError, match=r"is in the way of what training keeps: move it\."):
        check_kept(tmp_path / "out", resume=True)


def test_a_training_that_broke_down_is_not_kept(tmp_path: Path) -> None:
    def end_by(error: InputError) -> None:
        with kept_training(tmp_path / "out", resume=False, note=print) as kept:
            keep_in(kept)
            (kept / "1.safetensors").touch()
            raise error

    with pytest.raises(TrainingError):
        end_by(TrainingError("no"))
    assert not training_folder(tmp_path / "out").exists()
    with pytest.raises(InputError):
        end_by(InputError("other data"))
    assert training_folder(tmp_path / "out").exists()
