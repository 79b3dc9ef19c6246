"""The check of the built site, on sites of two pages."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parent.parent / ".ci" / "site.py"


@pytest.fixture(scope="module")
def site() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_check", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def written(folder: Path, body: str) -> Path:
    (folder / "sub").mkdir()
    (folder / "index.html").write_text(f"<html><body>{body}</body></html>", encoding="utf-8")
    (folder / "sub" / "other.html").write_text("<h2 id='here'>Here</h2><a href='../index.html'>x</a>", encoding="utf-8")
    (folder / "picture.svg").touch()
    return folder


def test_a_good_site_has_no_faults(tmp_path: Path, site: ModuleType) -> None:
    body = "<a href='sub/other.html#here'>x</a><img src='picture.svg#only-light'><a href='https://example.org'>x</a>"
    assert site.faults(written(tmp_path, body)) == []


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("<a href='gone.html'>x</a>", "names gone.html, which is not there"),
        ("<a href='sub/other.html#gone'>x</a>", "a place that is not in that page"),
        ("<a href='#gone'>x</a>", "a place that is not in that page"),
        ("<img src='gone.png'>", "names gone.png, which is not there"),
        ("<script src='https://example.org/x.js'></script>", "loads https://example.org/x.js"),
        ("<link rel='stylesheet' href='//example.org/x.css'>", "loads //example.org/x.css"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, site: ModuleType, body: str, fault: str) -> None:
    (found,) = site.faults(written(tmp_path, body))
    assert fault in found


def test_styles_that_fetch_are_told(tmp_path: Path, site: ModuleType) -> None:
    (written(tmp_path, "") / "x.css").write_text("@import 'https://example.org/a.css';", encoding="utf-8")
    assert site.faults(tmp_path) == ["x.css loads https://example.org/a.css"]
