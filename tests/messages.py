"""Which messages of InputError no test reads.

    python tests/messages.py            # the list, and the count
    python tests/messages.py data/      # of some files

A message counts as read where a piece of its text, three words or more between two names or numbers, stands in a test.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE, TESTS = ROOT / "src" / "makeweight", ROOT / "tests"
N_LETTERS = 9


def messages(source: Path) -> Iterator[tuple[str, int, list[str]]]:
    """Find what is raised as InputError: file, line, and the fixed pieces of the text."""
    for path in sorted(source.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "InputError" and node.args:
                pieces = list(_pieces(node.args[0]))
                if re.search(r"\w", "".join(pieces)):  # others only pass on what another message says
                    yield path.relative_to(source).as_posix(), node.lineno, pieces


def _pieces(text: ast.expr) -> Iterator[str]:
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    yield from (part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str))


def tested(tests: Path) -> str:
    """Give the text of all strings in the tests, with escapes of regular expressions taken away."""
    strings = []
    for path in sorted(tests.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                strings.append(node.value)
    return "\0".join(re.sub(r"\\(\W)", r"\1", string) for string in strings)


def is_read(pieces: list[str], text: str) -> bool:
    """Tell whether a test holds a run of words of the message that nothing else would be likely to hold."""
    for piece in pieces:
        words = re.findall(r"\S+", piece)
        for first in range(len(words)):
            run = " ".join(words[first : first + 3])
            if len(run) >= N_LETTERS and (len(words) - first >= 3 or len(words) < 3) and run in text:
                return True
    return False


def unread(prefix: str = "") -> list[str]:
    """List messages that no test reads, as file:line: text."""
    text = tested(TESTS)
    return [
        f"{file}:{line}: {'…'.join(pieces)}"
        for file, line, pieces in messages(SOURCE)
        if file.startswith(prefix) and not is_read(pieces, text)
    ]


if __name__ == "__main__":
    found = unread(*sys.argv[1:2])
    print("\n".join(found))
    print(f"{len(found)} of {sum(1 for _ in messages(SOURCE))} messages are read by no test")
