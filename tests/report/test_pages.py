"""Each command's report, of class and file names that are markup."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from typer.testing import CliRunner

from makeweight.cli import app
from makeweight.data.named import load_named
from makeweight.report.render import is_report

RARE = "<b>eight & 'co'"
COMMON = "one <script>"
Check = Callable[[str], None]
Parse = Callable[[str], Any]
QUICK = ("--methods", "smote", "--seeds", "2", "--fills", "1", "--shares", "none", "--steps", "2", "--device", "cpu")


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ones and few eights in train/ and test/, in classes named by markup."""
    root = tmp_path_factory.mktemp("pages")
    known = load_digits()
    for part, start, counts in (("train", 0, {1: 24, 8: 12}), ("test", 50, {1: 9, 8: 9})):
        for digit, number in counts.items():
            folder = root / "in" / part / (RARE if digit == 8 else COMMON)
            folder.mkdir(parents=True)
            for row in np.flatnonzero(known.target == digit)[start : start + number]:
                Image.fromarray((known.images[row] * 15).astype(np.uint8)).save(folder / f"<i>{row}.png")
    return root


@pytest.fixture(scope="module")
def balanced(place: Path) -> Path:
    run("balance", place / "in", place / "out", "--method", "aggan", "--steps", 4, "--device", "cpu")
    return place / "out"


@pytest.fixture(scope="module")
def evaluated(balanced: Path, place: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("makeweight.quality.crossfit.DEFAULT_STEPS", (3, 3))
        patch.chdir(place)
        text = run("evaluate", balanced, "--test", place / "in" / "test", "--device", "cpu")
    assert "out-quality.html  (report)" in text
    return place / "out-quality.html"


@pytest.fixture(scope="module")
def compared(place: Path) -> Path:
    run("compare", place / "in", *QUICK, "--out", place / "compared")
    return place / "compared" / "report.html"


@pytest.fixture(scope="module")
def inspected(place: Path) -> Path:
    run("inspect", place / "in", "--method", "smote", "--html", place / "inspect.html")
    return place / "inspect.html"


def heads(page: Any) -> list[str]:
    return [element.text for element in page.all("h2")]


def test_balance(balanced: Path, parse: Parse, self_contained: Check) -> None:
    text = (balanced / "report.html").read_text(encoding="utf-8")
    self_contained(text)
    page = parse(text)
    assert heads(page) == ["Verdict", "Classes", "Real and drawn images", "Training", "Data card", "What was run"]
    rows = [element.text for element in page.all("tr")]
    assert f"{RARE}121224" in rows
    assert [image.attributes["alt"] for image in page.all("img")][:2] == [
        f"8 real images of {RARE}.",
        f"8 drawn images of {RARE}.",
    ]
    facts = {term.text: value.text for term, value in zip(page.all("dt"), page.all("dd"), strict=True)}
    assert facts["What is drawn"] == f"12 of {RARE}"
    assert re.fullmatch("[0-9a-f]{64}", facts["Hash of the original files"])
    assert facts["Device"] == "cpu"
    captions = [element.text for element in page.all("figcaption")]
    assert {"AGGAN: temperature.", "AGGAN: acceptance rate.", "AGGAN: share of wins by objective."} <= set(captions)
    assert len(text) < 400_000


def test_the_report_is_part_of_an_output_that_verifies(balanced: Path) -> None:
    assert run("verify", balanced, "--redraw", 1).startswith("good")


def test_equal_seeds_give_equal_reports(balanced: Path, place: Path) -> None:
    run("balance", place / "in", place / "again", "--method", "aggan", "--steps", 4, "--device", "cpu")
    assert (place / "again" / "report.html").read_bytes() == (balanced / "report.html").read_bytes()


def test_evaluate(evaluated: Path, parse: Parse, self_contained: Check) -> None:
    text = evaluated.read_text(encoding="utf-8")
    self_contained(text)
    page = parse(text)
    assert heads(page)[:4] == ["Verdict", "Figures of each class", "What drawn images are taken for", "Copies"]
    captions = [element.text for element in page.all("caption")]
    assert "Do they show the class?" in captions
    accuracy = next(row.text for row in page.all("tr") if row.text.startswith(f"{RARE}12"))
    assert re.search(r"\d\.\d\d to \d\.\d\d; real \d\.\d\d", accuracy)
    maps = [each.attributes["aria-label"] for each in page.all("svg") if "t-SNE" in each.attributes["aria-label"]]
    assert len(maps) == 2
    assert f"{RARE} " in maps[1]


def test_compare(compared: Path, parse: Parse, self_contained: Check) -> None:
    text = compared.read_text(encoding="utf-8")
    self_contained(text)
    page = parse(text)
    assert heads(page)[:3] == ["Verdict", "Difference to augmentation", "Each class"]
    captions = [element.text for element in page.all("caption")]
    assert [caption for caption in captions if caption.startswith("Confusion")][:2] == [
        "Confusion: nothing",
        "Confusion: augmentation",
    ]
    answers = [element.text.strip() for element in page.all("li") if element.attributes.get("class") == "open"]
    assert answers[0].startswith("cannot tell overall")
    assert "Training images over test images." in [element.text for element in page.all("figcaption")]
    assert len(text) < 1_000_000


def test_a_comparison_makes_its_report_again(compared: Path, place: Path) -> None:
    before = compared.read_bytes()
    compared.unlink()
    run("compare", place / "in", *QUICK, "--out", place / "compared")
    assert compared.read_bytes() == before


def test_inspect(inspected: Path, parse: Parse, self_contained: Check) -> None:
    text = inspected.read_text(encoding="utf-8")
    self_contained(text)
    page = parse(text)
    assert heads(page)[:4] == ["Verdict", "Classes", "What balance would do", "Images"]
    assert {image.attributes["alt"] for image in page.all("img")} == {
        f"8 real images of {COMMON}.",
        f"8 real images of {RARE}.",
    }


def test_inspect_of_an_archive(place: Path, parse: Parse) -> None:
    """Channels first, of sides that could be channels."""
    np.savez(place / "arrays.npz", X=np.arange(360).astype(np.uint8).reshape(6, 3, 4, 5), y=[0, 0, 0, 0, 1, 1])
    run("inspect", place / "arrays.npz", "--method", "duplicates", "--html", place / "arrays.html")
    page = parse((place / "arrays.html").read_text(encoding="utf-8"))
    told = {image.attributes["alt"] for image in page.all("img")}
    assert told == {"4 real images of 0.", "2 real images of 1."}


def test_inspect_reads_a_known_set_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def load(name: str, **options: Any) -> Any:
        read.append(name)
        return load_named(name, **options)

    monkeypatch.setattr("makeweight.data.named.load_named", load)
    run("inspect", "digits", "--method", "duplicates", "--html", place / "digits.html")
    assert read == ["digits"]


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("in/report.html", "which is to stay as it is"),
        ("none/report.html", "cannot be written: name another file, in a folder that exists"),
        ("taken.html", "is there and holds something else: name another file, or delete it"),
    ],
)
def test_places_that_are_refused(file: str, words: str, place: Path) -> None:
    (place / "taken.html").write_text("mine")
    result = CliRunner().invoke(app, ["inspect", str(place / "in"), "--html", str(place / file)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert (place / "taken.html").read_text() == "mine"
    assert not (place / "in" / "report.html").exists()


def test_an_older_report_is_replaced_and_none_writes_nothing(inspected: Path, place: Path) -> None:
    before = inspected.read_bytes()
    run("inspect", place / "in", "--method", "smote", "--html", inspected)
    assert is_report(inspected)
    assert inspected.read_bytes() == before
    run("inspect", place / "in", "--method", "smote", "--html", "none")
    assert not Path("none").exists()
