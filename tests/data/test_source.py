import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from makeweight.data.images import ImageSpec
from makeweight.data.source import BadFile, ImageSource, open_source
from makeweight.errors import InputError


def message(source: str | Path, **options) -> str:
    """Give the sentence that `open_source` refuses with, after checking its form."""
    with pytest.raises(InputError) as caught:
        open_source(source, **options)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


def test_class_folders(shoes):
    source = open_source(shoes)
    assert isinstance(source, ImageSource)
    assert source.name == "shoes"
    assert source.classes == ["boot", "sandal"]
    assert source.counts == {"boot": 3, "sandal": 2}
    assert source.labels.tolist() == ["boot"] * 3 + ["sandal"] * 2
    assert source.files == ["a.png", "b.png", "c.png", "a.png", "b.png"]
    assert source.spec == source.original_spec == ImageSpec(8, 10, 1, "uint8", "L")
    assert source.skipped == []
    assert source.notes == []
    assert len(source) == 5
    assert source.n_bytes() == sum(path.stat().st_size for path in shoes.rglob("*.png"))


def test_load_reads_all_or_the_rows_asked_for(shoes):
    source = open_source(shoes)
    X = source.load()
    assert X.shape == (5, 8, 10)
    assert X.dtype == np.uint8
    for pixels, name in zip(X, ("boot/a", "boot/b", "boot/c", "sandal/a", "sandal/b"), strict=True):
        with Image.open(shoes / f"{name}.png") as image:
            assert (pixels == np.asarray(image)).all()
    assert (source.load([4, 0]) == X[[4, 0]]).all()
    assert source.load([]).shape == (0, 8, 10)


def test_many_images_are_read_by_threads_in_order(tmp_path):
    for row in range(150):
        folder = tmp_path / ("dark" if row < 75 else "light")
        folder.mkdir(exist_ok=True)
        Image.new("L", (8, 8), row).save(folder / f"{row:03d}.png")
    calls = []
    source = open_source(tmp_path, progress=lambda done, total: calls.append((done, total)))
    assert source.load()[:, 0, 0].tolist() == list(range(150))
    assert calls[0] == (1, 150)
    assert calls[-1] == (150, 150)


def test_write_copies_bytes_and_gives_their_hash(shoes, tmp_path):
    source = open_source(shoes)
    digest = source.write(3, tmp_path / "copy.png")
    original = (shoes / "sandal/a.png").read_bytes()
    assert (tmp_path / "copy.png").read_bytes() == original
    assert digest == hashlib.sha256(original).hexdigest()
    assert not os.path.samefile(tmp_path / "copy.png", shoes / "sandal/a.png")
    with pytest.raises(FileExistsError):
        source.write(3, tmp_path / "copy.png")


def test_write_links_where_asked(shoes, tmp_path):
    source = open_source(shoes)
    digest = source.write(0, tmp_path / "link.png", link=True)
    assert os.path.samefile(tmp_path / "link.png", shoes / "boot/a.png")
    assert digest == hashlib.sha256((shoes / "boot/a.png").read_bytes()).hexdigest()
    with pytest.raises(FileExistsError):
        source.write(0, tmp_path / "link.png", link=True)


def test_linking_a_link_links_the_file(shoes, tmp_path):
    (shoes / "boot/d.png").symlink_to(shoes / "boot/a.png")
    source = open_source(shoes)
    source.write(source.files.index("d.png"), tmp_path / "link.png", link=True)
    assert not (tmp_path / "link.png").is_symlink()
    assert os.path.samefile(tmp_path / "link.png", shoes / "boot/a.png")


def test_name_of_the_working_folder(shoes, monkeypatch):
    monkeypatch.chdir(shoes)
    assert open_source(".").name == "shoes"


# Resizing and conversion


def test_different_sizes_offer_resize(shoes, paint):
    paint(shoes / "boot/d.png", 9, size=(20, 30))
    assert message(shoes) == (
        f"{shoes} holds images of different sizes (width×height: 10×8 (5), 20×30 (1)): bring all to one size with "
        "--resize 10 (resize=10)."
    )
    source = open_source(shoes, resize=16)
    assert source.spec == ImageSpec(16, 16, 1, "uint8", "L")
    assert source.original_spec is None
    assert source.load().shape == (6, 16, 16)


def test_equal_sizes_keep_the_original_spec_under_resize(shoes):
    source = open_source(shoes, resize=12)
    assert source.spec.shape == (12, 12)
    assert source.original_spec == ImageSpec(8, 10, 1, "uint8", "L")


def test_different_modes_offer_mode(shoes, paint):
    paint(shoes / "boot/d.png", 9, mode="RGB")
    assert message(shoes) == (
        f"{shoes} holds images of different modes (5 L (grey), 1 RGB): convert all with --mode RGB or --mode L (mode=)."
    )
    assert open_source(shoes, mode="RGB").load().shape == (6, 8, 10, 3)
    source = open_source(shoes, mode="L")
    assert source.spec.mode == "L"
    assert source.original_spec is None


@pytest.mark.parametrize(("mode", "suffix"), [("P", "png"), ("1", "png"), ("LA", "png"), ("CMYK", "tif"), ("F", "tif")])
def test_modes_that_cannot_be_learnt_offer_mode(tmp_path, paint, mode, suffix):
    for label in ("a", "b"):
        paint(tmp_path / label / f"1.{suffix}", mode=mode)
    sentence = message(tmp_path)
    assert f"holds images of the mode {mode}" in sentence
    assert "--mode RGB or --mode L" in sentence
    source = open_source(tmp_path, mode="RGB")
    assert source.load().dtype == np.uint8
    assert source.original_spec is not None
    assert source.original_spec.mode == mode


def test_32_bit_images_share_one_range(tmp_path):
    for label, value in (("a", 1000), ("b", 65535)):
        (tmp_path / label).mkdir()
        Image.fromarray(np.full((8, 8), value, np.int32)).save(tmp_path / label / "1.tif")
    source = open_source(tmp_path, mode="L")
    assert source.load()[:, 0, 0].tolist() == [4, 255]
    assert source.notes == ["Files with 32-bit values, 0 to 65535 of which become black to white: 2."]


def test_16_bit_grey_is_kept(tmp_path, paint):
    for label in ("a", "b"):
        paint(tmp_path / label / "1.png", mode="I;16")
    source = open_source(tmp_path)
    assert source.spec == ImageSpec(8, 10, 1, "uint16", "I;16")
    assert source.load().dtype == np.uint16
    assert open_source(tmp_path, mode="L").spec == ImageSpec(8, 10, 1, "uint8", "L")


@pytest.mark.parametrize("size", [0, -3, 5000, True])
def test_impossible_sizes(shoes, size):
    assert message(shoes, resize=size) == (f"images cannot be resized to {size}: give a whole number from 1 to 1024.")


def test_impossible_mode(shoes):
    assert message(shoes, mode="CMYK") == "images cannot be converted to the mode CMYK: give L (grey) or RGB."


# Bad input


def test_no_such_folder(tmp_path):
    sentence = message(tmp_path / "nowhere")
    assert sentence.startswith(f"there is no folder or file {tmp_path / 'nowhere'}, and no set of that name: check")
    assert "fashion-mnist" in sentence


def test_no_images(tmp_path):
    assert message(tmp_path) == f"{tmp_path} holds no images: give a folder with one folder of images per class."
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats/a.gif").write_bytes(b"GIF89a")
    assert message(tmp_path) == (
        f"{tmp_path} holds no PNG, JPEG, BMP, TIFF or WebP images (1 file of other kinds, .gif): convert them, or "
        "check the path."
    )


def test_images_without_class_folders(tmp_path, paint):
    paint(tmp_path / "a.png")
    assert message(tmp_path) == (
        f"{tmp_path} holds 1 image but no class folders: put the images of each class into a folder of its own, or "
        "give a table of labels with --labels (labels=)."
    )


def test_one_class_only(tmp_path, paint):
    paint(tmp_path / "boot/a.png")
    assert message(tmp_path) == f"{tmp_path} holds one class only (boot): balancing needs at least two."


def test_a_file_that_is_no_source(tmp_path):
    (tmp_path / "a.txt").touch()
    assert message(tmp_path / "a.txt") == (
        f"{tmp_path / 'a.txt'} is neither a folder nor an .npz file: give a folder with one folder per class."
    )


def test_bad_files_are_named_and_skipped_only_where_asked(shoes):
    (shoes / "boot/empty.png").touch()
    data = (shoes / "boot/a.png").read_bytes()
    (shoes / "sandal/cut.png").write_bytes(data[: len(data) // 2])
    assert message(shoes) == (
        f"{shoes} holds 2 files that cannot be used: boot/empty.png (empty), sandal/cut.png (truncated); mend or "
        "remove them, or leave them out with --skip-bad (skip_bad=True)."
    )
    source = open_source(shoes, skip_bad=True)
    assert source.skipped == [BadFile("boot/empty.png", "empty"), BadFile("sandal/cut.png", "truncated")]
    assert source.counts == {"boot": 3, "sandal": 2}


def test_five_bad_files_are_named_and_the_rest_counted(shoes):
    for number in range(8):
        (shoes / f"boot/x{number}.png").touch()
    sentence = message(shoes)
    assert "8 files" in sentence
    assert "boot/x4.png (empty) and 3 more;" in sentence
    assert "x5" not in sentence


def test_a_class_does_not_vanish_silently(shoes, paint):
    paint(shoes / "clog/a.png").write_bytes(b"")
    assert message(shoes, skip_bad=True) == (
        f"{shoes}: no image of clog can be read: mend the files, or remove that class."
    )


def test_a_file_that_changes_after_opening(shoes, paint):
    source = open_source(shoes)
    paint(shoes / "boot/b.png", size=(5, 5))
    with pytest.raises(InputError, match=r"b\.png has changed while it was in use \(is 5×5, no longer 10×8\): leave"):
        source.load()


def test_labels_go_with_folders_only(tmp_path):
    path = tmp_path / "a.npz"
    path.touch()
    assert "is no folder, so the labels t.csv cannot go with it" in message(path, labels="t.csv")


def test_a_folder_wins_over_a_sets_name(shoes, monkeypatch):
    shoes.rename(shoes.with_name("digits"))
    monkeypatch.chdir(shoes.parent)
    assert open_source("digits").counts == {"boot": 3, "sandal": 2}


def test_a_named_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = open_source("digits")
    assert source.name == "digits"
    assert source.classes == list("0123456789")
    assert source.spec == ImageSpec(8, 8, 1, "uint8", "L")
    assert source.other_splits["test"] > 0
    assert source.load().shape == (len(source), 8, 8)
    assert message("digits", labels="t.csv") == "the set digits has its own labels: leave out t.csv."
