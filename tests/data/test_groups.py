from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from makeweight.data.groups import Part, number_groups, read_groups
from makeweight.data.source import open_source
from makeweight.errors import InputError


def paint(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (9, 8), dtype=np.uint8)).save(path)


@pytest.fixture
def parts(tmp_path: Path) -> list[Part]:
    """Three boots and three clogs a part, under the same names in both."""
    for place, part in enumerate(("train", "test")):
        for number in range(3):
            for label in ("boot", "clog"):
                paint(tmp_path / "shoes" / part / label / f"{number}.png", 10 * place + number)
    paint(tmp_path / "shoes" / "train" / "clog" / "only.png", 50)
    shoes = tmp_path / "shoes"
    return [Part("train", open_source(shoes)), Part("test", open_source(shoes / "test"))]


def table(tmp_path: Path, *lines: str) -> str:
    (tmp_path / "groups.csv").write_text("\n".join(["file_name,group", *lines]) + "\n")
    return str(tmp_path / "groups.csv")


def test_a_file_names_images_with_their_class(parts: list[Part], tmp_path: Path) -> None:
    given = table(tmp_path, "boot/0.png,left", "./boot/1.png,left", "only.png,both")
    found, notes = read_groups(given, parts[:1])
    assert found == [["left", "left", None, None, None, None, "both"]]
    assert notes == ["4 images without a group: each is a group of its own."]


def test_a_file_names_images_of_both_parts(parts: list[Part], tmp_path: Path) -> None:
    given = table(tmp_path, "train/boot/0.png,a", "shoes/boot/1.png,a", "test/boot/0.png,b", "test/clog/0.png,")
    found, notes = read_groups(given, parts)
    assert found[0][:3] == ["a", "a", None]
    assert found[1] == ["b", None, None, None, None, None]
    assert notes == [
        "5 images without a group: each is a group of its own.",
        "5 test images without a group: each is a group of its own.",
    ]


def test_lines_that_name_no_image_are_told(parts: list[Part], tmp_path: Path) -> None:
    _, notes = read_groups(table(tmp_path, "boot/0.png,a", "boot/9.png,a", "x\x1b.png,a"), parts[:1])
    assert notes[0] == r"2 lines of groups.csv name no image: boot/9.png, x\x1b.png."
    _, notes = read_groups(table(tmp_path, "boot/0.png,a", "boot/9.png,a"), parts[:1])
    assert notes[0] == "1 line of groups.csv names no image: boot/9.png."


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("boot/7.png,a",), "groups.csv gives no image of 'shoes' a group: name images as train/boot/0.png."),
        ((), "groups.csv gives no image of 'shoes' a group"),
        (("boot/0.png,a",), "line 2: boot/0.png may be any of train/boot/0.png, test/boot/0.png: write which one is"),
        (("train/0.png,a",), "line 2: train/0.png may be any of train/boot/0.png, train/clog/0.png: write which one"),
        (
            ("train/boot/0.png,a", "train/clog/only.png,b", "only.png,a"),
            "line 4: train/clog/only.png is in the groups 'b' and 'a': give each image one group.",
        ),
    ],
)
def test_files_that_cannot_be_used(parts: list[Part], tmp_path: Path, lines: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError) as refusal:
        read_groups(table(tmp_path, *lines), parts)
    assert words in str(refusal.value)


def test_the_same_group_twice_is_no_fault(parts: list[Part], tmp_path: Path) -> None:
    found, _ = read_groups(table(tmp_path, "only.png,a", "clog/only.png,a"), parts[:1])
    assert found[0][-1] == "a"


def labelled(root: Path, header: str, *cells: str) -> None:
    for number in range(len(cells)):
        paint(root / f"{number}.png", number)
    rows = [f"{number}.png,{'clog' if number % 2 else 'boot'},{cell}" for number, cell in enumerate(cells)]
    (root / "metadata.csv").write_text("\n".join([header, *rows]))


def test_a_column_of_the_labels(tmp_path: Path) -> None:
    labelled(tmp_path / "in", "file_name,label,Patient", "p0", "p0", "p1", "")
    part = Part("train", open_source(tmp_path / "in"))
    found, notes = read_groups("patient", [part])
    assert dict(zip(part.source.files, found[0], strict=True)) == {
        "0.png": "p0",
        "1.png": "p0",
        "2.png": "p1",
        "3.png": None,
    }
    assert notes == ["1 image without a group: each is a group of its own."]
    with pytest.raises(InputError, match=r"no column track \(its columns are file_name, label, patient\): name one of"):
        read_groups("track", [part])


def test_a_column_of_both_tables(tmp_path: Path) -> None:
    labelled(tmp_path / "in", "file_name,label,patient", "p0", "p0", "p1", "p1")
    labelled(tmp_path / "held", "file_name,label,patient", "p2", "p3")
    parts = [Part(name, open_source(tmp_path / at)) for name, at in (("train", "in"), ("test", "held"))]
    assert read_groups("patient", parts) == ([["p0", "p1", "p0", "p1"], ["p2", "p3"]], [])


def test_test_images_without_a_table(parts: list[Part], tmp_path: Path) -> None:
    labelled(tmp_path / "in", "file_name,label,patient", "p0", "p0", "p1", "p1")
    found, notes = read_groups("patient", [Part("train", open_source(tmp_path / "in")), parts[1]])
    assert found[1] == [None] * 6
    assert notes == ["6 test images without a group: each is a group of its own."]


def test_a_column_is_read_where_the_table_names_files_in_another_way(tmp_path: Path) -> None:
    labelled(tmp_path / "in", "image_id,label,patient", "p0", "p0", "p1", "p1")
    written = (tmp_path / "in" / "metadata.csv").read_text()
    for name in ("{}", "./{}.png", str(tmp_path / "in" / "{}.png")):
        text = written
        for number in range(4):
            text = text.replace(f"{number}.png", name.format(number))
        (tmp_path / "in" / "metadata.csv").write_text(text)
        found, notes = read_groups("patient", [Part("train", open_source(tmp_path / "in"))])
        assert found == [["p0", "p1", "p0", "p1"]]
        assert notes == []


def test_a_column_of_a_table_in_the_train_folder(tmp_path: Path) -> None:
    labelled(tmp_path / "in" / "train", "file_name,label,patient", "p0", "p0", "p1", "p1")
    for place, name in enumerate(("0.png", "1.png"), 50):  # of the same names, beside the folder
        paint(tmp_path / "in" / name, place)
    part = Part("train", open_source(tmp_path / "in", skip_bad=True))
    assert part.source.files == ["0.png", "2.png", "1.png", "3.png"]
    own = open_source(tmp_path / "in" / "train")
    np.testing.assert_array_equal(part.source.load(), own.load())
    assert read_groups("patient", [part])[0] == [["p0", "p1", "p0", "p1"]]


def test_neither_a_file_nor_a_column(parts: list[Part]) -> None:
    with pytest.raises(InputError, match="^--groups 'track' is neither a file nor a column, since .*has no table"):
        read_groups("track", parts)
    with pytest.raises(InputError, match=r"^there is no file tracks\.csv, which --groups names: check the path\.$"):
        read_groups("tracks.csv", parts)


def test_what_names_no_group_is_a_group_of_its_own() -> None:
    assert number_groups([None, float("nan"), np.float64("nan"), "", "", "a", "a", 1, "1"]).tolist() == [
        *(0, 1, 2, 3, 4),
        *(5, 5, 6, 6),
    ]
