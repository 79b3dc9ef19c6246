import copy
import itertools
import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from imblearn.pipeline import Pipeline
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV

from makeweight import (
    ACGAN,
    AGGAN,
    BAGAN,
    EGAN,
    Annealed,
    CNNClassifier,
    Duplicates,
    Evolution,
    GANClassifier,
    autoencoder,
    load,
)
from makeweight.assembly import drawer
from makeweight.augmentations import InstanceNoise
from makeweight.autoencoder import AutoencoderReport
from makeweight.classifiers.class_weights import Deferred
from makeweight.component import describe
from makeweight.errors import InputError
from makeweight.estimate import estimate
from makeweight.gan_sampler import GANSampler
from makeweight.networks import DCGAN
from makeweight.progress import StepReport
from makeweight.recipe import PARTS, Recipe

Images = tuple[np.ndarray, np.ndarray]
TINY: dict[str, Any] = {
    "n_steps": 3,
    "batch_size": 8,
    "latent_dim": 4,
    "random_state": 0,
    "networks": DCGAN(width=2, generator_width=2),
}


def weights(sampler: GANSampler) -> bytes:
    players = sampler.players_
    parts = [players.generator, players.discriminator]
    return b"".join(v.numpy().tobytes() for part in parts for _, v in sorted(part.named_tensors().items()))


class TestRecipes:
    def test_methods_differ_by_their_axes_alone(self) -> None:
        """AGGAN from E-GAN by the acceptance rule, E-GAN from ACGAN by its evolution."""
        fields = [name for name in Recipe.__dataclass_fields__ if name != "evolution"]
        for name in fields:
            aggan, egan, acgan = (describe(getattr(method.recipe, name)) for method in (AGGAN, EGAN, ACGAN))
            assert aggan == egan == acgan, name
        evolutions = [method.recipe.evolution for method in (AGGAN, EGAN, ACGAN)]
        assert all(isinstance(evolution, Evolution) for evolution in evolutions)
        aggan, egan, acgan = (evolution.get_params(deep=False) for evolution in evolutions)
        assert isinstance(aggan.pop("acceptance"), Annealed)
        assert egan.pop("acceptance") == acgan.pop("acceptance") == "always"
        assert aggan == egan
        assert (egan.pop("mutations"), acgan.pop("mutations")) == (
            ("minimax", "non_saturating", "least_squares"),
            ("non_saturating",),
        )
        assert egan == acgan

    def test_annealing_starts_as_the_authors_do(self) -> None:
        evolution = AGGAN.recipe.evolution
        assert isinstance(evolution, Evolution)
        assert evolution.get_params()["acceptance__temperature"] == 1000
        assert evolution.get_params()["acceptance__cooling"] == 0.99
        assert evolution.diversity_weight == 0.2

    @pytest.mark.parametrize("method", [AGGAN, EGAN, ACGAN])
    def test_settings_of_the_paper(self, method: type[GANSampler]) -> None:
        sampler = method.from_paper()
        assert type(sampler) is method
        given = {name: value for name, value in sampler.get_params().items() if value is not None}
        assert given["networks"] == "published_28"
        assert given["augmentation"] == "none"
        assert sampler.settings["head"] == {
            "axis": "head",
            "name": "auxiliary_classifier",
            "weight": 1.0,
            "generator_weight": 1.0,
            "fakes": True,
        }
        assert (given["n_epochs"], given["batch_size"], given["latent_dim"]) == (50, 50, 100)
        assert (given["learning_rate"], given["betas"], given["learning_rate_decay"]) == (2e-4, (0.5, 0.999), 0)
        assert (given["average_decay"], given["draws"]) == (0, "last")

    def test_the_paper_s_sampler_plays(self, make_images: Any) -> None:
        X, y = make_images({"a": 5, "b": 3}, (28, 28))
        sampler = AGGAN.from_paper().set_params(n_epochs=None, n_steps=1, batch_size=4, random_state=0)
        X_new, y_new = sampler.fit(X, y).sample({"b": 2})
        assert X_new.shape == (2, 28, 28)
        assert y_new.tolist() == ["b", "b"]
        assert not sampler.players_.judges_alike

    def test_what_the_constructor_is_not_told_comes_from_the_recipe(self, boots: Images) -> None:
        sampler = AGGAN(**TINY)
        assert sampler.setting("learning_rate") == Recipe().learning_rate
        assert sampler.set_params(learning_rate=0.5).setting("learning_rate") == 0.5
        assert sampler.set_params(average_decay=0.0).setting("average_decay") == 0.0


class TestLength:
    def test_steps_and_history(self, boots: Images) -> None:
        told: list[StepReport] = []
        sampler = AGGAN(**TINY, callback=told.append).fit(*boots)
        assert sampler.n_steps_ == 3
        assert [report.step for report in told] == [1, 2, 3]
        assert [entry["step"] for entry in sampler.history_] == [1, 2, 3]
        assert sampler.history_[-1]["temperature"] == pytest.approx(1000 * 0.99**3)
        assert set(sampler.history_[0]["wins"]) == {"minimax", "non_saturating", "least_squares"}

    @pytest.mark.parametrize(("balanced", "n_steps"), [(True, 2 * 5), (False, 2 * 3)])
    def test_epochs_count_classes_duplicated_up_to_the_largest(
        self, boots: Images, balanced: bool, n_steps: int
    ) -> None:
        sampler = AGGAN(**{**TINY, "n_steps": None}, n_epochs=2, balanced_batches=balanced).fit(*boots)
        assert sampler.n_steps_ == n_steps

    def test_cooling_by_epochs(self, boots: Images) -> None:
        evolution = Evolution(acceptance=Annealed(temperature=8, cooling=0.5, per="epoch"))
        sampler = AGGAN(**{**TINY, "n_steps": 9}, evolution=evolution).fit(*boots)  # five steps an epoch
        assert [entry["temperature"] for entry in sampler.history_] == [8, 8, 8, 8, 4, 4, 4, 4, 4]

    def test_budget(self, boots: Images) -> None:
        sampler = ACGAN(**{**TINY, "n_steps": None}, budget=0.3).fit(*boots)
        assert sampler.n_steps_ >= 2
        assert sampler.history_[-1]["step"] == sampler.n_steps_

    def test_a_budget_that_ends_before_the_best_is_sought(self, boots: Images) -> None:
        settings = {**TINY, "n_steps": None, "budget": 0.1, "draws": "best", "best_every": 10**6}
        best = AGGAN(**settings).fit(*boots)
        assert best.training_notes_[0].startswith("the last generator draws, since none was kept as the best in ")
        assert np.array_equal(best.draw(best.classes_[0], range(3)), _drawn_last(best, best.classes_[0], 3))

    def test_budget_with_a_rate_that_falls_from_the_start(self, boots: Images) -> None:
        sampler = ACGAN(**{**TINY, "n_steps": None}, budget=0.1, learning_rate_decay=1.0).fit(*boots)
        assert sampler.n_steps_ >= 1

    @pytest.mark.parametrize(
        "lengths",
        [
            {"n_steps": 0},
            {"n_steps": -1},
            {"n_steps": 2.5},
            {"n_steps": 10**20},
            {"budget": math.inf},
            {"n_epochs": 0},
            {"budget": 0.0},
            {"budget": -3.0},
            {"n_steps": 2, "n_epochs": 2},
            {"n_steps": 2, "budget": 2.0},
        ],
    )
    def test_impossible_lengths_are_refused(self, boots: Images, lengths: dict[str, Any]) -> None:
        sampler = AGGAN(**{**TINY, "n_steps": None, **lengths})
        with pytest.raises(InputError) as caught:
            sampler.fit(*boots)
        given = " and ".join(f"{name}={value}" for name, value in lengths.items())
        ranges = {"budget": "above 0 and at most 2,147,483,647, or None"}
        assert str(caught.value) == (
            f"{given} say how long to train: give one of them."
            if len(lengths) > 1
            else f"{given} is impossible: it must be "
            f"{ranges.get(*lengths, 'a whole number, 1 to 2,147,483,647, or None')}."
        )

    @pytest.mark.parametrize(
        "wrong", [{"batch_size": 0}, {"batch_size": -4}, {"learning_rate_decay": 2.0}, {"average_decay": 3.0}], ids=str
    )
    def test_impossible_numbers_are_refused(self, boots: Images, wrong: dict[str, Any]) -> None:
        (name,) = wrong
        with pytest.raises(InputError, match=name):
            AGGAN(**{**TINY, **wrong}).fit(*boots)

    def test_an_interrupt_passes_through(self, boots: Images) -> None:
        def interrupt(report: StepReport) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            AGGAN(**TINY, callback=interrupt).fit(*boots)


class TestWhatDraws:
    def test_three_generators(self, boots: Images) -> None:
        samplers = {
            draws: AGGAN(**TINY, draws=draws, best_every=2).fit(*boots) for draws in ("average", "best", "last")
        }
        players = samplers["last"].players_
        assert players.average is not None
        assert players.best is not None
        networks = {"average": players.average.module, "best": players.best.network, "last": players.generator.network}
        drawn = set()
        for draws, sampler in samplers.items():
            assert not sampler.generator_.training
            for name, value in networks[draws].state_dict().items():
                assert torch.equal(value, sampler.generator_.state_dict()[name])
            drawn.add(sampler.draw("boot", [0, 1]).tobytes())
        assert len(drawn) == 3

    def test_what_draws_stays_when_the_game_goes_on(self, boots: Images) -> None:
        sampler = AGGAN(**TINY, draws="last", warm_start=True).fit(*boots)
        before = sampler.generator_
        kept = {name: value.clone() for name, value in before.state_dict().items()}
        sampler.fit(*boots)
        assert all(torch.equal(value, kept[name]) for name, value in before.state_dict().items())

    @pytest.mark.parametrize(
        "wrong", [{"average_decay": 0.0}, {"draws": "best"}, {"draws": "best", "best_every": 4}, {"draws": "first"}]
    )
    def test_impossible_choices_are_refused(self, boots: Images, wrong: dict[str, Any]) -> None:
        reports: list[StepReport] = []
        with pytest.raises(InputError) as caught:
            AGGAN(**TINY, **wrong, callback=reports.append).fit(*boots)
        assert not reports, "told before the training, not after it"
        assert str(caught.value) == (
            f"draws={wrong.get('draws', 'average')!r} is impossible here: 'average' needs average_decay above 0, "
            "'best' a best_every above 0 and no more than the steps taken, and average, best, last are all there is."
        )


class TestNestedParameters:
    def test_of_a_part_that_the_recipe_gives(self) -> None:
        sampler = AGGAN().set_params(evolution__acceptance__cooling=0.5)
        assert sampler.evolution.acceptance.cooling == 0.5
        assert sampler.settings != AGGAN().settings
        assert sampler.set_params(evolution__acceptance__cooling=Annealed().cooling).settings == AGGAN().settings
        assert AGGAN().setting("evolution").acceptance.cooling == Annealed().cooling

    def test_of_a_part_that_is_given_by_name(self) -> None:
        assert ACGAN(augmentation="affine").set_params(augmentation__degrees=3.0).augmentation.degrees == 3.0
        assert ACGAN().set_params(augmentation="affine", augmentation__degrees=3.0).augmentation.degrees == 3.0
        assert Evolution(acceptance="annealed").set_params(acceptance__cooling=0.5).acceptance.cooling == 0.5
        assert CNNClassifier().set_params(loss__gamma=3.0, loss="focal").loss.gamma == 3.0
        assert GANClassifier().set_params(sampler__n_steps=5).sampler.n_steps == 5

    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            ({"n_steps__x": 1}, "n_steps=None has no parameters to set by nested names"),
            ({"evolution__x": 1}, "Invalid parameter 'x' for estimator Evolution"),
            ({"revolution__x": 1}, "Invalid parameter 'revolution' for estimator AGGAN"),
        ],
        ids=str,
    )
    def test_that_there_are_not(self, wrong: dict[str, Any], words: str) -> None:
        with pytest.raises(ValueError, match=words):
            AGGAN().set_params(**wrong)

    def test_are_searched(self, boots: Images) -> None:
        search = GridSearchCV(
            Pipeline([("aggan", AGGAN(**TINY)), ("classify", CNNClassifier(n_steps=2))]),
            {
                "aggan__evolution__acceptance__cooling": [0.5, 0.9],
                "classify__loss": ["focal"],
                "classify__loss__gamma": [1],
            },
            cv=2,
            error_score="raise",
        )
        assert set(search.fit(*boots).best_params_) == set(search.param_grid)


class TestWarmStart:
    def test_goes_on_from_the_last_fit(self, boots: Images) -> None:
        sampler = AGGAN(**TINY, warm_start=True).fit(*boots)
        first = weights(sampler)
        sampler.fit(*boots)
        assert sampler.n_steps_ == 3
        assert sampler.players_.n_steps == 6
        assert sampler.players_.temperature == pytest.approx(1000 * 0.99**6)
        assert weights(sampler) != first

    def test_in_a_copy_the_generator_is_one_of_the_population_as_before(self, boots: Images) -> None:
        players = AGGAN(**TINY).fit(*boots).players_
        copied = copy.deepcopy(players)
        assert copied.generator is copied.population.parent is not players.generator
        assert len(copied.offspring) == len(players.offspring) == 3

    def test_starts_afresh_without_it(self, boots: Images) -> None:
        sampler = AGGAN(**TINY).fit(*boots)
        first = weights(sampler)
        assert weights(sampler.fit(*boots)) == first
        assert sampler.players_.n_steps == 3

    def test_a_loaded_model_goes_on_as_the_one_in_memory(self, boots: Images, tmp_path: Any) -> None:
        """Weights, moments, temperature, average and best all come back."""
        networks = DCGAN(width=2, generator_width=2)
        settings = {**TINY, "networks": networks, "best_every": 2, "draws": "best", "n_steps": 5}
        sampler = AGGAN(**settings).fit(*boots)
        sampler.save(tmp_path)
        loaded = load(tmp_path)
        for each in (sampler, loaded):
            each.set_params(warm_start=True).fit(*boots)
        assert isinstance(loaded, AGGAN)
        assert weights(loaded) == weights(sampler)
        assert loaded.players_.temperature == sampler.players_.temperature
        assert loaded.model_hash_ == sampler.model_hash_
        assert loaded.players_.n_steps == 10

    def test_a_loaded_model_knows_the_length_and_the_notes_of_the_last_fit(self, boots: Images, tmp_path: Any) -> None:
        sampler = AGGAN(**TINY, warm_start=True).fit(*boots).fit(*boots)
        sampler.training_notes_.append("the shop was closed.")
        sampler.save(tmp_path)
        loaded = load(tmp_path)
        assert isinstance(loaded, AGGAN)
        assert (loaded.n_steps_, loaded.players_.n_steps) == (3, 6)
        assert loaded.training_notes_ == sampler.training_notes_

    @pytest.mark.parametrize("strategy", [{1: 9}, "auto", lambda y: {1: 9}], ids=["dict", "name", "callable"])
    def test_a_loaded_model_can_be_fitted_with_its_settings(self, strategy: Any, tmp_path: Any, boots: Images) -> None:
        X, y = boots[0], (boots[1] == "clog").astype(int)
        AGGAN(**TINY, sampling_strategy=strategy).fit(X, y).save(tmp_path)
        loaded = load(tmp_path).set_params(warm_start=True)
        X_res, _ = loaded.fit_resample(X, y)
        assert len(X_res) > len(X)

    def test_a_loaded_model_can_be_fitted_whatever_its_random_state_was(self, tmp_path: Any, boots: Images) -> None:
        AGGAN(**{**TINY, "random_state": np.random.RandomState(0)}).fit(*boots).save(tmp_path)
        assert load(tmp_path).set_params(warm_start=True).fit(*boots).players_.n_steps == 2 * TINY["n_steps"]

    def test_images_of_another_range_are_refused(self, boots: Images) -> None:
        X, y = (boots[0] / 255).astype(np.float32), boots[1]
        sampler = ACGAN(**TINY, warm_start=True).fit(X, y)
        with pytest.raises(
            InputError, match=r"knows values from 0 to 1, and these are from 0 to 255: scale them alike"
        ):
            sampler.fit(X * 255, y)
        with pytest.raises(InputError, match="scale them alike"):
            sampler.fit(X / 10, y)
        sampler.fit(0.9 * X, y)
        sampler.fit(1.5 * X - 0.2, y)

    def test_other_images_are_refused(self, boots: Images) -> None:
        X, y = boots
        sampler = AGGAN(**TINY, warm_start=True).fit(X, y)
        with pytest.raises(InputError) as caught:
            sampler.fit(X.astype(np.float32), y)
        assert str(caught.value) == (
            "the model to go on from knows images of shape (8, 8), uint8, and these are (8, 8), float32: "
            "both must be the same."
        )

    def test_other_classes_are_refused(self, boots: Images) -> None:
        X, y = boots
        sampler = AGGAN(**TINY, warm_start=True).fit(X, y)
        with pytest.raises(InputError) as caught:
            sampler.fit(X, np.where(y == "clog", "mule", y))
        assert str(caught.value) == (
            "the model to go on from knows the classes boot, clog, sandal, and these are boot, mule, sandal: "
            "both must be the same."
        )

    def test_a_wider_range_keeps_the_learnt_one(self, boots: Images) -> None:
        X, y = boots
        sampler = AGGAN(**TINY, warm_start=True).fit(X, y)
        codec = sampler.codec_
        sampler.fit(X // 2 + 127, y)
        assert sampler.codec_ == codec

    def test_another_evolution_goes_on(self, boots: Images) -> None:
        sampler = AGGAN(**TINY, evolution=Evolution(mutations=("minimax",)), warm_start=True).fit(*boots)
        sampler.set_params(evolution=None).fit(*boots)
        assert sampler.players_.n_steps == 6


class TestDrawing:
    def test_numbers_go_on_and_are_counted(self, boots: Images) -> None:
        sampler = AGGAN(**TINY).fit(*boots)
        assert sampler.rows_drawn_ == {"boot": 0, "clog": 0, "sandal": 0}
        first, _ = sampler.sample({"clog": 2, "boot": 1})
        second, labels = sampler.sample({"clog": 3, "sandal": 0})
        assert sampler.rows_drawn_ == {"boot": 1, "clog": 5, "sandal": 0}
        assert labels.tolist() == ["clog"] * 3
        assert np.concatenate([first[:2], second]).tobytes() == sampler.draw("clog", range(5)).tobytes()

    def test_seeds(self, boots: Images) -> None:
        sampler = AGGAN(**TINY).fit(*boots)
        own, same, other = (sampler.draw("clog", range(4), seed=s) for s in (None, sampler.seed_, sampler.seed_ + 1))
        assert own.tobytes() == same.tobytes() != other.tobytes()

    @pytest.mark.parametrize(("rows", "seed"), [([-1], None), ([3, -70], None), ([0], -1)])
    def test_numbers_below_zero_are_refused(self, boots: Images, rows: list[int], seed: int | None) -> None:
        sampler = AGGAN(**TINY).fit(*boots)
        with pytest.raises(InputError):
            sampler.draw("clog", rows, seed=seed)

    def test_unknown_labels_are_told_with_the_choices(self, boots: Images) -> None:
        sampler = Duplicates(random_state=0).fit(*boots)
        for label in ("mule", 3, ("boot", "clog"), None):
            for ask in (lambda label=label: sampler.sample({label: 1}), lambda label=label: sampler.draw(label, [0])):
                with pytest.raises(InputError) as caught:
                    ask()
                assert str(caught.value) == (
                    f"there is no class {label!r} in this model: choose from boot, clog, sandal."
                )
        assert sampler.rows_drawn_ == {"boot": 0, "clog": 0, "sandal": 0}

    def test_counts_of_small_integers_of_numpy(self, boots: Images) -> None:
        sampler = Duplicates(random_state=0).fit(*boots)
        drawn = [sampler.sample({"clog": np.uint8(200)}) for _ in range(2)]
        assert [(len(X), len(y)) for X, y in drawn] == [(200, 200)] * 2
        assert sampler.rows_drawn_["clog"] == 400

    def test_what_cannot_be_drawn_leaves_the_numbers(self, boots: Images, monkeypatch: pytest.MonkeyPatch) -> None:
        sampler = Duplicates(random_state=0).fit(*boots)
        shipped = sampler._draw_block

        def failing(code: int, block: int, seed: int) -> NDArray[Any]:
            if code == 1:
                raise InputError("no more")
            return shipped(code, block, seed)

        monkeypatch.setattr(sampler, "_draw_block", failing)
        with pytest.raises(InputError, match="no more"):
            sampler.sample({"boot": 3, "clog": 3})
        assert sampler.rows_drawn_ == {"boot": 0, "clog": 0, "sandal": 0}

    def test_negative_counts_are_refused_before_anything_is_drawn(self, boots: Images) -> None:
        sampler = Duplicates(random_state=0).fit(*boots)
        with pytest.raises(InputError) as caught:
            sampler.sample({"boot": 2, "clog": -1})
        assert str(caught.value) == "-1 images of 'clog' cannot be drawn: ask for a whole number, 0 or more."
        assert sampler.rows_drawn_["boot"] == 0

    def test_small_classes_are_named(self, boots: Images) -> None:
        assert Duplicates().fit(*boots).small_classes_ == ["clog", "sandal"]
        assert Duplicates().fit(*boots).class_counts_.tolist() == [12, 5, 3]


def test_class_head(boots: Images) -> None:
    X, y = boots
    sampler = ACGAN(**{**TINY, "n_steps": 100, "learning_rate": 5e-3}, augmentation="none").fit(X, y)
    head = sampler.classifier_
    chances = head.predict_proba(X)
    assert chances.shape == (20, 3)
    assert chances.sum(axis=1) == pytest.approx(np.ones(20), abs=1e-5)
    assert (head.predict(X) == sampler.classes_[chances.argmax(axis=1)]).all()
    assert (head.predict(X) == y).mean() > 0.8
    assert head.predict_proba(X[:0]).shape == (0, 3)
    assert head.predict(X[:0]).dtype == sampler.classes_.dtype
    with pytest.raises(InputError) as caught:
        head.predict(X[:, 1:])
    assert str(caught.value) == "images of shape (7, 8) do not fit what was learnt, (8, 8): resize them."


class TestSettings:
    def test_hash_knows_what_is_drawn_from_and_not_where(self, boots: Images) -> None:
        base = AGGAN(**TINY)
        for name, value in {"device": "cpu", "callback": print, "warm_start": True}.items():
            assert AGGAN(**TINY, **{name: value}).settings_hash == base.settings_hash
        for name, value in {"n_steps": 4, "random_state": 1, "draws": "last"}.items():
            assert AGGAN(**{**TINY, name: value}).settings_hash != base.settings_hash
        evolution = Evolution(acceptance=Annealed(cooling=0.98))
        assert AGGAN(**TINY, evolution=evolution).settings_hash != base.settings_hash
        assert EGAN(**TINY).settings_hash != base.settings_hash
        assert len(base.settings_hash) == 64

    def test_settings_are_plain_data(self) -> None:
        settings = AGGAN(**TINY, evolution=Evolution(acceptance=Annealed(cooling=0.5))).settings
        assert settings["method"] == "aggan"
        assert settings["evolution"]["acceptance"] == {
            "axis": "acceptance",
            "name": "annealed",
            "temperature": 1000.0,
            "cooling": 0.5,
            "per": "step",
        }

    @pytest.mark.parametrize(
        ("part", "name", "value"),
        [
            (InstanceNoise(after="affine"), "after__degrees", 5),
            (Evolution(fitness="quality"), "fitness__weight", 2.0),
            (Deferred(weight="class_balanced"), "weight__beta", 0.5),
            (Deferred(), "weight__beta", 0.5),
            (AGGAN(augmentation="instance_noise"), "augmentation__after__degrees", 5),
        ],
    )
    def test_nested_parameters_of_parts_that_are_called_otherwise(self, part: Any, name: str, value: Any) -> None:
        if name.startswith("augmentation"):
            part.set_params(augmentation__after="affine")
        assert part.set_params(**{name: value}).get_params()[name] == value

    def test_nested_parameters(self, boots: Images) -> None:
        sampler = AGGAN(**TINY, evolution=Evolution(acceptance=Annealed(temperature=8.0)))
        sampler.set_params(evolution__acceptance__cooling=0.5).fit(*boots)
        assert [entry["temperature"] for entry in sampler.history_] == [4, 2, 1]

    @pytest.mark.parametrize("axis", PARTS)
    def test_unknown_parts_are_told_with_the_choices(self, boots: Images, axis: str) -> None:
        with pytest.raises(InputError) as caught:
            AGGAN(**{**TINY, axis: "zzz"}).fit(*boots)
        choices = PARTS[axis].names()
        assert {"head": "projection", "penalty": "r1", "objective": "hinge"}.get(axis, choices[0]) in choices
        assert str(caught.value) == f"there is no {axis} called 'zzz': choose from {', '.join(choices)}."


def test_estimate_where_reports_are_rare(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU, which is asked for figures every twentieth step."""
    for module in ("estimate", "loop"):
        monkeypatch.setattr(f"makeweight.{module}.report_every", lambda device: 20)
    steps: list[int] = []
    fit = ACGAN.fit
    monkeypatch.setattr(ACGAN, "fit", lambda self, *data: steps.append(self.n_steps) or fit(self, *data))
    cost = estimate(ACGAN(**TINY), (8, 8), [12, 5, 3])
    assert steps == [40]
    assert 0 < cost.seconds < 60


@pytest.mark.parametrize("strategy", [{"boot": 30}, 1.0, "all"])
def test_estimate_whatever_is_to_be_drawn(strategy: Any) -> None:
    state = np.random.get_state()[1].tolist()  # type: ignore[union-attr]
    cost = estimate(ACGAN(**{**TINY, "random_state": None}, sampling_strategy=strategy), (8, 8), [12, 5])
    assert cost.seconds > 0
    assert np.random.get_state()[1].tolist() == state  # type: ignore[union-attr]


@pytest.mark.parametrize("sides", [(8, 8), (9, 12, 3)])
def test_estimate_leaves_the_sampler_and_foretells_its_steps(sides: tuple[int, ...]) -> None:
    sampler = AGGAN(**{**TINY, "n_steps": 7})
    before = sampler.get_params()
    cost = estimate(sampler, sides, [12, 5, 3])
    assert cost.n_steps == 7
    assert 0 < cost.seconds < math.inf
    assert cost.bytes > 0
    assert sampler.get_params() == before
    assert not hasattr(sampler, "players_")
    in_a_day = estimate(sampler.set_params(n_steps=None, budget=86400.0), sides, [12, 5, 3])
    assert in_a_day.n_steps > 7


@pytest.mark.parametrize(("length", "n_steps"), [({"n_steps": 40}, 40), ({"n_steps": None, "budget": 150.0}, 100)])
def test_estimate_counts_what_is_trained_before_the_game(
    length: dict[str, Any], n_steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every step takes a second: those of BAGAN's game, and half as many of its autoencoder."""
    clock = itertools.count()
    monkeypatch.setattr("time.perf_counter", lambda: float(next(clock)))
    cost = estimate(BAGAN(**{**TINY, **length}), (8, 8), [12, 5])
    assert (cost.n_steps, cost.seconds) == (n_steps, 1.5 * n_steps)


def test_the_callback_hears_of_the_autoencoder_before_the_game(boots: Images) -> None:
    told: list[Any] = []
    BAGAN(**{**TINY, "n_steps": 4}, callback=told.append).fit(*boots)
    assert [(type(report), report.step, report.n_steps) for report in told] == [
        *((AutoencoderReport, step, 2) for step in (1, 2)),
        *((StepReport, step, 4) for step in (1, 2, 3, 4)),
    ]


def test_notes_of_the_autoencoder_before_the_game_are_kept(boots: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped, losses = autoencoder.mse_loss, itertools.count()

    def breaking(*images: Any) -> Any:
        return shipped(*images) * (math.nan if next(losses) == 2 else 1.0)

    monkeypatch.setattr(autoencoder, "mse_loss", breaking)
    sampler = BAGAN(**{**TINY, "n_steps": 4}).fit(*boots)
    note = "autoencoder: a loss was nan at step 2: went back to step 0, with half the learning rate."
    assert note in sampler.training_notes_


def test_estimate_foretells_the_steps_of_epochs(boots: Images) -> None:
    sampler = ACGAN(**{**TINY, "n_steps": None, "n_epochs": 3, "batch_size": 4})
    assert estimate(sampler, (8, 8), [12, 5, 3]).n_steps == sampler.fit(*boots).n_steps_ == 27


@pytest.mark.parametrize(("shape", "channels"), [((3, 8, 9), None), ((3, 8, 9), "first"), ((8, 9, 3), "last")])
def test_estimate_of_channels_anywhere(shape: tuple[int, ...], channels: Any, tmp_path: Path) -> None:
    sampler = ACGAN(**TINY, channels=channels, checkpoints=tmp_path / "kept")
    assert estimate(sampler, shape, [12, 5]).seconds > 0
    assert not (tmp_path / "kept").exists()


def test_a_training_that_breaks_down_is_no_model(boots: Images) -> None:
    with pytest.raises(InputError, match=r"^the training broke down, even after 3 returns .*\. Try a smaller"):
        AGGAN(**{**TINY, "n_steps": 30}, learning_rate=1e30).fit(*boots)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"betas": (2, 3)}, r"^betas=\(2, 3\) is impossible"),
        ({"batch_size": 0}, r"^batch_size=0 is impossible: it must be a whole number, 1 to 1,048,576\."),
        ({"learning_rate_decay": 2}, r"^learning_rate_decay=2 is impossible: it must be 0 to 1\."),
        ({"average_decay": 1.0}, r"^average_decay=1.0 is impossible"),
        ({"n_steps": None, "budget": math.nan}, r"^budget=nan is impossible: it must be above 0"),
        ({"n_steps": "a"}, r"^n_steps='a' is impossible: it must be a whole"),
        ({"evolution": Evolution(diversity_weight="x")}, r"^Evolution\(diversity_weight='x'\) is impossible"),  # type: ignore[arg-type]
    ],
)
def test_impossible_settings_are_refused(boots: Images, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        AGGAN(**{**TINY, **settings}).fit(*boots)


def test_batches_of_one_image_and_batch_norm_of_rows() -> None:
    images, labels = np.random.default_rng(0).integers(0, 256, (6, 28, 28), dtype=np.uint8), np.arange(6) % 2
    sampler = ACGAN.from_paper().set_params(n_epochs=None, n_steps=1, batch_size=1, random_state=0)
    with pytest.raises(InputError, match="^a batch of one image gives batch norm nothing to normalise by: give a larg"):
        sampler.fit(images, labels)
    assert sampler.set_params(networks=None).fit(images, labels).n_steps_ == 1


def _drawn_last(sampler: Any, label: Any, n: int) -> np.ndarray:
    sampler.generator_ = drawer(sampler.players_, "last")
    return sampler.draw(label, range(n))


class TestClone:
    def test_hears_what_a_clone_tells(self, boots: Images) -> None:
        class Log:
            def __init__(self) -> None:
                self.heard: list[int] = []
                self.lock = threading.Lock()  # no copy can be made of it

            def hear(self, report: StepReport) -> None:
                with self.lock:
                    self.heard.append(report.step)

        log = Log()
        sampler = AGGAN(**TINY, callback=log.hear)
        copied = clone(sampler)
        assert copied.callback == log.hear
        assert copied.settings == sampler.settings
        copied.fit(*boots)
        assert log.heard == [1, 2, 3]
        GANClassifier(sampler=sampler).fit(*boots)
        assert log.heard == [1, 2, 3] * 2

    def test_class_output_answers_scorers(self, boots: Images) -> None:
        X, y = boots
        head = AGGAN(**TINY).fit(X, y).classifier_
        assert is_classifier(head)
        assert get_scorer("accuracy")(head, X, y) == head.score(X, y) == (head.predict(X) == y).mean()
