import errno
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zlib
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import makeweight
from makeweight.balance import Listener, read_manifest
from makeweight.cli import app
from makeweight.cli.progress import LogProgress
from makeweight.methods import method_names


def run(*arguments: object) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a command."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def refusal(*arguments: object) -> str:
    """Sentence with which a command refuses its input."""
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("makeweight: ")
    assert line.endswith((".", "?"))
    return line.removeprefix("makeweight: ")


def paint(path: Path, *, mode: str = "L", size: tuple[int, int] = (9, 8), seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = Image.getmodebands(mode)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], channels), dtype=np.uint8)
    Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(path)


@pytest.fixture
def shoes(tmp_path: Path) -> Path:
    """Four boots and two clogs in ``in``."""
    for number in range(4):
        paint(tmp_path / "in" / "boot" / f"{number}.png", seed=number)
    for number in range(2):
        paint(tmp_path / "in" / "clog" / f"{number}.png", seed=9 + number)
    return tmp_path / "in"


@pytest.fixture
def out(shoes: Path) -> Path:
    """The shoes balanced with duplicates."""
    target = shoes.with_name("out")
    assert run("balance", shoes, target, "--method", "duplicates")[0] == 0
    return target


def test_balance_prints_what_it_did_and_where(shoes: Path) -> None:
    target = shoes.with_name("out")
    status, text, err = run("balance", shoes, target, "--method", "duplicates", "--sampling-strategy", "clog=5,boot=6")
    assert (status, err) == (0, "")
    assert [line.split() for line in text.splitlines() if line.strip().startswith(("boot", "clog", "all"))] == [
        ["boot", "4", "2", "6"],
        ["clog", "2", "3", "5"],
        ["all", "6", "5", "11"],
    ]
    drawn = [row for row in read_manifest(target / "manifest.csv") if row.origin == "drawn"]
    assert f"Model {drawn[0].model_hash}" in text
    assert f"Seed of the drawing {drawn[0].seed}, time " in text
    assert "Fewer than ten images: boot, clog" in text
    for place in ("images", "samples.png", "manifest.csv", "model"):
        assert str(target / place) in text


def test_balance_keeps_groups(shoes: Path) -> None:
    table = shoes.with_name("groups.csv")
    table.write_text("file_name,group\nboot/0.png,left\nboot/1.png,left\n")
    target = shoes.with_name("out")
    status, _, err = run("balance", shoes, target, "--method", "duplicates", "--groups", table)
    assert status == 0
    assert "4 images without a group: each is a group of its own." in err
    groups = {f"{row.label}/{row.source}": row.group for row in read_manifest(target / "manifest.csv")}
    assert {file for file, group in groups.items() if group} == {"boot/0.png", "boot/1.png"}
    missing = ("--groups", shoes / "none.csv")
    assert "none.csv, which --groups names" in refusal("balance", shoes, f"{target}2", "--method", "smote", *missing)


def test_balance_names_small_classes_and_skipped_files(shoes: Path) -> None:
    (shoes / "boot" / "bad.png").touch()
    status, text, _ = run(
        "balance",
        shoes,
        shoes.with_name("out"),
        "--skip-bad",
        "--steps",
        1,
        "--precision",
        "32-true",
        "--device",
        "cpu",
    )
    assert status == 0
    assert "Balanced by aggan" in text
    assert "Fewer than ten images, learnt with duplicates and augmentation: boot, clog" in text
    assert "Left out, 1 file: boot/bad.png (empty)" in text


def test_a_class_of_one_image_is_named_as_such(shoes: Path) -> None:
    (shoes / "clog" / "1.png").unlink()
    status, text, _ = run("balance", shoes, shoes.with_name("out"), "--method", "duplicates")
    assert status == 0
    assert "One image alone, which can only be copied: clog\n" in text
    page = (shoes.with_name("out") / "report.html").read_text(encoding="utf-8")
    assert "One real image alone, which can only be copied: clog." in page
    assert "one image: it can only be copied" in run("inspect", shoes, "--no-timing")[1].replace("\n", " ")


def test_inspect_times_only_what_can_be_learnt(shoes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def estimate(*_: object) -> object:
        raise AssertionError("timed")

    monkeypatch.setattr("makeweight.estimate.estimate", estimate)
    status, text, _ = run("inspect", shoes, "--no-timing")
    assert status == 0
    assert text.endswith("makeweight balance with aggan, learning 9×8 pixels\n")
    with pytest.raises(AssertionError, match="timed"):
        run("inspect", shoes)
    (shoes / "boot" / "bad.png").touch()
    assert run("inspect", shoes)[1].endswith("the problems above have to be solved first\n")
    with pytest.raises(AssertionError, match="timed"):
        run("inspect", shoes, "--skip-bad", "--resize", 16, "--mode", "RGB")
    shutil.rmtree(shoes / "clog")
    monkeypatch.setattr("makeweight.balance.plan.plan_balance", estimate)
    assert "holds one class only (boot)" in run("inspect", shoes, "--skip-bad")[1]


def test_verify_tells_good_from_bad(out: Path) -> None:
    assert run("verify", out, "--redraw", 1) == (0, "good: 8 files hashed, 1 image drawn again\n", "")
    (out / "images" / "boot" / "0.png").write_bytes(b"x")
    assert run("verify", out) == (
        1,
        "problem: 1 file changed since written: images/boot/0.png\n1 problem: 8 files hashed, 2 images drawn again\n",
        "",
    )


def test_sample_draws_more(out: Path, tmp_path: Path) -> None:
    status, text, err = run("sample", out / "model", 3, "--label", "clog", "--out", tmp_path / "extra")
    assert (status, err) == (0, "")
    assert "3 images of clog drawn by duplicates, rows 2 to 4 of seed" in text
    assert len(list((tmp_path / "extra").glob("*.png"))) == 3
    assert "no class of the model called 'clgo': choose from boot, clog; did you mean 'clog'?" in refusal(
        "sample", out, 3, "--label", "clgo", "--out", tmp_path / "no"
    )


def test_inspect_tells_what_balance_would_do(shoes: Path) -> None:
    status, text, err = run("inspect", shoes)
    assert (status, err) == (0, "")
    assert text.startswith("in: 6 images, 2 classes, ")
    assert "largest class by smallest: 2" in text
    assert ["clog", "2"] in [line.split() for line in text.splitlines()]
    assert "makeweight balance with aggan, learning 9×8 pixels" in text
    assert " of memory" in text

    status, text, _ = run("inspect", shoes, "--json")
    found = json.loads(text)
    assert found["classes"] == {"boot": 4, "clog": 2}
    assert found["balance"]["to_draw"] == {"clog": 2}
    assert found["balance"]["seconds"] > 0
    assert found["balance"]["bytes"] > 1e6


def test_inspect_reports_what_balance_refuses(shoes: Path) -> None:
    paint(shoes / "clog" / "large.png", size=(99, 70))
    (shoes / "boot" / "bad.png").touch()
    status, text, _ = run("inspect", shoes, "--method", "duplicates")
    assert status == 0
    assert "boot/bad.png" in text
    assert "99×70" in text
    assert "(needs --resize 9)" in text
    assert "[bold]" not in text


def bomb(folder: Path) -> None:
    """Write a small file that claims to hold 400 million pixels."""
    paint(folder / "boot" / "bomb.png")
    data = bytearray((folder / "boot" / "bomb.png").read_bytes())
    data[16:24] = (20000).to_bytes(4) * 2
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4)
    (folder / "boot" / "bomb.png").write_bytes(bytes(data))


def truncate(folder: Path) -> None:
    path = folder / "boot" / "0.png"
    path.write_bytes(path.read_bytes()[:-30])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: shutil.rmtree(folder), ["there is no folder or file", "check the path"]),
        (lambda folder: [shutil.rmtree(folder / c) for c in ("boot", "clog")], ["holds no images"]),
        (lambda folder: shutil.rmtree(folder / "clog"), ["one class only (boot)", "at least two"]),
        (lambda folder: paint(folder / "boot" / "x.png", size=(9, 9)), ["different sizes", "9×8 (6)", "--resize 9"]),
        (lambda folder: paint(folder / "boot" / "x.png", mode="RGB"), ["different modes", "--mode RGB"]),
        (truncate, ["boot/0.png (truncated", "--skip-bad"]),
        (lambda folder: (folder / "boot" / "e.png").touch(), ["boot/e.png (empty)", "--skip-bad"]),
        (bomb, ["boot/bomb.png (decompression bomb", "--skip-bad"]),
    ],
)
def test_folders_that_cannot_be_balanced(change: object, words: list[str], shoes: Path) -> None:
    change(shoes)  # type: ignore[operator]
    before = sorted(shoes.parent.rglob("*"))
    sentence = refusal("balance", shoes, shoes.with_name("out"), "--method", "duplicates")
    assert [word for word in words if word not in sentence] == []
    assert sorted(shoes.parent.rglob("*")) == before


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"X": np.full((4, 8, 8), np.nan), "y": np.array([0, 0, 0, 1])}, "NaN or infinite values"),
        ({"X": np.full((4, 8, 8), np.inf), "y": np.array([0, 0, 0, 1])}, "NaN or infinite values"),
        ({"X": np.zeros((4, 8, 8), np.uint8), "y": np.array([0, 1])}, "4 images but 2 labels"),
    ],
)
def test_arrays_that_cannot_be_balanced(arrays: dict[str, np.ndarray], words: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", **arrays)
    assert words in refusal("balance", tmp_path / "set.npz", tmp_path / "out", "--method", "duplicates")
    assert os.listdir(tmp_path) == ["set.npz"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--sampling-strategy", "boot=3"), "3 images of 'boot', and there are 4 already"),
        (
            ("--sampling-strategy", "hat=9"),
            "the sampling strategy cannot be met since there is no class called 'hat': choose from",
        ),
        (("--sampling-strategy", "most"), "no sampling strategy 'most'"),
        (("--method", "magic"), "no method called 'magic'"),
        (("--steps", "5", "--budget", "1m"), "the training has one length"),
        (("--budget", "soon"), "--budget 'soon' is no duration"),
        (("--from", "nowhere"), "nowhere does not exist"),
        (("--from", "in"), "in holds no model of makeweight"),
        (("--mode", "HSV"), "mode HSV"),
        (("--resize", "0"), "resized to 0"),
        (("--labels", "none.csv"), "none.csv"),
    ],
)
def test_options_that_cannot_be_met(
    options: tuple[str, ...], words: str, shoes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shoes.parent)
    before = sorted(shoes.parent.rglob("*"))
    assert words in refusal("balance", "in", "out", *options)
    assert sorted(shoes.parent.rglob("*")) == before


def test_input_and_output_must_lie_apart(shoes: Path) -> None:
    assert "lies inside the input" in refusal("balance", shoes, shoes / "out")
    assert "lies inside the input" in refusal("balance", shoes, shoes, "--overwrite")
    assert "lies inside the output" in refusal("balance", shoes, shoes.parent, "--overwrite")


def test_overwriting_needs_to_be_asked_for_and_never_touches_the_input(out: Path, shoes: Path) -> None:
    before = {path: path.read_bytes() for path in shoes.rglob("*.png")}
    assert "is not empty" in refusal("balance", shoes, out, "--method", "duplicates")
    assert run("balance", shoes, out, "--method", "duplicates", "--overwrite", "--link")[0] == 0
    assert "the input" in refusal("balance", out / "images", out, "--method", "duplicates", "--overwrite")
    assert run("balance", shoes, out, "--method", "duplicates", "--overwrite")[0] == 0
    assert {path: path.read_bytes() for path in shoes.rglob("*.png")} == before
    (shoes / "manifest.csv").touch()
    other = shoes.with_name("photos")
    paint(other / "a.png")
    assert "does not look like an output" in refusal("balance", shoes, other, "--method", "duplicates", "--overwrite")
    assert (other / "a.png").exists()


def test_too_small_a_disk_is_refused(shoes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1000))
    assert "not enough disk" in refusal("balance", shoes, shoes.with_name("out"), "--method", "duplicates")
    assert os.listdir(shoes.parent) == ["in"]


def test_models_and_outputs_that_are_none(tmp_path: Path) -> None:
    assert "holds no model of makeweight" in refusal("sample", tmp_path, 2, "--label", "a", "--out", tmp_path / "x")
    assert "no manifest at" in refusal("verify", tmp_path)
    assert "there is no folder" in refusal("verify", tmp_path / "nowhere")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text('{"format": "other"}')
    assert "no card of a makeweight model" in refusal("sample", tmp_path, 2, "--label", "a", "--out", tmp_path / "x")


def test_what_the_system_refuses_midway_is_one_sentence(
    out: Path, shoes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that goes while it is written stands for a drive that is unplugged."""
    target = shoes.with_name("more")

    stage = LogProgress.stage

    def unplug(self: LogProgress, name: str) -> None:
        stage(self, name)
        if name == "drawing":
            shutil.rmtree(target.with_name("more.partial"))

    monkeypatch.setattr(LogProgress, "stage", unplug)
    for command in (
        ("balance", shoes, target, "--method", "duplicates"),
        ("sample", out, 3, "--label", "clog", "--out", target),
    ):
        sentence = refusal(*command)
        assert sentence.startswith(f"{target}.partial/")
        assert sentence.endswith(
            " cannot be used (No such file or directory): see that it is there and may be read and written, then start "
            "again."
        )
        assert sorted(os.listdir(shoes.parent)) == ["in", "out"]


def test_an_original_that_vanishes_midway_is_one_sentence(shoes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = LogProgress.stage

    def vanish(self: LogProgress, name: str) -> None:
        stage(self, name)
        if name == "copying":
            (shoes / "boot" / "1.png").unlink()

    monkeypatch.setattr(LogProgress, "stage", vanish)
    sentence = refusal("balance", shoes, shoes.with_name("out"), "--method", "duplicates")
    assert str(shoes / "boot" / "1.png") in sentence
    assert os.listdir(shoes.parent) == ["in"]


def test_a_full_disk_is_one_sentence(shoes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Listener, name: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "there")

    monkeypatch.setattr("makeweight.cli.progress.LogProgress.stage", fail)
    words = "there cannot be written (No space left on device): make room on the disk, then start again."
    assert refusal("inspect", shoes) == words


def test_an_error_without_a_file_is_one_sentence(shoes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Listener, name: str) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("makeweight.cli.progress.LogProgress.stage", fail)
    assert refusal("inspect", shoes).startswith("a file or device cannot be used (Input/output error): ")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("balance", "in", "new", "--method", "duplicates"), "interrupted."),
        (("sample", "out", 3, "--label", "clog", "--out", "new"), "interrupted."),
        (("inspect", "in"), "interrupted."),
        (("verify", "out"), "interrupted."),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_an_interruption_says_what_is_true(
    command: tuple[object, ...], words: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: Listener, name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(out.parent)
    monkeypatch.setattr("makeweight.cli.progress.LogProgress.stage", interrupt)
    before = sorted(out.parent.rglob("*"))
    assert run(*command) == (130, "", f"makeweight: {words}\n")
    assert sorted(out.parent.rglob("*")) == before


def test_other_errors_keep_their_traceback(shoes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Listener, name: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("makeweight.cli.progress.LogProgress.stage", fail)
    with pytest.raises(ZeroDivisionError):
        run("balance", shoes, shoes.with_name("out"), "--method", "duplicates")


def test_version_and_help() -> None:
    assert run("--version") == (0, f"makeweight {makeweight.__version__}\n", "")
    status, text, _ = run("balance", "--help")
    assert status == 0
    names = (
        "method sampling-strategy steps epochs budget seed device precision from labels data-dir download resize mode"
    )
    for name in (*names.split(), "mode", "skip-bad", "overwrite", "link"):
        assert f"--{name}" in text


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from makeweight.cli import app\n"
        "try:\n    app(['--help'])\n"
        "except SystemExit:\n"
        "    print([name for name in ('torch', 'numpy', 'sklearn', 'PIL') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=_environment()
    )
    assert done.stdout.splitlines()[-1] == "[]"


def completed(*words: str) -> list[str]:
    """What bash is told for the last of the words, of a program that then tells which heavy modules it has loaded."""
    script = (
        "import sys\n"
        "from makeweight.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit:\n"
        "    print([name for name in ('torch', 'numpy', 'sklearn', 'PIL') if name in sys.modules])\n"
    )
    asked = {"_MAKEWEIGHT_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=_environment() | asked
    )
    *told, loaded = done.stdout.splitlines()
    assert loaded == "[]"
    return told


def test_the_shell_completes_commands_options_and_methods() -> None:
    assert completed("makeweight", "in") == ["inspect"]
    assert completed("makeweight", "balance", "shoes", "out", "--over") == ["--overwrite"]
    assert completed("makeweight", "balance", "shoes", "out", "--method", "cl") == ["class_dcgan"]
    assert completed("makeweight", "inspect", "shoes", "--method", "") == method_names()


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_the_completion_of_bash_is_shown() -> None:
    command = f"{shlex.quote(sys.executable)} -m makeweight --show-completion bash; true"  # true keeps bash alive
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, env=_environment())
    assert "_MAKEWEIGHT_COMPLETE=complete_bash" in done.stdout
    assert done.stdout.splitlines()[-1].endswith(" makeweight")


@pytest.mark.parametrize(
    ("how", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl_c", "told to end"]
)
def test_the_module_runs_and_ends_cleanly(shoes: Path, how: signal.Signals, status: int) -> None:
    target = shoes.with_name("out")
    command = [sys.executable, "-m", "makeweight", "balance", str(shoes), str(target), "--steps", "100000"]
    process = subprocess.Popen(
        [*command, "--precision", "32-true", "--device", "cpu"], stderr=subprocess.PIPE, text=True, env=_environment()
    )
    try:
        _wait_for(lambda: (target.with_name("out.partial") / "images" / "clog" / "1.png").exists(), process)
        time.sleep(0.5)
        process.send_signal(how)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == status
    assert err.splitlines()[-1] == "makeweight: interrupted; unfinished work was removed."
    assert "Traceback" not in err
    assert os.listdir(shoes.parent) == ["in"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
@pytest.mark.parametrize("command", ["methods", "inspect IN", "inspect IN --json"])
def test_a_reader_that_ends_first_is_told_apart_from_a_problem(shoes: Path, command: str) -> None:
    line = f"{shlex.quote(sys.executable)} -m makeweight {command} | true; exit ${{PIPESTATUS[0]}}"
    line = line.replace("IN", shlex.quote(str(shoes)))
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, env=_environment())
    assert (done.returncode, done.stderr) == (141, "")


def test_characters_that_the_output_lacks_are_escaped(shoes: Path) -> None:
    (shoes / "boot").rename(shoes / "boot−")
    command = [sys.executable, "-m", "makeweight", "inspect", str(shoes)]
    environment = _environment() | {"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    done = subprocess.run(command, capture_output=True, check=True, env=environment)
    assert b"boot\\u2212" in done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device here")
def test_an_output_that_is_finished_is_told_where_printing_fails(shoes: Path) -> None:
    target = shoes.with_name("out")
    command = [sys.executable, "-m", "makeweight", "balance", str(shoes), str(target), "--method", "duplicates"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=_environment())
    sentence = "the output cannot be printed (No space left on device); files that the command writes are written."
    assert (done.returncode, done.stderr.splitlines()[-1].endswith(sentence)) == (2, True)
    assert run("verify", target)[0] == 0


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}


def _wait_for(condition: object, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not condition():  # type: ignore[operator]
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
