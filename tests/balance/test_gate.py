import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from makeweight.balance import BalanceSummary, Listener, balance_folder, gate, read_manifest, verify_folder
from makeweight.balance.copies import Originals
from makeweight.balance.gate import (
    CANNOT_PASS,
    COPY,
    OFF_DATA,
    TOO_FEW,
    TOO_FEW_GROUPS,
    UNRECOGNISED,
    ClassGate,
    Gate,
    least_probability,
)
from makeweight.data.arrays import ImageCodec
from makeweight.data.source import open_source
from makeweight.errors import InputError
from makeweight.methods.duplicates import Resampler
from makeweight.methods.smote import SMOTE
from makeweight.quality import CopyFinder, crossfit
from makeweight.sampler import METHODS, load

Contents = Callable[[Path], dict[str, bytes]]

DIGITS = load_digits()
SHUFFLED = np.random.default_rng(0).permutation(len(DIGITS.target))
ALL, NAMES = DIGITS.images[SHUFFLED].astype(np.uint8) * 15, DIGITS.target[SHUFFLED].astype(str)
COUNTS = {"0": 70, "1": 20, "3": 30, "4": 70, "6": 70, "7": 5, "8": 30, "9": 30}
REAL = np.concatenate([np.flatnonzero(label == NAMES)[:number] for label, number in COUNTS.items()])
FRESH = {label: np.flatnonzero(label == NAMES)[number:] for label, number in COUNTS.items()}
X, Y = ALL[REAL], NAMES[REAL]


class Planted(Resampler):
    """Draws noise for 1, sixes for 3, copies of 8, fresh nines, and fresh images of whatever else."""

    name = "planted"
    block_size = 16

    def _draw_block(self, code: int, block: int, seed: int) -> NDArray[Any]:
        label = str(self.classes_[code])
        places = np.arange(block * 16, (block + 1) * 16)
        if label == "1":
            return np.random.default_rng([seed, block]).integers(0, 241, (16, 8, 8)).astype(np.uint8)
        pool = X[label == Y] if label == "8" else ALL[FRESH["6" if label == "3" else label]]
        return np.asarray(pool[places % len(pool)])


@pytest.fixture(scope="module", autouse=True)
def _short() -> Iterator[None]:
    """Cross-fit for a moment, and know the planted method."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crossfit, "DEFAULT_STEPS", (150, 150))
        patch.setitem(METHODS._parts, "planted", Planted)
        yield


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("gate") / "digits"
    for place, label in zip(REAL, Y, strict=True):
        (root / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(ALL[place]).save(root / label / f"{place:04d}.png")
    return root


class Notes(Listener):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.stages: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def stage(self, name: str) -> None:
        self.stages.append(name)


@pytest.fixture(scope="module")
def told() -> Notes:
    return Notes()


@pytest.fixture(scope="module")
def gated(digits: Path, told: Notes) -> BalanceSummary:
    """The digits balanced with planted images behind the gate."""
    return balance_folder(digits, digits.with_name("out"), method="planted", gate=True, seed=3, listener=told)


def test_the_gate_rejects_what_is_bad_and_says_why(gated: BalanceSummary) -> None:
    assert gated.gate is not None
    reports = {report.label: report for report in gated.gate}
    assert sorted(reports) == ["1", "3", "7", "8", "9"]
    assert {label: report.replaced for label, report in reports.items()} == {
        "1": CANNOT_PASS,
        "3": CANNOT_PASS,
        "7": TOO_FEW,
        "8": CANNOT_PASS,
        "9": "",
    }
    assert reports["8"].rejected == {COPY: reports["8"].n_judged, UNRECOGNISED: 0, OFF_DATA: 0}
    assert reports["8"].reject_rate == 1
    assert reports["3"].rejected[UNRECOGNISED] > 0.9 * reports["3"].n_judged
    assert reports["1"].rejected[COPY] == 0
    assert reports["1"].rejected[UNRECOGNISED] + reports["1"].rejected[OFF_DATA] > 0.9 * reports["1"].n_judged
    assert (reports["7"].n_judged, reports["7"].reject_rate, reports["7"].probability) == (0, None, None)
    nine = reports["9"]
    assert nine.reject_rate is not None
    assert nine.reject_rate < 0.3
    assert nine.n_judged - sum(nine.rejected.values()) == nine.n_wanted == 40
    assert nine.probability is not None
    assert 0 < nine.probability <= 0.5
    assert nine.reach is not None
    assert nine.reach >= 1
    assert nine.real_rejected is not None
    assert nine.real_rejected < 0.3


def test_the_manifest_says_which_method_drew_what(gated: BalanceSummary, digits: Path, contents: Contents) -> None:
    rows = read_manifest(gated.out / "manifest.csv")
    drawn = [row for row in rows if row.origin == "drawn"]
    assert Counter((row.label, row.method) for row in drawn) == {
        ("1", "augmentation"): 50,
        ("3", "augmentation"): 40,
        ("7", "augmentation"): 65,
        ("8", "augmentation"): 40,
        ("9", "planted"): 40,
    }
    real = {row.file for row in rows if row.origin == "real"}
    assert {row.copy_of for row in drawn if row.copy_of} <= real
    assert not any(row.copy_of for row in drawn if row.method == "planted")
    written = contents(gated.out / "images")
    assert {name: written[name] for name in contents(digits)} == contents(digits)
    assert sorted(path.name for path in gated.out.iterdir()) == [
        *("balance.json", "fallback", "images", "manifest.csv", "model", "report.html", "samples.png")
    ]


def test_taken_rows_are_the_first_that_pass_and_sampling_goes_on_after_them(gated: BalanceSummary) -> None:
    rows = [row for row in read_manifest(gated.out / "manifest.csv") if row.method == "planted"]
    numbers = [row.row for row in rows]
    (nine,) = (report for report in gated.gate or () if report.label == "9")
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == nine.n_judged - 1
    model, fallback = load(gated.out / "model"), load(gated.out / "fallback")
    assert model.rows_drawn_["9"] == nine.n_judged
    assert fallback.rows_drawn_["8"] == 40
    assert fallback.classes_.tolist() == ["1", "3", "7", "8"]
    again = model.draw("9", numbers, seed=gated.seed)
    assert all((np.asarray(Image.open(gated.out / r.file)) == x).all() for r, x in zip(rows, again, strict=True))


def test_what_was_decided_is_told_and_recorded(gated: BalanceSummary, told: Notes) -> None:
    assert told.stages == [
        *("reading", "copying", "learning", "cross-fitting", "gating", "drawing", "drawing", "writing")
    ]
    assert [note.partition(":")[0] for note in told.notes] == [
        f"{label} is filled by augmentation instead of planted" for label in "1378"
    ]
    assert told.notes[2].endswith(": fewer than 10 real images, too few to judge drawn ones by")
    assert told.notes[3].endswith(": 0 of 120 drawn images passed")
    record = json.loads((gated.out / "balance.json").read_text(encoding="utf-8"))
    assert (record["makeweight"], record["version"], record["method"], record["fill"]) == (
        "balance",
        1,
        "planted",
        None,
    )
    assert [each["label"] for each in record["gate"]] == ["1", "3", "7", "8", "9"]
    assert record["gate"][3]["rejected"] == {"copy": 120, "not recognised": 0, "off the data": 0}
    assert record["gate"][3]["reject_rate"] == 1.0


def test_both_models_are_verified(gated: BalanceSummary, tmp_path: Path) -> None:
    found = verify_folder(gated.out, redraw=60)
    assert (found.problems, found.notes, found.n_redrawn) == ([], [], 60)
    moved = (gated.out / "fallback").rename(tmp_path / "fallback")
    problems = verify_folder(gated.out).problems
    moved.rename(gated.out / "fallback")
    assert any(problem.startswith("the hash of the model is ") for problem in problems)


@pytest.fixture(scope="module")
def fitted() -> Gate:
    """A gate fitted to the digits."""
    originals = Originals(X, Y, [""] * len(Y), ImageCodec.learn(X))
    return Gate(X, Y, originals, seed=3).fit(lambda *_: None)


def ignored(*_: int) -> None:
    """Hear nothing."""


def test_what_smote_passes_with_is_no_copy(fitted: Gate) -> None:
    sampler = SMOTE(random_state=0).fit(X, Y)
    found = fitted.select(sampler, "3", 30, ignored)
    assert found.report.rejected[COPY] > 30
    assert len(found.rows) == 30
    finder = CopyFinder(X[Y == "3"], sampler.codec_)
    assert not finder.find(sampler.draw("3", found.rows)).copies


def test_pieces_do_not_change_what_is_taken(fitted: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = Planted(random_state=0).fit(X, Y)
    whole = fitted.select(sampler, "9", 60, ignored)
    monkeypatch.setattr(gate, "MOST_AT_A_TIME", 7)
    monkeypatch.setattr(gate, "FEWEST_AT_A_TIME", 1)
    assert fitted.select(sampler, "9", 60, ignored) == whole


@pytest.mark.parametrize(("every", "n_judged", "passed"), [(1, 40, True), (9, 352, True), (11, 109, False)])
def test_a_class_is_given_up_below_one_in_ten(
    every: int, n_judged: int, passed: bool, fitted: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler, looked_at, done = Planted(random_state=0).fit(X, Y), [0], []

    def faults(judge: object, label: str, X_drawn: Sequence[Any]) -> list[str]:
        first = looked_at[0]
        looked_at[0] += len(X_drawn)
        return ["" if row % every == 0 else COPY for row in range(first, looked_at[0])]

    monkeypatch.setattr(fitted, "_faults", faults)
    found = fitted.select(sampler, "9", 40, lambda *numbers: done.append(numbers))
    assert found.rows == (tuple(range(0, n_judged, every)) if passed else ())
    assert found.report.n_judged == n_judged
    assert found.report.replaced == ("" if passed else CANNOT_PASS)
    assert found.report.rejected[COPY] == n_judged - len(range(0, n_judged, every))
    assert done[-1] == (40 if passed else 10, 40)


def test_least_probability_by_hand() -> None:
    scores, positive = np.array([0.9, 0.8, 0.4, 0.3, 0.1]), np.array([True, False, True, False, False])
    assert least_probability(scores, positive) == pytest.approx(0.35)  # sensitivity 1, specificity 2/3
    assert least_probability(np.array([0.99, 0.9, 0.2]), np.array([True, True, False])) == 0.5
    assert least_probability(np.array([0.2, 0.0]), np.array([True, False])) == pytest.approx(0.1)


def test_real_images_by_which_is_judged_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "MOST_BYTES", 8 * 64 * 25)
    bounded = Gate(X, Y, Originals(X, Y, [], ImageCodec.learn(X)))
    assert np.bincount(bounded.codes).tolist() == [25, 20, 25, 25, 25, 5, 25, 25]
    assert bounded.counts.tolist() == list(COUNTS.values())


@pytest.mark.parametrize("method", ["duplicates", "augmentation"])
def test_methods_that_copy_are_refused(method: str, digits: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"^{method} draws real images once more, and --gate rejects copies: leave"):
        balance_folder(digits, tmp_path / "out", method=method, gate=True)
    assert not (tmp_path / "out").exists()


def test_equal_seeds_give_equal_bytes_from_memory_and_from_files(
    digits: Path, tmp_path: Path, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crossfit, "DEFAULT_STEPS", (5, 5))
    settings: dict[str, Any] = {"method": "planted", "gate": True, "sampling_strategy": {"9": 36, "7": 9}, "seed": 4}
    first = balance_folder(digits, tmp_path / "first", **settings)
    balance_folder(digits, tmp_path / "again", **settings)
    monkeypatch.setenv("MAKEWEIGHT_MEMORY", "0")
    balance_folder(digits, tmp_path / "lazy", **settings)
    assert contents(tmp_path / "first") == contents(tmp_path / "again") == contents(tmp_path / "lazy")
    assert first.gate is not None
    assert [each.label for each in first.gate] == ["7", "9"]


def tracks(*labels: str, n_tracks: int = 8, n_frames: int = 5) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.int64]]:
    """Give frames that hardly differ of so many images of each class, their classes and their tracks."""
    places = np.concatenate([np.flatnonzero(label == NAMES)[:n_tracks] for label in labels])
    groups = np.repeat(np.arange(len(places)), n_frames)
    jitter = np.random.default_rng(0).integers(0, 3, (len(groups), 8, 8))
    return (ALL[places][groups] + jitter).astype(np.uint8), NAMES[places][groups], groups


def test_thresholds_of_tracks_are_set_by_tracks_that_were_not_seen() -> None:
    frames, labels, groups = tracks("0", "1")

    def reach_of(groups: NDArray[np.int64] | None) -> float:
        originals = Originals(frames, labels, [""] * len(frames), ImageCodec.learn(frames))
        fitted = Gate(frames, labels, originals, groups=groups).fit(lambda done, total: None)
        own = (fitted.crossfit, fitted.X, fitted.codes, fitted.answers, 1)
        return ClassGate(*own).reach_

    # By image, the next frame of the same track has been seen; by track, an image lies as far off as a new one does.
    assert reach_of(groups) > 1.5 * reach_of(None)


def test_a_class_of_one_group_leaves_nothing_to_judge_by() -> None:
    frames, labels, groups = tracks("0", "1", "3")
    groups[labels == "1"] = 99
    originals = Originals(frames, labels, [""] * len(frames), ImageCodec.learn(frames))
    fitted = Gate(frames, labels, originals, groups=groups).fit(lambda done, total: None)
    sampler = SMOTE(random_state=0).fit(frames, labels)
    found = fitted.select(sampler, "1", 5, lambda done, total: None)
    assert (found.rows, found.report.replaced, found.report.n_judged) == ((), TOO_FEW_GROUPS, 0)
    assert fitted.select(sampler, "0", 5, lambda done, total: None).report.replaced != TOO_FEW_GROUPS


def test_groups_reach_the_gate_the_choice_and_the_manifest(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("makeweight.balance.fill.BOUNDS", (2, 2))
    dealt: list[tuple[NDArray[np.int64], NDArray[np.int64] | None]] = []
    deal = crossfit.deal_folds

    def heard(codes: Any, n_folds: int, random: Any, groups: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        dealt.append((codes, groups))
        return deal(codes, n_folds, random, groups)

    monkeypatch.setattr(crossfit, "deal_folds", heard)
    monkeypatch.setattr("makeweight.balance.fill.deal_folds", heard)
    files = sorted(path.relative_to(digits).as_posix() for path in digits.rglob("*.png"))
    table = tmp_path / "groups.csv"
    lines = [f"{file},pair {place // 2}" for place, file in enumerate(files) if place]
    table.write_text("\n".join(["file_name,group", *lines]) + "\n")
    told = Notes()
    out = tmp_path / "out"
    balance_folder(digits, out, method="smote", gate=True, fill="auto", groups=str(table), listener=told)
    assert told.notes[0] == "1 image without a group: each is a group of its own."
    assert len(dealt) >= 5  # the choice, the gate of each of its four parts, and perhaps the gate at last
    assert len(dealt[0][0]) == len(files)
    of_all = set(zip(*dealt[0], strict=True))  # type: ignore[arg-type]
    for codes, numbers in dealt:
        assert numbers is not None
        assert np.bincount(numbers).max() == 2
        assert set(zip(codes, numbers, strict=True)) <= of_all  # a part keeps the groups of its own images
    rows = read_manifest(out / "manifest.csv")
    groups = {f"{row.label}/{row.source}": row.group for row in rows if row.origin == "real"}
    assert groups == {file: f"pair {place // 2}" if place else "" for place, file in enumerate(files)}
    assert not any(row.group for row in rows if row.origin == "drawn")
    assert verify_folder(out).good


def test_too_few_groups_are_refused_before_anything_is_learnt(digits: Path, tmp_path: Path) -> None:
    table = tmp_path / "groups.csv"
    files = sorted(path.relative_to(digits).as_posix() for path in digits.rglob("*.png"))
    table.write_text("\n".join(["file_name,group", *(f"{file},{place % 2}" for place, file in enumerate(files))]))
    with pytest.raises(InputError, match="^--gate parts groups by 3, and digits has 2 groups: give more"):
        balance_folder(digits, tmp_path / "out", method="acgan", n_steps=2, gate=True, groups=str(table))
    table.write_text("\n".join(["file_name,group", *(f"{file},all" for file in files)]))
    with pytest.raises(InputError, match="^--fill auto holds groups out, and none can be"):
        balance_folder(digits, tmp_path / "out", method="acgan", n_steps=2, fill="auto", groups=str(table))
    assert [path.name for path in tmp_path.iterdir()] == ["groups.csv"]


def test_a_table_of_groups_in_the_output_is_not_overwritten(digits: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    balance_folder(digits, out, method="duplicates")
    table = out / "images" / "groups.csv"
    table.write_text("file_name,group\n")
    with pytest.raises(InputError, match="groups.csv"):
        balance_folder(digits, out, method="duplicates", groups=str(table), overwrite=True)
    assert table.is_file()


def test_fewer_groups_than_folds_are_left_out_of_account() -> None:
    frames, labels, groups = tracks("0", "1")
    originals = Originals(frames, labels, [""] * len(frames), ImageCodec.learn(frames))
    fitted = Gate(frames, labels, originals, groups=groups % 2).fit(lambda done, total: None)
    assert fitted.crossfit.n_groups_ is None
    assert Gate(frames, labels, originals, groups=groups % 3).groups is not None


def test_a_set_that_tells_groups_needs_no_option(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def with_tracks(*arguments: Any, **options: Any) -> Any:
        source = open_source(*arguments, **options)
        source.groups = np.array([f"track {place // 2}" for place in range(len(source))])
        return source

    monkeypatch.setattr("makeweight.balance.job.open_source", with_tracks)
    told = Notes()
    balance_folder(digits, tmp_path / "out", method="duplicates", listener=told)
    rows = read_manifest(tmp_path / "out" / "manifest.csv")
    assert [row.group for row in rows if row.origin == "real"] == [f"track {place // 2}" for place in range(len(X))]
    assert told.notes == [f"digits tells which images belong together: {-(-len(X) // 2)} groups."]
