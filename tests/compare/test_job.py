import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch
from joblib.parallel import ThreadingBackend
from PIL import Image

from makeweight.balance.listener import Listener
from makeweight.bench.rows import Row, RowFile
from makeweight.classifiers.small_cnn import CNNClassifier
from makeweight.compare import Comparison, Options, compare, compare_folder
from makeweight.compare.classifier import MixedClassifier
from makeweight.compare.inputs import gather
from makeweight.compare.workspace import CARD, LOCK, workspace
from makeweight.errors import InputError
from makeweight.methods.acgan import ACGAN
from makeweight.sampler import load

from .conftest import TINY, digits


def test_all_cores_are_those_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("makeweight.compare.options.joblib.cpu_count", lambda: 7)
    assert (Options(n_jobs=-1).jobs(), Options(n_jobs=3).jobs()) == (7, 3)


LARGE = {1: 40, 3: 40, 8: 2}
OPTIONS: dict[str, Any] = {"n_seeds": 5, "fills": [1.0], "shares": [], "n_steps": 60, "classifier": TINY}
QUICK: dict[str, Any] = {**OPTIONS, "n_seeds": 2, "n_steps": 2}


@dataclass
class Work:
    """A folder, and comparisons in it with all planted methods and each alone, which find the rows of the first."""

    folder: Path
    all: Comparison
    alone: dict[str, Comparison]
    n_rows: list[int]

    @property
    def rows(self) -> list[Row]:
        return RowFile(self.folder / "rows.jsonl").read()


def with_planted(folder: Path, methods: list[str]) -> Comparison:
    X, y = digits(LARGE)
    X_test, y_test = digits({1: 70, 3: 70, 8: 70}, start=100)
    return compare(X, y, X_test, y_test, options=Options(methods=methods, **OPTIONS), out=folder, name="digits")


@pytest.fixture(scope="module")
def work(planted: None, tmp_path_factory: pytest.TempPathFactory) -> Work:
    folder = tmp_path_factory.mktemp("compare") / "out"
    made = Work(folder, with_planted(folder, ["oracle", "swapper", "copier"]), {}, [])
    for name in ("swapper", "copier", "oracle"):
        made.n_rows.append(len(made.rows))
        made.alone[name] = with_planted(folder, [name])
    return made


def verdict(found: Comparison, label: str | None) -> Any:
    return next(each for each in found.verdicts if each.label == label)


def test_a_method_that_truly_helps_is_recommended(work: Work) -> None:
    answer = verdict(work.alone["oracle"], "d8")
    assert answer.answer == "use"
    assert 0 < answer.low < answer.gain < answer.high
    assert answer.sentence.startswith("use Oracle ")
    assert f" for d8 (+{answer.gain * 100:.1f} recall, 95 % interval " in answer.sentence
    assert [each.label for each in work.alone["oracle"].verdicts] == [None, "d8"]


def test_it_is_found_among_methods_that_do_not_help(work: Work) -> None:
    answer = verdict(work.all, "d8")
    assert (answer.answer, answer.arm.split()[0]) == ("use", "Oracle")


def test_the_gate_lets_right_images_of_a_class_through_and_none_of_another(planted: None) -> None:
    X, y = digits({1: 60, 3: 60, 8: 40})
    test = digits({1: 20, 3: 20, 8: 20}, start=100)
    options = {**QUICK, "methods": ["oracle", "swapper"], "fills": [0.75]}
    found = compare(X, y, *test, options=Options(**options), name="digits")
    assert found.arm("Oracle with augmentation at fill 0.75, gated").n_drawn == {"d1": 0, "d3": 0, "d8": 5}
    assert set(found.arm("Swapper with augmentation at fill 0.75, gated").n_drawn.values()) == {0}
    assert found.arm("Swapper with augmentation at fill 0.75").n_drawn["d8"] == 5
    assert [each for each in found.warnings if "gate" in each] == [
        "the arm 'Swapper with augmentation at fill 0.75, gated' learnt from real images alone: nothing drawn passed "
        "the gate, which judges no class of fewer than 10 images."
    ]
    areas = found.arm("nothing").classes["auc"]
    assert len(areas) == 3
    assert np.mean(areas) == pytest.approx(found.arm("nothing").summary["auc"])


def test_methods_as_one_text_are_refused() -> None:
    with pytest.raises(InputError, match=r"^methods='smote' is one text: give a list, such as \['smote'\]\.$"):
        Options(methods="smote").check()  # type: ignore[arg-type]


def test_arms_of_some_kinds_alone() -> None:
    chosen = {"methods": ["smote", "acgan"], "fills": [0.5, 1.0], "shares": [0.25]}
    arms = Options(**chosen, kinds=["shared", "mixup"]).arms()
    assert [arm.title for arm in arms] == [
        "nothing",
        "augmentation",
        "mixup",
        "SMOTE with augmentation at fill 1 and share 0.25",
        "ACGAN with augmentation at fill 1 and share 0.25",
    ]
    with pytest.raises(InputError, match="^there is no arm called 'share': choose from .*; did you mean 'shared'"):
        Options(kinds=["share"]).check()


def test_what_cannot_begin_leaves_the_folder_free(tmp_path: Path) -> None:
    X, y = digits({1: 20, 3: 8})
    options = Options(methods=["smote"], **{**QUICK, "budget": 1e-6})
    with pytest.raises(InputError, match="^--budget is too short"):
        compare(X, y, folds=2, options=options, out=tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    with pytest.raises(InputError, match="there is no device 'cuda:99' here"):
        compare(X, y, folds=2, options=Options(methods=["smote"], device="cuda:99"), out=tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_lock_that_was_left_alone_is_no_comparison(tmp_path: Path) -> None:
    images = gather(*digits({1: 4, 3: 4}))
    (tmp_path / LOCK).touch()
    with workspace(tmp_path, images, "digits") as (folder, _):
        assert (folder / CARD).is_file()


def test_a_class_too_small_for_the_gate_is_left_as_it_is(work: Work) -> None:
    title = "Oracle with augmentation at fill 1, gated"
    assert work.alone["oracle"].arm(title).n_drawn == {"d1": 0, "d3": 0, "d8": 0}
    own = [row for row in work.rows if row.method == title]
    assert [row.metrics["drawn"] for row in own] == [[0, 0, 0]] * 5


def test_swapped_labels_are_not_to_be_used(work: Work) -> None:
    found = work.alone["swapper"]
    answer = verdict(found, "d8")
    assert answer.answer == "do not use"
    assert answer.sentence.startswith("for d8")
    assert "do not use them" in answer.sentence
    assert "other classes lose more, mean recall −" in answer.sentence
    assert "finds more (−" not in answer.sentence
    assert verdict(found, None).sentence.startswith("overall no drawn images beat augmentation")
    augmented = found.arm("augmentation").summary
    assert found.arm("Swapper with augmentation at fill 1").summary["acsa"] < augmented["acsa"]


def test_copies_are_never_recommended(work: Work) -> None:
    assert {each.answer for each in work.alone["copier"].verdicts} <= {"do not use", "cannot tell"}


def test_runs_are_shared_and_kept(work: Work) -> None:
    assert work.n_rows == [5 * (3 + 7 + 12)] * 3 == [len(work.rows)] * 3
    told = json.loads((work.folder / "verdict.json").read_text())
    assert [each["sentence"] for each in told["verdicts"]] == [each.sentence for each in work.alone["oracle"].verdicts]
    assert (told["train_counts"], told["test_counts"]) == ([40, 40, 2], [70, 70, 70])
    answers = [row for row in work.rows if "predictions" in row.metrics]
    assert all((work.folder / row.metrics["predictions"]).is_file() for row in answers)
    mean = np.mean([row.metrics["acsa"] for row in answers if row.method == "nothing"])
    assert work.all.arm("nothing").summary["acsa"] == pytest.approx(mean, abs=1e-12)
    assert {row.budget for row in answers} == {"60 steps", "30 steps"}
    assert work.all.arm("Oracle at fill 1").n_drawn == {"d1": 0, "d3": 0, "d8": 38}


def test_a_stopped_comparison_goes_on(tmp_path: Path) -> None:
    X, y = digits({1: 12, 8: 4})
    X_test, y_test = digits({1: 9, 8: 9}, start=100)
    options = Options(methods=["smote"], **{**QUICK, "shares": [0.5]})

    class StopError(Exception):
        pass

    class Stopper(Listener):
        def count(self, done: int, total: int) -> None:
            if done == 5:
                raise StopError

    with pytest.raises(StopError):
        compare(X, y, X_test, y_test, options=options, out=tmp_path / "out", listener=Stopper())
    rows = RowFile(tmp_path / "out" / "rows.jsonl")
    assert len(rows.read()) == 5
    assert not (tmp_path / "out" / "verdict.json").exists()
    found = compare(X, y, X_test, y_test, options=options, out=tmp_path / "out")
    assert len(rows.read()) == len({row.key for row in rows}) == 2 * (1 + 13)
    assert found.arm("SMOTE with augmentation at share 0.5 of every class").n_drawn == {"d1": 12, "d8": 12}

    kept = next(row for row in rows if row.method == "SMOTE at fill 1")
    lost = tmp_path / "out" / kept.metrics["predictions"]
    with np.load(lost) as file:
        before = file["chances"]
    lost.unlink()
    again = compare(X, y, X_test, y_test, options=options, out=tmp_path / "out")
    with np.load(lost) as file:
        assert (file["chances"] == before).all()
    assert again.as_dict() == found.as_dict()
    assert len(rows.read()) == 2 * (1 + 13)


def test_rows_of_anything_else_are_passed_over(tmp_path: Path) -> None:
    X, y = digits({1: 12, 8: 4})
    options = Options(methods=["smote"], **QUICK)
    found = compare(X, y, folds=2, options=options, out=tmp_path / "out")
    rows = RowFile(tmp_path / "out" / "rows.jsonl")
    one = next(iter(rows)).model_dump(exclude={"settings", "settings_hash"})
    for protocol in (one["protocol"], "another"):
        for settings in ({}, {"seed": 0}, {"seed": 0, "fold": 0}):
            rows.append(Row(**{**one, "protocol": protocol, "settings": settings}))
    n_rows = len(rows.read())
    assert compare(X, y, folds=2, options=options, out=tmp_path / "out").as_dict() == found.as_dict()
    assert len(rows.read()) == n_rows


def test_a_class_output_answers_as_the_model_that_draws(tmp_path: Path) -> None:
    X, y = digits({1: 20, 8: 5})
    X_test, y_test = digits({1: 6, 8: 6}, start=100)
    options = Options(methods=["acgan"], gan_steps=3, **QUICK)
    found = compare(X, y, X_test, y_test, options=options, out=tmp_path / "out")
    arm = found.arm("ACGAN's class output")
    assert (arm.draws, arm.itself, arm.n_drawn) == (False, True, {"d1": 0, "d8": 0})
    with pytest.raises(InputError, match='did you mean "ACGAN\'s class output"'):
        found.arm("ACGAN class output")
    by_seed = {(row.method, row.subset_seed): row for row in RowFile(tmp_path / "out" / "rows.jsonl")}
    for seed in (0, 1):
        row = by_seed[arm.title, seed]
        assert (row.budget, row.metrics["n_drawn"]) == ("3 steps", 0)
        model = load(tmp_path / "out" / str(by_seed["acgan", seed].metrics["model"]))
        assert isinstance(model, ACGAN)
        chances = model.classifier_.predict_proba(X_test)
        with np.load(tmp_path / "out" / str(row.metrics["predictions"])) as kept:
            np.testing.assert_allclose(kept["chances"], chances, atol=1e-3)
    again = compare(X, y, X_test, y_test, options=options, out=tmp_path / "out")
    assert again.arm(arm.title).summary == arm.summary
    assert len(RowFile(tmp_path / "out" / "rows.jsonl").read()) == len(by_seed)


def test_rows_and_reports_name_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("makeweight.compare.runs.device_name", lambda device: f"chip of {device}")
    X, y = digits({1: 12, 8: 4})
    options = Options(methods=["smote", "acgan"], gan_steps=2, **QUICK)
    compare(X, y, folds=2, options=options, out=tmp_path / "out")
    devices = {row.method: row.device for row in RowFile(tmp_path / "out" / "rows.jsonl")}
    assert devices.pop("smote") == "chip of cpu"
    assert set(devices.values()) == {"chip of auto"}
    assert "chip of auto" in (tmp_path / "out" / "report.html").read_text()


def test_a_test_set_too_small_to_tell(planted: None) -> None:
    X, y = digits(LARGE)
    X_test, y_test = digits({1: 5, 3: 5, 8: 3}, start=100)
    options = Options(methods=["oracle"], **{**OPTIONS, "n_seeds": 3, "n_steps": 30})
    answer = verdict(compare(X, y, X_test, y_test, options=options), "d8")
    assert answer.answer == "cannot tell"
    assert answer.more_images is not None
    assert f"cannot tell, very roughly {answer.more_images:,} more test images " in answer.sentence


def test_folds_and_processes(tmp_path: Path) -> None:
    X, y = digits({1: 30, 8: 8})
    groups = [place // 2 for place in range(38)]
    options = Options(methods=["smote"], **QUICK, n_jobs=2)
    found = compare(X, y, folds=2, groups=groups, options=options, out=tmp_path / "out")
    assert found.test_counts == [30, 8]
    assert len(RowFile(tmp_path / "out" / "rows.jsonl").read()) == 2 * 2 * (1 + 11)
    natural = found.arm("augmentation").natural
    assert natural["threshold_recall"][1] is not None
    alone = compare(X, y, folds=2, groups=groups, options=Options(methods=["smote"], **QUICK))
    assert alone.arm("nothing").by_seed == found.arm("nothing").by_seed


def test_a_backend_of_joblib_carries_the_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handed = []

    class Other(ThreadingBackend):  # type: ignore[misc]
        def submit(self, *arguments: Any, **more: Any) -> Any:
            handed.append(arguments)
            return super().submit(*arguments, **more)

    monkeypatch.setattr(torch, "set_num_threads", lambda n: None)  # these are threads of this process
    joblib.register_parallel_backend("other", Other)
    X, y = digits({1: 30, 8: 8})
    options = Options(methods=["smote"], **QUICK, n_jobs=2)
    with joblib.parallel_config(backend="other"):
        compare(X, y, folds=2, options=options, out=tmp_path / "out")
    rows = RowFile(tmp_path / "out" / "rows.jsonl").read()
    assert len(rows) == len({row.key for row in rows}) == len(handed) == 2 * 2 * (1 + 11)


def test_fills_that_ask_for_nothing() -> None:
    X, y = digits({1: 20, 8: 10})
    test = digits({1: 6, 8: 6}, start=100)
    with pytest.raises(
        InputError, match="^there is nothing to draw: no fill asks for more than the 10 images of the sm"
    ):
        compare(X, y, *test, options=Options(**{**QUICK, "methods": ["smote"], "fills": [0.5], "shares": [0.25]}))
    with pytest.raises(InputError, match="^none of the arms holds drawn images of rare classes, which verdicts are"):
        compare(X, y, *test, options=Options(**{**QUICK, "methods": ["smote"], "kinds": ["mixup", "equal_share"]}))
    options = Options(**{**QUICK, "methods": ["smote", "smote"], "fills": [0.5, 1.0]})
    titles = [arm.title for arm in compare(X, y, *test, options=options).arms]
    assert len(set(titles)) == len(titles)
    assert "SMOTE at fill 1" in titles
    assert "SMOTE at fill 0.5" not in titles


def test_no_folds_are_refused() -> None:
    X, y = digits({1: 6, 8: 6})
    with pytest.raises(InputError, match="fold"):
        compare(X, y, folds=0, options=Options(methods=["smote"], **QUICK))


def test_leaks_are_warned_of() -> None:
    X, y = digits({1: 20, 8: 5})
    X_test, y_test = digits({1: 6, 8: 6}, start=100)
    options = Options(methods=["smote"], **QUICK)
    X_test[:2] = X[:2]
    y_test[:2] = y[:2]
    found = compare(X, y, X_test, y_test, options=options)
    assert found.warnings[0].startswith("2 test images are near-copies of training images (25 and 0, 26 and 1)")


def test_what_is_damaged_is_named_and_learnt_again_once_it_is_deleted(tmp_path: Path) -> None:
    X, y = digits({1: 12, 8: 4})
    options = Options(methods=["smote"], **QUICK)

    def again() -> Comparison:
        return compare(X, y, folds=2, options=options, out=tmp_path / "out", name="digits")

    found = again()
    assert not (tmp_path / "out" / "training").exists()
    rows = [row for row in RowFile(tmp_path / "out" / "rows.jsonl") if row.subset_seed == 0]
    one, other = (tmp_path / "out" / row.metrics["predictions"] for row in rows if row.method == "SMOTE at fill 1")
    whole = one.read_bytes()
    for damage in (whole[:100], other.read_bytes()):  # cut short; answers to the other fold
        one.write_bytes(damage)
        with pytest.raises(InputError, match=f"{one.name} holds damaged predictions: delete it, and compare again"):
            again()
    one.unlink()
    model = next(tmp_path / "out" / row.metrics["model"] for row in rows if row.method == "smote")
    for file in model.iterdir():
        file.write_bytes(b"?")
    for row in rows:
        (tmp_path / "out" / row.metrics.get("predictions", "none")).unlink(missing_ok=True)
    with pytest.raises(InputError, match=f"{model.name} holds a damaged model: delete it, and compare again"):
        again()
    shutil.rmtree(model)
    assert again().as_dict() == found.as_dict()


def test_budget_leaves_out_what_does_not_fit() -> None:
    X, y = digits({1: 20, 8: 5})
    X_test, y_test = digits({1: 6, 8: 6}, start=100)
    changes: dict[str, Any] = {"methods": ["smote", "acgan"], "gan_steps": 500_000}
    found = compare(X, y, X_test, y_test, options=Options(**QUICK, **changes, budget=60.0))
    assert any(line.startswith("all arms of ACGAN (about ") for line in found.left_out)
    assert {arm.title.split()[0] for arm in found.arms if arm.draws} == {"SMOTE"}
    with pytest.raises(InputError, match="^--budget is too short: the least that can be compared takes about "):
        compare(X, y, X_test, y_test, options=Options(**QUICK, **changes, budget=1e-6))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"methods": ["aggn"]}, "did you mean 'aggan'"),
        ({"methods": ["duplicates"]}, "no method that draws is given"),
        ({"methods": ["smote", "class_output"]}, "there is no method called 'class_output'"),
        ({"methods": ["smote", "adjusted_mixup"]}, "there is no method called 'adjusted_mixup'"),
        ({"n_seeds": 1}, "1 seed cannot tell"),
        ({"fills": [2.0]}, "fills are shares of the largest class"),
        ({"shares": [1.0]}, "shares of drawn images"),
        ({"n_seeds": 10**20}, "seeds are more than 1,000: give fewer"),
        ({"worthwhile": 0.0}, "worthwhile gain"),
        ({"worthwhile": -0.01}, "below 100 points: not -1"),
        ({"n_jobs": 0}, "0 jobs are impossible"),
        ({"n_steps": 0}, "n_steps=0 is impossible"),
    ],
)
def test_impossible_options(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    X, y = digits({1: 6, 8: 4})
    with pytest.raises(InputError, match=words):
        compare(X, y, options=Options(**{**OPTIONS, **changes}), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_folders_of_others_are_refused(tmp_path: Path) -> None:
    X, y = digits({1: 6, 8: 4})
    options = Options(methods=["smote"], **QUICK)
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "photo.png").touch()
    with pytest.raises(InputError, match="holds something else than a comparison"):
        compare(X, y, folds=2, options=options, out=tmp_path / "holiday")
    assert [path.name for path in (tmp_path / "holiday").iterdir()] == ["photo.png"]
    compare(X, y, folds=2, options=options, out=tmp_path / "out")
    with pytest.raises(InputError, match="holds a comparison of other images"):
        compare(X + 1, y, folds=2, options=options, out=tmp_path / "out")
    with pytest.raises(InputError, match="^both a test set and folds"):
        compare(X, y, X, y, folds=2, options=options)


@pytest.mark.parametrize("part", ["train", "test"])
def test_images_named_as_drawn_are_told(part: str, tmp_path: Path) -> None:
    class Told(Exception):  # noqa: N818
        pass

    class Listening(Listener):
        def note(self, sentence: str) -> None:
            raise Told(sentence)

    for split in ("train", "test"):
        for label in ("boot", "clog"):
            (tmp_path / "in" / split / label).mkdir(parents=True)
            for number in range(3):
                name = f"{'drawn-' if split == part and number else ''}{number}.png"
                pixels = np.random.default_rng(number).integers(0, 256, (9, 8), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "in" / split / label / name)
    which = "training" if part == "train" else "test"
    words = f"^4 {which} images named drawn-\\* or marked as drawn by an earlier run: what"
    with pytest.raises(Told, match=words):
        compare_folder(tmp_path / "in", out=tmp_path / "compared", listener=Listening())


class OwnClassifier(MixedClassifier):
    pass


@pytest.mark.parametrize("classifier", [CNNClassifier(), OwnClassifier(), "cn", 3])
def test_another_classifier_is_refused(classifier: Any) -> None:
    with pytest.raises(InputError, match=r"^classifier=\w+ is impossible: give a MixedClassifier, with networks"):
        Options(classifier=classifier).check()
