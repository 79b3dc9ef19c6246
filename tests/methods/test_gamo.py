from typing import Any

import numpy as np
import pytest
import torch

from makeweight import GAMO, GAMOClassifier
from makeweight.convex import BlendOfCodes
from makeweight.networks import DCGAN

TINY: dict[str, Any] = {
    "n_steps": 3,
    "batch_size": 8,
    "latent_dim": 4,
    "networks": DCGAN(width=2, generator_width=2),
    "random_state": 0,
}


def test_its_classifier_learns(make_images: Any) -> None:
    X, y = make_images({"dark": 40, "bright": 8})
    classifier = GAMOClassifier(
        sampler=GAMO(n_steps=60, batch_size=16, latent_dim=4, networks=DCGAN(width=4), random_state=0)
    )
    assert (classifier.fit(X, y).predict(X) == y).mean() > 0.9


def test_only_what_is_missing_is_asked_for(boots: Any) -> None:
    assert GAMO(**TINY).settings["prior"] == {"axis": "prior", "name": "missing"}


def test_the_paper_s_settings() -> None:
    paper = GAMO.from_paper()
    assert (paper.n_steps, paper.batch_size, paper.latent_dim, paper.learning_rate) == (25_000, 32, 100, 2e-4)


def test_its_probabilities_are_sigmoids_over_their_sum(boots: Any) -> None:
    classifier = GAMO(**TINY).fit(*boots).classifier_
    sigmoids = 1 / (1 + np.exp(-classifier.class_logits(boots[0]).astype(np.float64)))
    expected = sigmoids / sigmoids.sum(axis=1, keepdims=True)
    assert classifier.predict_proba(boots[0]) == pytest.approx(expected, rel=1e-5)


def test_in_latent_space_codes_of_a_class_are_blended_and_decoded(boots: Any) -> None:
    sampler = GAMO(**TINY, start="convex_latent").fit(*boots)
    network = sampler.players_.generator.network
    assert isinstance(network, BlendOfCodes)
    noise = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    blended = network.blend(noise, torch.full((6,), 2))
    points = network.blend.points[-3:]
    assert (blended >= points.amin(0) - 1e-6).all()
    assert (blended <= points.amax(0) + 1e-6).all()
    assert len({tuple(row) for row in blended.tolist()}) == 6
    assert sampler.draw("sandal", range(6)).shape == (6, 8, 8)
    assert sampler.classifier_.predict(boots[0]).shape == (20,)


@pytest.mark.parametrize("counts", [{"a": 6, "b": 6}, {"a": 6, "b": 1, "c": 2}])
def test_balanced_and_tiny_classes(counts: dict[str, int], make_images: Any) -> None:
    X, y = make_images(counts)
    _, labels = GAMO(**TINY, sampling_strategy="all").fit_resample(X, y)
    assert [(labels == label).sum() for label in counts] == [6] * len(counts)
