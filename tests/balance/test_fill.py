import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from makeweight.balance import Listener, balance_folder, fill, read_manifest, sample_folder, verify_folder
from makeweight.balance.fill import (
    FillReport,
    FillTried,
    choose_fill,
    compare_fills,
    cost_of_choosing,
    held_out_folds,
    numbers_at,
    strategy_at,
    totals_at,
    why_nothing,
)
from makeweight.balance.options import check_fill, check_gate, parse_fill
from makeweight.errors import InputError
from makeweight.methods.duplicates import Resampler
from makeweight.sampler import METHODS

Contents = Callable[[Path], dict[str, bytes]]
LABELS = np.array(["a"] * 8 + ["b"] * 3 + ["c"] * 5)

DIGITS = load_digits()
SHUFFLED = np.random.default_rng(0).permutation(len(DIGITS.target))
ALL, NAMES = DIGITS.images[SHUFFLED].astype(np.uint8) * 15, DIGITS.target[SHUFFLED].astype(str)


def some(counts: Mapping[str, int], first: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give so many digits of each class, from a place on."""
    rows = np.concatenate([np.flatnonzero(label == NAMES)[first : first + n] for label, n in counts.items()])
    return ALL[rows], NAMES[rows]


class Wrong(Resampler):
    """Draws images of another class."""

    name = "wrong"

    def _draw_block(self, code: int, block: int, seed: int) -> NDArray[Any]:
        others = self.images_[self.codes_ != code]
        return np.asarray(others[np.random.default_rng([seed, block]).integers(0, len(others), self.block_size)])


@pytest.fixture(scope="module", autouse=True)
def _short() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fill, "BOUNDS", (60, 60))
        patch.setattr(fill, "FILLS", (0.0, 1.0))
        patch.setitem(METHODS._parts, "wrong", Wrong)
        yield


def test_totals_by_hand() -> None:
    assert totals_at(0.5, LABELS) == {"b": 4}
    assert totals_at(0.75, LABELS) == {"b": 6, "c": 6}
    assert numbers_at(0.75, LABELS) == {"b": 3, "c": 1}
    assert totals_at(1, LABELS) == {"b": 8, "c": 8}
    assert totals_at(0, LABELS) == {}
    with pytest.raises(InputError) as caught:
        strategy_at(0.25, LABELS)
    assert str(caught.value) == (
        "there is nothing to draw: a fill of 0.25 asks for 2 images of each class, and the smallest has 3; give a "
        "larger fill."
    )


def test_recalls_and_their_errors_by_hand() -> None:
    codes = np.array([0, 0, 0, 0, 1, 1])
    hits = np.array([[1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 1, 0], [1, 1, 1, 1, 1, 0]], float)
    none, half, full = compare_fills([0.0, 0.5, 1.0], [0, 3, 9], hits, codes)
    assert [(row.fill, row.n_drawn, row.recall) for row in (none, half, full)] == [
        (0.0, 0, 0.375),
        (0.5, 3, 0.5),
        (1.0, 9, 0.75),
    ]
    assert (full.behind, full.error) == (0, 0)
    assert none.behind == pytest.approx(0.375)
    # Differences to the best: 0, 0, 0, -1 in the first class (variance 1/4) and -1, 0 in the second (1/2).
    assert none.error == pytest.approx(np.sqrt(0.25 / 4 + 0.5 / 2) / 2)


def test_frames_of_a_track_count_as_one_draw() -> None:
    random = np.random.default_rng(0)
    codes = np.arange(40) % 2
    hits = random.integers(0, 2, (2, 40)).astype(float)
    alone = compare_fills([0.0, 1.0], [0, 5], hits, codes)
    of_one_each = compare_fills([0.0, 1.0], [0, 5], hits, codes, np.arange(40))
    frames = compare_fills([0.0, 1.0], [0, 5], hits.repeat(25, 1), codes.repeat(25), np.arange(40).repeat(25))
    naive = compare_fills([0.0, 1.0], [0, 5], hits.repeat(25, 1), codes.repeat(25))
    worse = int(np.argmax([each.error for each in alone]))
    assert frames[worse].error == pytest.approx(of_one_each[worse].error)
    assert frames[worse].error == pytest.approx(alone[worse].error, rel=0.05)
    assert naive[worse].error < alone[worse].error / 4


def test_a_class_with_one_image_has_the_variance_of_all() -> None:
    hits = np.array([[1, 0, 0], [1, 1, 1]], float)
    none, _ = compare_fills([0.0, 1.0], [0, 5], hits, np.array([0, 0, 1]))
    assert none.error == pytest.approx(np.sqrt(0.5 / 2 + (1 / 3) / 1) / 2)


class Drawer:
    """Draws what it was made with, and keeps what it learnt from."""

    def __init__(self, images: NDArray[Any]) -> None:
        self.images = images
        self.parts: list[NDArray[np.intp]] = []

    def __call__(self, part: NDArray[np.intp], numbers: Mapping[str, int]) -> dict[str, NDArray[Any]]:
        self.parts.append(part)
        return {label: np.resize(self.images, (number, 8, 8)) for label, number in numbers.items()}


@pytest.mark.parametrize(("learns", "n_folds", "n_held_out"), [(False, 4, 140), (True, 1, 35)])
def test_what_helps_is_chosen_and_nothing_that_judges_was_seen(learns: bool, n_folds: int, n_held_out: int) -> None:
    """Labels mean nothing here, so that only who knows the answers can help; this drawer does."""
    X, y = ALL[:140], np.array(["y"] * 120 + ["x"] * 20)
    draw = Drawer(X[y == "x"])
    report = choose_fill(X, y, draw, learns=learns, seed=0, device="cpu", listener=Listener(), n_steps=150)
    assert (report.n_folds, report.n_seeds, report.n_held_out) == (n_folds, 3 if learns else 1, n_held_out)
    assert report.not_judged == ()
    assert [(row.fill, row.n_drawn) for row in report.tried] == [(0.0, 0), (1.0, 100)]
    assert report.tried[0].behind > report.tried[0].error
    assert report.chosen == 1.0
    assert [len(part) for part in draw.parts] == [105] * n_folds
    assert learns or not set.intersection(*(set(part.tolist()) for part in draw.parts))  # every image was held out once


def test_the_only_image_of_a_class_is_kept_for_learning() -> None:
    X, y = some({"0": 20, "1": 20, "2": 1})
    report = choose_fill(X, y, Drawer(X), learns=False, seed=0, device="cpu", listener=Listener(), n_steps=2)
    assert report.not_judged == ("2",)
    assert report.n_held_out == 40


def test_groups_are_never_parted_and_the_only_one_of_a_class_is_kept_for_learning() -> None:
    X, y = some({"0": 24, "1": 24, "2": 6})
    groups = np.concatenate([np.arange(48) // 4, np.full(6, 12)])
    draw = Drawer(X)
    report = choose_fill(X, y, draw, learns=False, seed=0, device="cpu", listener=Listener(), groups=groups, n_steps=2)
    assert (report.not_judged, report.n_held_out) == (("2",), 48)
    held_out = [np.setdiff1d(np.arange(54), part) for part in draw.parts]
    assert sorted(np.concatenate(held_out).tolist()) == list(range(48))
    for rows in held_out:
        assert not set(groups[rows]) & set(np.delete(groups, rows))


def test_what_is_held_out_parts_no_group_and_takes_no_class_away() -> None:
    """Few groups, of one class or across several: whatever is dealt, no group is on both sides and no class is lost."""
    random = np.random.default_rng(0)
    n_refused = 0
    for _ in range(400):
        codes = np.sort(random.integers(0, 3, 30))
        groups = random.integers(0, random.integers(1, 9), 30)
        if random.random() < 0.5:
            groups = groups + 10 * codes  # each within one class
        try:
            folds = held_out_folds(codes, groups, seed=int(random.integers(100)))
        except InputError:
            n_refused += 1
            continue
        assert all(len(np.unique(folds[groups == group])) == 1 for group in groups)
        held_out = np.unique(folds[folds >= 0])
        assert held_out.size
        for fold in held_out:
            assert set(codes[folds != fold]) == set(codes)
    assert 0 < n_refused < 150


def test_a_group_of_a_class_that_has_no_other_is_kept_whole() -> None:
    codes = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2])
    groups = np.array([0, 0, 1, 2, 3, 4, 5, 5, 5])
    folds = held_out_folds(codes, groups, seed=0)
    assert (folds[groups == 5] == -1).all()
    with pytest.raises(InputError, match="^--fill auto holds groups out, and none can be"):
        held_out_folds(codes, np.zeros(9, int), seed=0)


def test_a_class_whose_groups_would_all_lie_in_one_fold_is_kept() -> None:
    codes = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2])
    groups = np.array([2, 1, 4, 3, 5, 4, 5, 5, 5, 0, 0, 2])
    folds = held_out_folds(codes, groups, seed=0)
    for fold in np.unique(folds[folds >= 0]):
        assert set(codes[folds != fold]) == {0, 1, 2}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    X, y = some({"0": 40, "1": 40, "8": 10})
    np.savez(tmp_path / "digits.npz", X=X, y=y)
    return tmp_path / "digits.npz"


class Notes(Listener):
    """Keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_where_nothing_drawn_helps_the_originals_are_all(archive: Path, tmp_path: Path, contents: Contents) -> None:
    told = Notes()
    out = tmp_path / "out"
    summary = balance_folder(archive, out, method="wrong", fill="auto", listener=told)
    assert summary.fill is not None
    assert summary.fill.chosen == 0
    assert summary.fill.tried[1].behind > summary.fill.tried[1].error
    assert (summary.model_hash, summary.seed, [each.drawn for each in summary.classes]) == ("", None, [0, 0, 0])
    assert told.notes == [
        "--fill auto takes about 8 trainings of a small classifier before anything is drawn",
        "nothing drawn helps on images that were held out, so nothing is drawn: see the table",
    ]
    assert sorted(path.name for path in out.iterdir()) == [
        "balance.json",
        "images",
        "manifest.csv",
        "report.html",
        "samples.png",
    ]
    assert {row.origin for row in read_manifest(out / "manifest.csv")} == {"real"}
    record = json.loads((out / "balance.json").read_text(encoding="utf-8"))
    assert record["fill"]["chosen"] == 0.0
    assert [each["fill"] for each in record["fill"]["tried"]] == [0.0, 1.0]
    found = verify_folder(out)
    assert (found.problems, found.notes) == ([], ["nothing was drawn, so there is no model"])
    with pytest.raises(InputError, match="holds no model of makeweight"):
        sample_folder(out, 3, label="8", out=tmp_path / "more")
    before = contents(out)
    balance_folder(archive, out, method="wrong", fill="auto", overwrite=True)
    assert contents(out) == before


def test_a_ratio_fills_to_a_share_of_the_largest(archive: Path, tmp_path: Path) -> None:
    summary = balance_folder(archive, tmp_path / "out", method="smote", fill=0.5)
    assert [(each.label, each.total) for each in summary.classes] == [("0", 40), ("1", 40), ("8", 20)]
    assert not (tmp_path / "out" / "balance.json").exists()
    same = balance_folder(archive, tmp_path / "same", method="smote", sampling_strategy={"8": 20})
    assert same.settings_hash == summary.settings_hash


def test_images_that_do_not_fit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for label, n_images in (("0", 3), ("1", 1)):
        (tmp_path / "in" / label).mkdir(parents=True)
        for number in range(n_images):
            Image.fromarray(ALL[number]).save(tmp_path / "in" / label / f"{number}.png")
    monkeypatch.setenv("MAKEWEIGHT_MEMORY", "0")
    with pytest.raises(InputError, match="^--fill auto needs all images in memory, and these do not fit: give a ratio"):
        balance_folder(tmp_path / "in", tmp_path / "out", method="smote", fill="auto")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("value", [0.0, -1.0, 1.5, float("nan"), "most"])
def test_fills_out_of_range_are_refused(value: Any) -> None:
    with pytest.raises(InputError, match=f"^the fill {value} is no share of the largest class: give one above 0"):
        check_fill(value, None, None)


def test_fills_beside_a_strategy_or_a_seen_model_are_refused() -> None:
    with pytest.raises(InputError, match="^--fill and --sampling-strategy both say how many"):
        check_fill(0.5, "auto", None)
    with pytest.raises(InputError, match="^--fill auto must hold images out that the model has never seen"):
        check_fill("auto", None, "model")
    check_fill(0.5, None, "model")
    check_fill(None, "auto", "model")
    check_gate(True, None)
    check_gate(False, "duplicates")


def test_what_is_typed() -> None:
    assert parse_fill("auto") == "auto"
    assert parse_fill("0.25") == 0.25
    with pytest.raises(InputError, match="^--fill 'half' is no share of the largest class: give a number above 0"):
        parse_fill("half")


def test_the_cost_is_told_beforehand() -> None:
    told = cost_of_choosing("aggan", True)
    assert told.startswith("--fill auto takes a second training of aggan, on three quarters of the images, and about ")


def test_a_device_may_be_named_for_what_judges(archive: Path, tmp_path: Path) -> None:
    summary = balance_folder(archive, tmp_path / "out", method="duplicates", fill="auto", device="cpu")
    assert summary.fill is not None


def test_nothing_can_help_where_everything_is_recognised() -> None:
    tried = (FillTried(0.0, 0, 1.0, 0.0, 0.0), FillTried(1.0, 9, 1.0, 0.0, 0.0))
    report = FillReport(tried, 0.0, 12, 1, 3, ())
    assert why_nothing(report) == "without drawn images every image that was held out is recognised already"
