"""Reports of planted data: class and file names that are markup, and what a parser sees of a page."""

import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

HOSTILE = '<script>alert("x")</script> & $\\frac{1}{2}$ <b>boot'
VOID = {"meta", "img", "br", "link", "input", "hr", "image"}


@dataclass
class Element:
    """An element of a page: name, attributes, the elements around it, and its text."""

    tag: str
    attributes: dict[str, str]
    around: tuple[str, ...]
    text: str = ""


@dataclass
class Parsed(HTMLParser):
    """A page as elements, each closed where it should be."""

    elements: list[Element] = field(default_factory=list)
    declaration: str = ""

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[Element] = []

    def handle_decl(self, decl: str) -> None:
        self.declaration = decl

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, tuple(each.tag for each in self._open))
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, dict(attrs), tuple(each.tag for each in self._open)))  # type: ignore[arg-type]

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop().tag == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, tag: str) -> list[Element]:
        """Elements of a name."""
        return [element for element in self.elements if element.tag == tag]


def _parse(text: str) -> Parsed:
    page = Parsed()
    page.feed(text)
    page.close()
    assert not page._open
    return page


@pytest.fixture(scope="session")
def parse() -> Callable[[str], Parsed]:
    """Give the function that parses a page, and sees that every element is closed."""
    return _parse


@pytest.fixture(scope="session")
def hostile() -> str:
    """A name that is markup."""
    return HOSTILE


@pytest.fixture(scope="session")
def self_contained() -> Callable[[str], None]:
    """Give the function that holds a page to what every report promises."""
    return _check


def _check(text: str) -> None:
    page = _parse(text)
    assert page.declaration == "DOCTYPE html"
    assert page.all("html")[0].attributes["lang"] == "en"
    assert [len(page.all(tag)) for tag in ("header", "nav", "main", "footer", "h1", "title")] == [1] * 6
    levels = [int(element.tag[1]) for element in page.elements if element.tag in ("h1", "h2", "h3")]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert page.all("h2")[0].text == "Verdict"
    names = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    assert len(set(names)) == len(names)
    links = [element.attributes["href"] for element in page.all("a")]
    assert {link.removeprefix("#") for link in links} <= set(names)
    assert not {"script", "link", "iframe", "object", "form"} & {element.tag for element in page.elements}
    assert not [name for element in page.elements for name in element.attributes if name.startswith("on")]
    policy = [m.attributes["content"] for m in page.all("meta") if m.attributes.get("http-equiv")]
    assert policy[0].startswith("default-src 'none'; img-src data:")
    for image in page.all("img"):
        assert image.attributes["src"].startswith("data:image/png;base64,")
        assert len(image.attributes["alt"]) > 10
    for drawing in page.all("svg"):
        assert drawing.attributes["role"] == "img"
        assert len(drawing.attributes["aria-label"]) > 20
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(caption.text.strip() for caption in page.all("caption"))
    assert {head.attributes.get("scope") for head in page.all("th")} <= {"col", "row"}
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", re.sub(r"base64,[\w+/=\s]+", "", text))
    assert not re.search(rf"{re.escape(str(Path.home()))}|/tmp|/home|{re.escape(tempfile.gettempdir())}", text)


@pytest.fixture(scope="session")
def tiles() -> NDArray[np.float32]:
    """Ten random grey images of 8×8 pixels in [-1, 1]."""
    return np.random.default_rng(0).uniform(-1, 1, (10, 1, 8, 8)).astype(np.float32)
