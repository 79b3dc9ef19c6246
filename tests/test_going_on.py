"""Going on (`warm_start`) from what was learnt: what may change, and what would need other networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from makeweight import ACGAN, AGGAN, BAGAN, CAGAN, ClassDCGAN, CNNClassifier, DeepSMOTE, GANClassifier, load
from makeweight.errors import InputError
from makeweight.evolution import Evolution
from makeweight.heads import AuxiliaryClassifier
from makeweight.networks import DCGAN
from makeweight.penalties import GradientPenalty
from makeweight.rules import MIXES_NOTHING, NO_BATCH_NORM, NOTHING_SCORED
from makeweight.starts import AutoencoderStart

TINY: dict[str, Any] = {"n_steps": 2, "batch_size": 8, "latent_dim": 4, "random_state": 0}
RANDOM = np.random.default_rng(0)
X = RANDOM.integers(0, 256, (24, 8, 8), dtype=np.uint8)
y = np.array(["boot"] * 18 + ["clog"] * 6)


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
    with pytest.raises(InputError, match=REFUSED):
        sampler.save(tmp_path / "other")
    assert not (tmp_path / "other").exists()
    assert np.array_equal(sampler.draw("clog", range(3)), before)
    sampler.set_params(warm_start=False).fit(X, y).save(tmp_path / "anew")
    load(tmp_path / "anew")


@pytest.mark.parametrize(
    ("sampler", "changes", "words"),
    [
        (ACGAN(**TINY), {"evolution": Evolution(n_survivors=3)}, r"^the model has 1 survivor, and n_survivors=3"),
        (ACGAN(**TINY), {"objective": "wasserstein"}, "is a distance only where"),
        (ACGAN(**TINY), {"feature_matching": -1}, "^feature_matching=-1 is impossible"),
        (DeepSMOTE(**TINY), {"exchange_weight": -1}, "^exchange_weight=-1 is impossible"),
        (ClassDCGAN(**TINY), {"latent_dim": 9}, "^latent_dim is not what the model has learnt with"),
        (ClassDCGAN(**TINY), {"head": "projection"}, "^class_dcgan learns each class by itself"),
    ],
    ids=str,
)
def test_what_could_not_be_loaded_is_not_saved(
    sampler: Any, changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    sampler.fit(X, y).set_params(**changes)
    with pytest.raises(InputError, match=words):
        sampler.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


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


@pytest.mark.parametrize("draws", ["average", "xyz"])
def test_what_draws_is_checked_before_anything_is_learnt(draws: str) -> None:
    sampler = ACGAN(**TINY, average_decay=0.0, draws="last").fit(X, y)
    with pytest.raises(InputError, match=rf"^draws='{draws}' is impossible here"):
        sampler.set_params(warm_start=True, draws=draws).fit(X, y)
    assert sampler.players_.n_steps == TINY["n_steps"]


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
    with pytest.raises(InputError, match=r"^class_dcgan learns each class by itself"):
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
