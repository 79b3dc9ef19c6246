from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from makeweight.bench.curves import Curves, Dot, curves
from makeweight.bench.results import sections
from makeweight.bench.rows import Row, RowFile
from makeweight.bench.settings import read_settings
from makeweight.bench.table import Selection
from makeweight.bench.tables import TABLES
from makeweight.cli import app


def row(table: str, group: str, method: str, acsa: float, seed: int = 0, **metrics: Any) -> Row:
    of_classes: dict[str, Any] = {"recall": {"a": acsa, "b": acsa}, "precision": {"a": 1.0, "b": 1.0}}
    hits, misses = round(1e9 * acsa), round(1e9 * (1 - acsa))
    of_classes |= {"classes": ["a", "b"], "counts": [9, 1], "confusion": [[hits, misses], [misses, hits]]}
    return Row.model_validate(
        {
            "protocol": f"{table}/practical/{group}",
            "data_hash": "0" * 64,
            "subset_seed": seed,
            "method": method,
            "settings": {"fixed": read_settings()[table].hash},
            "budget": "9 steps",
            "device": "cpu",
            "versions": {},
            "seconds": 1.0,
            "metrics": {"acsa": acsa, "macro_f1": 0.5, "geometric_mean_recall": 0.25, **of_classes, **metrics},
            "history": [],
            "finished_at": "2026-01-01T00:00:00Z",
        }
    )


def curves_of(table: str, rows: list[Row]) -> list[Curves]:
    return curves(table, sections(table, rows))


def test_drawn_images_by_how_many_beside_none() -> None:
    rows = [row("blend", "mnist", f"smote at fill {fill}", 0.5 + fill / 10) for fill in (1, 0.5)]
    rows += [row("blend", "mnist", "aggan with mixup at share 0.25", 0.75)]
    rows += [row("blend", "mnist", "augmentation", acsa, seed) for seed, acsa in enumerate((0.25, 0.5, 0.75))]
    (found,) = curves_of("blend", rows)
    assert (found.title, found.measure) == ("mnist, practical, 9 steps", "mean recall, %")
    assert found.lines == {
        "smote at fill": {0.5: Dot(55.0), 1.0: Dot(60.0)},
        "aggan with mixup at share": {0.25: Dot(75.0)},
    }
    assert list(found.lines["smote at fill"]) == [0.5, 1.0]
    assert found.levels["augmentation"].mean == 50
    assert found.levels["augmentation"].reach == pytest.approx(4.3027 * 25 / 3**0.5, rel=1e-3)  # Student's t


def test_measures_of_drawn_images_have_figures_of_their_own() -> None:
    rows = [
        row("bagan", f"mnist without {share}% of a class", "bagan", 0.9, recall_of_rare=0.8, drawn={"seen": seen})
        for share, seen in (("40.0", 0.5), ("97.5", 0.25))
    ]
    found = curves_of("bagan", [*rows, row("bagan", "gtsrb", "bagan", 0.7)])
    assert [(each.title, each.measure) for each in found] == [
        ("mnist, practical, 9 steps", measure)
        for measure in ("mean recall, %", "recall of rare classes, %", "drawn images recognised, %")
    ]
    assert found[2].lines == {"bagan": {40.0: Dot(50.0), 97.5: Dot(25.0)}}


def test_names_from_anybody_are_shown() -> None:
    rows = [row("aggan-binary", f"\x1b[2J 1:{ratio}", "\x07own", 0.5) for ratio in (10, 50)]
    (found,) = curves_of("aggan-binary", rows)
    assert "\x1b" not in found.words
    assert list(found.lines) == [r"\x07own"]


def test_a_single_value_is_no_figure() -> None:
    assert curves_of("aggan-annealing", [row("aggan-annealing", "mnist T=1 α=0.99", "aggan", 0.5)]) == []
    assert (
        curves_of("aggan-multiclass", [row("aggan-multiclass", "mnist", name, 0.5) for name in ("cn", "aggan")]) == []
    )


def test_large_and_small_numbers_are_read_from_columns() -> None:
    table = TABLES.get("aggan-annealing")()
    for temperature in (1e-5, 0.01, 1000.0, 1e9):
        group = table.group("mnist", {"temperature": temperature, "cooling": 0.99999})
        assert table.varied(group, "aggan") == ("mnist", "α = 0.99999", temperature)


@pytest.mark.parametrize("table", TABLES.names())
def test_what_a_table_varies_is_read_from_its_own_columns(table: str) -> None:
    """Each value that the settings name stands at its place, and what varies nothing at none."""
    kind, own = TABLES.get(table)(), read_settings()[table]
    found: dict[str, set[float | None]] = {}
    for case in kind.cases(own, Selection(seeds=[0])):
        group = kind.group(case.dataset, case.details)
        found.setdefault(case.dataset, set()).add(kind.varied(group, case.method).value)
    fills = {0.05, 0.1, 0.25, 0.5, 1.0}
    wanted: dict[str, set[float | None]] = {
        "aggan-binary": {10, 50, 100},
        "aggan-annealing": {0.01, 1, 100, 1000, 10000},
        "bagan": {40, 60, 80, 90, 95, 97.5},
        "blend": {None, *fills},
    }
    for dataset, values in found.items():
        assert values == (wanted.get(table, {None}) if dataset != "gtsrb" else {None})
    assert bool(kind.varies) == (table in wanted)


def test_the_page_draws_them(tmp_path: Path) -> None:
    rows = RowFile(tmp_path / "rows.jsonl")
    for ratio in (10, 50, 100):
        for seed in (0, 1):
            rows.append(row("aggan-binary", f"mnist 1:{ratio}", "acgan", 1 - ratio / 200 + seed / 100, seed))
    rows.append(row("aggan-binary", "mnist 1:10", "cn", 0.8))
    target = tmp_path / "page.html"
    ran = CliRunner().invoke(app, ["bench", "figures", "aggan-binary", "--rows", str(rows.path), "--html", str(target)])
    assert ran.exit_code == 0, ran.output
    page = target.read_text(encoding="utf-8")
    assert "Along what is varied" in page
    told = "acgan: 95.50 at 10, 75.50 at 50, 50.50 at 100; cn: 80.00 at 10."
    assert (
        f"mnist, practical, 9 steps. mean recall, % by images of the larger class to each of the smaller. {told}"
        in page
    )
