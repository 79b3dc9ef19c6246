import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from makeweight.balance import BalanceSummary, balance_folder, verify_folder
from makeweight.balance.early import check_balance, check_inspect, check_sample, check_verify
from makeweight.errors import InputError


def sentence(check: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        check(*arguments, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "magic"}, "there is no method called 'magic': choose from acgan, "),
        ({"sampling_strategy": "most"}, "there is no sampling strategy 'most': give auto, "),
        ({"n_steps": 3, "budget": 9.0}, "the training has one length: give one of --steps, "),
        ({"n_epochs": 0}, "n_epochs=0 is no length of a training: give a number above 0."),
        ({"fill": 2.0}, "the fill 2.0 is no share of the largest class: give one above 0 and at most 1."),
        (
            {"fill": 0.5, "sampling_strategy": "all"},
            "--fill and --sampling-strategy both say how many images are drawn",
        ),
        (
            {"gate": True, "method": "augmentation"},
            "augmentation draws real images once more, and --gate rejects copies",
        ),
        ({"resize": 0}, "images cannot be resized to 0: give a whole number from 1 to 1024."),
        ({"mode": "HSV"}, "images cannot be converted to the mode HSV: give L (grey) or RGB."),
        ({"from_model": Path("nowhere")}, "nowhere does not exist: give the folder model/ of an output, "),
    ],
    ids=lambda value: str(next(iter(value))) if isinstance(value, dict) else "",
)
def test_options_are_refused_with_the_words_of_the_job(options: dict[str, Any], words: str, shoes: Path) -> None:
    early = sentence(check_balance, str(shoes), shoes.with_name("out"), **options)
    assert early.startswith(words)
    assert sentence(balance_folder, str(shoes), shoes.with_name("out"), **options) == early


def test_sources_and_outputs_are_refused_with_the_words_of_the_job(balanced: BalanceSummary, shoes: Path) -> None:
    for source, out, words in (
        (shoes.with_name("none"), shoes.with_name("new"), f"there is no folder or file {shoes.with_name('none')}, and"),
        (shoes, shoes / "out", f"the output {shoes / 'out'} lies inside the input {shoes}: "),
        (balanced.out / "images", balanced.out, f"the input {balanced.out / 'images'} lies inside the output "),
        (shoes, balanced.out, f"{balanced.out} is not empty: "),
    ):
        early = sentence(check_balance, str(source), out)
        assert early.startswith(words)
        assert sentence(balance_folder, source, out) == early
    check_balance(str(shoes), balanced.out, overwrite=True)
    check_balance("digits", shoes.with_name("new"), method="smote", sampling_strategy=0.5, n_steps=3)


def test_an_output_in_place_of_a_folder_of_images_is_named(balanced: BalanceSummary, tmp_path: Path) -> None:
    told = f"{balanced.out} is an output of makeweight balance: give {balanced.out / 'images'}, the images in it."
    assert sentence(check_balance, str(balanced.out), tmp_path / "new") == told
    assert sentence(balance_folder, balanced.out, tmp_path / "new") == told
    assert sentence(check_inspect, str(balanced.out)) == told
    check_inspect(str(balanced.out / "images"))
    check_inspect(str(balanced.out), labels=Path("manifest.csv"))


def test_inspections_samples_and_checks_are_refused(balanced: BalanceSummary, tmp_path: Path) -> None:
    assert sentence(check_inspect, "nothing").startswith("there is no folder or file nothing, ")
    assert sentence(check_inspect, "").startswith("the name of the input is empty: give a folder, ")
    assert sentence(check_inspect, "digits", "magic").startswith("there is no method called 'magic'")
    assert sentence(check_inspect, "digits", resize=0).startswith("images cannot be resized to 0: ")
    assert sentence(check_inspect, "digits", mode="HSV").startswith("images cannot be converted to the mode HSV: ")
    check_inspect("digits", "egan")
    assert sentence(check_sample, tmp_path, tmp_path / "x").startswith(f"{tmp_path} holds no model of makeweight: ")
    assert "lies inside the input" in sentence(check_sample, balanced.out, balanced.out / "model" / "x")
    check_sample(balanced.out, tmp_path / "x")
    for folder, redraw, words in (
        (tmp_path / "none", 1, f"there is no folder {tmp_path / 'none'}: "),
        (tmp_path, 1, f"there is no manifest at {tmp_path / 'manifest.csv'}: "),
        (balanced.out, -1, "-1 images cannot be drawn again: give 0 or more."),
    ):
        early = sentence(check_verify, folder, redraw)
        assert early.startswith(words)
        assert sentence(verify_folder, folder, redraw=redraw) == early
    check_verify(balanced.out, 3)


def test_the_command_line_refuses_before_anything_heavy_is_loaded(shoes: Path) -> None:
    out = str(shoes.with_name("out"))
    commands = [
        ["balance", "nowhere", out],
        ["balance", str(shoes), str(shoes / "out")],
        ["balance", str(shoes), out, "--method", "magic"],
        ["balance", str(shoes), out, "--sampling-strategy", "most"],
        ["balance", str(shoes), out, "--sampling-strategy", "boot=many"],
        ["balance", str(shoes), out, "--fill", "half"],
        ["balance", str(shoes), out, "--fill", "1.5"],
        ["balance", str(shoes), out, "--fill", "auto", "--sampling-strategy", "auto"],
        ["balance", str(shoes), out, "--gate", "--method", "duplicates"],
        ["inspect", "nowhere"],
        ["inspect", str(shoes), "--method", "magic"],
        ["sample", "nowhere", "3", "--label", "boot", "--out", out],
        ["verify", "nowhere"],
    ]
    script = f"""
import sys
from makeweight.cli import app
for command in {commands!r}:
    try:
        app(command)
    except SystemExit as end:
        heavy = [name for name in ("torch", "sklearn", "imblearn", "scipy") if name in sys.modules]
        print(end.code, heavy)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["2 []"] * len(commands)
    assert len(done.stderr.splitlines()) == len(commands)
