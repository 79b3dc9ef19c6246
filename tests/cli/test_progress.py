import io
import re

import pytest
from rich.console import Console

from makeweight.autoencoder import AutoencoderReport
from makeweight.cli import progress
from makeweight.cli.progress import LiveProgress, LogProgress, shown_progress, step_details
from makeweight.progress import StepReport, timing


def report(step: int) -> StepReport:
    return StepReport(
        step=step,
        n_steps=9000,
        seconds=200.0,
        seconds_left=3799.0,
        steps_per_second=5.714,
        discriminator_loss=0.6213,
        generator_loss=1.3149,
        temperature=0.83,
        acceptance_rate=0.42,
        wins={"minimax": 0.39, "least_squares": 0.61},
    )


def test_details_of_an_autoencoder_are_its_losses() -> None:
    told = AutoencoderReport(**timing(1, 9, 1.0, None), reconstruction_loss=0.01234, exchange_loss=0.25)
    assert step_details(told) == ["autoencoder, losses: reconstruction 0.0123, exchange 0.25"]


def test_details_leave_out_what_a_method_does_not_have() -> None:
    assert step_details(report(1)) == [
        "losses: discriminator 0.621, generator 1.31",
        "temperature 0.83",
        "accepted 42%",
        "winning least squares (61%)",
    ]
    plain = StepReport(
        **timing(1, 2, 1.0, None),
        discriminator_loss=0.5,
        generator_loss=0.5,
        temperature=None,
        acceptance_rate=None,
        wins={},
    )
    assert step_details(plain) == ["losses: discriminator 0.5, generator 0.5"]


def test_the_log_speaks_at_tenths_and_every_ten_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    times = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: times[-1])
    log = LogProgress()
    log.stage("learning")
    for now, step in ((0.5, 1000), (1.5, 1200), (1.9, 2500), (5.0, 2600), (14.9, 2650), (15.1, 2700)):
        times.append(now)
        log.step(report(step))
    log.note("something")
    assert capsys.readouterr().err.splitlines() == [
        *(
            f"makeweight: learning: step {step} of 9,000, 5.71 a second, 1 h 3 min left, losses: discriminator 0.621, "
            "generator 1.31, temperature 0.83, accepted 42%, winning least squares (61%)"
            for step in ("1,200", "2,600", "2,700")
        ),
        "makeweight: note: something",
    ]


def test_counts_are_logged_with_their_unit(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    times = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: times[-1])
    log = LogProgress()
    log.stage("copying")
    times.append(2.0)
    log.count(1000, 4000)
    assert capsys.readouterr().err == "makeweight: copying: 1,000 of 4,000 files, 500 a second\n"


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_the_live_display_fits_every_width(width: int) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    live = LiveProgress(console)
    live.stage("learning")
    live.step(report(1200))
    with console.capture() as capture:
        console.print(live.display.get_renderable())
    lines = capture.get().rstrip("\n").splitlines()
    assert all(len(line.rstrip()) <= width for line in lines)
    assert "1200/9000" in lines[0]
    assert "5.71 steps/s, 1 h 3 min left" in lines[0]
    assert "━" in lines[0]
    text = " ".join(lines[1:])
    for detail in ("generator 1.31", "temperature 0.83", "accepted 42%", "winning least squares (61%)"):
        assert re.search(re.escape(detail), text)


def test_the_live_display_begins_anew_with_each_stage() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    live = LiveProgress(console)
    live.stage("learning")
    live.step(report(1200))
    live.stage("drawing")
    live.count(5, 10)
    live.note("[bold]read me")
    with console.capture() as capture:
        console.print(live.display.get_renderable())
    assert "learning" not in capture.get()
    assert "generator" not in capture.get()
    assert "5/10" in capture.get()
    assert "[bold]read me" in console.file.getvalue()  # type: ignore[attr-defined]


def test_without_a_terminal_there_is_a_plain_log() -> None:
    with shown_progress() as listener:
        assert isinstance(listener, LogProgress)
