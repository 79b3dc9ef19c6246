from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from makeweight import demo
from makeweight.balance import read_manifest
from makeweight.demo import N_MANY, RARE, DemoResult, print_result, run_demo, verdict
from makeweight.errors import InputError


def test_the_demo_balances_and_measures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "N_CLASSIFIER_STEPS", 2)
    monkeypatch.setattr(demo, "N_REPEATS", 1)
    result = run_demo(tmp_path / "demo", n_steps=1)
    assert dict(zip(result.classes, result.counts, strict=True)) == {
        str(digit): RARE.get(str(digit), N_MANY) for digit in range(10)
    }
    for part in ("balanced", "duplicates"):
        rows = read_manifest(tmp_path / "demo" / part / "manifest.csv")
        assert set(Counter(row.label for row in rows).values()) == {N_MANY}
    assert result.samples.is_file()
    assert all(recall.shape == (10,) for recall in result.recalls.values())
    print_result(result)
    text = capsys.readouterr().out
    assert "AGGAN: " in text
    assert str(result.samples) in text
    assert text.count(" rare\n") == 3

    again = run_demo(tmp_path / "demo", n_steps=1)
    assert all((again.recalls[name] == result.recalls[name]).all() for name in result.recalls)


def test_the_verdict_is_honest() -> None:
    assert verdict({"imbalanced": 0.9, "duplicates": 0.92, "aggan": 0.85}) == (
        "Worse than the imbalanced images (-5.0 points of mean recall), worse than duplicates (-7.0 points)."
    )
    assert verdict({"imbalanced": 0.9, "duplicates": 0.901, "aggan": 0.9}) == (
        "No clear difference to the imbalanced images (+0.0 points of mean recall), "
        "no clear difference to duplicates (-0.1 points)."
    )


def test_means_are_over_classes() -> None:
    assert DemoResult(["a", "b"], [2, 1], {"aggan": np.array([1.0, 0.5])}, Path("x")).mean("aggan") == 0.75


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match="holds something else than an earlier demo"):
        run_demo(tmp_path)
