import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from typer.testing import CliRunner

from makeweight.cli import Terminated, app
from makeweight.cli.compare import print_comparison
from makeweight.compare import Comparison, Options, compare

QUICK = ("--methods", "smote", "--seeds", "2", "--fills", "1", "--shares", "none", "--steps", "2")


def run(*arguments: object) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a command."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ones and eights in train/ and test/, the eights rare."""
    folder = tmp_path_factory.mktemp("cli") / "digits"
    known = load_digits()
    for part, start, counts in (("train", 0, {1: 20, 8: 4}), ("test", 50, {1: 9, 8: 9})):
        for digit, number in counts.items():
            (folder / part / str(digit)).mkdir(parents=True)
            rows = np.flatnonzero(known.target == digit)[start : start + number]
            for row in rows:
                pixels = (known.images[row] * 15).astype(np.uint8)
                Image.fromarray(pixels).save(folder / part / str(digit) / f"{row}.png")
    return folder


def test_the_verdict_comes_first_and_everything_is_kept(digits: Path, tmp_path: Path) -> None:
    status, text, _ = run("compare", digits, *QUICK, "--out", tmp_path / "out")
    assert status == 0
    lines = text.splitlines()
    told = json.loads((tmp_path / "out" / "verdict.json").read_text())
    assert lines[: len(told["verdicts"])] == [f"- {each['sentence']}" for each in told["verdicts"]]
    assert lines[0].startswith("- overall")
    assert lines[1].startswith(("- for 8", "- use SMOTE"))
    assert "- digits: 18 test images, 2 seeds, 2 steps for every classifier" in lines
    for title in ("Mean recall, and its diff", "Recall of each class", "At natural prevalence", "Other metrics"):
        assert any(line.startswith(title) for line in lines)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "comparison.json",
        "models",
        "predictions",
        "report.html",
        "rows.jsonl",
        "verdict.json",
    ]
    before = (tmp_path / "out" / "rows.jsonl").read_bytes()
    assert run("compare", digits, *QUICK, "--out", tmp_path / "out")[1] == text
    assert (tmp_path / "out" / "rows.jsonl").read_bytes() == before


def test_a_class_too_small_for_folds_is_left_out(digits: Path, tmp_path: Path) -> None:
    shutil.copytree(digits / "train", tmp_path / "in")
    (tmp_path / "in" / "0").mkdir()
    shutil.copy(next((digits / "train" / "1").iterdir()), tmp_path / "in" / "0" / "only.png")
    status, _, told = run("compare", tmp_path / "in", *QUICK, "--folds", "2", "--out", tmp_path / "out")
    assert status == 2
    assert told == (
        "makeweight: folds=2 is impossible where a class has fewer images ('0' has 1): give test images, or leave such "
        "a class out (--leave-out).\n"
    )
    (tmp_path / "in" / "0").rename(tmp_path / "in" / "0,5")
    asked = (*QUICK, "--folds", "2", "--leave-out", ' "0,5",', "--out", tmp_path / "out")
    assert run("compare", tmp_path / "in", *asked)[0] == 0
    verdict = json.loads((tmp_path / "out" / "verdict.json").read_text())
    assert verdict["labels"] == ["1", "8"]
    assert verdict["settings"]["leave_out"] == ["0,5"]


def test_folds_groups_and_the_default_folder(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = sorted(path.name for path in (digits / "train" / "8").iterdir())
    Path("groups.csv").write_text(
        "file_name,group\n" + "".join(f"8/{name},pair{n // 2}\n" for n, name in enumerate(names))
    )
    status, text, err = run("compare", digits / "train", *QUICK, "--folds", 2, "--groups", "groups.csv")
    assert status == 0
    assert "- train: 2 folds, 2 seeds" in text
    assert "20 images without a group: each is a group of its own." in err
    assert Path("train-compared", "verdict.json").is_file()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--test", "nowhere"), "nowhere"),
        (("--test", "TEST", "--folds", 2), "both --test and --folds are given"),
        (("--methods", "aggn"), "did you mean 'aggan'"),
        (("--fills", "half"), "--fills 'half' is no list of numbers"),
        (("--budget", "soon"), "--budget 'soon' is no duration"),
        (("--seeds", 1), "1 seed cannot tell chance from difference"),
        (("--worthwhile", 0), "worthwhile"),
        (("--groups", "track"), "--groups 'track' is neither a file nor a column"),
        (("--out", "IN/inside"), "lies inside the input"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(
    digits: Path, options: tuple[object, ...], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {"TEST": digits / "test", "IN/inside": digits / "inside"}
    status, out, err = run("compare", digits, *(places.get(str(option), option) for option in options))
    assert (status, out) == (2, "")
    sentences = [line for line in err.splitlines() if not line.startswith("makeweight: reading")]
    assert len(sentences) == 1
    assert words in sentences[0]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_may_not_be_written_to_is_refused_with_the_option_that_helps(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.access", lambda place, mode: not mode & os.W_OK)
    status, out, err = run("compare", digits)
    assert (status, out) == (2, "")
    told = f"the comparison cannot be kept in {digits.name}-compared, since {tmp_path} may not be written to"
    assert err == f"makeweight: {told}: name a folder with --out.\n"


@pytest.mark.parametrize(("interrupt", "expected"), [(KeyboardInterrupt, 130), (Terminated, 143)])
def test_an_interruption_keeps_what_is_finished(
    interrupt: type[BaseException], expected: int, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from makeweight.compare import runs

    shipped = runs._train
    n_left = 3

    def train(*arguments: object) -> object:
        nonlocal n_left
        n_left -= 1
        if n_left < 0:
            raise interrupt
        return shipped(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(runs, "_train", train)
    status, out, err = run("compare", digits, *QUICK, "--out", tmp_path / "out")
    assert (status, out) == (expected, "")
    assert "interrupted; what was finished is kept in" in err.replace("\n", " ")
    assert len((tmp_path / "out" / "rows.jsonl").read_text().splitlines()) == 2 + 3
    monkeypatch.undo()
    assert run("compare", digits, *QUICK, "--out", tmp_path / "out")[0] == 0
    assert len((tmp_path / "out" / "rows.jsonl").read_text().splitlines()) == 2 * (1 + 11)


@pytest.fixture(scope="module")
def found() -> Comparison:
    known = load_digits()
    rows = np.concatenate([np.flatnonzero(known.target == 1)[:9], np.flatnonzero(known.target == 8)[:4]])
    rest = np.concatenate([np.flatnonzero(known.target == digit)[50:56] for digit in (1, 8)])
    options = Options(methods=["smote"], n_seeds=2, fills=[1.0], shares=[0.5], n_steps=1)
    return compare(
        known.images[rows], known.target[rows], known.images[rest], known.target[rest], options=options, name="digits"
    )


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("terminal", [False, True])
def test_any_width(
    found: Comparison, width: int, terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TTY_COMPATIBLE", "1" if terminal else "0")
    monkeypatch.setenv("NO_COLOR", "1")
    print_comparison(found, Path("out"))
    text = capsys.readouterr().out
    assert ("\x1b[" in text) == terminal
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
    unbroken = () if terminal else ("- ",)
    assert max(len(line) for line in lines if not line.startswith(unbroken)) <= width
    figures = [line for line in lines if re.match(r" nothing  ", line)]
    assert len(figures) == 2
    assert all("…" not in line for line in lines)
