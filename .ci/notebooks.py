"""Make the notebooks of the examples from their scripts, with what they print and draw.

    python .ci/notebooks.py                    # all
    python .ci/notebooks.py quick_start        # some

Needs the extra `examples`. Each runs in an empty folder; what it writes is thrown away. A notebook holds nothing that
changes from run to run by itself, such as times and random names of cells.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parents[1] / "examples"
NAMES = sorted(path.stem for path in HERE.glob("*.py"))
LONGEST = 600  # seconds for a cell


def make(name: str) -> Path:
    """Run a script as a notebook and write it beside the script."""
    notebook = jupytext.read(HERE / f"{name}.py")
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{name.replace('_', '-')}-{number}"
        cell.metadata = nbformat.NotebookNode()
    language = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"}
    notebook.metadata = nbformat.NotebookNode(
        kernelspec={"display_name": "Python 3", "language": "python", "name": "python3"}, language_info=language
    )
    with tempfile.TemporaryDirectory() as folder:
        place = {"metadata": {"path": folder}}
        NotebookClient(notebook, timeout=LONGEST, record_timing=False, coalesce_streams=True, resources=place).execute()
    notebook.metadata["language_info"] = language  # without the version of this Python
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.get("name") == "stderr":
                raise RuntimeError(f"{name} wrote to standard error: {output['text']}")
    nbformat.validate(notebook)
    target = HERE / f"{name}.ipynb"
    nbformat.write(notebook, target)
    return target


if __name__ == "__main__":
    for chosen in sys.argv[1:] or NAMES:
        made = make(chosen)
        print(f"{made.name}: {made.stat().st_size:,} bytes", flush=True)
