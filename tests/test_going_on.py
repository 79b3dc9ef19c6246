"""Going on (`warm_start`) from what was learnt: what may change, and what would need other networks."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from makeweight import (
    ACGAN,
    AGGAN,
    BAGAN,
    CAGAN,
    Augmented,
    ClassDCGAN,
    CNNClassifier,
    DeepSMOTE,
    GANClassifier,
    load,
)
from makeweight.errors import InputError
from makeweight.evolution import Annealed, Evolution
from makeweight.heads import AuxiliaryClassifier
from makeweight.individual import Individual
from makeweight.networks import DCGAN
from makeweight.penalties import GradientPenalty
from makeweight.progress import StepReport
from makeweight.rules import MIXES_NOTHING, NO_BATCH_NORM, NOTHING_SCORED
from makeweight.stabilisers import AveragedWeights
from makeweight.starts import STARTS, AutoencoderStart
from makeweight.training_state import state_of

TINY: dict[str, Any] = {"n_steps": 2, "batch_size": 8, "latent_dim": 4, "random_state": 0}
RANDOM = np.random.default_rng(0)
X = RANDOM.integers(0, 256, (24, 8, 8), dtype=np.uint8)
y = np.array(["boot"] * 18 + ["clog"] * 6)


def test_the_average_of_a_training_that_goes_on_does_not_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its decay follows all steps that the players have taken: in the first few of a training, most of it is lost."""
    told: list[int] = []
    update = AveragedWeights.update

    def listen(self: AveragedWeights, current: Any, n_steps: int) -> None:
        told.append(n_steps)
        update(self, current, n_steps)

    monkeypatch.setattr(AveragedWeights, "update", listen)
    ACGAN(**TINY).fit(X, y).set_params(warm_start=True).fit(X, y)
    assert told == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"warm_start": "no"}, "warm_start='no'"),
        ({"callback": 3}, "callback=3 cannot be called"),
        ({"checkpoints": "kept", "random_state": np.random.RandomState(0)}, "needs an equal seed"),
    ],
)
@pytest.mark.parametrize("kind", [ACGAN, DeepSMOTE])
def test_how_to_run_is_checked(
    kind: Any, changes: dict[str, Any], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=words):
        kind(**{**TINY, **changes}).fit(X, y)
    assert not list(tmp_path.iterdir())


def test_a_fit_that_fails_leaves_what_was_learnt_before() -> None:
    fresh = ACGAN(**{**TINY, "n_steps": 0})
    with pytest.raises(InputError):
        fresh.fit(X, y)
    with pytest.raises(NotFittedError):
        check_is_fitted(fresh)
    learnt = [ACGAN(**TINY), GANClassifier(sampler=ACGAN(**TINY)), CNNClassifier(n_steps=2, random_state=0)]
    other = X.reshape(24, 64)[:, :9].astype(float)
    other[0, 0] = np.nan
    for each in learnt:
        before = set(vars(each.fit(X, y)))
        with pytest.raises(InputError, match="NaN"):
            each.fit(other, y)
        assert set(vars(each)) == before
        assert each.n_features_in_ == 8
        check_is_fitted(each)


SHAPING: list[dict[str, Any]] = [
    {"head": "projection"},
    {"head": "k_plus_one"},
    {"spectral_norm": True},
    {"minibatch_deviation": True},
    {"networks": "classifier_resnet"},
    {"start": "autoencoder"},
    {"penalty": "lecam"},
    {"latent_dim": 7},
    {"average_decay": 0.5},
    {"betas": (0.0, 0.9)},
]
REFUSED = r"(not what the model has learnt with|other networks than the model has learnt with).*: set "


@pytest.mark.parametrize("changes", SHAPING, ids=str)
@pytest.mark.parametrize("loaded", [False, True])
def test_what_the_networks_were_built_with_stays(changes: dict[str, Any], loaded: bool, tmp_path: Path) -> None:
    sampler = ACGAN(**TINY).fit(X, y)
    if loaded:
        sampler.save(tmp_path / "model")
        sampler = load(tmp_path / "model")
    before = sampler.draw("clog", range(3))
    sampler.set_params(warm_start=True, **changes)
    with pytest.raises(InputError, match=REFUSED):
        sampler.fit(X, y)
    sampler.save(tmp_path / "other")
    assert np.array_equal(load(tmp_path / "other").draw("clog", range(3)), before)
    assert np.array_equal(sampler.draw("clog", range(3)), before)
    sampler.set_params(warm_start=False).fit(X, y).save(tmp_path / "anew")
    load(tmp_path / "anew")


@pytest.mark.parametrize(
    ("sampler", "changes"),
    [
        (ACGAN(**TINY), {"evolution": Evolution(n_survivors=3)}),
        (ACGAN(**TINY), {"objective": "wasserstein", "draws": "last", "n_steps": 9, "random_state": 3}),
        (ACGAN(**TINY), {"feature_matching": -1}),
        (ACGAN(**TINY), {"head": "opposed_classifier"}),
        (DeepSMOTE(**TINY), {"exchange_weight": -1}),
        (ClassDCGAN(**TINY), {"latent_dim": 9}),
        (ClassDCGAN(**TINY), {"head": "projection"}),
        (Augmented(random_state=0), {"degrees": 90.0, "crop": 0.5}),
    ],
    ids=str,
)
def test_what_is_changed_after_the_fit_changes_nothing_that_was_learnt(
    sampler: Any, changes: dict[str, Any], tmp_path: Path
) -> None:
    sampler.fit(X, y)
    before, drawn, learnt = sampler.model_hash_, sampler.draw("clog", range(3)), sampler.settings
    classifies = isinstance(sampler, ACGAN)
    answers = sampler.classifier_.predict_proba(X) if classifies else None
    sampler.set_params(**changes).save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert sampler.settings != learnt == sampler.settings_ == again.settings
    for each in (sampler, again):
        assert each.model_hash_ == before
        assert np.array_equal(each.draw("clog", range(3)), drawn)
        if classifies:
            assert np.array_equal(each.classifier_.predict_proba(X), answers)


def test_another_loss_changes_no_answer_of_a_fitted_classifier() -> None:
    classifier = CNNClassifier(n_steps=2, random_state=0).fit(X, y)
    before = classifier.predict_proba(X)
    assert np.array_equal(classifier.set_params(loss="sigmoid").predict_proba(X), before)


@pytest.mark.parametrize(
    ("sampler", "changes"),
    [
        (
            ACGAN(**TINY),
            {"learning_rate": 1e-4, "batch_size": 4, "evolution": Evolution(mutations=("hinge", "minimax"))},
        ),
        (ACGAN(**TINY), {"evolution": Evolution(n_survivors=2)}),
        (ACGAN(**TINY), {"penalty": "r1"}),
        (ACGAN(**TINY, penalty="gradient_penalty"), {"penalty": GradientPenalty(weight=5.0)}),
        (ACGAN(**TINY), {"head": AuxiliaryClassifier(weight=0.5)}),
        (BAGAN(**TINY), {"start": AutoencoderStart(share=0.5)}),
        (ClassDCGAN(**TINY), {"penalty": "r1"}),
        (DeepSMOTE(**TINY), {"exchange_weight": 0.5}),
    ],
    ids=str,
)
def test_the_rest_may_change(sampler: Any, changes: dict[str, Any], tmp_path: Path) -> None:
    sampler.fit(X, y).set_params(warm_start=True, n_steps=3, **changes).fit(X, y).save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert np.array_equal(again.draw("clog", range(3)), sampler.draw("clog", range(3)))


@pytest.mark.parametrize("start", [start.name for start in STARTS])
@pytest.mark.parametrize("loaded", [False, True])
def test_going_on_with_other_images(start: str, loaded: bool, tmp_path: Path) -> None:
    sampler: Any = ACGAN(**TINY, start=start).fit(X, y)
    if loaded:
        sampler.save(tmp_path / "model")
        sampler = load(tmp_path / "model")
    sampler.set_params(warm_start=True).fit(X, y)
    hash_before, others = sampler.model_hash_, (np.maximum(X, 3), y)
    if start in ("convex", "convex_latent"):
        with pytest.raises(
            InputError, match=rf"^the model draws from the images .* as start='{start}' has it, and these"
        ):
            sampler.fit(*others)
        assert sampler.model_hash_ == hash_before
    else:
        sampler.fit(*others)
        assert sampler.model_hash_ != hash_before


@pytest.mark.parametrize(
    ("acceptance", "begins"),
    [(Annealed(temperature=5.0), 5.0), (Annealed(), None), ("always", "none"), ("annealed_linearly", 1.0)],
    ids=str,
)
@pytest.mark.parametrize("loaded", [False, True])
def test_another_acceptance_begins_at_its_own_temperature(
    acceptance: Any, begins: Any, loaded: bool, tmp_path: Path
) -> None:
    sampler: Any = AGGAN(**TINY).fit(X, y)
    last = sampler.players_.temperature
    assert last < 1000
    if loaded:
        sampler.save(tmp_path / "model")
        sampler = load(tmp_path / "model")
    sampler.set_params(warm_start=True, n_steps=1, evolution=Evolution(acceptance=acceptance)).fit(X, y)
    told = sampler.history_[-1]["temperature"]
    if begins == "none":
        assert told is None
    else:  # after one step
        assert told == pytest.approx(sampler.acceptance_.cooled(last if begins is None else begins))
    sampler.save(tmp_path / "again")
    load(tmp_path / "again")


@pytest.mark.parametrize("draws", ["average", "xyz"])
def test_what_draws_is_checked_before_anything_is_learnt(draws: str) -> None:
    sampler = ACGAN(**TINY, average_decay=0.0, draws="last").fit(X, y)
    with pytest.raises(InputError, match=rf"^draws='{draws}' is impossible here"):
        sampler.set_params(warm_start=True, draws=draws).fit(X, y)
    assert sampler.players_.n_steps == TINY["n_steps"]


TWO = Evolution(mutations=("hinge", "minimax"), acceptance="elitist", n_survivors=2)


@pytest.mark.parametrize(
    ("evolution", "n_made"),
    [
        (Evolution(mutations=("non_saturating",)), 3),  # both players, and the best generator so far
        (Evolution(acceptance="elitist"), 3 + 4),  # a parent and three offspring, too
        (TWO, 3 + 6),  # two parents and four offspring
    ],
    ids=["plain", "one", "two"],
)
@pytest.mark.parametrize("further", [Evolution(mutations=("non_saturating",)), TWO], ids=["to_plain", "to_two"])
def test_going_on_copies_each_player_once_and_can_be_interrupted(
    evolution: Evolution, n_made: int, further: Evolution, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler: Any = AGGAN(**TINY, evolution=evolution, best_every=1).fit(X, y)
    again = copy.deepcopy(sampler)
    before, learnt = (
        sampler.model_hash_,
        {name: value.clone() for name, value in state_of(sampler.players_).tensors.items()},
    )
    made: list[Individual] = []
    begin = Individual.__init__

    def listen(self: Individual, *arguments: Any) -> None:
        made.append(self)
        begin(self, *arguments)

    def stop(report: StepReport) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    def go_on(each: Any, **changes: Any) -> None:
        monkeypatch.setattr(Individual, "__init__", listen)
        with pytest.raises(KeyboardInterrupt):
            each.set_params(warm_start=True, callback=stop, **changes).fit(X, y)
        state = state_of(each.players_).tensors
        assert state.keys() == learnt.keys()
        assert all(torch.equal(value, learnt[name]) for name, value in state.items())
        assert each.model_hash_ == before

    go_on(sampler)
    assert len(made) == n_made
    go_on(sampler, evolution=further)
    untouched, interrupted = (
        each.set_params(warm_start=True, callback=None, evolution=further).fit(X, y) for each in (again, sampler)
    )
    assert untouched.model_hash_ == interrupted.model_hash_ != before


def test_decay_rates_may_be_whole_numbers() -> None:
    whole, decimal = (ACGAN(**TINY, betas=(first, 0.9)).fit(X, y) for first in (0, 0.0))
    assert np.array_equal(whole.draw("clog", range(3)), decimal.draw("clog", range(3)))
    assert CNNClassifier(n_steps=2, betas=(np.float32(0.5), 0)).fit(X, y).predict(X).shape == y.shape


def test_other_samplers_refuse_too() -> None:
    for sampler in (DeepSMOTE(**TINY), ClassDCGAN(**TINY)):
        sampler.fit(X, y).set_params(warm_start=True, latent_dim=7)
        with pytest.raises(InputError, match=r"^latent_dim is not what the model has learnt with"):
            sampler.fit(X, y)


@pytest.mark.parametrize("head", ["auxiliary_classifier", "projection", "concatenated"])
def test_a_gan_for_each_class_takes_no_head_for_several(head: str) -> None:
    sampler = ClassDCGAN(**TINY, head=head)
    sentence = rf"^class_dcgan learns each class by itself, and head='{head}' is for several: leave head='none'\.$"
    with pytest.raises(InputError, match=sentence):
        sampler.fit(X, y)
    assert not hasattr(sampler, "samplers_")


def test_a_classifier_of_such_a_gan_trains_nothing() -> None:
    classifier = GANClassifier(sampler=ClassDCGAN(**TINY, head="auxiliary_classifier"))
    with pytest.raises(InputError, match=r"has no class head: give a GAN such as AGGAN\(\)\.$"):
        classifier.fit(X, y)


def test_mixing_that_changes_nothing_is_told() -> None:
    assert CAGAN(**TINY, mixed_batches="mixed").fit(X, y).training_notes_ == [MIXES_NOTHING]
    assert MIXES_NOTHING not in BAGAN(**TINY).fit(X, y).training_notes_


@pytest.mark.parametrize(("best_every", "told"), [(0, [NOTHING_SCORED]), (1, [])])
def test_scoring_where_nothing_is_scored_is_told(best_every: int, told: list[str]) -> None:
    plain = Evolution(mutations=("non_saturating",), batch_statistics=True)
    sampler = ACGAN(**{**TINY, "networks": DCGAN(batch_norm=True)}, evolution=plain, best_every=best_every)
    assert sampler.fit(X, y).training_notes_ == told


@pytest.mark.parametrize(("networks", "told"), [("by_shape", [NO_BATCH_NORM]), (DCGAN(batch_norm=True), [])])
def test_scoring_by_batches_that_changes_nothing_is_told(networks: str | DCGAN, told: list[str]) -> None:
    sampler = AGGAN(**{**TINY, "networks": networks}, evolution=Evolution(batch_statistics=True))
    assert sampler.fit(X, y).training_notes_ == told
