import csv
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from makeweight.balance import BalanceSummary, Listener, balance_folder, read_manifest, verify_folder
from makeweight.balance.drawn_images import read_pixels
from makeweight.data.inspect import inspect
from makeweight.errors import InputError
from makeweight.methods import get_method
from makeweight.sampler import load

Fill = Callable[..., None]
Contents = Callable[[Path], dict[str, bytes]]


def test_originals_are_copied_byte_for_byte_and_drawn_ones_added(
    shoes: Path, balanced: BalanceSummary, tmp_path: Path, contents: Contents
) -> None:
    out = tmp_path / "out"
    assert sorted(os.listdir(out)) == ["images", "manifest.csv", "model", "report.html", "samples.png"]
    assert sorted(os.listdir(out / "images")) == ["boot", "clog", "sandal"]
    written = contents(out / "images")
    assert {name: written[name] for name in contents(shoes)} == contents(shoes)
    assert Counter(name.split("/")[0] for name in written) == {"boot": 12, "clog": 12, "sandal": 12}
    assert sorted(written.keys() - contents(shoes).keys())[0] == f"clog/drawn-duplicates-s{balanced.seed}-000000.png"
    assert [(c.label, c.real, c.drawn, c.total) for c in balanced.classes] == [
        ("boot", 12, 0, 12),
        ("clog", 2, 10, 12),
        ("sandal", 5, 7, 12),
    ]
    assert balanced.small_classes == ["clog", "sandal"]
    assert sorted(os.listdir(tmp_path)) == ["out", "shoes"]


def test_manifest_and_marks_tell_the_same_story(balanced: BalanceSummary, contents: Contents) -> None:
    out = balanced.out
    rows = read_manifest(out / "manifest.csv")
    assert {row.file for row in rows} == {f"images/{name}" for name in contents(out / "images")}
    assert all(sha256((out / row.file).read_bytes()).hexdigest() == row.sha256 for row in rows)
    assert Counter(row.origin for row in rows) == {"real": 19, "drawn": 17}
    for row in rows:
        if row.origin == "real":
            assert (row.method, row.seed, row.row, row.model_hash, row.settings_hash) == ("", None, None, "", "")
            assert row.file == f"images/{row.label}/{row.source}"
            continue
        assert (row.method, row.seed, row.model_hash) == ("duplicates", balanced.seed, balanced.model_hash)
        assert row.settings_hash == balanced.settings_hash
        with Image.open(out / row.file) as image:
            assert (image.mode, image.size) == ("L", (9, 8))
            assert image.text["makeweight"] == "drawn"  # type: ignore[attr-defined]
            assert image.text["row"] == str(row.row)  # type: ignore[attr-defined]
            assert image.text["label"] == row.label  # type: ignore[attr-defined]
            assert image.text["model_hash"] == balanced.model_hash  # type: ignore[attr-defined]


def test_drawn_images_are_those_of_fit_resample(shoes: Path, balanced: BalanceSummary) -> None:
    X = np.stack([np.asarray(Image.open(path)) for path in sorted(shoes.glob("*/*.png"))])
    y = np.array([path.parent.name for path in sorted(shoes.glob("*/*.png"))])
    X_res, y_res = get_method("duplicates")(random_state=7).fit_resample(X, y)
    drawn = [row for row in read_manifest(balanced.out / "manifest.csv") if row.origin == "drawn"]
    assert [row.label for row in drawn] == y_res[len(X) :].tolist()
    assert all((read_pixels(balanced.out / row.file) == x).all() for row, x in zip(drawn, X_res[len(X) :], strict=True))


def test_the_model_goes_on_where_the_folder_ends(balanced: BalanceSummary) -> None:
    model = load(balanced.out / "model")
    assert model.model_hash_ == balanced.model_hash
    assert model.rows_drawn_ == {"boot": 0, "clog": 10, "sandal": 7}


def test_equal_seeds_give_equal_bytes(
    shoes: Path, balanced: BalanceSummary, tmp_path: Path, contents: Contents
) -> None:
    balance_folder(shoes, tmp_path / "again", method="duplicates", seed=7)
    balance_folder(shoes, tmp_path / "other", method="duplicates", seed=8)
    assert contents(tmp_path / "again") == contents(balanced.out)
    assert contents(tmp_path / "other") != contents(balanced.out)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "I;16"])
def test_drawn_images_have_the_originals_mode_and_depth(mode: str, tmp_path: Path, fill: Fill) -> None:
    fill(tmp_path / "in" / "a", 3, mode=mode)
    fill(tmp_path / "in" / "b", 1, mode=mode)
    balance_folder(tmp_path / "in", tmp_path / "out", method="smote" if mode == "RGB" else "duplicates")
    drawn = sorted((tmp_path / "out" / "images" / "b").glob("drawn-*"))
    assert len(drawn) == 2
    with Image.open(drawn[0]) as image:
        assert (image.mode, image.size) == (mode, (9, 8))


@pytest.mark.parametrize("method", ["duplicates", "smote"])
@pytest.mark.parametrize("size", [(16, 3), (3, 16), (4, 4), (9, 1)])
def test_sides_that_could_be_channels_leave_nothing_open(
    size: tuple[int, int], method: str, tmp_path: Path, fill: Fill
) -> None:
    fill(tmp_path / "in" / "a", 3, mode="RGB", size=size)
    fill(tmp_path / "in" / "b", 2, mode="RGB", size=size)
    balance_folder(tmp_path / "in", tmp_path / "out", method=method)
    (drawn,) = (tmp_path / "out" / "images" / "b").glob("drawn-*")
    with Image.open(drawn) as image:
        assert (image.mode, image.size) == ("RGB", size)
    assert load(tmp_path / "out" / "model").channels == "last"


def test_aggan_draws_what_was_asked_for(tmp_path: Path, fill: Fill) -> None:
    fill(tmp_path / "in" / "a", 12, size=(9, 8))
    fill(tmp_path / "in" / "b", 10, size=(9, 8), seed=1)
    steps: list[int] = []

    class Steps(Listener):
        def step(self, report: object) -> None:
            steps.append(report.step)  # type: ignore[attr-defined]

    summary = balance_folder(
        tmp_path / "in",
        tmp_path / "out",
        sampling_strategy={"b": 13},
        n_steps=2,
        precision="32-true",
        device="cpu",
        listener=Steps(),
    )
    assert summary.method == "aggan"
    assert steps == [1, 2]
    (kept,) = summary.classes[:1]
    assert (kept.label, kept.drawn, summary.classes[1].drawn) == ("a", 0, 3)
    model = load(tmp_path / "out" / "model", device="cpu")
    rows = [row for row in read_manifest(tmp_path / "out" / "manifest.csv") if row.origin == "drawn"]
    again = model.draw("b", [2, 0, 1], seed=summary.seed)
    assert all((read_pixels(tmp_path / "out" / rows[i].file) == x).all() for i, x in zip((2, 0, 1), again, strict=True))

    further = balance_folder(
        tmp_path / "in", tmp_path / "out2", from_model=tmp_path / "out", n_steps=1, precision="32-true", device="cpu"
    )
    assert further.model_hash != summary.model_hash
    assert load(tmp_path / "out2" / "model", device="cpu").players_.n_steps == 3  # type: ignore[attr-defined]


def test_resized_images_come_back_to_the_originals_size(tmp_path: Path, fill: Fill) -> None:
    fill(tmp_path / "in" / "a", 3, size=(20, 12))
    fill(tmp_path / "in" / "b", 1, size=(20, 12))
    balance_folder(tmp_path / "in", tmp_path / "same", method="duplicates", resize=8)
    assert _sizes(tmp_path / "same") == {(20, 12)}

    fill(tmp_path / "in" / "a", 1, size=(10, 10))
    balance_folder(tmp_path / "in", tmp_path / "differ", method="duplicates", resize=8)
    assert _sizes(tmp_path / "differ") == {(8, 8)}


def test_only_train_is_learnt_from_and_balanced(shoes: Path, tmp_path: Path, fill: Fill) -> None:
    fill(tmp_path / "split" / "test" / "slipper", 3)
    shutil.move(shoes, tmp_path / "split" / "train")
    balance_folder(tmp_path / "split", tmp_path / "out", method="duplicates")
    assert sorted(os.listdir(tmp_path / "out" / "images")) == ["boot", "clog", "sandal"]
    assert (tmp_path / "split" / "test" / "slipper" / "0.png").exists()


def test_subfolders_are_flattened_and_tables_followed(tmp_path: Path, fill: Fill, contents: Contents) -> None:
    fill(tmp_path / "in" / "x" / "deep", 3)
    fill(tmp_path / "in" / "y", 1)
    with (tmp_path / "in" / "metadata.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "label"])
        writer.writerows([[f"x/deep/{i}.png", "a:1"] for i in range(3)] + [["y/0.png", "=b"]])
    balance_folder(tmp_path / "in", tmp_path / "out", method="duplicates")
    names = sorted(contents(tmp_path / "out" / "images"))
    assert names[0] == "=b/" + names[0].split("/")[1]
    assert "a%3A1/x__deep__0.png" in names
    rows = read_manifest(tmp_path / "out" / "manifest.csv")
    assert {row.label for row in rows} == {"a:1", "=b"}
    assert rows[-1].label == "=b"
    assert "'=b" in (tmp_path / "out" / "manifest.csv").read_text()


def test_an_archive_of_arrays_is_written_as_pngs(tmp_path: Path) -> None:
    X = np.random.default_rng(0).random((5, 8, 9)).astype(np.float32)
    np.savez(tmp_path / "set.npz", X=X, y=np.array([0, 0, 0, 1, 1]))
    balance_folder(tmp_path / "set.npz", tmp_path / "out", method="duplicates")
    real = {read_pixels(path).tobytes() for path in (tmp_path / "out" / "images" / "1").glob("0*.png")}
    (drawn,) = (tmp_path / "out" / "images" / "1").glob("drawn-*")
    assert len(real) == 2
    assert read_pixels(drawn).tobytes() in real


def test_links_share_their_bytes_with_the_originals(shoes: Path, tmp_path: Path) -> None:
    balance_folder(shoes, tmp_path / "out", method="duplicates", link=True)
    assert (tmp_path / "out" / "images" / "boot" / "0.png").samefile(shoes / "boot" / "0.png")
    balance_folder(shoes, tmp_path / "out", method="duplicates", overwrite=True)
    assert not (tmp_path / "out" / "images" / "boot" / "0.png").samefile(shoes / "boot" / "0.png")
    assert (shoes / "boot" / "0.png").exists()


def test_an_output_with_a_foreign_file_is_not_overwritten(
    balanced: BalanceSummary, shoes: Path, contents: Contents
) -> None:
    (balanced.out / "notes.txt").touch()
    before = contents(balanced.out)
    with pytest.raises(
        InputError, match=r"does not look like an output of makeweight \(it holds notes\.txt\), so it is"
    ):
        balance_folder(shoes, balanced.out, method="duplicates", overwrite=True)
    assert contents(balanced.out) == before
    (balanced.out / "notes.txt").unlink()
    (balanced.out / "manifest.csv").write_text("mine")
    with pytest.raises(InputError, match=r"\(it lacks images/ or a manifest\.csv of makeweight\)"):
        balance_folder(shoes, balanced.out, method="duplicates", overwrite=True)


def test_bad_files_are_left_out_where_asked_for(shoes: Path, tmp_path: Path) -> None:
    (shoes / "boot" / "broken.png").write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match=r"broken\.png"):
        balance_folder(shoes, tmp_path / "out", method="duplicates")
    summary = balance_folder(shoes, tmp_path / "out", method="duplicates", skip_bad=True)
    assert [bad.file for bad in summary.skipped] == ["boot/broken.png"]
    assert not (tmp_path / "out" / "images" / "boot" / "broken.png").exists()


@pytest.mark.parametrize("added", ["model/notes.txt", "fallback/notes.txt"])
def test_files_of_others_beside_a_model_are_not_replaced(balanced: BalanceSummary, shoes: Path, added: str) -> None:
    (balanced.out / "fallback").mkdir()
    (balanced.out / added).write_text("mine")
    with pytest.raises(InputError, match=f"it holds {added}"):
        balance_folder(shoes, balanced.out, method="duplicates", overwrite=True)
    assert (balanced.out / added).read_text() == "mine"


@pytest.mark.parametrize("options", [{}, {"resize": 8}])
@pytest.mark.parametrize(("low", "high"), [(0.0, 300.0), (-1000.0, 3000.0), (0.0, 1.0), (0.0, 255.0)])
def test_drawn_images_are_as_bright_as_the_originals_of_an_array_of_floats(
    low: float, high: float, options: dict[str, Any], tmp_path: Path
) -> None:
    """A few pixels reach far; resizing, and a class by itself, never see them."""
    X = np.random.default_rng(0).uniform(low + 0.4 * (high - low), low + 0.6 * (high - low), (24, 16, 16))
    X[0, 0, :2] = low, high
    np.savez(tmp_path / "floats.npz", X=X, y=["many"] * 18 + ["few"] * 6)
    found = balance_folder(tmp_path / "floats.npz", tmp_path / "out", method="duplicates", **options)
    few = sorted((found.out / "images" / "few").iterdir())
    pixels = {path.name: read_pixels(path) for path in few}
    real, drawn = (
        np.concatenate([each.ravel() for name, each in pixels.items() if name.startswith("drawn-") is is_drawn])
        for is_drawn in (False, True)
    )
    assert real.mean() == pytest.approx(127.5, abs=4)
    assert drawn.mean() == pytest.approx(real.mean(), abs=4)
    assert len(np.unique(real)) > 40
    assert verify_folder(found.out).good


class Notes(Listener):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def note(self, text: str) -> None:
        self.told.append(text)


def test_drawn_images_are_known_by_their_mark_under_any_name(
    balanced: BalanceSummary, shoes: Path, tmp_path: Path
) -> None:
    drawn = sorted((balanced.out / "images" / "clog").glob("drawn-*"))
    for number, image in enumerate(drawn[:3]):
        shutil.copy(image, shoes / "clog" / f"innocent-{number}.png")
    heard = Notes()
    balance_folder(shoes, tmp_path / "more", method="duplicates", listener=heard)
    (note,) = heard.told
    assert note.startswith("3 images of the input named drawn-* or marked as drawn by an earlier run")
    assert "Images that makeweight drew, by the mark in their files: 3." in inspect(shoes).notes


def test_what_inspect_notes_of_the_files_is_told(shoes: Path, tmp_path: Path) -> None:
    (shoes / "clog" / "0.png").rename(shoes / "clog" / "0.jpg")
    heard = Notes()
    balance_folder(shoes, tmp_path / "more", method="duplicates", listener=heard)
    assert heard.told == ["files whose suffix promises another format, which are read all the same: 1"]


@pytest.mark.parametrize(("n_steps", "told"), [(2, True), (3, False)])
def test_a_training_too_short_to_expect_much_of_says_so(
    n_steps: int, told: bool, shoes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("makeweight.training_sampler.FEWEST_STEPS", 3)
    heard, settings = Notes(), {"batch_size": "4"}
    balance_folder(shoes, tmp_path / "out", method="acgan", n_steps=n_steps, settings=settings, listener=heard)
    sentence = "ACGAN learnt for 2 steps, and takes 9,000 unless told otherwise: what it draws may be"
    assert any(each.startswith(sentence) for each in heard.told) == told
    assert (sentence in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")) == told
    model = tmp_path / "out" / "model"
    balance_folder(shoes, tmp_path / "on", from_model=model, n_steps=1, listener=(onward := Notes()))
    assert onward.told == []


def test_a_balanced_folder_can_be_balanced_again_and_says_so(balanced: BalanceSummary, tmp_path: Path) -> None:
    heard = Notes()
    images = balanced.out / "images"
    balance_folder(
        images, tmp_path / "more", method="duplicates", sampling_strategy={"clog": 20}, seed=7, listener=heard
    )
    assert heard.told == [
        "17 images of the input named drawn-* or marked as drawn by an earlier run; "
        "they are learnt from as if they were real"
    ]
    clogs = os.listdir(tmp_path / "more" / "images" / "clog")
    assert len(clogs) == 20
    assert sum(name.startswith("in__drawn-") for name in clogs) == 10
    assert sum(name.startswith("drawn-") for name in clogs) == 8


def test_an_interruption_leaves_nothing(shoes: Path, tmp_path: Path) -> None:
    class Impatient(Listener):
        def stage(self, name: str) -> None:
            if name == "drawing":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        balance_folder(shoes, tmp_path / "out", method="duplicates", listener=Impatient())
    assert os.listdir(tmp_path) == ["shoes"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "magic"}, "no method called 'magic'"),
        ({"method": "duplicates", "n_steps": 5}, "duplicates does not train: leave out --steps"),
        ({"method": "duplicates", "device": "cpu"}, "duplicates does not train: leave out --steps"),
        ({"n_steps": 5, "budget": 9.0}, "the training has one length: give one of --steps, --epochs and --budget"),
        ({"n_steps": 0}, "n_steps=0 is no length of a training: give a number above 0"),
        ({"from_model": "nowhere"}, "nowhere does not exist: give the folder model/ of an output"),
        ({"from_model": "."}, r"\. holds no model of makeweight"),
        ({"device": "abacus", "n_steps": 1}, "device='abacus' is impossible"),
    ],
)
def test_settings_that_cannot_be_met(
    options: dict[str, object], message: str, shoes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shoes)
    with pytest.raises(InputError, match=message):
        balance_folder(shoes, tmp_path / "out", **options)  # type: ignore[arg-type]
    assert os.listdir(tmp_path) == ["shoes"]


def test_sizes_out_of_the_networks_reach_are_refused_early(tmp_path: Path, fill: Fill) -> None:
    fill(tmp_path / "in" / "a", 2, size=(129, 20))
    fill(tmp_path / "in" / "b", 1, size=(129, 20))
    with pytest.raises(
        InputError, match=r"^in: images of 129×20 pixels are outside the 8 to 128 .*--resize 128, or 64"
    ):
        balance_folder(tmp_path / "in", tmp_path / "out")
    assert os.listdir(tmp_path) == ["in"]


def test_a_model_that_is_gone_on_with_is_not_overwritten_in_place(balanced: BalanceSummary, shoes: Path) -> None:
    with pytest.raises(InputError, match="lies inside the input"):
        balance_folder(shoes, balanced.out / "model" / "new", from_model=balanced.out)
    with pytest.raises(InputError, match="the model is one of duplicates, not of aggan"):
        balance_folder(shoes, balanced.out.with_name("new"), from_model=balanced.out, method="aggan")
    assert json.loads((balanced.out / "model" / "model.json").read_text())["method"] == "duplicates"


def _sizes(out: Path) -> set[tuple[int, int]]:
    return {read_pixels(path).shape[::-1] for path in (out / "images").rglob("drawn-*")}


def test_attributes_of_a_table_are_the_conditions(tmp_path: Path) -> None:
    faces, pixels = tmp_path / "faces", np.random.default_rng(0).integers(0, 256, (7, 8, 8), dtype=np.uint8)
    faces.mkdir()
    values = [(1, 1), (1, 1), (1, 1), (0, 1), (0, 1), (0, 0), (0, 0)]
    lines = [f"{i}.png,{blond},{male}" for i, (blond, male) in enumerate(values)]
    (faces / "metadata.csv").write_text("\n".join(["file_name,blond,male", *lines]))
    for i, image in enumerate(pixels):
        Image.fromarray(image).save(faces / f"{i}.png")
    found = balance_folder(faces, tmp_path / "out", method="ca_gan", n_steps=1, settings={"batch_size": "4"})
    assert [(c.label, c.real, c.drawn) for c in found.classes] == [("blond+male", 3, 0), ("male", 2, 1), ("none", 2, 1)]
    model = load(tmp_path / "out" / "model")
    assert [list(row) for row in model.head.attributes] == [[1, 1], [0, 1], [0, 0]]
    assert model.draw("male", range(2)).shape == (2, 8, 8)
    assert len(model.players_.discriminator.network.conditions.weight) == 4
    balance_folder(faces, tmp_path / "plain", method="lsgan", n_steps=1, settings={"batch_size": "4"})
    assert load(tmp_path / "plain" / "model").settings["head"]["name"] == "auxiliary_classifier"


@pytest.mark.parametrize("seed", [-1, 2**31, 1.5])
def test_a_seed_out_of_range_is_refused(seed: Any, shoes: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"^seed={seed} is impossible: it must be"):
        balance_folder(shoes, tmp_path / "out", method="duplicates", seed=seed)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("added", ["images/boot/mine.png", "images/mine/0.png"])
def test_an_output_that_holds_more_is_not_replaced(added: str, balanced: BalanceSummary, shoes: Path) -> None:
    mine = balanced.out / added
    mine.parent.mkdir(exist_ok=True)
    mine.write_bytes(b"mine")
    with pytest.raises(InputError, match=rf"it holds {added}, which its manifest does not name"):
        balance_folder(shoes, balanced.out, method="duplicates", overwrite=True)
    assert mine.read_bytes() == b"mine"


def test_what_decided_what_was_learnt_is_told(shoes: Path, tmp_path: Path) -> None:
    short = {"method": "acgan", "n_steps": 2, "settings": {"batch_size": "8"}, "device": "cpu"}
    first = balance_folder(shoes, tmp_path / "first", **short)
    assert not (tmp_path / "first" / "balance.json").exists()
    (shoes / "boot" / "broken.png").write_bytes(b"no image")
    (shoes / "clog" / "0.png").rename(shoes / "clog" / "drawn-0.png")
    asked = {"resize": 8, "mode": "L", "skip_bad": True}
    first = balance_folder(shoes, tmp_path / "one", **short, **asked)
    later = {**short, **asked, "method": None, "settings": None, "from_model": first.out}
    balance_folder(shoes, tmp_path / "two", **later)
    told = json.loads((tmp_path / "two" / "balance.json").read_text())["run"]
    assert told.pop("left_out")[0].startswith("boot/broken.png (")
    assert told == {"from_model": first.model_hash, "resize": 8, "mode": "L", "drawn_before": 1}
    report = (tmp_path / "two" / "report.html").read_text()
    words = f"all classes together, and went on from the model {first.model_hash}, which had learnt from images before"
    for fact in (
        words,
        "1 of them was drawn by an earlier run",
        "Learnt at pixels a side",
        "Left out (1)",
        "boot/broken.png",
    ):
        assert fact in report
    assert balance_folder(shoes, tmp_path / "two", **later, resume=True).was_finished
    for change, other in (
        ({"from_model": tmp_path / "two"}, "model to go on from"),
        ({"resize": 9}, "size"),
        ({"mode": "RGB"}, "mode"),
    ):
        with pytest.raises(InputError, match=rf"is the finished output of another run \({other}\)"):
            balance_folder(shoes, tmp_path / "two", **{**later, **change}, resume=True)


def test_a_gan_for_each_class_is_not_said_to_learn_all_together(shoes: Path, tmp_path: Path) -> None:
    balance_folder(shoes, tmp_path / "out", method="class_dcgan", n_steps=3, settings={"batch_size": "4"}, device="cpu")
    report = (tmp_path / "out" / "report.html").read_text()
    assert "the networks learnt each class by itself" in report
    assert "all classes together" not in report


def test_classes_that_look_alike_are_told(shoes: Path, fill: Fill, tmp_path: Path) -> None:
    fill(shoes / "Boot", 3, seed=9)
    heard: list[str] = []
    listener = Listener()
    listener.note = heard.append  # type: ignore[method-assign]
    balance_folder(shoes, tmp_path / "out", method="duplicates", listener=listener)
    assert heard[0].startswith(
        "classes whose names look alike: Boot and boot; where a disk or an archive does not tell"
    )
