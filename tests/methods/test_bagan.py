from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import cross_entropy

from makeweight import BAGAN, BAGANGP
from makeweight.errors import InputError
from makeweight.heads import KPlusOne
from makeweight.judges import Judgement
from makeweight.networks import DCGAN
from makeweight.rules import Game
from makeweight.starts import AutoencoderStart

from ..playing import make_game

TINY: dict[str, Any] = {
    "n_steps": 3,
    "batch_size": 8,
    "latent_dim": 4,
    "networks": DCGAN(width=2, generator_width=2),
    "random_state": 0,
}
COUNTS = (90, 60, 40, 30, 20, 15, 10, 8, 5, 3)


def digits() -> tuple[NDArray[np.uint8], NDArray[np.int64], LogisticRegression]:
    """Imbalanced digits, and a classifier that learnt other ones."""
    loaded = load_digits()
    X, y = loaded.images.astype(np.uint8), loaded.target
    judge = LogisticRegression(max_iter=500).fit(X[900:].reshape(-1, 64) / 16, y[900:])
    keep = np.concatenate([np.flatnonzero(y[:900] == digit)[:count] for digit, count in enumerate(COUNTS)])
    return X[keep], y[keep], judge


def test_what_is_drawn_at_the_start_is_recognised_and_varied() -> None:
    """The Gaussians tell the decoder, which knows no labels, what to draw."""
    X, y, judge = digits()
    networks = DCGAN(width=8, generator_width=16)
    settings: dict[str, Any] = {"networks": networks, "latent_dim": 32, "random_state": 0, "best_every": 0}
    sampler = BAGAN(n_steps=2, start=AutoencoderStart(share=120.0), **settings).fit(X, y)
    drawn, labels = sampler.sample(dict.fromkeys(range(10), 30))
    assert (judge.predict(drawn.reshape(-1, 64) / 16) == labels).mean() > 0.75
    for digit in range(10):
        own, real = drawn[labels == digit].astype(float), X[y == digit].astype(float)
        assert own.std(axis=0).mean() > 0.5 * real.std(axis=0).mean()
    assert {image.tobytes() for image in drawn}.isdisjoint({image.tobytes() for image in X})


def half_losses(game: Game) -> list[torch.Tensor]:
    logits = torch.tensor([[0.3, -1.0, 0.5, 0.2], [2.0, 0.1, 0.4, -0.7]])
    judgement = Judgement(logits[:, :3].logsumexp(dim=1) - logits[:, 3], logits[:, :3], torch.zeros(2, 1))
    codes = torch.tensor([2, 0])
    known = [cross_entropy(logits, codes), cross_entropy(logits, torch.tensor([3, 3]))]
    return [game.half_loss(judgement, codes, real=True), game.half_loss(judgement, codes, real=False), *known]


def test_drawn_images_count_as_one_class_of_k_plus_one() -> None:
    """Of four outputs: 3/4 of the loss on real images and 1/4 on drawn ones; twice that, as everywhere."""
    game = make_game(("non_saturating",), head=KPlusOne(even=True))
    real, drawn, of_real, of_drawn = half_losses(game)
    assert real.item() == pytest.approx(2 * 3 / 4 * of_real.item(), rel=1e-5)
    assert drawn.item() == pytest.approx(2 * 1 / 4 * of_drawn.item(), rel=1e-5)


def test_without_it_both_kinds_count_alike() -> None:
    real, drawn, of_real, of_drawn = half_losses(make_game(("non_saturating",), head=KPlusOne()))
    assert [real.item(), drawn.item()] == pytest.approx([of_real.item(), of_drawn.item()], rel=1e-5)


def test_older_descriptions_of_the_head_hold() -> None:
    assert BAGAN(head="k_plus_one").settings["head"] == {"axis": "head", "name": "k_plus_one"}


def test_the_paper_s_settings() -> None:
    paper = BAGAN.from_paper()
    assert paper.settings["head"] == {"axis": "head", "name": "k_plus_one", "even": True}
    assert paper.settings["start"]["share"] == 1.0
    assert (paper.n_epochs, paper.batch_size, paper.latent_dim, paper.learning_rate) == (150, 128, 100, 5e-5)
    assert paper.setting("balanced_batches") is False


@pytest.mark.parametrize("head", ["auxiliary_classifier", "projection", "concatenated"])
def test_another_head_is_one_argument(head: str, boots: Any) -> None:
    sampler = BAGAN(**TINY, head=head).fit(*boots)
    assert sampler.settings["head"]["name"] == head
    assert sampler.sample({"clog": 2})[0].shape == (2, 8, 8)


def test_its_class_output_classifies_and_that_of_bagan_gp_refuses(boots: Any) -> None:
    chances = BAGAN(**TINY).fit(*boots).classifier_.predict_proba(boots[0])
    assert chances.sum(axis=1) == pytest.approx(np.ones(20), rel=1e-5)
    with pytest.raises(InputError, match="^head='concatenated' has no class output"):
        _ = BAGANGP(**TINY).fit(*boots).classifier_
