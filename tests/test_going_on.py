"""Going on (`warm_start`) from what was learnt: what may change, and what would need other networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from makeweight import ACGAN, BAGAN, CAGAN, ClassDCGAN, DeepSMOTE, GANClassifier, load
from makeweight.errors import InputError
from makeweight.evolution import Evolution
from makeweight.gan_sampler import MIXES_NOTHING

TINY: dict[str, Any] = {"n_steps": 2, "batch_size": 8, "latent_dim": 4, "random_state": 0}
RANDOM = np.random.default_rng(0)
X = RANDOM.integers(0, 256, (24, 8, 8), dtype=np.uint8)
y = np.array(["boot"] * 18 + ["clog"] * 6)


@pytest.mark.parametrize(
    "changes",
    [
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
    ],
    ids=str,
)
@pytest.mark.parametrize("loaded", [False, True])
def test_what_the_networks_were_built_with_stays(changes: dict[str, Any], loaded: bool, tmp_path: Path) -> None:
    sampler = ACGAN(**TINY).fit(X, y)
    if loaded:
        sampler.save(tmp_path / "model")
        sampler = load(tmp_path / "model")
    before = sampler.draw("clog", range(3))
    (name,) = changes
    sampler.set_params(warm_start=True, **changes)
    sentence = rf"^{name} is not what the model has learnt with, .*: set it back, or learn"
    with pytest.raises(InputError, match=sentence):
        sampler.fit(X, y)
    with pytest.raises(InputError, match=sentence):
        sampler.save(tmp_path / "other")
    assert not (tmp_path / "other").exists()
    assert np.array_equal(sampler.draw("clog", range(3)), before)
    sampler.set_params(warm_start=False).fit(X, y).save(tmp_path / "anew")
    load(tmp_path / "anew")


def test_the_rest_may_change(tmp_path: Path) -> None:
    sampler = ACGAN(**TINY).fit(X, y)
    sampler.set_params(
        warm_start=True,
        n_steps=3,
        learning_rate=1e-4,
        batch_size=4,
        evolution=Evolution(mutations=("hinge", "minimax")),
    )
    sampler.fit(X, y).save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert np.array_equal(again.draw("clog", range(3)), sampler.draw("clog", range(3)))


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
