"""The examples run, shortened, and their notebooks are made of them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
# It starts six processes that each load torch; `make examples` runs it, and other tests hold what it shows.
SLOW = {"cluster"}


def cells(script: Path) -> list[str]:
    """Cells of a script in the percent format: those of code, and those of prose as comments."""
    parts = re.split(r"^# %%.*$\n", script.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [part.strip() for part in parts if part.strip()]


@pytest.mark.parametrize("script", [each for each in SCRIPTS if each.stem not in SLOW], ids=lambda script: script.stem)
def test_a_script_runs(script: Path, tmp_path: Path) -> None:
    """With two steps of training, in a process and an empty folder of its own; warnings are errors."""
    shortened = re.sub(r"n_steps=\d+", "n_steps=2", script.read_text(encoding="utf-8"))
    shortened = shortened.replace("n_repeats=2", "n_repeats=1")
    (tmp_path / script.name).write_text(shortened, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", script.name]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_notebook_holds_the_cells_of_its_script(script: Path) -> None:
    notebook = json.loads(script.with_suffix(".ipynb").read_text(encoding="utf-8"))
    told = [
        "".join(f"# {line}".rstrip() + "\n" for line in "".join(cell["source"]).splitlines()).strip()
        if cell["cell_type"] == "markdown"
        else "".join(cell["source"]).strip()
        for cell in notebook["cells"]
    ]
    assert told == cells(script), f"{script.name} has changed: make notebooks"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_notebook_was_run_and_tells_no_place(script: Path) -> None:
    text = script.with_suffix(".ipynb").read_text(encoding="utf-8")
    code = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert any(cell["outputs"] for cell in code)
    assert not re.search(r"/(home|root|tmp|Users|var|work)/|site-packages", text)
    assert len(text) < 200_000


def test_every_example_is_listed() -> None:
    listed = re.findall(r"^\| `(\w+)\.py` \| \[(\w+)\.ipynb\]", (EXAMPLES / "README.md").read_text(), re.MULTILINE)
    assert listed == [(name, name) for name, _ in listed]
    assert sorted(name for name, _ in listed) == [script.stem for script in SCRIPTS]
