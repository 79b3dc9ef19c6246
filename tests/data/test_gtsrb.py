"""GTSRB is read from its official layout in small, and from class folders."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from makeweight.data import crops, gtsrb
from makeweight.data.gtsrb import read_gtsrb_splits
from makeweight.data.named import load_named
from makeweight.data.source import open_source
from makeweight.errors import InputError

from .small_sets import COLUMNS, write_class_folders, write_gtsrb, write_ppm

ONE = "GTSRB/Final_Training/Images/00001"


@pytest.mark.parametrize("table", [".", "GTSRB", "GTSRB/Final_Test/Images"])
def test_reads_the_official_layout(tmp_path: Path, table: str) -> None:
    write_gtsrb(tmp_path / "gtsrb")
    os.rename(tmp_path / "gtsrb" / "GT-final_test.csv", tmp_path / "gtsrb" / table / "GT-final_test.csv")
    known = load_named("gtsrb", data_dir=tmp_path)
    assert (known.X_train.shape, known.X_test.shape) == ((44, 32, 32, 3), (2, 32, 32, 3))
    assert known.y_train[:4].tolist() == ["00", "01", "01", "02"]
    assert known.y_test.tolist() == ["16", "01"]
    assert known.class_names[::21] == ("00", "21", "42")
    np.testing.assert_array_equal(known.X_train[2], write_ppm(tmp_path / "x.ppm", 3)[5:37, 6:38])
    np.testing.assert_array_equal(known.X_test[0], write_ppm(tmp_path / "x.ppm", 100, (50, 60))[20:52, 10:42])
    assert known.groups_train is not None
    assert known.groups_train[:4].tolist() == ["00/00000", "01/00007", "01/00008", "02/00000"]


def test_reads_class_folders(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "gtsrb")
    Image.new("RGB", (64, 48), (7, 8, 9)).save(tmp_path / "gtsrb" / "test" / "00" / "other.png")
    (tmp_path / "gtsrb" / "test" / "00" / ".hidden.png").touch()
    (tmp_path / "gtsrb" / "test" / "00" / "notes.txt").touch()
    known = load_named("gtsrb", data_dir=tmp_path)
    assert known.X_train[:, 0, 0].tolist() == [[code] * 3 for code in range(43)]
    assert known.y_train.tolist() == list(known.class_names)
    assert known.groups_train is not None
    assert known.groups_train[7] == "07/00007"
    assert (known.y_test[:3].tolist(), known.X_test[1, 9, 9].tolist()) == (["00", "00", "01"], [7, 8, 9])


def test_its_source_carries_the_tracks(tmp_path: Path) -> None:
    write_gtsrb(tmp_path)
    source = open_source("gtsrb", data_dir=tmp_path, resize=8)
    assert source.groups is not None
    assert source.groups[:4].tolist() == ["00/00000", "01/00007", "01/00008", "02/00000"]
    assert len(source.groups) == len(source) == 44
    assert open_source("digits").groups is None


def test_the_official_layout_comes_first(tmp_path: Path) -> None:
    write_class_folders(tmp_path)
    write_gtsrb(tmp_path)
    assert len(read_gtsrb_splits(tmp_path).train_codes) == 44


def test_other_class_folders_are_not_taken_for_it(tmp_path: Path) -> None:
    for part in ("train", "test"):
        (tmp_path / part / "boot").mkdir(parents=True)
    write_gtsrb(tmp_path)
    (tmp_path / "GT-final_test.csv").unlink()
    with pytest.raises(InputError) as caught:
        load_named("gtsrb", data_dir=tmp_path, download=True)
    message = str(caught.value)
    assert f"{tmp_path} lacks GT-final_test.csv)" in message
    assert "which are not downloaded for you: get them from https://benchmark.ini.rub.de, and put them" in message
    assert "--download" not in message


@pytest.mark.parametrize(
    "row",
    [
        "00007_00029.ppm;44;42;6;5;38;37",
        "00007_00029.ppm;44;42;6;5;38;37;2",
        "00007_00029.ppm;44;42;6;5;45;37;1",
        "00007_00029.ppm;44;42;38;5;6;37;1",
        "00007_00029.ppm;44;42;6;5;38;5;1",
        "00007_00029.ppm;44;42;-1;5;38;37;1",
        "00007_00029.ppm;44444;42;6;5;38;37;1",
        "00007_00029.ppm;44;42;6;5;38;37;1;1",
        "../00000/00000_00000.ppm;44;42;6;5;38;37;1",
        "00007.ppm;44;42;6;5;38;37;1",
        "",
        "\x00",
    ],
)
def test_rows_that_are_none(tmp_path: Path, row: str) -> None:
    write_gtsrb(tmp_path)
    table = tmp_path / ONE / "GT-00001.csv"
    table.write_text(f"{COLUMNS}\n{row}\n00008_00000.ppm;44;42;6;5;38;37;1\n")
    with pytest.raises(InputError, match=r"^line 2 of .*GT-00001\.csv is no row of an image in this place: replace"):
        read_gtsrb_splits(tmp_path)


@pytest.mark.parametrize("content", ["", "a;b\n", COLUMNS.lower(), "00007_00029.ppm;44;42;6;5;38;37;1\n"])
def test_tables_without_columns(tmp_path: Path, content: str) -> None:
    write_gtsrb(tmp_path)
    (tmp_path / "GT-final_test.csv").write_text(content)
    with pytest.raises(InputError, match=r"GT-final_test\.csv does not start with the columns Filename;Width;"):
        read_gtsrb_splits(tmp_path)


def test_tables_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_gtsrb(tmp_path)
    table = tmp_path / ONE / "GT-00001.csv"
    table.write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"^the list .*GT-00001\.csv cannot be read \('ascii' codec"):
        read_gtsrb_splits(tmp_path)
    table.unlink()
    with pytest.raises(InputError, match=r"cannot be read \(No such file or directory\): replace it by"):
        read_gtsrb_splits(tmp_path)
    os.mkfifo(table)
    with pytest.raises(InputError, match=r"cannot be read \(it is a pipe or a device"):
        read_gtsrb_splits(tmp_path)
    monkeypatch.setattr(gtsrb, "LARGEST_TABLE", 90)
    with pytest.raises(InputError, match=r"GT-00000\.csv cannot be read \(it has 9\d bytes, which is too many\)"):
        read_gtsrb_splits(tmp_path)


def png(path: Path) -> None:
    Image.new("RGB", (44, 42)).save(path, "PNG")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    os.truncate(path, 900)


def large(path: Path) -> None:
    os.truncate(path, (1 << 20) + 1)


def many_pixels(path: Path) -> None:
    path.write_bytes(b"P6 3000 3000 255\n")


def bomb(path: Path) -> None:
    path.write_bytes(b"P6 30000 30000 255\n")


def other_size(path: Path) -> None:
    write_ppm(path, 0, (40, 40))


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (os.unlink, r"cannot be read \(No such file or directory\): put the official file there\.$"),
        (pipe, r"cannot be read \(it is a pipe or a device, no regular file\): put the official"),
        (empty, r"is damaged or no PPM image: replace it by the official file\.$"),
        (png, "is damaged or no PPM image"),
        (cut, "is damaged or no PPM image"),
        (large, "is larger than 1 MiB: replace it"),
        (many_pixels, "has 3000×3000 pixels, which are too many"),
        (bomb, "has far too many pixels"),
        (other_size, "has 40×40 pixels, which is not what its table says"),
    ],
)
def test_damaged_images_are_named(tmp_path: Path, damage: object, message: str) -> None:
    write_gtsrb(tmp_path)
    damage(tmp_path / ONE / "00007_00029.ppm")  # type: ignore[operator]
    with pytest.raises(InputError, match=rf"^the image .*00001/00007_00029\.ppm {message}"):
        read_gtsrb_splits(tmp_path)


def test_names_without_a_track(tmp_path: Path) -> None:
    write_class_folders(tmp_path)
    Image.new("RGB", (32, 32)).save(tmp_path / "train" / "05" / "000001.png")
    with pytest.raises(
        InputError, match=r"^the name of .*05/000001\.png does not start with its track, as in track00012"
    ):
        read_gtsrb_splits(tmp_path)


def test_images_in_class_folders_are_png(tmp_path: Path) -> None:
    write_class_folders(tmp_path)
    (tmp_path / "train" / "05" / "track00001-a.png").write_bytes(b"P6 1 1 255\n\0\0\0")
    with pytest.raises(InputError, match="is damaged or no PNG image"):
        read_gtsrb_splits(tmp_path)


def test_a_class_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_class_folders(tmp_path)

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(InputError, match=r"^the class folder .*00 cannot be listed \(Permission denied\)\.$"):
        read_gtsrb_splits(tmp_path)


def test_parts_without_images_or_with_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_gtsrb(tmp_path)
    monkeypatch.setattr(gtsrb, "MOST_IMAGES", 43)
    with pytest.raises(InputError, match=r"^the training part of GTSRB in .* has 44 images, which are not 1 to 43: "):
        read_gtsrb_splits(tmp_path)
    monkeypatch.undo()
    (tmp_path / "GT-final_test.csv").write_text(f"{COLUMNS}\n")
    with pytest.raises(InputError, match="^the test part of GTSRB in .* has 0 images"):
        read_gtsrb_splits(tmp_path)


def test_not_enough_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_gtsrb(tmp_path)
    monkeypatch.setattr(crops, "room_for", lambda: 100_000)
    with pytest.raises(
        InputError, match=r"^the 44 images of .* do not fit into memory \(135,168 bytes for 32×32 pixels"
    ):
        read_gtsrb_splits(tmp_path)
