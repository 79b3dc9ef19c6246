import json
import shutil

import numpy as np
import pytest
from PIL import Image

from makeweight.data.folders import BadFile
from makeweight.data.inspect import Copies, Inspection, inspect, sections
from makeweight.errors import InputError


def test_a_sound_folder(shoes):
    found = inspect(shoes)
    assert found.name == "shoes"
    assert found.counts == {"boot": 3, "sandal": 2}
    assert found.n_images == 5
    assert found.imbalance_ratio == 1.5
    assert found.sizes == {(8, 10): 5}
    assert found.modes == {"L": 5}
    assert found.small_classes == {"boot": 3, "sandal": 2}
    assert found.n_bytes == sum(path.stat().st_size for path in shoes.rglob("*.png"))
    assert found.bad_files == found.copies == found.problems == found.notes == []
    assert found.ignored == found.other_splits == {}


def test_what_open_source_refuses_is_reported(shoes, paint):
    paint(shoes / "boot/big.png", 7, size=(20, 20))
    paint(shoes / "boot/colour.png", 8, mode="RGB")
    (shoes / "sandal/empty.png").touch()
    (shoes / "clog").mkdir()
    (shoes / "clog/lost.png").write_bytes(b"nothing")
    found = inspect(shoes)
    assert found.counts == {"boot": 5, "clog": 0, "sandal": 2}
    assert found.imbalance_ratio == 2.5
    assert found.sizes == {(8, 10): 6, (20, 20): 1}
    assert found.modes == {"L": 6, "RGB": 1}
    assert [bad.file for bad in found.bad_files] == ["clog/lost.png", "sandal/empty.png"]
    assert found.bad_files[1] == BadFile("sandal/empty.png", "empty")
    offers = ("--skip-bad", "no image of clog can be read", "--mode", "--resize")
    assert len(found.problems) == len(offers)
    assert all(offer in problem for offer, problem in zip(offers, found.problems, strict=True))
    assert found.needs_mending
    found = inspect(shoes, resize=16, mode="RGB", skip_bad=True)
    assert [problem for problem in found.problems if "no image of clog can be read" not in problem] == []
    assert found.needs_mending
    shutil.rmtree(shoes / "clog")
    found = inspect(shoes, resize=16, mode="L", skip_bad=True)
    assert (found.problems, found.needs_mending, found.channels) == ([], False, 1)
    assert [bad.file for bad in found.bad_files] == ["sandal/empty.png"]
    assert not inspect(shoes, skip_bad=True).needs_mending


def test_sizes_and_modes_that_images_cannot_be_brought_to(shoes):
    with pytest.raises(InputError, match=r"^images cannot be resized to 0: "):
        inspect(shoes, resize=0)


def test_the_table_of_labels_is_no_other_file(tmp_path, paint):
    root = tmp_path / "images"
    for number, place in enumerate(("a.png", "below/b.png", "c.png")):
        paint(root / place, number)
    rows = "file_name,label\na.png,boot\nbelow/b.png,clog\nc.png,clog\n"
    (root / "metadata.csv").write_text(rows)
    assert inspect(root).ignored == {}
    (root / "below" / "other.csv").write_text(rows)
    assert inspect(root).ignored == {".csv": 1}
    assert inspect(root, labels="below/other.csv").ignored == {".csv": 1}
    (tmp_path / "link").symlink_to(root)
    assert inspect(tmp_path / "link", labels=root / "metadata.csv").ignored == {".csv": 1}
    (tmp_path / "outside.csv").write_text(rows)
    assert inspect(root, labels=tmp_path / "outside.csv").ignored == {".csv": 2}


def test_one_class_is_a_problem_and_no_refusal(tmp_path, paint):
    paint(tmp_path / "boot/a.png")
    found = inspect(tmp_path)
    assert found.problems == [f"{tmp_path} holds one class only (boot): balancing needs at least two."]
    assert found.imbalance_ratio == 1


def test_nothing_to_inspect(tmp_path):
    with pytest.raises(InputError, match="holds no images"):
        inspect(tmp_path)


def test_only_bad_files(tmp_path):
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot/a.png").touch()
    found = inspect(tmp_path)
    assert found.counts == {"boot": 0}
    assert found.imbalance_ratio == 1
    assert [section.title for section in sections(found)] == ["Classes", "Files that cannot be used", "Problems"]


def test_identical_files_within_and_across(shoes, paint):
    root = shoes.parent / "root"
    root.mkdir()
    shoes.rename(root / "train")
    train, test = root / "train", root / "test"
    paint(test / "boot/9.png", 9)
    paint(test / "boot/10.png", 9)
    shutil.copy(train / "boot/a.png", train / "boot/copy.png")
    shutil.copy(train / "boot/b.png", train / "sandal/copy.png")
    shutil.copy(train / "boot/c.png", test / "boot/leak.png")
    found = inspect(root)
    assert found.other_splits == {"test": 3}
    groups = {group.kind: group for group in found.copies}
    assert len(found.copies) == 3
    assert groups["within a class"].files == ("train/boot/a.png", "train/boot/copy.png")
    assert groups["across classes"].classes == ("boot", "sandal")
    assert groups["across splits"] == Copies(("train/boot/c.png", "test/boot/leak.png"), ("boot",), ("test", "train"))


def test_class_of_ten_is_not_small(tmp_path, paint):
    for number in range(10):
        paint(tmp_path / "a" / f"{number}.png", number)
        if number:
            paint(tmp_path / "b" / f"{number}.png", number)
    assert inspect(tmp_path).small_classes == {"b": 9}


def test_notes_and_ignored_files(shoes, paint):
    paint(shoes / "stray.png")
    (shoes / "boot/Thumbs.db").touch()
    (shoes / "boot/a.png").rename(shoes / "boot/a.jpg")
    pages = [Image.new("L", (10, 8), grey) for grey in (1, 2)]
    pages[0].save(shoes / "boot/pages.tif", save_all=True, append_images=pages[1:])
    found = inspect(shoes)
    assert found.ignored == {".db": 1}
    assert found.notes == [
        "Images beside the class folders are not used: 1.",
        "Files with several frames or pages, of which the first is read: 1.",
        "Files whose suffix promises another format, which are read all the same: 1.",
    ]


def test_arrays(tmp_path):
    X = np.random.default_rng(0).random((12, 8, 9), dtype=np.float32)
    X[5] = X[1]
    X[11] = X[0]
    np.savez(tmp_path / "a.npz", X=X, y=np.repeat(["x", "y"], [10, 2]), X_test=X[:3])
    found = inspect(tmp_path / "a.npz")
    assert found.counts == {"x": 10, "y": 2}
    assert found.sizes == {(8, 9): 12}
    assert found.modes == {"float32": 12}
    assert found.imbalance_ratio == 5
    assert [(group.kind, group.files) for group in found.copies] == [
        ("across classes", ("000000.png", "000011.png")),
        ("within a class", ("000001.png", "000005.png")),
    ]
    assert found.other_splits == {"test": 3}
    assert found.problems == []


def test_progress_is_reported(shoes):
    calls = []
    inspect(shoes, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(done, 5) for done in range(1, 6)]


def test_plain_data(shoes):
    (shoes / "boot/empty.png").touch()
    shutil.copy(shoes / "boot/a.png", shoes / "boot/copy.png")
    plain = json.loads(json.dumps(inspect(shoes).as_dict()))
    assert plain["classes"] == {"boot": 4, "sandal": 2}
    assert plain["imbalance_ratio"] == 2
    assert plain["sizes"] == [{"width": 10, "height": 8, "images": 6}]
    assert plain["bad_files"] == [{"file": "boot/empty.png", "reason": "empty"}]
    assert plain["copies"] == [{"kind": "within a class", "files": ["boot/a.png", "boot/copy.png"]}]


def test_sections_are_safe_to_print():
    found = Inspection(
        "shoes",
        {"bo\x1bot": 1200, "sandal": 3, "clog": 0, "slipper": 1},
        {(8, 10): 1203},
        {"I;16": 1203},
        1,
        bad_files=[BadFile("clog/\udcff.png", "empty")],
        copies=[Copies(("a/1.png", "b/1.png"), ("a", "b"), ("train",))],
        other_splits={"test": 7},
        notes=["Something."],
        problems=["Something else."],
    )
    by_title = {section.title: section for section in sections(found)}
    small = "fewer than ten: too few to learn any variety from"
    assert by_title["Classes"].rows == [
        ("bo\\x1bot", "1,200", "1", ""),
        ("sandal", "3", "400", small),
        ("clog", "0", "–", small),
        ("slipper", "1", "1200", "one image: it can only be copied"),
    ]
    assert by_title["Sizes"].rows == [("10×8", "1,203")]
    assert by_title["Modes"].rows == [("I;16 (16-bit grey)", "1,203")]
    assert by_title["Files that cannot be used"].rows == [("clog/\\udcff.png", "empty")]
    assert by_title["Identical files"].rows == [("across classes", "a/1.png, b/1.png")]
    assert "Files that are no images" not in by_title
    assert all(len(row) == len(section.columns) for section in by_title.values() for row in section.rows)
