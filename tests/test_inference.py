from typing import Any

import pytest
import torch
from torch import nn

from makeweight import ACGAN, AGGAN, VAEGAN
from makeweight.breeding import breed
from makeweight.heads import AuxiliaryClassifier
from makeweight.individual import Individual
from makeweight.inference import WithEncoder, divergence
from makeweight.networks import DCGAN
from makeweight.rules import Batch

from .playing import LATENT, SHAPE, make_game, make_players, real_batches


class Affine(nn.Module):
    """Draws 2·noise + the class."""

    def forward(self, noise: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        return (2 * noise + codes.unsqueeze(1)).view(-1, 1, 1, 2)


def test_the_divergence_by_hand() -> None:
    """½(μ² + σ² − 1 − log σ²): ½(1 + 4 − 1 − log 4) and 0."""
    mean, log_variance = torch.tensor([[1.0, 0.0]]), torch.tensor([[4.0, 1.0]]).log()
    assert divergence(mean, log_variance).item() == pytest.approx((2 - torch.tensor(2.0).log().item()) / 2)


def test_the_loss_by_hand() -> None:
    """Encoded to mean (1, 0) and variance 1; given back as (2·(1 + ½) + 1, 2·0 + 1) for the image (4, 3)."""
    network = WithEncoder(Affine(), nn.Flatten(), 2, 2, weight=3.0, prior_weight=0.5)
    network.moments.weight.data.zero_()
    network.moments.bias.data = torch.tensor([1.0, 0.0, 0.0, 0.0])
    judge = AuxiliaryClassifier().build(nn.Flatten(), n_features=2, n_classes=2)
    images, noise = torch.tensor([[[[4.0, 3.0]]]]), torch.tensor([[0.5, 0.0]])
    loss = network.own_loss(judge, images, torch.tensor([1]), noise)
    assert loss.item() == pytest.approx(3.0 * (4 / 2) / (25 / 2) + 0.5 * 0.25)


def test_its_gradient_is_added_to_that_of_every_mutation() -> None:
    game = make_game(("non_saturating", "minimax"))
    found = []
    for weight in (1e-9, 1.0):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            trunk = DCGAN(width=4).build(SHAPE, 3, LATENT)
            players = make_players(game)
            inner = players.parents[0].network
            network = WithEncoder(inner, trunk.trunk, trunk.n_features, LATENT, weight, weight)
        parent = Individual(network, 1e-3, (0.5, 0.9))
        random = torch.Generator().manual_seed(0)
        request, show = game.request(random), game.transform(random)
        images, codes = next(real_batches())
        found.append(breed(game, players, parent, Batch(images, codes, show), request, show).gradients)
    added = found[1] - found[0]
    assert torch.allclose(added[0], added[1], atol=1e-5)
    assert added[0].abs().max() > 1e-3


def test_it_learns_to_give_images_back(make_images: Any) -> None:
    X, y = make_images({"dark": 40, "bright": 20}, (8, 8))
    settings: dict[str, Any] = {"networks": DCGAN(width=4, generator_width=4), "latent_dim": 8, "random_state": 0}
    sampler = VAEGAN(n_steps=80, batch_size=16, learning_rate_decay=0.0, **settings).fit(X, y)
    network = sampler.players_.generator.network.eval()
    assert isinstance(network, WithEncoder)
    images = torch.from_numpy(sampler.codec_.encode(X))
    codes = torch.from_numpy((y == "dark").astype(int))
    with torch.no_grad():
        mean, _ = network.encode(images)
        own, other = network(mean, codes), network(mean.roll(1, 0), codes.roll(1))
    assert (own - images).square().mean() < (other - images).square().mean()


@pytest.mark.parametrize("method", [ACGAN, AGGAN])
def test_any_game_may_have_an_encoder(method: Any, boots: Any) -> None:
    sampler = method(
        n_steps=3,
        batch_size=6,
        latent_dim=3,
        networks=DCGAN(width=2, generator_width=2),
        random_state=0,
        start="encoder",
    ).fit(*boots)
    assert sampler.draw("clog", [0]).shape == (1, 8, 8)
