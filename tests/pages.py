"""Runs the code of a page of the documentation, from top to bottom, in one folder.

    python tests/pages.py                          # all pages that say that their blocks run
    python tests/pages.py docs/tutorial.md         # one page
    python tests/pages.py --write docs/tutorial.md # put what was printed into the page

A page says so in a comment, ``<!-- blocks: run -->``; pages of ``<!-- blocks: run slowly -->`` are left to
``make docs-run``, those of ``<!-- blocks: run for hours -->`` are run where they are named. ``, in a clone`` runs them
in a copy of the repository, ``, with docker`` where there is a package or command of that name. Blocks of python share
their names; commands of a console block start with ``$``; blocks within comments make what the page takes for granted.
What either prints to standard output stands in the text block that follows at once. It is held against what is printed
now, whatever the numbers; a block whose title is "one run" may differ. Known sets are looked for in the folder ``data``
where a page makes one. A console block whose title is "with a GPU" is left out where there is none.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ONE_RUN, ON_A_GPU = 'title="one run"', "with a GPU"
_DIRECTIVE = re.compile(
    r"^<!-- blocks: run(?P<pace> slowly| for hours)?(?P<clone>, in a clone)?(?:, with (?P<need>[\w-]+))? -->$",
    re.MULTILINE,
)
_BLOCK = re.compile(
    r"^```(python|console)(?: title=\"(?P<title>[^\"\n]*)\")?\n(?P<code>.*?)^```\n"
    r"(?:\n```text(?P<options>[^\n]*)\n(?P<told>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """Code of a page, and what the page says that it prints."""

    line: int
    language: str
    code: str
    told: str | None
    place: tuple[int, int]
    varies: bool
    title: str | None = None

    def commands(self) -> list[str]:
        """Commands of a console block; a line that ends in a backslash goes on."""
        joined = self.code.replace("\\\n", " ")
        lines = [line for line in joined.splitlines() if line.strip()]
        strangers = [line for line in lines if not line.startswith("$ ")]
        if strangers:
            raise ValueError(f"line {self.line}: {strangers[0]!r} is no command: put output into a text block")
        return [line.removeprefix("$ ") for line in lines]


def _directive(page: Path) -> re.Match[str] | None:
    return _DIRECTIVE.search(page.read_text(encoding="utf-8"))


def runs(page: Path) -> bool:
    """Tell whether a page says that its blocks run."""
    return _directive(page) is not None


def is_quick(page: Path) -> bool:
    """Tell whether its blocks run in the tests."""
    found = _directive(page)
    return found is not None and found["pace"] is None


def takes_hours(page: Path) -> bool:
    """Tell whether its blocks run only where the page is named."""
    found = _directive(page)
    return found is not None and found["pace"] == " for hours"


def needs(page: Path) -> str | None:
    """Give the package or command that a page needs and that is not there."""
    found = _directive(page)
    need = found["need"] if found else None
    spec = importlib.util.find_spec(need) if need else None
    there = (spec is not None and spec.origin is not None) or (need and shutil.which(need))  # a bare folder is none
    return None if there else need


def blocks_of(text: str) -> list[Block]:
    """Find the code of a page, in order."""
    return [
        Block(
            text[: found.start()].count("\n") + 1,
            found.group(1),
            found.group("code"),
            found.group("told"),
            found.span("told"),
            ONE_RUN in (found.group("options") or ""),
            found.group("title"),
        )
        for found in _BLOCK.finditer(text)
    ]


def alike(told: str, printed: str) -> bool:
    """Tell whether two texts say the same but for numbers, hashes and the widths of tables.

    Examples
    --------
    >>> alike("3 images, −1.5 points", "12 images, +0.25 points"), alike("3 images", "3 files")
    (True, False)
    """
    return _plain(told) == _plain(printed)


def _plain(text: str) -> list[str]:
    lines = (re.sub(r"\b[0-9a-f]{64}\b", "#", line) for line in text.splitlines())
    lines = (re.sub(r"[-−+]?\d[\d,.]*", "#", line) for line in lines)
    lines = (re.sub(r"[─━]+", "─", " ".join(line.split())) for line in lines)
    return [line for line in lines if line]


def run_page(page: Path, folder: Path, *, compare: bool = True) -> list[tuple[Block, str]]:
    """Run the blocks of a page in a folder, and give what each printed.

    Raises
    ------
    AssertionError
        If a command fails, or prints something else than the page says.
    """
    found = _directive(page)
    if found and found["clone"]:
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder)], check=True)
    names: dict[str, Any] = {"__name__": "page"}
    done = []
    for block in blocks_of(page.read_text(encoding="utf-8")):
        where = f"{page.relative_to(ROOT)}:{block.line}"
        if block.title == ON_A_GPU and shutil.which("nvidia-smi") is None:
            continue
        printed = (
            _run_python(block, names, folder) if block.language == "python" else _run_console(block, folder, where)
        )
        assert block.told is None or printed.strip(), f"{where} prints nothing"
        done.append((block, printed))
        if compare and block.told is not None and not block.varies:
            assert alike(block.told, printed), f"{where} prints something else:\n{printed}"
    return done


def _run_python(block: Block, names: dict[str, Any], folder: Path) -> str:
    printed = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
        exec(compile(block.code, f"line {block.line}", "exec"), names)
    return printed.getvalue()


def _run_console(block: Block, folder: Path, where: str) -> str:
    printed = ""
    with tempfile.TemporaryDirectory() as place:
        command = Path(place, "makeweight")
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m makeweight "$@"\n', encoding="utf-8")
        command.chmod(0o755)
        paths = [place, str(Path(sys.executable).parent), os.environ.get("PATH", "")]
        sources = [str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {
            "OMP_NUM_THREADS": "1",
            **os.environ,
            "PATH": os.pathsep.join(paths),
            "PYTHONPATH": os.pathsep.join(sources),
            "COLUMNS": "80",
        }
        if (folder / "data").is_dir():
            environment["MAKEWEIGHT_DATA"] = str(folder / "data")
        for line in block.commands():
            done = subprocess.run(["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True)
            # Of a pipe, the last command tells: one that takes the first lines and goes, as head does, is no failure.
            assert done.returncode == 0, f"{where}: {line} ended with {done.returncode}:\n{done.stderr}"
            printed += done.stdout
    return printed


def write_outputs(page: Path, done: list[tuple[Block, str]]) -> None:
    """Put what was printed into the text blocks of a page."""
    text = page.read_text(encoding="utf-8")
    for block, printed in reversed(done):
        if block.told is not None:
            lines = "".join(f"{line.rstrip()}\n" for line in printed.strip("\n").splitlines())
            text = text[: block.place[0]] + lines + text[block.place[1] :]
    page.write_text(text, encoding="utf-8")


def main() -> int:
    """Run pages, those that are named or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("pages", nargs="*", type=Path)
    parser.add_argument("--write", action="store_true", help="put what was printed into the pages")
    options = parser.parse_args()
    there = sorted(page for page in (ROOT / "docs").rglob("*.md") if runs(page) and not takes_hours(page))
    pages = [page.resolve() for page in options.pages] or there
    failures = 0
    for page in pages:
        name = page.relative_to(ROOT).as_posix()
        if needs(page):
            print(f"{name}: left out, for it needs the package {needs(page)}", flush=True)
            continue
        folder, begun = Path(tempfile.mkdtemp()), time.monotonic()
        try:
            done = run_page(page, folder, compare=not options.write)
            if options.write:
                write_outputs(page, done)
            print(f"{name}: {len(done)} blocks, {time.monotonic() - begun:.0f} s", flush=True)
        except Exception as error:
            failures += 1
            print(f"{name}: {type(error).__name__}: {error}", flush=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
