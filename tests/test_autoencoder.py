import itertools
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from makeweight.autoencoder import (
    Autoencoder,
    AutoencoderReport,
    AutoencoderTraining,
    build_autoencoder,
    decoded,
    hand_over,
    partners,
)
from makeweight.errors import InputError, TrainingError
from makeweight.individual import Individual
from makeweight.networks import DCGAN, MLP, Networks, OwnNetworks, ResNet, Shape
from makeweight.schedule import Schedule

FAMILIES: dict[str, tuple[Networks, Shape]] = {
    "dcgan": (DCGAN(width=4, generator_width=4), (1, 8, 8)),
    "resnet": (ResNet(width=4, generator_width=4), (3, 16, 20)),
    "mlp": (MLP(width=8), (6, 1, 1)),
}


def build(networks: Networks, shape: Shape, latent_dim: int = 5) -> Autoencoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_autoencoder(networks, shape, latent_dim)


def digits(n: int) -> tuple[Tensor, Tensor]:
    loaded = load_digits()
    return torch.from_numpy(loaded.images[:n, None] / 8 - 1).float(), torch.from_numpy(loaded.target[:n])


def batches(images: Tensor, codes: Tensor, size: int = 32) -> Iterator[tuple[Tensor, Tensor]]:
    random = np.random.default_rng(0)
    while True:
        index = torch.from_numpy(random.permutation(len(images))[:size])
        yield images[index], codes[index]


def trained(n_steps: int, exchange_weight: float = 0.0) -> tuple[Autoencoder, list[dict[str, Any]]]:
    autoencoder = build(DCGAN(width=8, generator_width=8), (1, 8, 8), latent_dim=16)
    learner = Individual(autoencoder, 2e-3, (0.9, 0.999))
    schedule = Schedule(n_steps, None, 1, 2e-3, 0.5, 0)
    random = torch.Generator().manual_seed(0)
    training = AutoencoderTraining(learner, schedule, random, exchange_weight=exchange_weight)
    return autoencoder, training.run(batches(*digits(600))).history


@pytest.mark.parametrize("family", FAMILIES)
def test_shapes_and_gradients(family: str) -> None:
    networks, shape = FAMILIES[family]
    autoencoder = build(networks, shape)
    images = torch.rand(4, *shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    latent = autoencoder.encode(images)
    assert tuple(latent.shape) == (4, 5)
    assert tuple(autoencoder.decode(latent).shape) == (4, *shape)
    gradients = torch.autograd.grad(autoencoder(images).square().sum(), list(autoencoder.parameters()))
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_a_fresh_encoder_tells_images_apart() -> None:
    images, _ = digits(20)
    latent = build(DCGAN(), (1, 8, 8)).encode(images)
    assert latent.std(dim=0).mean().item() > 0.05


def test_own_networks_keep_their_weights() -> None:
    trunk = nn.Sequential(nn.Flatten(), nn.Linear(64, 6))

    class Draws(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out = nn.Linear(5, 64)

        def forward(self, noise: Tensor, codes: Tensor) -> Tensor:
            return self.out(noise).view(-1, 1, 8, 8).tanh()

    autoencoder = build(OwnNetworks(generator=Draws(), trunk=trunk), (1, 8, 8))
    assert torch.equal(autoencoder.trunk[1].weight, trunk[1].weight)
    assert tuple(autoencoder(torch.zeros(3, 1, 8, 8)).shape) == (3, 1, 8, 8)


class TestPartners:
    def test_each_is_taken_once_and_is_of_the_same_class(self) -> None:
        codes = torch.tensor([3, 0, 3, 1, 3, 0, 7, 3])
        for seed in range(5):
            found = partners(codes, torch.Generator().manual_seed(seed))
            assert sorted(found.tolist()) == list(range(8))
            assert torch.equal(codes[found], codes)
            alone = [i for i, partner in enumerate(found.tolist()) if i == partner]
            assert alone == [3, 6]

    def test_one_class_and_one_image(self) -> None:
        assert partners(torch.zeros(1, dtype=torch.long), torch.Generator()).tolist() == [0]
        assert partners(torch.zeros(2, dtype=torch.long), torch.Generator()).tolist() == [1, 0]

    def test_partners_vary(self) -> None:
        random, codes = torch.Generator().manual_seed(0), torch.zeros(9, dtype=torch.long)
        assert partners(codes, random).tolist() != partners(codes, random).tolist()


class TestTraining:
    def test_digits_are_given_back_better_than_by_their_mean(self) -> None:
        """Digits that it did not learn from, too."""
        autoencoder, history = trained(150)
        images, _ = digits(900)
        learnt, unseen = images[:600], images[600:]
        with torch.no_grad():
            error = (autoencoder(unseen) - unseen).square().mean().item()
        of_mean = (learnt.mean(dim=0) - unseen).square().mean().item()
        assert error < 0.4 * of_mean
        assert not autoencoder.training
        assert history[-1]["step"] == history[-1]["n_steps"] == 150
        assert len(history) == 150
        assert history[-1]["reconstruction_loss"] < 0.4 * history[0]["reconstruction_loss"]

    def test_equal_seeds_give_equal_bytes(self) -> None:
        first, second = (trained(3, exchange_weight=0.5)[0].state_dict() for _ in range(2))
        other = trained(3, exchange_weight=0.0)[0].state_dict()
        assert all(torch.equal(first[name], second[name]) for name in first)
        assert any(not torch.equal(first[name], other[name]) for name in first)

    def test_the_exchange_pulls_images_together(self) -> None:
        """With equal weights, the best answer is half-way between an image and the mean of its class."""
        images, codes = digits(600)
        ones = images[codes == 1]
        spread = []
        for weight in (0.0, 1.0):
            autoencoder, _ = trained(200, weight)
            spread.append(autoencoder(ones).std(dim=0).mean().item())
        assert spread[1] < 0.7 * spread[0]

    def test_callback_and_budget(self) -> None:
        reports: list[AutoencoderReport] = []
        learner = Individual(build(DCGAN(width=2, generator_width=2), (1, 8, 8)), 1e-3, (0.9, 0.999))
        schedule = Schedule(None, 0.3, 1, 1e-3, 0.5, 0)
        training = AutoencoderTraining(learner, schedule, torch.Generator(), callback=reports.append)
        history = training.run(batches(*digits(64))).history
        assert [report.step for report in reports] == list(range(1, len(reports) + 1))
        assert history[-1] == {**asdict(reports[-1]), "notes": []}
        assert reports[-1].step == reports[-1].n_steps
        assert learner.learning_rate < 1e-3

    def test_a_loss_that_is_no_number_is_taken_back(self) -> None:
        learner = Individual(build(DCGAN(width=2, generator_width=2), (1, 8, 8)), 1e-3, (0.9, 0.999))
        images, codes = digits(32)
        told: list[AutoencoderReport] = []
        training = AutoencoderTraining(
            learner, Schedule(3, None, 1, 1e-3, 0.0, 0), torch.Generator(), callback=told.append
        )
        scales = itertools.chain([1.0, torch.nan], itertools.repeat(1.0))
        progress = training.run((images * scale, codes) for scale in scales)
        note = "a loss was nan at step 2: went back to step 0, with half the learning rate."
        assert [(report.step, report.notes) for report in told] == [(1, ()), (1, (note,)), (2, ()), (3, ())]
        assert (progress.told, progress.n_batches, learner.learning_rate) == ([note], 5, 5e-4)
        assert all(bool(value.isfinite().all()) for value in learner.network.parameters())

    def test_losses_that_are_never_a_number_end_it(self) -> None:
        learner = Individual(build(DCGAN(width=2, generator_width=2), (1, 8, 8)), 1e-3, (0.9, 0.999))
        images, codes = digits(32)
        training = AutoencoderTraining(learner, Schedule(1, None, 1, 1e-3, 0.0, 0), torch.Generator())
        sentence = (
            r"^the training broke down, even after 3 returns to .*: a loss was nan at step 1\. Try a smaller "
            r"learning_rate, or precision 32-true\.$"
        )
        with pytest.raises(TrainingError, match=sentence):
            training.run((images * torch.nan, codes) for _ in itertools.count())


class TestHandOver:
    @pytest.mark.parametrize("family", FAMILIES)
    def test_every_label_draws_what_the_decoder_does(self, family: str) -> None:
        networks, shape = FAMILIES[family]
        autoencoder, pair = build(networks, shape).eval(), networks.build(shape, 4, 5)
        hand_over(autoencoder, pair)
        latent = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
        drawn = pair.generator.eval()(latent, torch.arange(4))
        torch.testing.assert_close(drawn, decoded(autoencoder.decoder, latent))
        images = torch.zeros(2, *shape)
        assert torch.equal(pair.trunk.eval()(images), autoencoder.trunk(images))

    def test_one_class_takes_the_weights_as_they_are(self) -> None:
        networks, shape = FAMILIES["dcgan"]
        autoencoder, pair = build(networks, shape), networks.build(shape, 1, 5)
        hand_over(autoencoder, pair)
        own, given = pair.generator.state_dict(), autoencoder.decoder.state_dict()
        assert all(torch.equal(own[name], given[name]) for name in given)

    @pytest.mark.parametrize(("width", "latent_dim"), [(4, 6), (5, 5)])
    def test_other_networks_are_refused(self, width: int, latent_dim: int) -> None:
        autoencoder = build(*FAMILIES["dcgan"])
        pair = DCGAN(width=width, generator_width=width).build((1, 8, 8), 3, latent_dim)
        with pytest.raises(InputError, match="^the autoencoder's weights do not fit the networks .*: build both alike"):
            hand_over(autoencoder, pair)
