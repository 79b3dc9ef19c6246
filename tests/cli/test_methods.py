from __future__ import annotations

import pytest
from typer.testing import CliRunner

from makeweight.classifiers import classifier_names
from makeweight.cli import app
from makeweight.methods import catalogue, method_names, shipped


@pytest.mark.parametrize("columns", ["60", "120"])
def test_every_method_and_classifier_is_listed(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    result = CliRunner().invoke(app, ["methods"])
    assert result.exit_code == 0
    assert max(map(len, result.output.splitlines())) <= int(columns)
    assert not {name for name in (*method_names(), *classifier_names()) if f" {name} " not in result.output}


def test_every_method_says_what_it_does_and_where_it_comes_from() -> None:
    for entry in catalogue():
        assert entry.line.endswith("."), entry.name
        assert entry.paper or entry.name in ("augmentation", "duplicates"), entry.name


def test_files_are_called_as_the_methods_that_they_hold() -> None:
    assert list(shipped()) == method_names()
