import ntpath
import os
from pathlib import Path

import pytest

from makeweight.data import folders
from makeweight.data.folders import BadFile, list_folder
from makeweight.data.source import open_source
from makeweight.errors import InputError


def names(root: Path, labels: Path | None = None) -> list[tuple[str, str]]:
    return [(entry.label, entry.file) for entry in list_folder(root, labels).entries]


def test_listing_opens_no_image(tmp_path):
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.png").write_bytes(b"nonsense")
    assert names(tmp_path) == [("a", "1.png"), ("b", "1.png")]


def test_nested_folders_belong_to_their_class(shoes, paint):
    paint(shoes / "boot/left/old/a.png", 7)
    paint(shoes / "boot/right/a.png", 8)
    assert [file for label, file in names(shoes) if label == "boot"] == [
        "a.png",
        "b.png",
        "c.png",
        "left/old/a.png",
        "right/a.png",
    ]
    assert len(open_source(shoes).load()) == 7


@pytest.mark.parametrize(
    "label", ["ankle boot", "Stiefel für Köln", "-dash", "--link", "靴", "a=b,c", "'quoted'", "%s{0}"]
)
def test_class_names_of_any_kind(shoes, label):
    (shoes / "boot").rename(shoes / label)
    source = open_source(shoes)
    assert source.counts == {label: 3, "sandal": 2}
    assert source.load().shape == (5, 8, 10)


def test_class_names_that_would_break_a_line(shoes):
    (shoes / "boot").rename(shoes / "bo\x1bot\n")
    with pytest.raises(InputError) as caught:
        list_folder(shoes)
    assert str(caught.value) == (
        f"the name of the class folder {shoes}/bo\\x1bot\\n holds control characters: rename the folder."
    )


def test_names_that_are_no_text(shoes):
    folder = os.fsencode(shoes / "boot")
    os.rename(folder + b"/a.png", folder + b"/\xff.png")
    listing = list_folder(shoes)
    assert len(listing.entries) == 4
    assert [str(bad) for bad in listing.troubles] == ["boot/\\udcff.png (its name is no valid UTF-8: rename it)"]
    with pytest.raises(InputError, match="rename it"):
        open_source(shoes)
    assert open_source(shoes, skip_bad=True).counts == {"boot": 2, "sandal": 2}
    os.rename(folder, os.fsencode(shoes) + b"/\xff")
    with pytest.raises(InputError, match=r"\\udcff is no valid UTF-8: rename the folder"):
        list_folder(shoes)


def test_what_is_left_aside(shoes, paint):
    (shoes / "boot/Thumbs.db").touch()
    (shoes / "boot/.DS_Store").touch()
    (shoes / "boot/notes.TXT").touch()
    (shoes / "README").touch()
    paint(shoes / "boot/.hidden.png")
    paint(shoes / ".trash/a.png")
    paint(shoes / "__MACOSX/a.png")
    paint(shoes / "boot/@eaDir/a.png")
    paint(shoes / "stray.png")
    (shoes / "clog/inner").mkdir(parents=True)
    listing = list_folder(shoes)
    assert len(listing.entries) == 5
    assert listing.ignored == {".db": 1, ".txt": 1, "README": 1}
    assert listing.stray == 1
    assert listing.empty_classes == ["clog"]
    assert open_source(shoes).notes == [
        "Folders without images are left out: clog.",
        "Images beside the class folders are not used: 1.",
    ]


def test_equal_stems_are_two_images(shoes, paint):
    paint(shoes / "boot/a.jpg", 7)
    paint(shoes / "boot/a.PNG", 8)
    assert [file for label, file in names(shoes) if label == "boot"][:3] == ["a.PNG", "a.jpg", "a.png"]


def test_links_cannot_loop(shoes):
    (shoes / "boot/up").symlink_to(shoes)
    (shoes / "boot/here").symlink_to(shoes / "boot")
    (shoes / "around").symlink_to(shoes)
    (shoes / "above").symlink_to(shoes.parent)
    (shoes / "self").symlink_to(shoes / "self")
    (shoes / "boot/self").symlink_to(shoes / "boot/self")
    (shoes / "boot/deep").mkdir()
    (shoes / "boot/deep/back").symlink_to(shoes / "boot/deep")
    assert len(names(shoes)) == 5


def test_linked_files_and_folders_are_followed(shoes, tmp_path, paint):
    paint(tmp_path / "store/x.png", 7)
    (shoes / "clog").symlink_to(tmp_path / "store")
    (shoes / "boot/x.png").symlink_to(tmp_path / "store/x.png")
    assert ("clog", "x.png") in names(shoes)
    assert ("boot", "x.png") in names(shoes)
    (tmp_path / "door").symlink_to(shoes)
    assert names(tmp_path / "door") == names(shoes)


def test_a_broken_link_is_a_bad_file(shoes):
    (shoes / "boot/x.png").symlink_to(shoes / "nowhere.png")
    with pytest.raises(InputError, match=r"boot/x\.png \(broken link\)"):
        open_source(shoes)


def test_a_pipe_is_no_image(shoes):
    os.mkfifo(shoes / "boot/pipe.png")
    assert len(names(shoes)) == 5


# Splits


@pytest.mark.parametrize("train", ["train", "Training"])
def test_only_train_is_learnt_from(shoes, paint, train):
    root = shoes.parent / "root"
    root.mkdir()
    shoes.rename(root / train)
    paint(root / "test/boot/1.png", 21)
    paint(root / "val/boot/1.png", 22)
    paint(root / "val/boot/2.png", 23)
    source = open_source(root)
    assert source.counts == {"boot": 3, "sandal": 2}
    assert source.other_splits == {"test": 1, "val": 2}
    assert source.name == "root"


def test_train_alone_is_a_split(shoes):
    root = shoes.parent / "root"
    root.mkdir()
    shoes.rename(root / "train")
    assert open_source(root).counts == {"boot": 3, "sandal": 2}


def test_train_may_be_a_class(tmp_path, paint):
    for label in ("bus", "train"):
        paint(tmp_path / label / "a.png")
    assert open_source(tmp_path).counts == {"bus": 1, "train": 1}


def test_a_class_called_test_is_one(tmp_path, paint):
    for label in ("bus", "test"):
        paint(tmp_path / label / "a.png")
    assert open_source(tmp_path).counts == {"bus": 1, "test": 1}


@pytest.mark.parametrize(
    ("split", "there", "advice"),
    [
        ("train", "folders or a table", "give {root}/train"),
        ("test", "folders", "put the others into train/"),
    ],
)
def test_a_split_that_could_be_a_class_is_refused(split, there, advice, tmp_path, paint):
    paint(tmp_path / split / "fast/a.png")
    paint(tmp_path / "bus/a.png")
    with pytest.raises(InputError) as caught:
        list_folder(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} holds {split}/ with {there} in it beside bus: if {split} is a split, "
        f"{advice.format(root=tmp_path)}, and if it is a class, move its images out of their subfolders."
    )


def test_other_folders_beside_splits_are_noted(shoes, paint):
    root = shoes.parent / "root"
    root.mkdir()
    shoes.rename(root / "train")
    paint(root / "test/boot/1.png", 21)
    paint(root / "masks/1.png", 22)
    assert open_source(root).notes == ["Folders beside the splits are not used: masks."]


def test_splits_without_train(tmp_path, paint):
    paint(tmp_path / "test/a/1.png")
    paint(tmp_path / "val/a/1.png")
    with pytest.raises(
        InputError, match=r"holds only test, val and no train folder: put the images to learn from into"
    ):
        list_folder(tmp_path)


# Tables of labels


@pytest.fixture
def tabled(tmp_path: Path, paint) -> Path:
    root = tmp_path / "tabled"
    for number in range(4):
        paint(root / f"{number}.png", number)
    return root


def test_metadata_csv(tabled):
    (tabled / "metadata.csv").write_text("file_name,label\n0.png,boot\n3.png,sandal\n1.png,boot\n2.png,boot\n")
    source = open_source(tabled)
    assert source.counts == {"boot": 3, "sandal": 1}
    assert source.files == ["0.png", "1.png", "2.png", "3.png"]


def test_labels_from_a_table_elsewhere_and_inside(tabled, tmp_path):
    table = "image;class\n" + "".join(f"{n};{'ab'[n % 2]}\n" for n in range(4))
    (tmp_path / "t.csv").write_text(table)
    assert open_source(tabled, labels=tmp_path / "t.csv").counts == {"a": 2, "b": 2}
    (tabled / "inside.csv").write_text(table)
    assert open_source(tabled, labels="inside.csv").counts == {"a": 2, "b": 2}


def test_names_in_subfolders_absolute_and_with_backslashes(tabled, paint):
    paint(tabled / "sub/4.png", 4)
    (tabled / "metadata.csv").write_text(
        f"path,label\n./0.png,a\n{tabled}/1.png,a\nsub\\4.png,b\nsub/../2.png,b\n3.png,b\n"
    )
    assert [file for _, file in names(tabled)] == ["0.png", "1.png", "2.png", "3.png", "sub/4.png"]


def test_missing_files_and_missing_labels(tabled):
    (tabled / "metadata.csv").write_text("file_name,label\n0.png,a\n1.png,b\n9.png,b\n../tabled/2.png,b\n")
    assert list_folder(tabled).troubles == [
        BadFile("9.png", "named in metadata.csv, line 4, but missing"),
        BadFile("../tabled/2.png", "named in metadata.csv, line 5, but missing"),
        BadFile("2.png", "no label in metadata.csv"),
        BadFile("3.png", "no label in metadata.csv"),
    ]
    with pytest.raises(InputError, match=r"holds 4 files that cannot be used: 9\.png \(named in metadata\.csv, line 4"):
        open_source(tabled)
    assert open_source(tabled, skip_bad=True).counts == {"a": 1, "b": 1}


def test_a_file_named_in_two_ways(tabled):
    (tabled / "metadata.csv").write_text("file_name,label\n0.png,a\n./0.png,b\n")
    with pytest.raises(InputError, match=r"metadata\.csv names 0\.png more than once: keep one row"):
        list_folder(tabled)


def test_a_stem_that_two_files_share_is_missing(tabled, paint):
    paint(tabled / "0.jpg")
    (tabled / "metadata.csv").write_text("image,label\n0,a\n1,b\n2,b\n3,b\n")
    assert list_folder(tabled).troubles[0] == BadFile("0", "named in metadata.csv, line 2, but missing")


def test_a_table_in_train(tabled, paint):
    root = tabled.parent / "root"
    root.mkdir()
    tabled.rename(root / "train")
    paint(root / "test/9.png", 9)
    (root / "train/metadata.csv").write_text("file_name,label\n" + "".join(f"{n}.png,{n % 2}\n" for n in range(4)))
    source = open_source(root)
    assert source.files == ["0.png", "2.png", "1.png", "3.png"]
    assert source.other_splits == {"test": 1}
    assert source.skipped == []


def test_rows_of_other_splits_are_not_learnt_from(tabled, paint):
    root = tabled.parent / "root"
    root.mkdir()
    tabled.rename(root / "train")
    paint(root / "test/9.png", 9)
    rows = [f"train/{n}.png,{n % 2}\n" for n in range(4)]
    (root / "metadata.csv").write_text("file_name,label\n" + "".join(rows) + "test/9.png,1\n")
    source = open_source(root)
    assert source.counts == {"0": 2, "1": 2}
    assert source.files[0] == "0.png"
    assert source.other_splits == {"test": 1}


def test_tables_name_files_with_slashes_on_any_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders.os, "path", ntpath)
    find = folders._Finder(Path("C:/data"), ["cat/1.png"], [""])
    assert [find(name) for name in ("cat/1.png", "cat\\1.png", "./cat/1.png", "cat/1")] == ["cat/1.png"] * 4
