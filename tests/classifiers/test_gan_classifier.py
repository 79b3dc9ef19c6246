from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from makeweight import ACGAN, AGGAN, Duplicates, GANClassifier
from makeweight.errors import InputError
from makeweight.heads import HEADS

TINY: dict[str, Any] = {"n_steps": 2, "batch_size": 8, "random_state": 0}


def test_predicts_as_the_class_head_of_its_sampler(boots: Any) -> None:
    X, y = boots
    classifier = GANClassifier(sampler=AGGAN(**TINY)).fit(X, y)
    alone = AGGAN(**TINY).fit(X, y).classifier_
    np.testing.assert_array_equal(classifier.predict_proba(X), alone.predict_proba(X))
    np.testing.assert_array_equal(classifier.predict(X), alone.predict(X))
    assert classifier.classes_.tolist() == sorted(set(y.tolist()))
    np.testing.assert_allclose(classifier.predict_proba(X).sum(axis=1), 1, rtol=1e-5)


def test_leaves_the_sampler_that_it_is_given(boots: Any) -> None:
    sampler = ACGAN(**TINY)
    GANClassifier(sampler=sampler).fit(*boots)
    assert not hasattr(sampler, "players_")


def test_is_aggan_by_default_and_reaches_its_parameters(boots: Any) -> None:
    classifier = GANClassifier(sampler=AGGAN()).set_params(**{f"sampler__{key}": value for key, value in TINY.items()})
    assert isinstance(clone(classifier).fit(*boots).sampler_, AGGAN)
    assert GANClassifier().get_params() == {"sampler": None}


def test_cross_validates_on_images(boots: Any) -> None:
    scores = cross_val_score(GANClassifier(sampler=ACGAN(**TINY)), *boots, cv=2)
    assert scores.shape == (2,)
    assert ((scores >= 0) & (scores <= 1)).all()


@pytest.mark.parametrize("sampler", [Duplicates(), "aggan"])
def test_samplers_without_a_class_head_are_refused(boots: Any, sampler: Any) -> None:
    with pytest.raises(InputError, match=r"has no class head: give a GAN such as AGGAN\(\)\.$"):
        GANClassifier(sampler=sampler).fit(*boots)


@pytest.mark.parametrize("head", [each.name for each in HEADS if not each.classifies])
def test_heads_without_a_class_output_are_refused_before_training(boots: Any, head: str) -> None:
    classifier = GANClassifier(sampler=ACGAN(head=head, **TINY))
    with pytest.raises(InputError, match=f"^the sampler's head='{head}' has no class output to classify with: "):
        classifier.fit(*boots)
    assert not hasattr(classifier, "sampler_")
