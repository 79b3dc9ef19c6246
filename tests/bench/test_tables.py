"""The papers' tables on a made-up set of 28×28 pixels."""

import itertools
import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import t
from typer.testing import CliRunner

from makeweight.balance.listener import Listener
from makeweight.bench import drawn, running
from makeweight.bench.answers import answer
from makeweight.bench.learners import Learner, paper_learner, practical_learner
from makeweight.bench.published import BINARY, MULTICLASS
from makeweight.bench.results import Difference, sections
from makeweight.bench.rows import OtherFiguresWarning, RowFile, merge_rows
from makeweight.bench.running import Job, run_table
from makeweight.bench.settings import ReadingSettings, TableSettings, read_settings
from makeweight.bench.table import Case, Selection
from makeweight.bench.table_rows import read_rows, set_aside
from makeweight.bench.tables import TABLES
from makeweight.bench.wording import markdown, not_run, sentence_of, title_of
from makeweight.cli import app
from makeweight.compare.classifier import MixedClassifier
from makeweight.component import describe
from makeweight.data import subsets
from makeweight.data.named import NamedSet
from makeweight.errors import InputError
from makeweight.gan_sampler import GANSampler
from makeweight.methods.ca_gan import CAGAN
from makeweight.methods.deep_smote import DeepSMOTE
from makeweight.methods.smote import SMOTE
from makeweight.networks import DCGAN
from makeweight.quality import CrossFit, evaluate_images
from makeweight.sampler import ImageSampler
from makeweight.stabilisers import Mixed

NAMES = ("5", "6", "7")


@pytest.fixture(autouse=True)
def small_set(monkeypatch: pytest.MonkeyPatch) -> NamedSet:
    """A set called mnist with three classes, told apart by brightness; no other set is at hand."""
    random = np.random.default_rng(0)

    def images(n: int) -> Any:
        labels = np.repeat(NAMES, n)
        levels = np.repeat([40, 120, 200], n)[:, None, None]
        return np.clip(levels + random.normal(0, 20, (3 * n, 28, 28)), 0, 255).astype(np.uint8), labels

    made = NamedSet("mnist", *images(30), *images(10), NAMES, "made up")

    def load_small(name: str, **_: Any) -> NamedSet:
        if name != "mnist":
            raise InputError(f"there is no set called {name}: it is not at hand.")
        return made

    monkeypatch.setattr(running, "load_named", load_small)
    monkeypatch.setitem(subsets.PAPER_COUNTS, "mnist", (20, 10, 5))
    return made


def settings(**changes: Any) -> TableSettings:
    own = {"datasets": ["mnist"], "seeds": 2, "majority": {"mnist": 20}, "temperatures": [1.0], "coolings": [0.9, 0.99]}
    paper = ReadingSettings(methods=["cn", "twin"], epochs=1)
    return TableSettings(**{**own, "paper": paper, **changes})


def run(tmp_path: Path, name: str, own: TableSettings, wanted: Selection = Selection(), **more: Any) -> tuple[Any, Any]:  # noqa: B008
    rows = RowFile(tmp_path / "rows.jsonl")
    return run_table(Job(TABLES.get(name)(), own, tmp_path), wanted, rows, **more), rows.read()


def test_a_table_is_run_once_and_its_rows_tell_all(tmp_path: Path) -> None:
    ran, rows = run(tmp_path, "aggan-multiclass", settings())
    assert (ran.n_known, ran.n_added, ran.n_left, ran.absent) == (0, 4, 0, [])
    assert [(row.method, row.subset_seed, row.budget) for row in rows] == [
        ("cn", 0, "1 step"),
        ("twin", 0, "1 step"),
        ("cn", 1, "1 step"),
        ("twin", 1, "1 step"),
    ]
    assert {row.protocol for row in rows} == {"aggan-multiclass/paper/mnist"}
    assert len({row.data_hash for row in rows}) == 2, "each seed draws a subset of its own"
    assert all(row.settings["fixed"] == settings().hash for row in rows)
    assert all(set(row.metrics["recall"]) == set(NAMES) and row.metrics["n_test"] == 30 for row in rows)
    again, _ = run(tmp_path, "aggan-multiclass", settings())
    assert (again.n_known, again.n_added) == (4, 0)


def test_two_classes_at_three_ratios(tmp_path: Path) -> None:
    _, rows = run(tmp_path, "aggan-binary", settings(), Selection(methods=["cn"], seeds=[0]))
    assert [row.protocol.rsplit("/", 1)[1] for row in rows] == ["mnist 1:10", "mnist 1:50", "mnist 1:100"]
    assert {row.metrics["n_test"] for row in rows} == {20}
    assert rows[0].metrics["classes"] == ["5", "6"]
    assert "mnist 1:100" in BINARY


def test_each_table_has_the_sets_of_its_paper() -> None:
    multiclass, binary = (TABLES.get(f"aggan-{name}")() for name in ("multiclass", "binary"))
    assert set(multiclass.sets()) == set(MULTICLASS)
    assert {f"{name} 1:{ratio}" for name in binary.sets() for ratio in (10, 50, 100)} == set(BINARY)
    with pytest.raises(
        InputError, match="^there is no set of aggan-binary called 'celeba': choose from celeba-eyeglasses"
    ):
        binary.cases(settings(), Selection(datasets=["celeba"]))


def test_every_way_of_annealing(tmp_path: Path) -> None:
    own = settings(paper=ReadingSettings(methods=["aggan"], epochs=0.5))
    _, rows = run(tmp_path, "aggan-annealing", own, Selection(seeds=[0]))
    assert [row.protocol.rsplit("/", 1)[1] for row in rows] == ["mnist T=1 α=0.9", "mnist T=1 α=0.99"]
    told = [row.settings["learner"]["draws"]["evolution"]["acceptance"]["cooling"] for row in rows]
    assert told == [0.9, 0.99]
    assert all(row.history for row in rows)


def test_drawn_images_beside_the_rival(tmp_path: Path) -> None:
    practical = ReadingSettings(methods=["augmentation", "smote"], epochs=2, fill=0.5)
    ran, rows = run(tmp_path, "aggan-multiclass", settings(paper=None, practical=practical))
    assert ran.n_added == 4
    (found,) = sections("aggan-multiclass", rows)
    assert {line.method for line in found.lines} == {"augmentation", "smote"}
    (difference,) = found.differences
    assert (difference.one, difference.other, difference.n_seeds) == ("smote", "augmentation", 2)


def test_a_method_learns_once_for_all_fills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learnt = []
    fit = DeepSMOTE.fit
    monkeypatch.setattr(
        DeepSMOTE, "fit", lambda self, X, y: learnt.append(len(X)) or fit(self.set_params(n_steps=2), X, y)
    )
    practical = ReadingSettings(methods=["augmentation", "deep_smote at fill 0.8", "deep_smote at fill 1"], epochs=1)
    _, rows = run(tmp_path, "blend", settings(paper=None, practical=practical, seeds=1))
    assert [row.method for row in rows] == practical.methods
    assert learnt == [35]
    assert len([path for path in (tmp_path / "models" / running.place_name("cpu")).iterdir() if path.is_dir()]) == 1
    assert len(sections("blend", rows)[0].differences) == 2


@pytest.fixture
def quick_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("makeweight.quality.crossfit.DEFAULT_STEPS", (20, 20))
    monkeypatch.setattr("makeweight.bench.drawn.N_JUDGED", 6)


@pytest.mark.usefixtures("quick_judges")
def test_a_class_of_which_a_share_is_dropped(tmp_path: Path) -> None:
    """By seed another class; what is drawn of it is judged by the whole training images."""
    practical = ReadingSettings(methods=["augmentation", "smote"], epochs=2, fill=1.0)
    own = settings(paper=None, practical=practical, dropped=[0.5, 0.9])
    _, rows = run(tmp_path, "bagan", own)
    assert [(row.protocol.rsplit("/", 1)[1], row.subset_seed, row.method, row.metrics["counts"]) for row in rows] == [
        ("mnist without 50% of a class", 0, "augmentation", [15, 30, 30]),
        ("mnist without 50% of a class", 0, "smote", [15, 30, 30]),
        ("mnist without 90% of a class", 0, "augmentation", [3, 30, 30]),
        ("mnist without 90% of a class", 0, "smote", [3, 30, 30]),
        ("mnist without 50% of a class", 1, "augmentation", [30, 15, 30]),
        ("mnist without 50% of a class", 1, "smote", [30, 15, 30]),
        ("mnist without 90% of a class", 1, "augmentation", [30, 3, 30]),
        ("mnist without 90% of a class", 1, "smote", [30, 3, 30]),
    ]
    assert all(row.metrics["recall_of_rare"] == row.metrics["recall"][NAMES[row.subset_seed]] for row in rows)
    assert all(("drawn" in row.metrics) == (row.method == "smote") for row in rows)
    judged = rows[1].metrics["drawn"]
    assert judged["n_judged"] == 6
    assert 0 <= judged["seen"] <= 1
    assert judged["ssim_of_real"] == pytest.approx(judged["ssim"], abs=0.2)
    (section, _) = sections("bagan", rows)
    by_method = {line.method: line for line in section.lines}
    assert section.of_drawn[:2] == ["recall_of_rare", "seen"]
    told = [row.metrics["drawn"]["seen"] for row in rows if row.method == "smote" and "50%" in row.protocol]
    assert by_method["smote"].drawn["seen"] == pytest.approx(np.mean(told))
    assert "seen" not in by_method["augmentation"].drawn
    head = next(part for part in markdown([section]).splitlines() if part.startswith("| method"))
    assert head.startswith("| method | seeds | mean recall | F1 | geometric mean | rare | seen |")
    tables = [part.splitlines() for part in markdown([section]).split("\n\n") if part.startswith("|")]
    assert [len({row.count("|") for row in table}) for table in tables] == [1, 1]  # figures, and differences


@pytest.mark.usefixtures("quick_judges")
def test_one_large_class_with_and_without_mixed_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from makeweight.bench import tables

    monkeypatch.setattr(tables, "CAGAN_COUNTS", (20, 8, 8))
    monkeypatch.setattr(CAGAN, "recipe", replace(CAGAN.recipe, n_steps=2))
    practical = ReadingSettings(methods=["augmentation", "ca_gan", "ca_gan mixed"], epochs=1, fill=1.0)
    own = settings(paper=None, practical=practical, seeds=1)
    _, rows = run(tmp_path, "cagan", own)
    assert [row.method for row in rows] == practical.methods
    assert {tuple(row.metrics["counts"]) for row in rows} == {(20, 8, 8)}
    plain, mixed = (row.settings["learner"]["draws"] for row in rows[1:])
    assert plain["networks"] == mixed["networks"] == describe(DCGAN(batch_norm=True))
    assert plain["balanced_batches"] is mixed["balanced_batches"] is False
    assert "mixed_batches" not in plain
    assert mixed["mixed_batches"] == describe(Mixed(rate=0.5, start=2))  # of 2 · 64 / 36 epochs, two thirds
    (found,) = sections("cagan", rows)
    assert [(each.one, each.other) for each in found.differences] == [
        ("ca_gan", "augmentation"),
        ("ca_gan mixed", "augmentation"),
        ("ca_gan mixed", "ca_gan"),
    ]
    figures = runner_page(tmp_path, "cagan")
    assert "Drawn images" in figures
    assert "SSIM of two real" in figures
    for methods, message in (
        (["smote mixed"], "^smote plays no game, so its batches cannot be mixed: leave out 'mixed'"),
        (["ca_gan mixt"], "^'ca_gan mixt' is no method of a table: write METHOD at fill F"),
        (
            ["augmentation + augmentation"],
            "^cagan is about drawn images, and 'augmentation . augmentation' is no method",
        ),
        (["twin"], "^cagan is about drawn images, and 'twin' is no method that draws.$"),
    ):
        with pytest.raises(InputError, match=message):
            run(tmp_path, "cagan", own, Selection(methods=methods))


def test_batches_are_mixed_in_the_last_third_however_often_the_discriminator_steps() -> None:
    practical = ReadingSettings(methods=["wgan mixed", "acgan mixed"], epochs=1, fill=1.0)
    own, table = settings(paper=None, practical=practical), TABLES.get("cagan")()
    samplers: list[Any] = [table.learner(case, own, 1).sampler for case in table.cases(own, Selection(seeds=[0]))]
    assert [sampler.setting("discriminator_steps") for sampler in samplers] == [2, 1]
    for sampler in samplers:
        told = sampler.settings
        images_a_step = told["batch_size"] * sampler.setting("discriminator_steps")
        epochs = told["n_steps"] * images_a_step / 10_000
        assert sampler.mixed_batches.start == pytest.approx(epochs * 2 / 3, abs=0.5)


def runner_page(tmp_path: Path, name: str) -> str:
    """Give what `bench figures` writes."""
    target = tmp_path / "page.html"
    ran = CliRunner().invoke(
        app, ["bench", "figures", name, "--rows", str(tmp_path / "rows.jsonl"), "--html", str(target)]
    )
    assert ran.exit_code == 0, ran.output
    return target.read_text(encoding="utf-8")


def test_gtsrb_is_taken_as_it_is(small_set: NamedSet) -> None:
    table, case = TABLES.get("bagan")(), Case("practical", "gtsrb", "augmentation", 3)
    own = settings(dropped=[0.4, 0.9])
    assert table.details(own, "gtsrb") == [{}]
    assert table.group("gtsrb", case.details) == "gtsrb"
    rare = replace(small_set, X_train=small_set.X_train[:-20], y_train=small_set.y_train[:-20])
    split = table.split(rare, case, own)
    assert split.X is rare.X_train
    assert split.rare == ("7", "5", "6")


def practical(name: str, n_steps: int = 1, seed: int = 0) -> Learner:
    return practical_learner(name, "mnist", ReadingSettings(methods=["smote"], epochs=1), n_steps, seed)


@pytest.mark.parametrize("number", ["0", "2", "x", "nan", "1e999", "-1"])
def test_fills_and_shares_that_are_none(number: str) -> None:
    with pytest.raises(
        InputError, match=r"^'smote at fill .*' fills classes to no share of the largest: give one above"
    ):
        practical(f"smote at fill {number}")
    with pytest.raises(
        InputError, match=r"^'smote at share .*' takes no share of a batch: give one above 0 and at most"
    ):
        practical(f"smote at share {number}")


@pytest.mark.parametrize(
    ("name", "fill", "share", "blends"),
    [
        ("smote", 0.25, None, False),
        ("smote at fill 0.5", 0.5, None, False),
        ("smote at share 0.1", 0.25, 0.1, False),
        ("smote at fill 1 and share 0.1", 1.0, 0.1, False),
        ("smote with mixup at share 0.1", 0.25, 0.1, True),
        ("smote with mixup at fill 1 and share 0.1", 1.0, 0.1, True),
    ],
)
def test_how_many_drawn_images_and_how_often(name: str, fill: float, share: float | None, blends: bool) -> None:
    told = practical(name).settings
    assert (told["arm"]["fill"], told["arm"].get("share")) == (fill, share)
    assert told["classifier"]["drawn_share"] == share
    assert ("risk" in told["classifier"]) == blends


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("smote's class output", "^there is no method with a class output called 'smote'"),
        ("aggna's class output", "did you mean 'aggan'"),
        ("augmentation + ", "^there is no method of the reading practical called ''"),
        (
            "augmentation +augmentation",
            "^'augmentation .augmentation' is no method of a table: augmentation draws nothing",
        ),
        (
            "nothing at fill 0.5",
            "^'nothing at fill 0.5' is no method of a table: nothing draws nothing, so give it alone.$",
        ),
        ("twin at share 0.25", "^'twin at share 0.25' is no method of a table: twin draws nothing, so give it alone.$"),
        ("smote at share 1", "^'smote at share 1' takes no share of a batch: give one above 0 and at most 0.99.$"),
        ("smote at fill 0.50", "has a number of another spelling: write 0.5 for 0.50.$"),
        (
            "smote at share 0.25 and fill 0.5",
            "^'smote at share .*' is no method of a table: write METHOD at fill F, METHOD",
        ),
        ("smote and share 0.25", "is no method of a table: write METHOD at fill F"),
        ("bagan with mixup's class output", "^there is no setting head.mixup: parameter of KPlusOne called 'mixup'"),
        ("twin with mixup's class output", "^there is no method with a class output called 'twin'"),
        ("twin with mixup at share 0.5", "is no method of a table: twin draws nothing, so give it alone.$"),
        (
            "smote with mixup",
            "is no method of a table: .*, or with a share .* with mixup's images.$",
        ),
        (
            "smote with mixup at fill 0.5",
            "is no method of a table: .*, or with a share .* with mixup's images.$",
        ),
        ("aggan with mixup's images", "is no method of a table: write METHOD at fill F"),
        ("aggan's class output mixed", "is no method of a table: write METHOD at fill F"),
        ("aggan at share 0.25 by batch statistics", "is no method of a table: write METHOD at fill F"),
        ("aggan's images at share 0.25", "is no method of a table: write METHOD at fill F"),
        ("smote with mixup's images at share 0.25", "^there is no method with a class output called 'smote'"),
        ("twin with mixup's images at share 0.25", "is no method of a table: twin draws nothing, so give it alone.$"),
        (
            "mixup at share 0.5",
            "^'mixup at share 0.5' is no method of a table: mixup draws nothing, so give it alone.$",
        ),
    ],
)
def test_averages_of_what_there_is_not(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        practical(name)


def test_the_twin_of_the_defaults() -> None:
    twin, aggan = (
        practical("twin", seed=3).settings["classifier"],
        practical("aggan's class output").settings["draws"],
    )
    for name in ("networks", "batch_size", "learning_rate", "augmentation", "balanced_batches", "n_steps"):
        assert twin[name] == aggan[name]


def test_a_class_output_that_learns_from_blends_and_its_twin() -> None:
    names = ("aggan's class output", "aggan with mixup's class output")
    plain, blending = (practical(name).settings["draws"] for name in names)
    assert blending == {**plain, "head": {**plain["head"], "mixup": True}}
    alone, twin = practical("twin").settings["classifier"], practical("twin with mixup").settings["classifier"]
    assert (alone["risk"]["name"], twin["risk"]["name"]) == ("empirical", "manifold_mixup")
    assert {**twin, "risk": None} == {**alone, "risk": None}


def test_images_of_a_method_that_learns_from_blends() -> None:
    own, plain, output = (
        practical(name).settings
        for name in (
            "aggan with mixup's images at share 0.25",
            "aggan with mixup at share 0.25",
            "aggan with mixup's class output",
        )
    )
    assert own == {**plain, "draws": output["draws"]}
    assert own["draws"] != plain["draws"]


def test_what_classifies_has_another_seed_in_each_place_of_an_average() -> None:
    members = practical("augmentation + smote + augmentation", seed=3).settings["members"]
    assert [each["classifier"]["random_state"] for each in members] == [3, 1003, 2003]
    assert members[1]["draws"]["random_state"] == 3
    assert members[0] == practical("augmentation", seed=3).settings


def noting(kind: type, fitted: list[str], pause: float = 0.0) -> Any:
    """The `fit` of a class, which notes the name of what learns, and takes its time; GANs take two steps."""
    shipped = kind.fit  # type: ignore[attr-defined]

    def fit(self: Any, *args: Any, **more: Any) -> Any:
        fitted.append(type(self).__name__)
        time.sleep(pause)
        if isinstance(self, (GANSampler, DeepSMOTE)):
            self.set_params(n_epochs=None, n_steps=2)
        return shipped(self, *args, **more)

    return fit


@pytest.mark.parametrize(
    ("name", "learnt"),
    [
        ("augmentation + acgan's class output", ["ACGAN", "MixedClassifier"]),
        ("deep_smote at fill 1", ["DeepSMOTE", "MixedClassifier", "MixedClassifier"]),
    ],
)
def test_runs_side_by_side_learn_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, learnt: list[str]
) -> None:
    """Each waits for the answers of a member, and for a model, that another is about to have."""
    fitted: list[str] = []
    for kind in (MixedClassifier, ImageSampler):
        monkeypatch.setattr(kind, "fit", noting(kind, fitted, pause=0.5))
    own = settings(paper=None, practical=ReadingSettings(methods=[name], epochs=1), seeds=1)
    job, case = Job(TABLES.get("aggan-multiclass")(), own, tmp_path), Case("practical", "mnist", name, 0)
    split = job.table.split(running.load_named("mnist"), case, own)

    def learn(_: int) -> Any:
        learner = job.learner(case, split)
        learner.prepare(tmp_path / "models")
        return answer(learner, split, tmp_path / "answers").chances

    with ThreadPoolExecutor(2) as both:
        one, other = both.map(learn, range(2))
    assert sorted(fitted) == learnt
    np.testing.assert_array_equal(one, other)


def test_averages_learn_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [
        "augmentation",
        "augmentation + augmentation",
        "acgan's class output",
        "augmentation + acgan's class output",
    ]
    own = settings(paper=None, practical=ReadingSettings(methods=names, epochs=20), seeds=1)
    fitted: list[str] = []
    for kind in (MixedClassifier, ImageSampler):
        monkeypatch.setattr(kind, "fit", noting(kind, fitted))
    _, rows = run(tmp_path, "aggan-multiclass", own)
    assert fitted == ["MixedClassifier", "MixedClassifier", "ACGAN"]
    by_name = {row.method: row for row in rows}
    assert by_name[names[3]].seconds == pytest.approx(by_name[names[0]].seconds + by_name[names[2]].seconds, abs=0.002)
    assert by_name[names[2]].history
    job, case = Job(TABLES.get("aggan-multiclass")(), own, tmp_path), Case("practical", "mnist", names[3], 0)
    split = job.table.split(running.load_named("mnist"), case, own)
    learner = job.learner(case, split)
    kept = answer(learner, split, tmp_path / "answers")
    anew = [job.learner(replace(case, method=name), split).fit(split.X, split.y) for name in (names[0], names[2])]
    np.testing.assert_allclose(kept.chances, np.mean([each.predict_proba(split.X_test) for each in anew], axis=0))


@pytest.mark.parametrize(
    "damage",
    [
        {"chances": np.zeros((2, 3))},
        {"chances": np.full((30, 3), np.nan)},
        {"chances": np.full((30, 3), "x")},
        {"chances": -np.ones((30, 3))},
        {"classes": np.array(NAMES[::-1])},
        {"classes": np.array(["z0", "z1", "z2"])},
        {"seconds": np.nan},
        {"seconds": "x"},
        {"seconds": None},
    ],
    ids=str,
)
def test_damaged_answers_are_given_anew(tmp_path: Path, damage: dict[str, Any]) -> None:
    own = settings(paper=None, practical=ReadingSettings(methods=["nothing"], epochs=1), seeds=1)
    _, (first,) = run(tmp_path, "aggan-multiclass", own)
    (kept,) = (tmp_path / "answers" / running.place_name("cpu")).iterdir()
    sound = {"classes": np.array(NAMES), "chances": np.full((30, 3), 1 / 3), "seconds": 1.0}
    np.savez(kept, **{name: value for name, value in {**sound, **damage}.items() if value is not None})
    _, rows = run(tmp_path, "aggan-multiclass", own, Selection(methods=["nothing + nothing"]))
    assert rows[-1].method == "nothing + nothing"
    (again,) = (path for path in kept.parent.iterdir() if path.name == kept.name)
    with np.load(again) as file:
        assert file["classes"].tolist() == list(NAMES)
        assert (file["chances"].argmax(axis=1) == np.repeat(range(3), 10)).mean() == pytest.approx(
            first.metrics["acsa"]
        )


def test_what_another_processor_has_answered_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = settings(paper=None, practical=ReadingSettings(methods=["nothing"], epochs=1), seeds=1)
    for processor in ("Maker(R) X", "Maker(R) Y"):
        monkeypatch.setattr(running, "processor_name", lambda processor=processor: processor)
        run(tmp_path, "aggan-multiclass", own, Selection(methods=["nothing + nothing"]))
        (tmp_path / "rows.jsonl").unlink()
    kept = sorted(path.name for path in (tmp_path / "answers").iterdir())
    assert kept == ["maker-r-x", "maker-r-y"]
    assert all(len(list((tmp_path / "answers" / name).glob("*.npz"))) == 2 for name in kept)


def test_names_of_averages_may_be_long(tmp_path: Path) -> None:
    own = settings(paper=None, practical=ReadingSettings(methods=[" + ".join(["nothing"] * 40)], epochs=0.1), seeds=1)
    ran, _ = run(tmp_path, "aggan-multiclass", own)
    assert ran.n_added == 1


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_what_cannot_be_done_is_told_and_the_rest_is_run(tmp_path: Path, n_jobs: int) -> None:
    """Nothing to fill is found out when a split is learnt from; it ends neither the table nor its other seeds."""
    practical = ReadingSettings(methods=["augmentation", "smote", "smote at fill 1"], epochs=1, fill=1e-6)
    ran, rows = run(tmp_path, "aggan-multiclass", settings(paper=None, practical=practical), n_jobs=n_jobs)
    assert (ran.n_added, ran.n_left, len(rows)) == (4, 0, 4)
    assert sorted(ran.failed) == [
        f"aggan-multiclass/practical/mnist smote seed {seed}: SMOTE with augmentation at fill 1e-06 adds no image, "
        "since every class has as many: give a larger fill."
        for seed in (0, 1)
    ]
    again, _ = run(tmp_path, "aggan-multiclass", settings(paper=None, practical=practical))
    assert (again.n_known, again.n_added, len(again.failed)) == (4, 0, 2)


def test_trainings_are_as_long_whichever_class_loses_images(small_set: NamedSet) -> None:
    """Of classes of 30, 20 and 10 the largest one loses most of its images, too."""
    kept = np.concatenate([np.arange(30), np.arange(30, 50), np.arange(60, 70)])
    uneven = replace(small_set, X_train=small_set.X_train[kept], y_train=small_set.y_train[kept])
    practical = ReadingSettings(methods=["augmentation"], epochs=2)
    own, table = settings(paper=None, practical=practical, dropped=[0.9]), TABLES.get("bagan")()
    job, lengths = Job(table, own, Path()), []
    for case in table.cases(own, Selection(seeds=range(3))):
        split = table.split(uneven, case, own)
        lengths.append((np.unique(split.y, return_counts=True)[1].max(), job.n_steps(case, split)))
    assert [largest for largest, _ in lengths] == [20, 30, 30]
    assert {n_steps for _, n_steps in lengths} == {round(2 * 3 * 30 / 64)}


def test_what_methods_are_held_against() -> None:
    """All against augmentation; what draws also against mixup, averages of both, and the twin."""
    names = [
        "augmentation",
        "a",
        "a's class output",
        "twin",
        "augmentation + augmentation",
        "augmentation + twin",
        "b + c",
        "mixup",
        "a with mixup at share 0.5",
        "mixup + mixup",
        "mixup + twin",
        "mixup + c",
        "a with mixup's class output",
        "twin with mixup",
        "mixup + a with mixup's class output",
        "augmentation + a with mixup's class output",
        "augmentation + twin with mixup",
        "mixup + adjusted_mixup",
        "mixup + adjusted_mixup + twin with mixup",
        "a with mixup's images at share 0.5 + adjusted_mixup + a with mixup's class output",
    ]
    rows = [line(name, 0, 0.8, reading="practical") for name in names]
    (found,) = sections("aggan-multiclass", rows)
    rivals: dict[str, list[str]] = {}
    for each in found.differences:
        rivals.setdefault(each.one, []).append(each.other)
    assert rivals == {
        "a": ["augmentation", "mixup"],
        "a's class output": ["augmentation", "mixup", "twin"],
        "twin": ["augmentation"],
        "augmentation + augmentation": ["augmentation"],
        "augmentation + twin": ["augmentation"],
        "b + c": ["augmentation", "mixup", "augmentation + augmentation", "augmentation + twin", "mixup + mixup"],
        "mixup": ["augmentation"],
        "a with mixup at share 0.5": ["augmentation", "mixup"],
        "mixup + mixup": ["augmentation"],
        "mixup + twin": ["augmentation"],
        "mixup + c": ["augmentation", "mixup", "mixup + mixup", "mixup + twin"],
        "a with mixup's class output": ["augmentation", "mixup", "twin with mixup"],
        "twin with mixup": ["augmentation"],
        "mixup + a with mixup's class output": ["augmentation", "mixup", "mixup + mixup"],
        "augmentation + a with mixup's class output": [
            "augmentation", "mixup", "augmentation + augmentation", "augmentation + twin with mixup", "mixup + mixup",
        ],
        "augmentation + twin with mixup": ["augmentation"],
        "mixup + adjusted_mixup": ["augmentation"],
        "mixup + adjusted_mixup + twin with mixup": ["augmentation"],
        "a with mixup's images at share 0.5 + adjusted_mixup + a with mixup's class output": [
            "augmentation", "mixup", "mixup + mixup",
            "mixup + adjusted_mixup", "mixup + adjusted_mixup + twin with mixup",
        ],
    }  # fmt: skip


def test_what_games_are_held_against() -> None:
    """AGGAN against E-GAN and ACGAN, E-GAN against ACGAN, in all else alike."""
    forms, games = ["{}'s class output", "{} at share 0.5", "mixup + {}'s class output"], ["acgan", "aggan", "egan"]
    rows = [line(form.format(game), 0, 0.8, reading="practical") for form in forms for game in games]
    (found,) = sections("aggan-multiclass", rows)
    assert [(each.one, each.other) for each in found.differences] == [
        (form.format(one), form.format(other))
        for form in forms
        for one, other in [("aggan", "egan"), ("aggan", "acgan"), ("egan", "acgan")]
    ]


def test_what_was_not_run_is_told() -> None:
    """By set, by what a table varies, and by method; rows of other settings do not count."""
    of_ten = [("cn", "paper"), ("nothing", "practical")]
    rows = [line(method, 0, 0.8, reading=reading) for method, reading in of_ten]
    other = line("mixup", 0, 0.8, reading="practical").model_copy(update={"settings": {"fixed": "f" * 64}})
    fixed = read_settings()["aggan-multiclass"].hash
    rows = [row.model_copy(update={"settings": {"fixed": fixed}}) for row in rows]
    told = not_run("aggan-multiclass", sections("aggan-multiclass", [*rows, other]))
    whole = "fashion-mnist (paper), cifar10 (paper), fashion-mnist (practical), cifar10 (practical)"
    assert told[0] == f"Not run: {whole}."
    assert told[1].startswith("Of mnist (paper) not run: os_cn, twin, acgan,")
    assert told[2].startswith("Of mnist (practical) not run: augmentation, smote,")
    assert ", mixup, mixup + mixup," in told[2]
    binary = line("cn", 0, 0.8, table="aggan-binary")
    fixed = read_settings()["aggan-binary"].hash
    binary = binary.model_copy(update={"protocol": "aggan-binary/paper/mnist 1:10", "settings": {"fixed": fixed}})
    assert not_run("aggan-binary", sections("aggan-binary", [binary])) == [
        "Not run: mnist 1:50 (paper), mnist 1:100 (paper), fashion-mnist (paper), cifar10 (paper).",
        "Of mnist 1:10 (paper) not run: os_cn, twin, acgan, egan, aggan.",
    ]


def test_names_are_checked_before_images_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def load(name: str, *, data_dir: Path | None, download: bool) -> Any:
        asked.append(download)
        raise InputError("no such files.")

    monkeypatch.setattr(running, "load_named", load)
    table = TABLES.get("aggan-multiclass")()
    for method, download, message in (("foo", False, "'foo'"), ("cn", False, "no such"), ("cn", True, "no such")):
        own = settings(paper=ReadingSettings(methods=[method], epochs=1), practical=None, seeds=1)
        with pytest.raises(InputError, match=message):
            run_table(Job(table, own, tmp_path, download=download), Selection(), RowFile(tmp_path / "rows.jsonl"))
    assert asked == [False, True]


def test_what_draws_is_not_in_the_time_of_a_classifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("makeweight.bench.learners.time.perf_counter", lambda: clock[0])
    fit, learn = SMOTE.fit, MixedClassifier.fit

    def slowly(seconds: float, of: Any) -> Any:
        def call(self: Any, *arguments: Any, **options: Any) -> Any:
            clock[0] += seconds
            return of(self, *arguments, **options)

        return call

    monkeypatch.setattr(SMOTE, "fit", slowly(100.0, fit))
    monkeypatch.setattr(MixedClassifier, "fit", slowly(5.0, learn))
    _, (row,) = run(
        tmp_path,
        "aggan-multiclass",
        settings(paper=None, practical=ReadingSettings(methods=["smote at fill 0.5"], epochs=0.1), seeds=1),
    )
    assert row.seconds == 5.0


def test_the_best_that_draws_is_told_first() -> None:
    figures = {"mixup": 0.9, "a with mixup at share 0.5": 0.8, "a": 0.7, "augmentation": 0.6}
    rows = [line(name, 0, acsa, reading="practical") for name, acsa in figures.items()]
    rows += [line(name, 0, 0.5, reading="paper") for name in ("aggan", "egan", "cn")]
    paper, practical = sections("aggan-multiclass", rows)
    told = [(each.one, each.other) for each in practical.foremost]
    assert told == [("a with mixup at share 0.5", rival) for rival in ("augmentation", "mixup")]
    assert paper.foremost == paper.differences != []


def test_the_best_that_can_be_judged_is_told_first() -> None:
    """One with a higher mean, but too few seeds for an interval, waits."""
    figures = {"a": (0.71, 0.72, 0.73), "b": (0.8,), "mixup": (0.6, 0.61, 0.62), "augmentation": (0.5, 0.52, 0.53)}
    rows = [
        line(name, seed, acsa, reading="practical") for name, each in figures.items() for seed, acsa in enumerate(each)
    ]
    (practical,) = sections("aggan-multiclass", rows)
    assert [(each.one, each.other) for each in practical.foremost] == [("a", "augmentation"), ("a", "mixup")]


def test_a_limit_stops_and_a_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = settings(paper=ReadingSettings(methods=["acgan"], epochs=5), seeds=1)
    monkeypatch.setattr("makeweight.loop.KEEP_EVERY", 0.0)
    job, case = Job(TABLES.get("aggan-multiclass")(), own, tmp_path), Case("paper", "mnist", "acgan", 0)
    split = job.table.split(running.load_named("mnist"), case, own)
    kept = tmp_path / "training" / "one"
    ticks = itertools.count()
    with monkeypatch.context() as patch:
        patch.setattr(running.time, "monotonic", lambda: float(next(ticks)))
        with pytest.raises(running.TimeIsUpError):
            job.compute(case, split, kept, deadline=2.0)
    assert list(kept.iterdir())
    whole = job.compute(case, split, kept, deadline=float("inf"))
    alone = job.compute(case, split, tmp_path / "training" / "two", deadline=float("inf"))
    assert whole.metrics.pop("notes") == ["went on from step 3, where the training was interrupted."]
    assert whole.metrics == alone.metrics
    ran, rows = run(tmp_path, "aggan-multiclass", own, limit=0.0)
    assert (ran.n_added, ran.n_left, rows) == (0, 1, [])


def test_a_damaged_training_begins_anew_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = settings(paper=ReadingSettings(methods=["acgan"], epochs=1), seeds=1)
    monkeypatch.setattr("makeweight.loop.KEEP_EVERY", 0.0)
    table = TABLES.get("aggan-multiclass")()
    job, case = Job(table, own, tmp_path), Case("paper", "mnist", "acgan", 0)
    split = table.split(running.load_named("mnist"), case, own)
    kept = job.kept(job.describe(case, split, running.hash_data(split.X, split.y)))
    job.compute(case, split, kept, deadline=float("inf"))
    shutil.rmtree(tmp_path / "models", ignore_errors=True)
    shutil.rmtree(tmp_path / "answers")
    for path in kept.iterdir():
        path.write_bytes(b"torn")
    heard: list[str] = []
    listener = Listener()
    monkeypatch.setattr(listener, "note", heard.append)
    _, (row,) = run(tmp_path, "aggan-multiclass", own, listener=listener)
    (note,) = row.metrics["notes"]
    assert note.endswith("is damaged, so training begins anew.")
    assert heard[0] == f"aggan-multiclass/paper/mnist acgan seed 0: {note}"


def test_a_training_is_kept_until_its_row_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = settings(paper=ReadingSettings(methods=["acgan"], epochs=1), seeds=1)
    shipped = RowFile.append

    def full(rows: RowFile, row: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("makeweight.loop.KEEP_EVERY", 0.0)
    monkeypatch.setattr(RowFile, "append", full)
    with pytest.raises(OSError, match="No space"):
        run(tmp_path, "aggan-multiclass", own)
    (kept,) = (tmp_path / "training").iterdir()
    monkeypatch.setattr(RowFile, "append", shipped)
    ran, _ = run(tmp_path, "aggan-multiclass", own)
    assert ran.n_added == 1
    assert not kept.exists()


def test_methods_of_one_seed_share_their_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is drawn once to find what is missing, and once to be learnt from."""
    drawn: list[int] = []
    kind = TABLES.get("aggan-multiclass")
    shipped = kind.split

    def split(self: Any, known: NamedSet, case: Case, own: TableSettings) -> Any:
        drawn.append(case.seed)
        return shipped(self, known, case, own)

    monkeypatch.setattr(kind, "split", split)
    run(tmp_path, "aggan-multiclass", settings())
    assert drawn == [0, 1, 0, 1]


def test_what_cannot_be_used_is_refused_before_anything_is_learnt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Learner, "fit", lambda *_: pytest.fail("something was learnt"))
    table = TABLES.get("aggan-multiclass")()
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        run_table(Job(table, settings(), tmp_path / "file"), Selection(), RowFile(tmp_path / "file" / "rows.jsonl"))
    with pytest.raises(InputError, match="^there is no device 'cuda:77' here"):
        run_table(Job(table, settings(), tmp_path, device="cuda:77"), Selection(), RowFile(tmp_path / "rows.jsonl"))
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(InputError, match="^nothing can be written to .*: choose another --out.$"):
        run(tmp_path, "aggan-multiclass", settings())


def test_drawn_images_of_all_cases_are_judged_by_the_same_classifiers(
    small_set: NamedSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are trained once, and say what they would say if they were trained for each."""
    own = settings(paper=None, practical=ReadingSettings(methods=["smote"], epochs=1, fill=1.0), dropped=[0.5])
    table = TABLES.get("bagan")()
    case, *_ = table.cases(own, Selection(seeds=[0]))
    split = table.split(small_set, case, own)
    sampler = SMOTE(random_state=0).fit(split.X, split.y)
    trained: list[int] = []
    shipped = CrossFit.fit

    def fit(self: CrossFit, *arguments: Any, **more: Any) -> Any:
        trained.append(1)
        return shipped(self, *arguments, **more)

    monkeypatch.setattr(CrossFit, "fit", fit)
    monkeypatch.setattr(drawn, "N_JUDGED", 8)
    drawn._judges.cache_clear()
    first, again = (drawn.drawn_metrics(sampler, split, "cpu") for _ in range(2))
    assert (first, len(trained)) == (again, 1)
    X_drawn, y_drawn = sampler.draw(split.rare[0], range(8)), np.repeat(split.rare, 8)
    report = evaluate_images(split.X_whole, split.y_whole, X_drawn, y_drawn, device="cpu")
    figures = report.classes[0].figures
    assert (first["seen"], first["ssim"]) == (figures["accuracy"].value, figures["ssim"].value)


def test_processes_give_the_same_rows(tmp_path: Path) -> None:
    own = settings(seeds=1)
    _, alone = run(tmp_path / "alone", "aggan-multiclass", own)
    _, side_by_side = run(tmp_path / "both", "aggan-multiclass", own, n_jobs=2, limit=600.0)
    told = ("log_loss", "confusion")
    found = [{row.method: [row.metrics[name] for name in told] for row in rows} for rows in (alone, side_by_side)]
    assert found[0] == found[1]
    assert len(found[0]) == 2


def test_sets_that_are_not_at_hand_are_not_run(tmp_path: Path) -> None:
    ran, rows = run(
        tmp_path, "aggan-multiclass", settings(datasets=["mnist", "svhn"]), Selection(methods=["cn"], seeds=[0])
    )
    assert (ran.absent, len(rows)) == (["svhn"], 1)
    with pytest.raises(InputError, match="^there is no set called svhn"):
        run(tmp_path, "aggan-multiclass", settings(datasets=["svhn"]))


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (Selection(readings=["practical"]), "^there is no reading of aggan-multiclass called 'practical'"),
        (Selection(datasets=["minst"]), "did you mean 'mnist'"),
        (Selection(methods=["smote"]), "^there is no method of the reading paper called 'smote': choose from acgan"),
        (Selection(methods=["ca_gan"]), "^there is no method of the reading paper called 'ca_gan'"),
    ],
)
def test_what_a_table_does_not_have(tmp_path: Path, wanted: Selection, message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(tmp_path, "aggan-multiclass", settings(), wanted)


def test_settings_that_leave_nothing_to_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="^the settings of aggan-annealing leave nothing to run: give a reading, and"):
        run(tmp_path, "aggan-annealing", settings(temperatures=[]))
    with pytest.raises(
        InputError, match="how many images the larger class of mnist has: give --settings with majority.$"
    ):
        run(tmp_path, "aggan-binary", settings(majority={}))
    with pytest.raises(InputError, match="^aggan-annealing is about AGGAN's annealing: leave out --methods"):
        run(tmp_path, "aggan-annealing", settings(), Selection(methods=["cn"]))


@pytest.mark.parametrize(
    ("name", "reading"), [("aggan-annealing", "practical"), ("blend", "paper"), ("bagan", "paper"), ("cagan", "paper")]
)
def test_tables_have_the_readings_that_they_are_about(name: str, reading: str) -> None:
    """Whatever a file of settings says."""
    both = settings(practical=ReadingSettings(methods=["augmentation"], epochs=1), dropped=[0.5])
    with pytest.raises(InputError, match=f"^there is no reading of {name} called '{reading}'"):
        TABLES.get(name)().cases(both, Selection(readings=[reading]))
    assert reading not in {case.reading for case in TABLES.get(name)().cases(both, Selection())}


def test_methods_are_run_in_the_readings_that_list_them(tmp_path: Path) -> None:
    both = settings(practical=ReadingSettings(methods=["augmentation", "twin"], epochs=1))
    table = TABLES.get("aggan-multiclass")

    def cases(**wanted: Any) -> list[tuple[str, str]]:
        return [(case.reading, case.method) for case in table().cases(both, Selection(seeds=[0], **wanted))]

    assert cases(methods=["cn"]) == [("paper", "cn")]
    assert cases(methods=["augmentation", "augmentation"]) == [("practical", "augmentation")]
    assert cases(methods=["twin"]) == [("paper", "twin"), ("practical", "twin")]
    assert cases(methods=["wgan"]) == [("paper", "wgan"), ("practical", "wgan")]
    assert cases(methods=["cn"], readings=["practical"]) == [("practical", "cn")]
    assert cases(methods=["smote at share 0.5"]) == [("practical", "smote at share 0.5")]
    for typo, message in {"augmentaton": "did you mean 'augmentation'", "smote at share 0.50": "write 0.5 for"}.items():
        with pytest.raises(InputError, match=message):
            cases(methods=[typo])
    assert cases(methods=["cn"], datasets=["mnist", "mnist"], readings=["paper", "paper"]) == [("paper", "cn")]


@pytest.mark.parametrize(
    ("networks", "expected"),
    [("mlp", ["mlp", "mlp"]), ({"cifar10": "classifier_resnet"}, ["by_shape", "classifier_resnet"])],
)
def test_networks_may_differ_by_set(networks: Any, expected: list[str]) -> None:
    own = ReadingSettings(methods=["augmentation"], epochs=1, networks=networks)
    learners = [practical_learner("augmentation", dataset, own, 1, 0) for dataset in ("mnist", "cifar10")]
    assert [learner.settings["classifier"]["networks"]["name"] for learner in learners] == expected


def test_practical_methods_are_checked() -> None:
    with pytest.raises(InputError, match="^there is no method of the reading practical called 'aggna'"):
        practical_learner("aggna", "mnist", ReadingSettings(methods=["x"], epochs=1), 1, 0)


def test_the_twin_is_the_discriminator_of_the_papers() -> None:
    twin, aggan = (
        paper_learner("twin", "mnist", 7, 3).settings["classifier"],
        paper_learner("aggan", "mnist", 7, 3).settings["draws"],
    )
    for name in ("networks", "batch_size", "learning_rate", "augmentation", "balanced_batches"):
        assert twin[name] == aggan[name]
    assert twin["n_steps"] == aggan["n_steps"] == 7


@pytest.mark.parametrize("method", ["egan", "aggan"])
def test_offspring_scored_by_batches_differ_in_nothing_else(method: str) -> None:
    plain, scored = (
        paper_learner(name, "mnist", 7, 3).settings["draws"] for name in (method, f"{method} by batch statistics")
    )
    assert "batch_statistics" not in plain["evolution"]
    assert scored.pop("evolution") == {**plain.pop("evolution"), "batch_statistics": True}
    assert scored == plain


def test_networks_without_batch_norm_cannot_score_by_it() -> None:
    with pytest.raises(InputError, match="^networks for cifar10 have no batch norm, so leave out 'aggan by batch stat"):
        paper_learner("aggan by batch statistics", "cifar10", 7, 3)


@pytest.mark.parametrize(
    ("method", "sentence"),
    [
        ("acgan by batch statistics", "^acgan scores no offspring, so leave out 'by batch statistics'"),
        ("cn by batch statistics", "^there is no method of the reading paper called 'cn by batch statistics'"),
    ],
)
def test_what_scores_nothing_is_not_scored_by_batches(method: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        paper_learner(method, "mnist", 7, 3)


@pytest.mark.parametrize(("dataset", "n"), [("mnist", 2), ("cifar10", 0)])
def test_networks_without_batch_norm_are_not_scored_by_batches(dataset: str, n: int) -> None:
    wanted = Selection(readings=["paper"], datasets=[dataset], seeds=[0])
    names = [
        case.method for case in TABLES.get("aggan-multiclass")().cases(read_settings()["aggan-multiclass"], wanted)
    ]
    assert sum(name.endswith(" by batch statistics") for name in names) == n
    assert len(names) == 11 + n


@pytest.mark.parametrize("method", ["cn", "twin", "wgan", "aggan"])
def test_published_networks_are_for_small_sets_alone(method: str) -> None:
    found = [paper_learner(method, dataset, 7, 3).settings for dataset in ("mnist", "cifar10")]
    networks = [part["networks"]["name"] for settings in found for part in settings.values()]
    assert networks == ["published_28", "by_shape"]


def test_the_settings_of_committed_rows_are_those_that_come_with_makeweight() -> None:
    """A setting that one table gains changes the hash of no other, so that their rows are not run again."""
    rows = RowFile(Path(__file__).parents[2] / "benchmarks" / "results" / "bench.jsonl").read()
    now = read_settings()["aggan-multiclass"]
    assert now.practical is not None
    # The first rows were made when all sets had the residual network, and before there were shares and averages.
    old = ["nothing", "augmentation", "smote", "acgan", "egan", "aggan"]
    earlier = now.practical.model_copy(update={"networks": "classifier_resnet", "methods": old})
    first = now.model_copy(update={"practical": earlier})
    shipped = read_settings()
    found = {name: {row.settings["fixed"] for row in rows if row.protocol.startswith(f"{name}/")} for name in shipped}
    assert {name for name, fixed in found.items() if fixed} >= {"aggan-multiclass", "blend", "cagan"}
    for name, fixed in found.items():
        assert fixed <= {shipped[name].hash, first.hash}, name
    assert settings().hash == settings(dropped=[]).hash != settings(dropped=[0.5]).hash


def test_methods_may_join_a_table_that_has_rows() -> None:
    first = settings(practical=ReadingSettings(methods=["augmentation"], epochs=1))
    more = settings(practical=ReadingSettings(methods=["augmentation"], epochs=1, added=["mixup"]))
    assert more.hash == first.hash
    cases = TABLES.get("aggan-multiclass")().cases(
        more, Selection(readings=["practical"], datasets=["mnist"], seeds=[0])
    )
    assert [case.method for case in cases] == ["augmentation", "mixup"]
    with pytest.raises(ValidationError, match="'mixup' is named twice"):
        ReadingSettings(methods=["mixup"], epochs=1, added=["mixup"])


def line(method: str, seed: int, acsa: float, table: str = "aggan-multiclass", reading: str = "paper") -> Any:
    from makeweight.bench.rows import Row
    from makeweight.machine import software_and_processor

    return Row(
        protocol=f"{table}/{reading}/mnist",
        data_hash="0" * 64,
        subset_seed=seed,
        method=method,
        settings={"fixed": read_settings()[table].hash},
        budget="9 steps",
        device="cpu",
        versions=software_and_processor(),
        seconds=1.0,
        metrics={"acsa": acsa, "macro_f1": 0.5, "geometric_mean_recall": 0.25},
        history=[],
        finished_at="2026-01-01T00:00:00Z",
    )


def test_intervals_and_differences_by_hand() -> None:
    """Three seeds: t is 4.3027 with 2 degrees of freedom."""
    rows = [line("cn", seed, acsa) for seed, acsa in enumerate((0.80, 0.81, 0.82))]
    rows += [line("aggan", seed, acsa) for seed, acsa in enumerate((0.85, 0.86, 0.88))]
    rows.append(line("aggan", 0, 0.1, table="aggan-binary"))
    (found,) = sections("aggan-multiclass", rows)
    assert [each.method for each in found.lines] == ["aggan", "cn"]
    cn = found.lines[1]
    assert cn.recall == pytest.approx(81.0)
    assert cn.reach == pytest.approx(4.3027 * 1.0 / np.sqrt(3), rel=1e-4)
    assert cn.published == MULTICLASS["mnist"]["cn"] == 89.00
    (gain,) = found.differences
    assert gain.points == pytest.approx((5 + 5 + 6) / 3)
    assert gain.reach == pytest.approx(4.3027 * np.std([5, 5, 6], ddof=1) / np.sqrt(3), rel=1e-4)
    assert gain.published == pytest.approx(3.41)
    assert gain.p == pytest.approx(2 * t.sf(16 / 3 / (np.sqrt(1 / 3) / np.sqrt(3)), 2))
    text = markdown([found])
    assert "| cn | 3 | 81.00 | ± 2.48 | 50.00 | 25.00 | 89.00 |" in text
    assert gain.errors == pytest.approx((5 + 5 + 6) / 3 / 19)
    head = "| method | against | points | 95 % interval | p | errors | seeds | verdict | paper |\n" + "|---" * 9 + "|\n"
    assert f"{head}| aggan | cn | +5.33 | +3.90 to +6.77 | 0.004 | 28 % fewer | 3 | ahead | +3.41 |\n" in text
    told = "aggan against cn: +5.33 points (+3.90 to +6.77), p 0.004, 28 % fewer errors, 3 seeds; the paper says +3.41"
    assert sentence_of(gain) == told
    assert "by chance" not in text
    rows += [line("acgan", 0, 0.81), line("acgan", 1, 0.83)]
    second, again, _ = sections("aggan-multiclass", rows)[0].differences
    assert again == gain
    assert (second.points, second.reach, second.p) == (pytest.approx(3.5), None, None), "two seeds say too little"
    assert second.verdict == "cannot tell"
    more = sections("aggan-multiclass", [*rows, line("acgan", 2, 0.83)])
    assert [(each.one, each.other) for each in more[0].differences] == [
        ("aggan", "acgan"),
        ("aggan", "cn"),
        ("acgan", "cn"),
    ]
    by_hand = [2 * t.sf(np.mean(d) / (np.std(d, ddof=1) / np.sqrt(3)), 2) for d in ([4, 3, 5], [5, 5, 6], [1, 2, 1])]
    assert [each.p for each in more[0].differences] == pytest.approx(
        [2 * by_hand[0], 3 * by_hand[1], max(by_hand[2], 2 * by_hand[0])]
    ), "Holm's correction"
    text = markdown(more)
    told = "would exclude zero by chance, if no method differed; p is corrected for their number (Holm)."
    assert f"\n\nOf 3 intervals 0.2 {told}\n" in text
    assert "|\n|  | cn | " in text


@pytest.mark.parametrize("by", [0.05, 0.0])
def test_seeds_that_differ_alike_tell_nothing(by: float) -> None:
    """Recall is counted in images, so three may do so by chance; without a spread there is nothing to divide by."""
    rows = [line("cn", seed, acsa) for seed, acsa in enumerate((0.80, 0.81, 0.82))]
    rows += [line("aggan", seed, acsa + by) for seed, acsa in enumerate((0.80, 0.81 + 1e-16, 0.82))]
    (found,) = sections("aggan-multiclass", rows)
    (gain,) = found.differences
    assert gain.points == pytest.approx(100 * by)
    assert (gain.reach, gain.p, gain.verdict) == (None, None, "cannot tell")


def test_one_seed_has_no_interval() -> None:
    (found,) = sections("aggan-multiclass", [line("cn", 0, 0.8), line("aggan", 0, 0.9)])
    assert found.lines[0].reach is None
    (alone,) = found.differences
    assert sentence_of(alone) == "aggan against cn: +10.00 points, 1 seed; the paper says +3.41"
    text = markdown([found])
    assert "| method | seeds | mean recall | F1 | geometric mean | paper |\n" in text
    assert "| method | against | points | seeds | verdict | paper |\n|---|---|---|---|---|---|\n" in text
    assert "| aggan | cn | +10.00 | 1 | cannot tell | +3.41 |" in text


def test_what_only_some_lines_tell_has_a_column() -> None:
    rows = [line("cn", 0, 0.8), *(line("ours", seed, 0.9 + 0.01 * seed) for seed in range(3))]
    (found,) = sections("aggan-multiclass", rows)
    columns, lines = found.table
    assert columns == ["method", "seeds", "mean recall", "95 % interval", "F1", "geometric mean", "paper"]
    assert [each[3::3] for each in lines] == [["± 2.48", ""], ["", "89.00"]]
    (fewer,) = sections("aggan-multiclass", rows[:3])
    assert fewer.table[0] == ["method", "seeds", "mean recall", "F1", "geometric mean", "paper"]
    (practical,) = sections("aggan-multiclass", [line("cn", 0, 0.8, reading="practical")])
    assert practical.table[0] == ["method", "seeds", "mean recall", "F1", "geometric mean"]


def test_seeds_are_paired_where_both_learnt_from_the_same_images() -> None:
    rows = [line(method, seed, 0.8 + 0.01 * seed) for method in ("cn", "aggan") for seed in range(4)]
    other = rows[-1].model_copy(update={"data_hash": "1" * 64})
    (found,) = sections("aggan-multiclass", [*rows[:-1], other])
    assert [(each.one, each.other, each.n_seeds) for each in found.differences] == [("aggan", "cn", 3)]


def test_later_questions_take_nothing_from_what_the_papers_claim() -> None:
    random = np.random.default_rng(0)
    names = ("cn", "twin", "egan", "aggan", "aggan by batch statistics", "egan by batch statistics")
    rows = [line(name, seed, random.uniform(0.5, 0.9)) for name in names for seed in range(4)]
    (before,), (after,) = (sections("aggan-multiclass", own) for own in (rows[:16], rows))
    assert after.differences[: len(before.differences)] == before.differences
    assert len(after.differences) == len(before.differences) + 5
    assert before.chance.endswith("p is corrected for their number (Holm).")
    assert after.chance.endswith("(Holm), of the 5 that were asked later by themselves.")


def test_rows_that_do_not_tell_their_settings_stand_apart() -> None:
    rows = [line("cn", 0, 0.8), line("cn", 1, 0.8).model_copy(update={"settings": {}})]
    assert [each.settings for each in sections("aggan-multiclass", rows)] == ["", "unknown"]


def test_sections_are_in_the_order_of_numbers() -> None:
    rows = [line("cn", 0, 0.8).model_copy(update={"budget": f"{n} steps"}) for n in (12500, 200, 1600)]
    assert [each.budget for each in sections("aggan-multiclass", rows)] == ["200 steps", "1600 steps", "12500 steps"]


def whole_row(seed: int, acsa: float, classes: tuple[str, ...] = ("a", "b")) -> Any:
    """A row that a file of rows may hold."""
    row = line("cn", seed, acsa)
    return row.model_copy(update={"metrics": row.metrics | figures_of_classes(acsa, classes)})


def figures_of_classes(acsa: float, classes: tuple[str, ...] = ("a", "b")) -> dict[str, Any]:
    """Figures that fit together: the same recall of each class."""
    hits, misses = round(10_000 * acsa), round(10_000 * (1 - acsa))
    n = len(classes)
    return {
        "recall": dict.fromkeys(classes, acsa),
        "precision": dict.fromkeys(classes, 1.0),
        "classes": list(classes),
        "counts": [2] * n,
        "confusion": (hits * np.eye(n, dtype=int) + misses * np.roll(np.eye(n, dtype=int), 1, axis=1)).tolist(),
    }


def test_of_rows_of_one_run_the_first_counts_as_where_files_are_merged(tmp_path: Path) -> None:
    files = [RowFile(tmp_path / name) for name in ("one", "two", "merged")]
    for file, acsa in zip(files, (0.8, 0.9), strict=False):
        file.append(whole_row(0, acsa))
    with pytest.warns(OtherFiguresWarning, match="two: 1 row is of a run"):
        merge_rows(files[2], files[:2])
    assert [row.metrics["acsa"] for row in read_rows("aggan-multiclass", [files[2].path])] == [0.8]
    with pytest.warns(OtherFiguresWarning, match="two: 1 row is of a run"):
        found = read_rows("aggan-multiclass", [files[0].path, files[1].path])
    assert [row.metrics["acsa"] for row in found] == [0.8]


def test_rows_that_another_takes_the_place_of_are_counted(tmp_path: Path) -> None:
    file = RowFile(tmp_path / "rows.jsonl")
    for row in (whole_row(0, 0.8), whole_row(1, 0.8)):
        file.append(row)
    assert set_aside("aggan-multiclass", file.read()) == []
    file.append(whole_row(0, 0.9).model_copy(update={"data_hash": "1" * 64}))
    told = "1 row left out, since another of the same method and seed, with other images or settings, comes later."
    assert set_aside("aggan-multiclass", file.read()) == [told]
    result = CliRunner().invoke(app, ["bench", "table", "aggan-multiclass", "--rows", str(file.path), "--markdown"])
    assert told in result.output
    assert "| cn | 2 | 85.00 |" in result.output


def test_rows_of_other_classes_do_not_stand_side_by_side(tmp_path: Path) -> None:
    file = RowFile(tmp_path / "rows.jsonl")
    file.append(whole_row(0, 0.8))
    file.append(whole_row(1, 0.8, classes=("a", "c")))
    with pytest.raises(InputError, match="rows of mnist with other classes: remove one kind.$"):
        read_rows("aggan-multiclass", [file.path])


def test_rows_of_other_settings_stand_apart() -> None:
    own = read_settings()["aggan-multiclass"].hash
    rows = [
        line("cn", seed, 0.8).model_copy(update={"settings": {"fixed": fixed}})
        for seed, fixed in enumerate((own, own, "f" * 64))
    ]
    found = sections("aggan-multiclass", rows)
    assert [(each.settings, each.lines[0].n_seeds) for each in found] == [("", 2), ("ffffffff", 1)]
    assert [title_of(each) for each in found] == [
        "mnist, paper, 9 steps",
        "mnist, paper, 9 steps, other settings (ffffffff)",
    ]


def test_a_word_for_each_difference() -> None:
    told = [(2.0, 0.05), (-2.0, 0.01), (2.0, 0.06), (-2.0, 0.9), (0.5, 0.01)]
    words = [Difference("a", "b", 3, points, 1.0, None, p=p).verdict for points, p in told]
    assert words == ["ahead", "behind", "perhaps ahead", "perhaps behind", "cannot tell"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = ", r"are no TOML \(.*\): mend the file.$"),
        (f"a = {'[' * 20000}", r"are no TOML \(maximum recursion depth exceeded"),
        ("[t]\nseeds = 1\ndatasets = ['mnist']\npaper = {methods = ['cn'], epochs = inf}", r"\(paper.epochs: "),
        ("[t]\nseeds = 0\ndatasets = ['mnist']", r"cannot be used \(seeds: "),
        ("[t]\nseeds = 1\ndatasets = ['mnist']\ncolour = 1", r"cannot be used \(colour: "),
        (
            "[t]\nseeds = 1\ndatasets = ['mnist']\npaper = {methods = ['cn'], epochs = 1, networks = {cifar = 'x'}}",
            r"no set called 'cifar'.*cifar10",
        ),
    ],
)
def test_settings_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(InputError, match=message):
        read_settings(tmp_path / "s.toml")
    with pytest.raises(InputError, match=r"cannot be read \(No such file or directory\): check the path.$"):
        read_settings(tmp_path / "none.toml")


def test_values_of_what_a_table_varies_can_be_chosen() -> None:
    own = read_settings()
    table = TABLES.get("aggan-annealing")()

    def chosen(**where: list[float]) -> list[dict[str, Any]]:
        cases = table.cases(own["aggan-annealing"], Selection(seeds=[0], where=where))
        return [dict(case.details) for case in cases]

    assert len(chosen()) == 10
    assert chosen(temperature=[1000], cooling=[0.999]) == [{"temperature": 1000, "cooling": 0.999}]
    assert [each["temperature"] for each in chosen(temperature=[1, 100], cooling=[0.99])] == [1, 100]
    binary = TABLES.get("aggan-binary")()
    cases = binary.cases(own["aggan-binary"], Selection(datasets=["mnist"], methods=["cn"], where={"ratio": [100]}))
    assert [(case.seed, case.details) for case in cases] == [(seed, {"ratio": 100}) for seed in range(5)]
    bagan = TABLES.get("bagan")()
    wanted = Selection(seeds=[0], methods=["smote"], where={"dropped": [0.9, 0.975]})
    assert [(case.dataset, case.details["dropped"]) for case in bagan.cases(own["bagan"], wanted)] == [
        (dataset, share) for dataset in ("mnist", "cifar10") for share in (0.9, 0.975)
    ]
    nothing = own["bagan"].model_copy(update={"dropped": []})
    with pytest.raises(InputError, match="that bagan varies called 'dropped', nor any other"):
        bagan.cases(nothing, Selection(where={"dropped": [0.9]}))
    with pytest.raises(InputError, match="^aggan-annealing has no temperature of 7: choose from 0.01, 1, 100, 1"):
        chosen(temperature=[7])
    with pytest.raises(
        InputError,
        match="that aggan-annealing varies called 'ratio': choose from cooling",
    ):
        chosen(ratio=[10])
    with pytest.raises(InputError, match="that blend varies called 'ratio', nor any other: leave it out"):
        TABLES.get("blend")().cases(own["blend"], Selection(datasets=["mnist"], where={"ratio": [10]}))


def test_own_settings_fit_the_tables() -> None:
    own = read_settings()
    assert set(own) == set(TABLES.names())
    for table in TABLES:
        for case in table().cases(own[table.name], Selection(seeds=[0])):
            assert table().learner(case, own[table.name], 1).settings


class TestCommands:
    def invoke(self, *arguments: object) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["bench", *map(str, arguments)])
        return result.exit_code, result.output

    def test_list(self) -> None:
        status, out = self.invoke("list")
        assert (status, all(name in out for name in TABLES.names())) == (0, True)
        status, out = self.invoke("list", "blend")
        assert (status, out.splitlines()[:2]) == (
            0,
            ["practical, 20 balanced epochs of fashion-mnist; 3 seeds:", "  augmentation"],
        )
        status, out = self.invoke("list", "aggan-annealing")
        assert out.splitlines()[-2:] == ["--where temperature=0.01,1,100,1000,10000", "--where cooling=0.99,0.999"]
        status, out = self.invoke("list", "blond")
        assert (status, "there is no table called 'blond'" in out) == (2, True)

    @pytest.mark.parametrize(
        ("width", "shown", "spared"),
        [
            (40, ["recall", "verdict"], "computed on, geometric mean, F1, 95 % interval, seeds, errors, p"),
            (60, ["± 9.94", "verdict"], "computed on, geometric mean, F1, errors, p, 95 % interval"),
            (140, ["computed on", "errors", "F1", "± 9.94"], None),
        ],
    )
    def test_columns_that_a_terminal_has_room_for(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int, shown: list[str], spared: str | None
    ) -> None:
        names = {"augmentation": 0.6, "mixup": 0.7, "aggan with mixup at share 0.25 + aggan's class output": 0.8}
        for number, (name, acsa) in enumerate(names.items()):
            for seed in (0, 1, 2):
                found = acsa + 0.04 * seed * number
                row, whole = line(name, seed, found, reading="practical"), figures_of_classes(found)
                places = {**row.versions, "processor": f"Maker(R) {'XYX'[seed]} Processor"}
                row = row.model_copy(update={"metrics": row.metrics | whole, "versions": places})
                RowFile(tmp_path / "rows.jsonl").append(row)
        monkeypatch.setenv("COLUMNS", str(width))
        status, out = self.invoke("table", "aggan-multiclass", "--out", tmp_path)
        assert status == 0
        grid = [line for line in out.splitlines() if not line.endswith((".", ":"))]
        assert max(map(len, grid)) <= width
        assert not any("…" in line for line in grid)
        assert all(any(word in line for line in grid) for word in (*shown, "  − mixup", "perhaps ahead"))
        told = [line for line in out.splitlines() if line.startswith("For want of room")]
        assert told == ([f"For want of room not shown: {spared}; --markdown shows all."] if spared else [])
        assert "Of mnist (practical) not run: nothing, smote," in out
        assert "Computed on: cpu, Maker(R) X Processor; cpu, Maker(R) Y Processor." in out

    def test_signs_that_an_encoding_lacks_are_written_plainly(self, tmp_path: Path) -> None:
        for seed in (0, 1, 2):
            for name, acsa in (("augmentation", 0.8), ("smote at share 0.25", 0.6)):
                row = line(name, seed, acsa + 0.01 * seed * (1 + (acsa > 0.7)), reading="practical")
                row = row.model_copy(update={"metrics": row.metrics | figures_of_classes(row.metrics["acsa"])})
                RowFile(tmp_path / "rows.jsonl").append(row)
        result = CliRunner(charset="ascii").invoke(app, ["bench", "table", "aggan-multiclass", "--out", str(tmp_path)])
        assert result.exit_code == 0
        assert result.output.isascii()
        assert "\\u" not in result.output
        assert "-21.00" in result.output
        assert "+- " in result.output

    def test_run_table_and_merge(self, tmp_path: Path) -> None:
        own = tmp_path / "own.toml"
        table = "[aggan-multiclass]\ndatasets = ['mnist', 'svhn']\nseeds = 1\n"
        own.write_text(f"{table}[aggan-multiclass.paper]\nmethods = ['cn']\nepochs = 1\n")
        common = ("aggan-multiclass", "--settings", own, "--out", tmp_path / "out", "--datasets", "mnist,svhn")
        status, out = self.invoke("run", *common, "--limit", "0.000001s", "--budget", "2")
        assert (status, "1 case left" in out, "the same command goes on" in out) == (0, True, True)
        status, out = self.invoke("run", *common, "--methods", "cn", "--readings", "paper", "--seeds", "1")
        assert (status, "1 of them new, 0 cases left" in out) == (0, True)
        assert "not run, since the files are not at hand: svhn" in out
        rows = tmp_path / "out" / "rows.jsonl"
        assert len(rows.read_text().splitlines()) == 1
        for extra in ((), ("--markdown",)):
            status, out = self.invoke("table", "aggan-multiclass", "--out", tmp_path / "out", *extra)
            assert (status, "mnist, paper, 1 step" in out, "1 steps" in out, "89.00" in out) == (0, True, False, True)
        status, out = self.invoke("figures", "aggan-multiclass", "--out", tmp_path / "out")
        page = (tmp_path / "out" / "aggan-multiclass.html").read_text()
        assert (status, "aggan-multiclass.html" in out.replace("\n", "")) == (0, True)
        assert all(words in page for words in ("mnist, paper, 1 step", "Confusion: cn", "precision of 5"))
        status, out = self.invoke("merge", tmp_path / "all.jsonl", rows, rows)
        assert (status, "1 row added" in out) == (0, True)
        status, out = self.invoke("run", *common, "--methods", "cn", "--readings", "paper", "--seeds", "2-3")
        assert (status, "2 of them new, 0 cases left" in out) == (0, True)
        assert [json.loads(line)["subset_seed"] for line in rows.read_text().splitlines()] == [0, 2, 3]
        assert json.loads((tmp_path / "all.jsonl").read_text())["method"] == "cn"

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("run", "aggan-multi"), "there is no table called 'aggan-multi'"),
            (("run", "aggan-binary", "--seeds", "0"), "--seeds '0' is neither how many, such as 5, nor which"),
            (("run", "aggan-binary", "--seeds", "4-3"), "--seeds '4-3' is neither"),
            (("run", "aggan-binary", "--seeds", "1,2"), "--seeds '1,2' is neither how many"),
            (
                ("run", "aggan-binary", "--budget", "0"),
                "--budget 0.0 is no length: give balanced epochs, above 0 and at most 10,000.",
            ),
            (("run", "aggan-binary", "--budget", "1e300"), "--budget 1e+300 is no length"),
            (("run", "aggan-binary", "--where", "ratio"), "--where 'ratio' names no values: write such as ratio=10"),
            (("run", "aggan-binary", "--limit", "x"), "--limit 'x' is no duration"),
            (("run", "aggan-binary", "--methods", ","), "--methods ',' names nothing: give names with commas"),
            (("run", "aggan-binary", "--jobs", "0"), "0 jobs are impossible"),
            (("table", "aggan-multi"), "there is no table called 'aggan-multi'"),
            (("figures", "aggan-binary", "--out", "nowhere"), "there is no file of rows at nowhere/rows.jsonl"),
            (("table", "aggan-binary", "--out", "nowhere"), "there is no file of rows at nowhere/rows.jsonl"),
            (("merge", "a.jsonl", "nowhere.jsonl"), "there is no file of rows at nowhere.jsonl: check the path."),
        ],
    )
    def test_refusals(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: Any, message: str) -> None:
        monkeypatch.chdir(tmp_path)
        status, out = self.invoke(*arguments)
        assert status == 2
        assert message in " ".join(out.split())
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("acsa", None),
            ("acsa", 10**400),
            ("acsa", 0.123),  # not the mean of recall
            ("recall", {}),
            ("recall", {"5": 0.123, "6": 0.123, "7": 0.123}),  # not that of the confusion matrix
            ("confusion", [[1]]),
            ("classes", ["a", "b", "b"]),
        ],
    )
    def test_rows_from_anybody(self, tmp_path: Path, name: str, value: Any) -> None:
        _, (row, *_) = run(tmp_path, "aggan-multiclass", settings(), Selection(methods=["cn"], seeds=[0]))
        hostile = row.model_dump(mode="json") | {"method": "\x1b]0;own\x07"}
        (tmp_path / "rows.jsonl").write_text(json.dumps(hostile) + "\n")
        status, out = self.invoke("table", "aggan-multiclass", "--out", tmp_path)
        assert (status, "\x1b" in out, "\\x1b]0;own" in out) == (0, False, True)
        hostile["metrics"] = {**hostile["metrics"], name: value}
        (tmp_path / "rows.jsonl").write_text(json.dumps(hostile) + "\n")
        for command in ("table", "figures"):
            status, out = self.invoke(command, "aggan-multiclass", "--out", tmp_path)
            assert status == 2
            assert "holds a row of aggan-multiclass that no bench has written" in " ".join(out.split())

    def test_sections_and_rows_that_are_missing(self, tmp_path: Path) -> None:
        own = tmp_path / "own.toml"
        own.write_text("")
        status, out = self.invoke("run", "aggan-binary", "--settings", own, "--out", tmp_path / "out")
        assert (status, "has no section aggan-binary: add one." in " ".join(out.split())) == (2, True)
        (tmp_path / "rows.jsonl").touch()
        status, out = self.invoke("table", "aggan-binary", "--out", tmp_path)
        assert (status, "holds no rows of aggan-binary: run it first." in " ".join(out.split())) == (2, True)
