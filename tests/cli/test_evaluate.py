import json
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from makeweight.cli import app


def run(*arguments: object, width: int = 80) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a command."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": str(width)})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def paint(folder: Path, n_images: int, seed: int) -> None:
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    for number in range(n_images):
        Image.fromarray(random.integers(0, 256, (8, 8), dtype=np.uint8)).save(folder / f"{number}.png")


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Train for a moment, and write the report where it is not in the way."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("makeweight.quality.crossfit.DEFAULT_STEPS", (3, 3))


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty boots and thirty-two clogs, to which SMOTE adds twenty clogs; and a test set."""
    root = tmp_path_factory.mktemp("evaluate")
    paint(root / "in" / "boot [red]", 40, 0)
    paint(root / "in" / "clog", 32, 1)
    paint(root / "test" / "boot [red]", 5, 2)
    paint(root / "test" / "clog", 5, 3)
    assert run("balance", root / "in", root / "out", "--method", "smote", "--sampling-strategy", "clog=52")[0] == 0
    return root / "out"


@pytest.mark.parametrize("width", [40, 80, 120])
def test_tables_fit_the_terminal(out: Path, width: int) -> None:
    status, text, _ = run("evaluate", out, "--device", "cpu", width=width)
    assert status == 0
    rules = [line for line in text.splitlines() if set(line) == {"─"}]
    assert len(rules) >= 4
    assert max(map(len, rules)) <= width
    headings = " ".join(text.split())
    for heading in (
        "accuracy",
        "confidence",
        "precision",
        "density",
        "recall",
        "coverage",
        "[cnn",
        "identical",
        "near",
    ):
        assert heading in headings
    assert "…" not in text


def test_what_is_printed(out: Path) -> None:
    status, text, err = run("evaluate", out, "--test", out.with_name("test"), "--device", "cpu", width=200)
    assert status == 0
    assert err == ""
    lines = text.splitlines()
    assert lines[0] == "out: 20 drawn images and 72 real ones, compared at 8×8 pixels"
    assert any(line.startswith("warning: ") and line.endswith("drawn images copy real ones") for line in lines)
    (clog, interval) = next((line, after) for line, after in pairwise(lines) if "clog" in line)
    assert clog.split()[:2] == ["clog", "20"]
    assert clog.split()[3].startswith("(")
    assert " to " in interval
    assert "– clog, all: no Fréchet distance: 10 images a side are too few for 16 dimensions" in text
    assert "  images/clog/drawn-smote-" in text
    assert "0 of 10 test images copy training images" in text
    assert "the nearest one is a test image for" in text


def test_status_3_says_that_there_are_copies(out: Path) -> None:
    status, text, err = run("evaluate", out, "--fail-on-copies", "--device", "cpu")
    assert status == 3
    assert err == ""
    assert "drawn images copy real ones" in text


def test_json_holds_everything_and_out_stays_as_it_was(out: Path, tmp_path: Path) -> None:
    file = tmp_path / "quality.json"
    status, text, _ = run("evaluate", out, "--json", file, "--seed", 4, "--device", "cpu")
    assert status == 0
    data = json.loads(file.read_text(encoding="utf-8"))
    assert data["settings"]["random_state"] == 4
    assert data["leak"] is None
    assert len(data["copies"]) > 10
    assert f"and {len(data['copies']) - 10} more, in {file}" in text
    assert "No leak test: give test images with --test DIR." in text
    assert run("verify", out)[0] == 0


def test_a_report_that_was_not_asked_for_is_not_called_by_an_option(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(out.parent)
    monkeypatch.setattr("os.access", lambda place, mode: not mode & os.W_OK)
    status, _, err = run("evaluate", "out")
    assert status == 2
    where = "the report out-quality.html lies where nothing may be written: name another file"
    assert f"makeweight: {where} with --html, or give --html none.\n" in err
    assert (
        "--html mine.html lies where nothing may be written: name another file.\n"
        in run("evaluate", "out", "--html", "mine.html")[2]
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("nowhere",), "there is no manifest at nowhere/manifest.csv"),
        (("out", "--json", "out/quality.json"), "lies inside out, which is to stay as it is"),
        (("out", "--json", "none/quality.json"), "cannot be written: name another file, in a folder that exists"),
        (("out", "--json", "mine.csv"), "--json mine.csv is there and holds something else: name another file, or"),
        (("out", "--json", "q.html", "--html", "q.html"), "--json and --html both name q.html: name two files."),
        (("out", "--html", ""), "--html is empty: name a file, such as report.html, or leave it out."),
        (("out", "--html", "-"), "--html writes a file, not to the output: name one, such as report.html."),
        (("out", "--test", "held", "--json", "held/q.json"), "lies inside held, which is to stay as it is"),
        (("out", "--test", "none"), "there is no folder or file none"),
        (("out", "--resize", "0"), "resized to 0"),
        (("out", "--device", "abacus"), "device='abacus' is impossible"),
    ],
)
def test_what_is_refused(options: tuple[str, ...], words: str, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(out.parent)
    (out.parent / "mine.csv").write_text("precious")
    (out.parent / "held").mkdir(exist_ok=True)
    before = sorted(out.parent.rglob("*"))
    status, text, err = run("evaluate", *options)
    assert (status, text) == (2, "")
    *_, line = err.splitlines()
    assert line.startswith("makeweight: ")
    assert words in line
    assert sorted(out.parent.rglob("*")) == before
    assert (out.parent / "mine.csv").read_text() == "precious"
