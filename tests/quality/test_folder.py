import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from makeweight import InputError
from makeweight.balance import Listener, balance_folder, verify_folder
from makeweight.balance.manifest import read_manifest
from makeweight.data.images import ImageSpec
from makeweight.quality.folder import evaluate_folder, target

COUNTS = {"=boot": 12, "clog": 3, "train": 1}


def paint(path: Path, *, size: tuple[int, int] = (9, 8), mode: str = "L", seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    if mode == "I;16":
        image = Image.fromarray(random.integers(0, 65536, size[::-1], dtype=np.uint16))
    else:
        channels = Image.getmodebands(mode)
        pixels = random.integers(0, 256, (*size[::-1], channels), dtype=np.uint8)
        image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
    image.save(path)


def fill(folder: Path, **form: object) -> Path:
    for place, (label, count) in enumerate(COUNTS.items()):
        for number in range(count):
            name = label if label != "train" else "trained"
            paint(folder / name / f"{number}.png", seed=100 * place + number, **form)  # type: ignore[arg-type]
    return folder


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few steps of training: what is tested here is how files are read and named."""
    monkeypatch.setattr("makeweight.quality.crossfit.DEFAULT_STEPS", (3, 3))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    balance_folder(fill(tmp_path / "in"), tmp_path / "out", method="duplicates", sampling_strategy={"clog": 6})
    return tmp_path / "out"


def test_copies_carry_the_names_of_the_manifest(out: Path) -> None:
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    found = evaluate_folder(out, device="cpu")
    assert (found.name, found.width, found.height) == ("out", 9, 8)
    assert len(found.real) == 16
    assert found.report.settings["n_groups"] is None
    data = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert [copy["kind"] for copy in data["copies"]] == ["identical"] * 3
    for copy in data["copies"]:
        assert copy["file"].startswith("images/clog/drawn-duplicates-")
        assert np.array_equal(Image.open(out / copy["file"]), Image.open(out / copy["of"]))
        assert not Path(copy["of"]).name.startswith("drawn-")
    assert [each["label"] for each in data["classes"]] == ["clog"]
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert verify_folder(out).good


def test_groups_of_the_manifest_are_judged_together(tmp_path: Path) -> None:
    source = fill(tmp_path / "in")
    table = tmp_path / "groups.csv"
    lines = [f"=boot/{number}.png,track {number // 3}" for number in range(12)]
    table.write_text("\n".join(["file_name,group", *lines]) + "\n")
    out = tmp_path / "out"
    balance_folder(source, out, method="duplicates", sampling_strategy={"clog": 6}, groups=str(table))
    found = evaluate_folder(out, device="cpu")
    assert found.report.settings["n_groups"] == 4 + 3 + 1
    told = [row.group for row in found.sights.rows if row.origin == "real"]
    folds = found.sights.crossfit.folds_
    for track in range(4):
        own = [fold for fold, group in zip(folds.tolist(), told, strict=True) if group == f"track {track}"]
        assert (len(own), len(set(own))) == (3, 1)


def test_a_single_group_is_told_and_left_out_of_account(tmp_path: Path) -> None:
    source = fill(tmp_path / "in")
    table = tmp_path / "groups.csv"
    files = [path.relative_to(source).as_posix() for path in source.rglob("*.png")]
    table.write_text("\n".join(["file_name,group", *(f"{file},one" for file in files)]) + "\n")
    out = tmp_path / "out"
    balance_folder(source, out, method="duplicates", sampling_strategy={"clog": 6}, groups=str(table))
    found = evaluate_folder(out, device="cpu").report
    assert found.settings["n_groups"] is None
    assert found.warnings[-1].startswith("1 group of real images is too few to keep together, so real images are")


def test_a_file_that_is_not_as_the_manifest_says_is_told(out: Path) -> None:
    assert not any("manifest" in warning for warning in evaluate_folder(out).report.warnings)
    rows = [row for row in read_manifest(out / "manifest.csv") if row.origin == "drawn"]
    shutil.copyfile(out / rows[1].file, out / rows[0].file)
    warning = evaluate_folder(out).report.warnings[0]
    assert warning == f"not as the manifest says any more: {rows[0].file}. makeweight verify tells more"


def test_the_test_set_is_named_too(out: Path, tmp_path: Path) -> None:
    for number in range(4):
        paint(tmp_path / "test" / "clog" / f"{number}.png", seed=500 + number)
        paint(tmp_path / "test" / "=boot" / f"{number}.png", seed=600 + number)
    shutil.copy(tmp_path / "in" / "clog" / "1.png", tmp_path / "test" / "clog" / "leaked.png")
    data = evaluate_folder(out, test=tmp_path / "test", device="cpu").as_dict()
    assert [(copy["file"], copy["of"]) for copy in data["leak"]["shared"]] == [("clog/leaked.png", "images/clog/1.png")]
    assert {copy["of"] for copy in data["leak"]["copies"]} <= {"clog/leaked.png"}
    assert data["leak"]["n_test"] == 9


def test_a_test_set_of_arrays(out: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    arrays = {"X": random.integers(0, 256, (6, 8, 9), dtype=np.uint8), "y": np.array(["clog", "=boot"] * 3)}
    np.savez(tmp_path / "test.npz", **arrays)
    assert evaluate_folder(out, test=tmp_path / "test.npz", device="cpu").report.leak.n_test == 6
    np.savez(tmp_path / "test.npz", X=arrays["X"][:, :, :8], y=arrays["y"])
    with pytest.raises(InputError, match=r"test.npz holds images of shape \(8, 8\) and uint8, and the drawn ones are"):
        evaluate_folder(out, test=tmp_path / "test.npz", device="cpu")


def test_different_sizes_and_modes_are_brought_to_those_of_the_drawn_images(tmp_path: Path) -> None:
    fill(tmp_path / "in", mode="RGB")
    paint(tmp_path / "in" / "clog" / "large.png", size=(30, 30))
    balance_folder(tmp_path / "in", tmp_path / "out", method="duplicates", resize=10, mode="L")
    found = evaluate_folder(tmp_path / "out", device="cpu")
    assert (found.width, found.height) == (10, 10)
    assert found.report.settings["image_shape"] == [1, 10, 10]
    assert found.report.overall.n_copies["identical"] == found.report.overall.n_drawn


@pytest.mark.parametrize(
    ("form", "shape", "resize"),
    [
        ({"mode": "I;16"}, [1, 8, 9], None),
        ({"size": (80, 40)}, [1, 32, 64], None),
        ({"size": (5, 6), "mode": "RGB"}, [3, 8, 8], None),
        ({"size": (20, 10)}, [1, 16, 16], 16),
    ],
)
def test_depths_and_sizes(form: dict[str, object], shape: list[int], resize: int | None, tmp_path: Path) -> None:
    balance_folder(fill(tmp_path / "in", **form), tmp_path / "out", method="duplicates")
    found = evaluate_folder(tmp_path / "out", resize=resize, device="cpu")
    assert found.report.settings["image_shape"] == shape
    assert found.report.overall.n_copies["identical"] == found.report.overall.n_drawn


def test_target_keeps_what_networks_take() -> None:
    assert target(ImageSpec(20, 64, 1, "uint8", "L"), None).shape == (20, 64)
    assert target(ImageSpec(4, 500, 1, "uint16", "I;16"), None).shape == (8, 64)
    assert target(ImageSpec(20, 64, 3, "uint8", "RGB"), 100).shape == (100, 100, 3)


def test_progress_is_told(out: Path) -> None:
    class Hearing(Listener):
        heard: list[object] = []  # noqa: RUF012

        def stage(self, name: str) -> None:
            self.heard.append(name)

        def count(self, done: int, total: int) -> None:
            self.heard.append((done, total))

    evaluate_folder(out, device="cpu", listener=Hearing())
    stages = [each for each in Hearing.heard if isinstance(each, str)]
    assert stages == ["reading", "cross-fitting", "comparing"]
    assert Hearing.heard[-1] == (1, 1)
    assert (3, 3) in Hearing.heard


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda out: shutil.rmtree(out), "there is no manifest at"),
        (lambda out: (out / "images" / "clog" / "1.png").unlink(), "cannot be read: images/clog/1.png"),
        (lambda out: (out / "images" / "clog" / "1.png").write_bytes(b""), r"images/clog/1.png \(empty\)"),
        (lambda out: _keep(out, "drawn"), "holds no real images, so there is nothing to compare"),
        (lambda out: _keep(out, "real"), "holds no drawn images, so there is nothing to compare"),
        (lambda out: _rename(out), "outside images/: run makeweight verify"),
    ],
)
def test_folders_that_cannot_be_judged(change: object, words: str, out: Path) -> None:
    change(out)  # type: ignore[operator]
    with pytest.raises(InputError, match=words):
        evaluate_folder(out)


def _keep(out: Path, origin: str) -> None:
    lines = (out / "manifest.csv").read_text().splitlines(keepends=True)
    (out / "manifest.csv").write_text("".join([lines[0], *(line for line in lines[1:] if f",{origin}," in line)]))


def _rename(out: Path) -> None:
    text = (out / "manifest.csv").read_text()
    (out / "manifest.csv").write_text(text.replace("images/clog/1.png", "images/../../in/clog/1.png"))


@pytest.mark.parametrize("resize", [7, 129, 1024])
def test_sizes_that_networks_do_not_take_are_refused(resize: int, out: Path) -> None:
    words = rf"^images cannot be compared at {resize} pixels a side: give 8 to 128, as networks take\.$"
    with pytest.raises(InputError, match=words):
        evaluate_folder(out, resize=resize)


def test_test_images_are_put_on_the_scale_of_the_originals(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for label, n in (("a", 12), ("b", 10)):
        (tmp_path / "in" / label).mkdir(parents=True)
        (tmp_path / "test" / label).mkdir(parents=True)
        for number in range(n):
            pixels = random.uniform(-1000, 3000 if number else 9000, (8, 8)).astype(np.float32)
            Image.fromarray(pixels).save(tmp_path / "in" / label / f"{number}.tif")
        shutil.copy(tmp_path / "in" / label / "3.tif", tmp_path / "test" / label / "3.tif")
    balance_folder(tmp_path / "in", tmp_path / "out", method="smote", mode="L")
    leak = evaluate_folder(tmp_path / "out", test=tmp_path / "test").report.leak
    assert leak is not None
    assert [copy.kind for copy in leak.shared] == ["identical", "identical"]
