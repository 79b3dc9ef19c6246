import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from makeweight.balance import (
    BalanceSummary,
    ManifestRow,
    balance_folder,
    read_manifest,
    sample_folder,
    verify_folder,
)
from makeweight.balance.drawn_images import Mark, drawn_png, read_pixels, resized
from makeweight.balance.manifest import write_manifest
from makeweight.balance.verify import choose_rows
from makeweight.errors import InputError
from makeweight.machine import software_versions
from makeweight.methods.duplicates import Duplicates


def test_an_untouched_output_is_good(balanced: BalanceSummary) -> None:
    found = verify_folder(balanced.out)
    assert found.good
    assert (found.n_files, found.n_redrawn, found.most_levels, found.notes) == (36, 16, 0.0, [])


def test_missing_extra_and_changed_files_are_named(balanced: BalanceSummary) -> None:
    images = balanced.out / "images"
    (images / "boot" / "0.png").unlink()
    (images / "boot" / "1.png").write_bytes(b"x")
    (images / "clog" / "new.png").write_bytes(b"x")
    (images / "hat").mkdir()
    (images / "hat" / "1.txt").touch()
    found = verify_folder(balanced.out, redraw=0)
    assert found.problems == [
        "1 file missing: images/boot/0.png",
        "1 file changed since written: images/boot/1.png",
        "2 files in images/ but not in the manifest: images/clog/new.png, images/hat/1.txt",
    ]


def test_linked_and_empty_folders_and_other_spellings_are_named(balanced: BalanceSummary) -> None:
    images, path = balanced.out / "images", balanced.out / "manifest.csv"
    (images / "zzz").symlink_to(images / "boot", target_is_directory=True)
    (images / "hat").mkdir()
    assert verify_folder(balanced.out, redraw=0).problems == [
        "2 files in images/ but not in the manifest: images/hat, images/zzz"
    ]
    (images / "zzz").unlink()
    (images / "hat").rmdir()
    rows = read_manifest(path)
    write_manifest(path, [*rows, replace(rows[0], file=rows[0].file.replace("images/", "images/./"))])
    assert verify_folder(balanced.out, redraw=0).problems[0] == (
        f"1 file named in the manifest outside images/: {rows[0].file.replace('images/', 'images/./')}"
    )


def forge(out: Path, **changes: Any) -> None:
    """Give the rows of drawn images other cells, and hash their files anew."""
    rows = read_manifest(out / "manifest.csv")
    told = [
        replace(row, **changes, sha256=sha256((out / row.file).read_bytes()).hexdigest())
        if row.origin == "drawn"
        else row
        for row in rows
    ]
    write_manifest(out / "manifest.csv", told)


def test_images_of_a_method_without_a_model_are_named(balanced: BalanceSummary) -> None:
    for row in read_manifest(balanced.out / "manifest.csv"):
        if row.origin == "drawn":
            mark = Mark("agan", row.model_hash, row.seed or 0, row.row or 0, row.label)
            (balanced.out / row.file).write_bytes(drawn_png(np.zeros((8, 9), np.uint8), mark))
    forge(balanced.out, method="agan")
    found = verify_folder(balanced.out)
    assert "17 images drawn by a method of which there is no model" in found.problems[0]
    assert found.n_redrawn == 0


def test_a_fallback_cannot_stand_for_the_model(balanced: BalanceSummary) -> None:
    shutil.copytree(balanced.out / "model", balanced.out / "fallback")
    card = balanced.out / "model" / "model.json"
    card.write_text(card.read_text().replace(f'"seed": {balanced.seed}', '"seed": 7'))
    first, second = verify_folder(balanced.out, redraw=0).problems
    assert first == "model/ and fallback/ both hold duplicates, so that rows of the one pass for the other's"
    assert second.startswith("the hash of the model is ")


def test_drawn_images_of_another_size_are_no_rounding(balanced: BalanceSummary) -> None:
    for row in read_manifest(balanced.out / "manifest.csv"):
        if row.origin == "drawn":
            mark = Mark(row.method, row.model_hash, row.seed or 0, row.row or 0, row.label)
            small = resized(read_pixels(balanced.out / row.file), 1, 1)
            (balanced.out / row.file).write_bytes(drawn_png(small, mark))
    forge(balanced.out)
    (problem,) = verify_folder(balanced.out).problems
    assert problem.startswith("16 images drawn again came out different")


def test_the_model_knows_how_many_real_images_there_were(balanced: BalanceSummary) -> None:
    path, source = balanced.out / "manifest.csv", 0
    rows = []
    for row in read_manifest(path):
        if row.origin == "drawn" and row.label == "clog":
            plain = balanced.out / "images" / "clog" / f"z{source}.png"
            Image.fromarray(read_pixels(balanced.out / row.file)).save(plain)
            (balanced.out / row.file).unlink()
            digest, source = sha256(plain.read_bytes()).hexdigest(), source + 1
            row = ManifestRow(f"images/clog/{plain.name}", "clog", "real", sha256=digest, source=plain.name)
        rows.append(row)
    write_manifest(path, rows)
    assert verify_folder(balanced.out, redraw=0).problems == [
        "the model has learnt from 2 images of 'clog', and the manifest has 12 real ones"
    ]


def test_strange_files_beside_the_model_are_named(balanced: BalanceSummary) -> None:
    (balanced.out / "notes.txt").touch()
    (balanced.out / "model" / "code.py").touch()
    (balanced.out / "model" / "more").mkdir()
    assert verify_folder(balanced.out, redraw=0).problems == [
        "3 files or folders that makeweight did not write: notes.txt, model/code.py, model/more"
    ]


def test_a_manifest_that_points_elsewhere_is_a_problem(balanced: BalanceSummary) -> None:
    path = balanced.out / "manifest.csv"
    write_manifest(path, [*read_manifest(path), ManifestRow("images/../../secret", "a", "real")])
    assert verify_folder(balanced.out).problems == ["1 file named in the manifest outside images/: images/../../secret"]


def test_another_model_is_noticed(balanced: BalanceSummary, shoes: Path, tmp_path: Path) -> None:
    other = balance_folder(shoes, tmp_path / "other", method="duplicates", seed=8)
    (balanced.out / "model").rename(tmp_path / "gone")
    (other.out / "model").rename(balanced.out / "model")
    problems = verify_folder(balanced.out).problems
    assert problems[0] == (
        f"the hash of the model is {other.model_hash[:12]}…, and the manifest says {balanced.model_hash[:12]}…"
    )
    assert problems[1].startswith("the hash of the settings is")


def test_a_damaged_model_is_a_problem_not_a_crash(balanced: BalanceSummary) -> None:
    (balanced.out / "model" / "weights.safetensors").write_bytes(b"x")
    (problem,) = verify_folder(balanced.out).problems
    assert problem.startswith("the model cannot be read: ")


def test_a_model_that_draws_nothing_finite_hides_no_other_problem(
    balanced: BalanceSummary, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **options: object) -> None:
        raise InputError("the model draws no finite images: its weights are damaged, so train and save it anew.")

    monkeypatch.setattr(Duplicates, "draw", refuse)
    (balanced.out / "images" / "boot" / "0.png").unlink()
    problems = verify_folder(balanced.out).problems
    assert problems[0] == "1 file missing: images/boot/0.png"
    assert all("cannot be drawn again: the model draws no finite images" in each for each in problems[1:])
    assert len(problems) > 1


@pytest.mark.parametrize(("shift", "good"), [(1, True), (2, True), (3, False)])
def test_small_differences_are_told_and_large_ones_fail(
    shift: int, good: bool, balanced: BalanceSummary, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = Duplicates.draw

    def shifted(self: Duplicates, *args: object, **options: object) -> np.ndarray:
        drawn = draw(self, *args, **options).astype(int)  # type: ignore[arg-type]
        return np.where(drawn > 127, drawn - shift, drawn + shift).astype(np.uint8)

    monkeypatch.setattr(Duplicates, "draw", shifted)
    found = verify_folder(balanced.out, redraw=4)
    assert found.good is good
    assert found.most_levels == shift
    if good:
        assert found.notes == [f"redrawn images differ by at most {shift} of 255 levels (another machine?)"]
    else:
        assert found.problems[0].startswith("4 images drawn again came out different: images/clog/drawn-duplicates-")


def test_other_versions_are_told(balanced: BalanceSummary, monkeypatch: pytest.MonkeyPatch) -> None:
    then = software_versions()["torch"]
    monkeypatch.setattr("makeweight.balance.verify.software_versions", lambda: {**software_versions(), "torch": "99.0"})
    found = verify_folder(balanced.out, redraw=0)
    assert found.good
    assert found.notes == [f"the model was made with torch {then}, and here are other versions"]


@pytest.mark.parametrize("mode", ["L", "I;16"])
def test_images_brought_back_to_their_size_verify_too(mode: str, tmp_path: Path) -> None:
    for label, n_images in (("a", 3), ("b", 1)):
        (tmp_path / "in" / label).mkdir(parents=True)
        for number in range(n_images):
            pixels = np.random.default_rng(number).integers(0, 256, (12, 10), dtype=np.uint16)
            image = Image.fromarray(pixels * 257 if mode == "I;16" else pixels.astype(np.uint8))
            image.save(tmp_path / "in" / label / f"{number}.png")
    balance_folder(tmp_path / "in", tmp_path / "out", method="duplicates", resize=16)
    found = verify_folder(tmp_path / "out")
    assert (found.problems, found.n_redrawn, found.most_levels) == ([], 2, 0.0)


def test_rows_are_chosen_evenly_over_labels() -> None:
    rows = [
        ManifestRow(f"{label}{i}", label, "drawn") for label, n in (("a", 20), ("b", 2), ("c", 9)) for i in range(n)
    ]
    chosen = choose_rows(rows, 10, seed=0)
    assert [sum(row.label == label for row in chosen) for label in "abc"] == [4, 2, 4]
    assert chosen == choose_rows(rows, 10, seed=0) != choose_rows(rows, 10, seed=1)
    assert len(choose_rows(rows, 99, seed=0)) == 31


def test_what_is_no_output_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        verify_folder(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no manifest at"):
        verify_folder(tmp_path)


def tampered(out: Path, **changes: Any) -> list[str]:
    """Change the manifest's first drawn row and verify."""
    path = out / "manifest.csv"
    rows = read_manifest(path)
    place = next(number for number, row in enumerate(rows) if row.origin == "drawn")
    rows[place] = replace(rows[place], **changes)
    write_manifest(path, rows)
    return verify_folder(out).problems


REAL = {
    "origin": "real",
    "method": "",
    "seed": None,
    "row": None,
    "model_hash": "",
    "settings_hash": "",
    "copy_of": "",
    "copy_distance": None,
}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (REAL, "1 image real by the manifest but with the mark of a drawn one: images/clog/drawn-duplicates-"),
        ({"origin": "other"}, "the manifest cannot be read: "),
        ({"origin": "real"}, "the manifest cannot be read: "),
        ({"row": None}, "the manifest cannot be read: "),
        ({"row": 2**62 + 1}, "the manifest cannot be read: "),
        ({"row": -3}, "the manifest cannot be read: "),
        ({"seed": 10**12}, "the manifest cannot be read: "),
        ({"method": "smote"}, "1 image whose mark differs from the manifest: images/clog/drawn-"),
        ({"row": 2**62}, "1 image whose mark differs from the manifest: images/clog/drawn-"),
        ({"seed": 5}, "1 image whose mark differs from the manifest: images/clog/drawn-"),
        ({"label": "boot"}, "1 file in another folder than that of the label: images/clog/drawn-"),
    ],
)
def test_a_tampered_row_is_a_problem(changes: dict[str, Any], problem: str, balanced: BalanceSummary) -> None:
    assert any(each.startswith(problem) for each in tampered(balanced.out, **changes))


def test_a_file_name_that_no_disk_holds_is_a_problem(balanced: BalanceSummary) -> None:
    name = f"images/clog/{'a' * 300}.png"
    assert any(each.startswith(f"1 file that cannot be read: {name}") for each in tampered(balanced.out, file=name))


def test_a_doubled_row_is_a_problem(balanced: BalanceSummary) -> None:
    path = balanced.out / "manifest.csv"
    rows = read_manifest(path)
    write_manifest(path, [*rows, rows[0]])
    assert verify_folder(balanced.out, redraw=0).problems == [
        f"2 rows of the manifest for an image that has another row: {rows[0].file}, {rows[0].file}"
    ]


@pytest.mark.parametrize(
    ("keep", "problem"),
    [
        (0, "1 image drawn by the manifest but without makeweight's mark: "),
        (20, "1 file not readable as PNG: "),
        (-30, "1 image that cannot be decoded: "),
    ],
)
def test_a_drawn_file_that_is_no_image_is_a_problem(keep: int, problem: str, balanced: BalanceSummary) -> None:
    row = next(row for row in read_manifest(balanced.out / "manifest.csv") if row.origin == "drawn")
    data = (balanced.out / row.file).read_bytes()[:keep]
    (balanced.out / row.file).write_bytes(data)
    write_manifest(
        balanced.out / "manifest.csv",
        [
            replace(each, sha256=sha256(data).hexdigest()) if each == row else each
            for each in read_manifest(balanced.out / "manifest.csv")
        ],
    )
    assert verify_folder(balanced.out, redraw=99).problems == [problem + row.file]


def test_stray_files_beside_images_are_named(balanced: BalanceSummary) -> None:
    (balanced.out / "extra").mkdir()
    (balanced.out / "notes.txt").touch()
    assert verify_folder(balanced.out, redraw=0).problems == [
        "2 files or folders that makeweight did not write: extra, notes.txt"
    ]


def test_originals_that_were_drawn_earlier_are_noted(balanced: BalanceSummary, tmp_path: Path) -> None:
    (balanced.out / "images" / "sandal" / "0.png").unlink()
    balance_folder(balanced.out / "images", tmp_path / "again", method="duplicates")
    found = verify_folder(tmp_path / "again")
    assert found.good
    assert found.notes[0].startswith("17 originals drawn earlier by another model: images/clog/in__drawn-")


def test_an_output_of_sample_is_refused(balanced: BalanceSummary, tmp_path: Path) -> None:
    sample_folder(balanced.out, 2, label="clog", out=tmp_path / "drawn")
    with pytest.raises(InputError, match="was written by makeweight sample: give an output of makeweight balance"):
        verify_folder(tmp_path / "drawn")
