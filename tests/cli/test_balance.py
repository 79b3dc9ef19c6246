from dataclasses import replace
from pathlib import Path

import pytest

from makeweight.balance.fill import FillReport, FillTried
from makeweight.balance.gate import CANNOT_PASS, COPY, OFF_DATA, TOO_FEW, UNRECOGNISED, GatedClass
from makeweight.balance.job import BalanceSummary, ClassCount
from makeweight.cli.tables import print_balance

BOOT = GatedClass("ankle boot", 90, 130, {COPY: 20, UNRECOGNISED: 15, OFF_DATA: 5}, 0.4, 1.2, 0.04)
CLOG = GatedClass("clog", 90, 120, {COPY: 0, UNRECOGNISED: 118, OFF_DATA: 0}, 0.5, 1.0, 0.1, CANNOT_PASS)
MULE = GatedClass("mule", 95, 0, {COPY: 0, UNRECOGNISED: 0, OFF_DATA: 0}, replaced=TOO_FEW)
TRIED = (FillTried(0.0, 0, 0.931, 0.012, 0.015), FillTried(1.0, 180, 0.943, 0.0, 0.0))


def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int, **changes: object) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    classes = [ClassCount("ankle boot", "ankle boot", 10, 90), ClassCount("clog", "clog", 10, 90)]
    settings = {"method": "smote", "model_hash": "a" * 64, "settings_hash": "b" * 64, "seed": 7, **changes}
    print_balance(
        BalanceSummary(
            out=Path("out"), classes=classes, learns=False, small_classes=[], skipped=[], seconds=3.0, **settings
        )  # type: ignore[arg-type]
    )
    return capsys.readouterr().out


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_gate_is_told_class_by_class(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(monkeypatch, capsys, width, gate=(BOOT, CLOG, MULE))
    assert max(map(len, text.partition("Filled by")[0].splitlines())) <= width
    assert "Gate: images drawn by smote, and why they were rejected" in text
    assert "Filled by augmentation instead, as too few pass: clog\n" in text
    assert "Filled by augmentation instead, as too few real images: mule\n" in text
    assert "out/balance.json  (what was tried and rejected)" in text
    assert "out/fallback  (the augmentation that filled classes)" in text
    lines = {" ".join(line.split()) for line in text.splitlines()}
    if width > 60:
        assert {"ankle boot 130 31% 20 15 5 4%", "clog 120 98% 0 118 0 10%", "mule 0 – 0 0 0 –"} <= lines


@pytest.mark.parametrize(
    ("gate", "who", "model"),
    [
        (None, "smote", "draws more: makeweight sample"),
        ((BOOT, replace(BOOT, label="clog")), "smote", "draws more: makeweight sample"),
        ((BOOT, CLOG), "smote, augmentation", "draws more: makeweight sample"),
        ((replace(CLOG, label="ankle boot"), CLOG), "augmentation", "of smote, whose images the gate rejected"),
    ],
)
def test_it_is_told_what_drew(
    gate: object, who: str, model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(monkeypatch, capsys, 100, gate=gate)
    assert f"Balanced by {who}" in map(str.strip, text.splitlines())
    assert f"out/model  ({model})" in text


def test_a_fill_of_nothing_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    report = FillReport(TRIED, 0.0, 40, 4, 1, ("mule",))
    text = printed(monkeypatch, capsys, 80, fill=report, model_hash="", seed=None)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0] == "Fill, judged on 40 images held out"
    assert {"0 0 93.1 1.2 1.5 chosen", "1 180 94.3 0.0 0.0 best"} <= set(lines)
    assert "Too few images or groups to hold one out: mule" in lines
    assert "Nothing drawn helps on images that were held out, so nothing was drawn." in lines
    assert "Nothing drawn: the originals alone" in lines
    assert "Model" not in text
    assert "out/model" not in text
