from pathlib import Path

import pytest
from typer.testing import CliRunner

from makeweight.cli import _Warned, app
from makeweight.cli.printing import say
from makeweight.cli.progress import shown_progress

RED = "\x1b[31mred\x1b]0;title\x07"


def test_nothing_that_is_printed_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"{RED} \u202etxt")
    with shown_progress() as listener:
        listener.note(RED)
    told = capsys.readouterr()
    assert told.out == "\\x1b[31mred\\x1b]0;title\\x07 \\u202etxt\n"
    assert "note: \\x1b[31mred\\x1b]0;title\\x07" in told.err
    assert "\x07" not in told.err


@pytest.mark.parametrize("command", [["inspect"], ["verify"], ["balance", "digits"], ["evaluate"]])
def test_no_name_steers_the_terminal(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(app, [*command, str(tmp_path / "file" / RED)])
    assert result.exit_code == 2
    assert "\\x1b[31mred" in result.stderr
    assert "\x1b" not in result.output
    assert "\x07" not in result.output


def test_warnings_are_told_once_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    told = _Warned()
    for _ in range(2):
        told(UserWarning("rows.jsonl, line 3, is cut off\x1b"), UserWarning, "rows.py", 7)
    assert capsys.readouterr().err == "makeweight: note: rows.jsonl, line 3, is cut off\\x1b\n"
