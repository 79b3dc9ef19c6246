from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from makeweight.report.page import (
    Answer,
    Cell,
    Facts,
    Page,
    Paragraph,
    Section,
    Sentences,
    Table,
)
from makeweight.report.pictures import gallery, side_by_side
from makeweight.report.plots import class_bars, intervals, learning_curves, scatter
from makeweight.report.render import is_report, render, write_report

Parse = Callable[[str], Any]
HISTORY = [
    {
        "step": step,
        "discriminator_loss": 1.0 + step,
        "generator_loss": 0.5,
        "temperature": 1000.0 - step,
        "acceptance_rate": 0.5,
        "wins": {"minimax": 0.75, "least_squares": 0.25},
    }
    for step in (1, 2, 3)
]


@pytest.fixture
def page(hostile: str, tiles: NDArray[np.float32]) -> Page:
    """One of everything, all of it named by markup."""
    points = np.random.default_rng(0).normal(size=(20, 2))
    codes = np.arange(20) % 2
    return Page(
        title=hostile,
        lead=hostile,
        answers=[Answer("use", hostile), Answer("do not use", "no"), Answer("cannot tell", "why")],
        sections=[
            Section("Words", [Paragraph(hostile), Sentences([hostile]), Facts([(hostile, hostile)])]),
            Section("Tables", [Table(hostile, (hostile, "n"), [(hostile, Cell("1", hostile, 0.5))], note=hostile)]),
            Section("Empty", []),
            Section("Pictures", gallery(hostile, [side_by_side(hostile, tiles, tiles[:3])])),
            Section(
                "Drawings",
                [
                    *class_bars([hostile, "b"], [3, 4], [1, 0]),
                    *learning_curves(hostile, [HISTORY]),
                    *intervals(hostile, [(hostile, 0.1, -0.1, 0.3)], hostile),
                    scatter(
                        hostile,
                        [(points, codes, "dot")],
                        [hostile, "b"],
                        [0, 1],
                        (points.min(axis=0), points.max(axis=0)),
                        hostile,
                    ),
                ],
            ),
        ],
    )


def test_everything_is_escaped_and_self_contained(page: Page, hostile: str, parse: Parse, self_contained: Any) -> None:
    text = render(page)
    self_contained(text)
    assert "<script" not in text
    assert "<b>boot" not in text
    parsed = parse(text)
    assert parsed.all("h1")[0].text == hostile
    assert parsed.all("title")[0].text == hostile
    assert parsed.all("dt")[0].text == hostile
    assert [head.text for head in parsed.all("th")][:1] == [hostile]
    assert any(hostile in image.attributes["alt"] for image in parsed.all("img"))
    assert parsed.all("svg")[0].attributes["aria-label"].startswith("Bars of the number of images")
    drawn = [element.text for element in parsed.all("text")]
    assert any(text.startswith("<script>alert") for text in drawn)


def test_the_verdict_comes_first_and_empty_sections_are_left_out(page: Page, parse: Parse) -> None:
    parsed = parse(render(page))
    assert [head.text for head in parsed.all("h2")] == ["Verdict", "Words", "Tables", "Pictures", "Drawings"]
    assert parsed.all("main")[0].text.split()[0] == "Verdict"
    answers = [element for element in parsed.all("li") if element.attributes.get("class")]
    assert [each.attributes["class"] for each in answers] == ["good", "bad", "open"]
    assert answers[1].text.split() == ["do", "not", "use", "no"]


def test_rows_and_columns_are_headed(page: Page, parse: Parse) -> None:
    heads = [head.attributes["scope"] for head in parse(render(page)).all("th")]
    assert heads == ["col", "col", "row"]
    (region,) = [each for each in parse(render(page)).all("div") if each.attributes.get("role") == "region"]
    assert region.attributes["tabindex"] == "0"
    assert region.attributes["aria-label"]


def test_the_same_page_gives_the_same_bytes(page: Page) -> None:
    assert render(page) == render(page)


def test_a_report_is_written_whole_and_knows_itself(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    write_report(file, page)
    assert is_report(file)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    before = file.read_bytes()
    broken = Page("t", "l", [Answer("use", "x")], [Section("s", [Table("c", ("a",), [(1,)])])])  # type: ignore[list-item]
    object.__setattr__(broken.sections[0].blocks[0], "kind", "none")
    with pytest.raises(Exception, match="none"):
        write_report(file, broken)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    (tmp_path / "other.html").write_text("<!DOCTYPE html>")
    assert not is_report(tmp_path / "other.html")
    assert not is_report(tmp_path / "none.html")


def test_names_that_are_no_text_do_not_stop_a_report(tmp_path: Path) -> None:
    write_report(tmp_path / "r.html", Page("\udcff", "l", [Answer("use", "x")], []))
    assert b"\\udcff" in (tmp_path / "r.html").read_bytes()
