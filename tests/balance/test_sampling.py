import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from makeweight.balance import BalanceSummary, read_manifest, sample_folder
from makeweight.errors import InputError
from makeweight.methods import get_method

Contents = Callable[[Path], dict[str, bytes]]


def test_exactly_as_many_images_as_asked_for(balanced: BalanceSummary, tmp_path: Path) -> None:
    extra = tmp_path / "extra"
    summary = sample_folder(balanced.out, 5, label="clog", out=extra)
    names = sorted(os.listdir(extra))
    assert names == [f"drawn-duplicates-s{balanced.seed}-{row:06d}.png" for row in range(10, 15)] + ["manifest.csv"]
    assert (summary.n_images, summary.first_row, summary.model_hash) == (5, 10, balanced.model_hash)
    with Image.open(extra / names[0]) as image:
        assert image.text["row"] == "10"  # type: ignore[attr-defined]
        assert image.text["label"] == "clog"  # type: ignore[attr-defined]
    rows = read_manifest(extra / "manifest.csv")
    assert [row.file for row in rows] == names[:5]
    assert {row.settings_hash for row in rows} == {balanced.settings_hash}


def test_seeds_choose_the_images(balanced: BalanceSummary, tmp_path: Path, contents: Contents) -> None:
    model = balanced.out / "model"
    first = sample_folder(model, 3, label="boot", out=tmp_path / "a", seed=5)
    sample_folder(model, 3, label="boot", out=tmp_path / "b", seed=5)
    sample_folder(model, 3, label="boot", out=tmp_path / "c", seed=6)
    assert first.first_row == 0
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert contents(tmp_path / "a").keys() != contents(tmp_path / "c").keys()


def test_an_older_sample_is_replaced_only_where_asked_for(balanced: BalanceSummary, tmp_path: Path) -> None:
    extra = tmp_path / "extra"
    sample_folder(balanced.out, 3, label="clog", out=extra)
    with pytest.raises(InputError, match="is not empty"):
        sample_folder(balanced.out, 1, label="clog", out=extra)
    sample_folder(balanced.out, 1, label="clog", out=extra, overwrite=True)
    assert len(os.listdir(extra)) == 2
    (extra / "mine.txt").touch()
    with pytest.raises(InputError, match=r"does not look like an output of makeweight \(it holds mine\.txt\)"):
        sample_folder(balanced.out, 1, label="clog", out=extra, overwrite=True)


@pytest.mark.parametrize("name", ["drawn-thesis.txt", "drawn-notes/thesis.txt"])
def test_files_of_others_that_are_named_as_drawn_are_not_replaced(
    name: str, balanced: BalanceSummary, tmp_path: Path
) -> None:
    out = tmp_path / "sampled"
    sample_folder(balanced.out, 2, label="clog", out=out)
    (out / name).parent.mkdir(exist_ok=True)
    (out / name).write_text("mine")
    with pytest.raises(InputError, match=f"it holds {name.partition('/')[0]}"):
        sample_folder(balanced.out, 2, label="clog", out=out, overwrite=True)
    assert (out / name).read_text() == "mine"


@pytest.mark.parametrize("place", ["extra", "images/extra", "images/clog/extra", "model/extra"])
def test_a_balanced_folder_takes_no_samples(
    place: str, balanced: BalanceSummary, tmp_path: Path, contents: Contents
) -> None:
    model = shutil.copytree(balanced.out / "model", tmp_path / "copy")
    before = contents(balanced.out)
    with pytest.raises(InputError, match=r"lies inside the balanced folder .*out: name a folder outside it"):
        sample_folder(model, 1, label="clog", out=balanced.out / place)
    assert contents(balanced.out) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"label": "clogs"}, r"^there is no class of the model called 'clogs': .*did you mean 'clog'\?"),
        ({"label": "hat"}, r"no class of the model called 'hat': choose from boot, clog, sandal\.$"),
        ({"n_images": 0}, r"^0 images cannot be drawn: ask for a whole number, 1 to 2,147,483,647\.$"),
        ({"n_images": 99999999999}, "99999999999 images cannot be drawn: ask for a whole number, 1 to 2,147,483,647"),
        ({"n_images": 2.5}, r"2\.5 images cannot be drawn: ask for a whole number"),
        ({"n_images": True}, "True images cannot be drawn: ask for a whole number"),
        ({"seed": -1}, "the seed -1 is out of range"),
    ],
)
def test_what_cannot_be_drawn(
    arguments: dict[str, object], message: str, balanced: BalanceSummary, tmp_path: Path
) -> None:
    given = {"n_images": 2, "label": "clog", **arguments}
    with pytest.raises(InputError, match=message):
        sample_folder(balanced.out, out=tmp_path / "extra", **given)  # type: ignore[arg-type]
    assert not (tmp_path / "extra").exists()


def test_models_of_arrays_with_numbers_for_labels_draw_too(tmp_path: Path) -> None:
    X = np.random.default_rng(0).integers(0, 256, (5, 3, 8, 8), dtype=np.uint8)
    sampler = get_method("duplicates")(random_state=0, channels="first").fit(X, np.array([3, 3, 3, 4, 4]))
    sampler.save(tmp_path / "model")
    sample_folder(tmp_path / "model", 2, label="4", out=tmp_path / "extra")
    (path, _) = sorted((tmp_path / "extra").glob("*.png"))
    with Image.open(path) as image:
        assert (image.mode, image.size) == ("RGB", (8, 8))
        assert np.moveaxis(np.asarray(image), -1, 0).tolist() in X.tolist()


def test_models_of_flat_rows_are_refused(tmp_path: Path) -> None:
    get_method("duplicates")(random_state=0).fit(np.eye(4), np.array([0, 0, 0, 1])).save(tmp_path / "model")
    with pytest.raises(InputError, match="learnt flat rows, not images"):
        sample_folder(tmp_path / "model", 2, label="1", out=tmp_path / "extra")
