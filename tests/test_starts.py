"""Starts by way of samplers: what is handed over, saved, gone on with, and refused."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from torch import nn

from makeweight import ACGAN, AGGAN, BAGAN, BAGANGP, GAMO, load
from makeweight.autoencoder import encoded
from makeweight.convex import BlendOfCodes, BlendOfImages
from makeweight.errors import InputError
from makeweight.evolution import Elitist, Evolution
from makeweight.gan_sampler import GANSampler
from makeweight.networks import DCGAN, OwnNetworks
from makeweight.priors import InGaussians
from makeweight.progress import StepReport
from makeweight.starts import STARTS, AutoencoderStart, ConvexStart

TINY: dict[str, Any] = {
    "n_steps": 3,
    "batch_size": 6,
    "latent_dim": 4,
    "networks": DCGAN(width=2, generator_width=2),
    "random_state": 0,
}
FILLED = {
    "fresh": "uniform",
    "autoencoder": "class_gaussian",
    "encoder": "uniform",
    "convex": "missing",
    "convex_latent": "missing",
}


class Embedding(nn.Module):
    """A generator whose labels are not told beside the noise."""

    def __init__(self, shape: tuple[int, int, int], n_classes: int, latent_dim: int) -> None:
        super().__init__()
        self.shape = shape
        self.labels = nn.Embedding(n_classes, latent_dim)
        self.draws = nn.Linear(latent_dim, math.prod(shape))

    def forward(self, noise: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        images: torch.Tensor = self.draws(noise * self.labels(codes)).tanh()
        return images.view(-1, *self.shape)


class FlatTrunk(nn.Sequential):
    """A trunk of one layer."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__(nn.Flatten(), nn.Linear(math.prod(shape), 5))


def still(sampler: GANSampler) -> dict[str, torch.Tensor]:
    """Parameters of the generator that do not learn."""
    return {
        name: each for name, each in sampler.players_.generator.network.named_parameters() if not each.requires_grad
    }


@pytest.mark.parametrize("start", STARTS.names())
def test_any_game_may_begin_from_any_start(start: str, boots: Any, tmp_path: Path) -> None:
    """And is saved, loaded and gone on with."""
    evolution = Evolution(mutations=("non_saturating", "minimax"), acceptance=Elitist(), n_survivors=2)
    sampler = AGGAN(**TINY, start=start, prior=FILLED[start], evolution=evolution, best_every=1).fit(*boots)
    sampler.save(tmp_path)
    loaded = load(tmp_path)
    assert loaded.model_hash_ == sampler.model_hash_
    for each in (sampler, loaded):
        each.set_params(warm_start=True).fit(*boots)
    assert sampler.model_hash_ == loaded.model_hash_
    assert sampler.draw("clog", range(3)).tobytes() == loaded.draw("clog", range(3)).tobytes()


def test_a_fresh_start_keeps_the_hashes_of_older_models() -> None:
    assert "start" not in AGGAN().settings
    assert AGGAN(start="autoencoder").settings["start"]["share"] == 0.25


class TestAutoencoder:
    def test_the_gaussians_are_fixed_while_players_learn(self, boots: Any) -> None:
        sampler = BAGAN(**{**TINY, "n_steps": 12}).fit(*boots)
        again = BAGAN(**{**TINY, "n_steps": 12}, learning_rate=1e-6).fit(*boots)
        assert still(sampler).keys() == {"means", "factors"}
        for name, value in still(sampler).items():
            assert torch.equal(value, still(again)[name])
            assert torch.equal(value, sampler.generator_.get_parameter(name))
        assert not torch.equal(sampler.players_.generator.weights, again.players_.generator.weights)
        assert sampler.players_.generator.network.get_parameter("means").std() > 0

    @pytest.mark.parametrize(
        ("networks", "told"),
        [(TINY["networks"], False), (OwnNetworks(generator=Embedding, trunk=FlatTrunk), True)],
    )
    def test_the_players_begin_as_the_autoencoder(
        self, networks: Any, told: bool, boots: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Own networks, of which one label cannot be made three, are told the labels from the beginning."""
        found: list[Any] = []

        def spy(autoencoder: Any, *rest: Any) -> Any:
            found.append(autoencoder)
            return encoded(autoencoder, *rest)

        monkeypatch.setattr("makeweight.starts.encoded", spy)
        settings = {**TINY, "n_steps": 1, "networks": networks, "learning_rate": 1e-12}
        players = BAGAN(**settings).fit(*boots).players_
        (autoencoder,) = found
        latent = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
        network = players.generator.network.eval()
        assert isinstance(network, InGaussians)
        decoder = autoencoder.decoder.train()  # by the batch's own statistics: the running ones have moved on
        for code in (0, 2):
            drawn = network.generator.train()(latent, torch.full((5,), code))
            given_back = decoder(latent, torch.full((5,), code if told else 0))
            assert drawn.detach().numpy() == pytest.approx(given_back.detach().numpy(), abs=1e-5)
        for mine, theirs in zip(
            players.discriminator.network.get_submodule("trunk").parameters(),
            autoencoder.trunk.parameters(),
            strict=True,
        ):
            assert mine.detach().numpy() == pytest.approx(theirs.detach().numpy(), abs=1e-6)

    @pytest.mark.parametrize("n_own", [1, 2, 3])
    def test_classes_of_a_few_images(self, n_own: int, make_images: Any) -> None:
        X, y = make_images({"many": 12, "few": n_own})
        sampler = BAGAN(**TINY).fit(X, y)
        factors = still(sampler)["factors"]
        assert factors.diagonal(dim1=1, dim2=2).min() > 0
        assert sampler.sample({"few": 8})[0].shape == (8, 8, 8)

    def test_of_a_budget_both_have_their_part(self, boots: Any) -> None:
        sampler = BAGAN(**{**TINY, "n_steps": None, "budget": 1.0}, start=AutoencoderStart(share=0.25))
        counts = np.array([12, 5, 3])
        budgets = [sampler._schedule(counts).budget or 0, sampler._schedule(counts, own=True).budget or 0]
        assert budgets == pytest.approx([1.0, 0.8])
        assert sampler.fit(*boots).n_steps_ > 1

    def test_an_interrupted_training_ends_with_the_same_bytes(
        self, boots: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("makeweight.loop.KEEP_EVERY", 0.0)
        whole = BAGAN(**TINY).fit(*boots)

        def stop(report: StepReport) -> None:
            if report.step == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            BAGAN(**TINY, checkpoints=tmp_path, callback=stop).fit(*boots)
        assert list((tmp_path / "start").glob("*.safetensors"))
        reports: list[StepReport] = []
        again = BAGAN(**TINY, checkpoints=tmp_path, callback=reports.append).fit(*boots)
        assert [report.step for report in reports] == [3]
        assert again.model_hash_ == whole.model_hash_

    def test_labels_are_told_to_the_decoder(self, boots: Any) -> None:
        """Those of BAGAN-GP's generator differ by label from the beginning."""
        for method, differ in ((BAGANGP, True), (BAGAN, False)):
            sampler = method(**{**TINY, "n_steps": 1}, learning_rate=1e-12).fit(*boots)
            network = sampler.players_.generator.network
            assert isinstance(network, InGaussians)
            latent = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
            first, second = (network.generator.eval()(latent, torch.full((5,), code)) for code in (0, 1))
            assert torch.allclose(first, second, atol=1e-5) != differ


class TestConvex:
    def test_what_is_drawn_is_within_the_images_of_its_class(self, boots: Any) -> None:
        X, y = boots
        sampler = GAMO(**TINY).fit(X, y)
        for label in ("boot", "clog", "sandal"):
            drawn = sampler.draw(label, range(20)).astype(float)
            low, high = X[y == label].astype(float).min(axis=0), X[y == label].astype(float).max(axis=0)
            assert (drawn >= low - 1).all()
            assert (drawn <= high + 1).all()

    def test_at_most_so_many_images_are_blended(self, boots: Any) -> None:
        X, y = boots
        sampler = GAMO(**TINY, start=ConvexStart(most_images=4, width=8)).fit(X, y)
        network = sampler.players_.generator.network
        assert isinstance(network, BlendOfImages)
        assert np.bincount(network.blend.owners).tolist() == [4, 4, 3]
        points = sampler.codec_.decode(network.blend.points.detach().view(11, 1, 8, 8).numpy())
        own = {image.tobytes() for image in X[y == "boot"]}
        assert {image.tobytes() for image in points[:4]} <= own
        assert {image.tobytes() for image in points[8:]} == {image.tobytes() for image in X[y == "sandal"]}

    def test_the_points_stay(self, boots: Any) -> None:
        short, long = (GAMO(**{**TINY, "n_steps": n}).fit(*boots) for n in (1, 9))
        assert torch.equal(still(short)["blend.points"], still(long)["blend.points"])
        assert not torch.equal(short.players_.generator.weights, long.players_.generator.weights)

    def test_in_latent_space_the_decoder_stays(self, boots: Any) -> None:
        short, long = (GAMO(**{**TINY, "n_steps": n}, start="convex_latent").fit(*boots) for n in (1, 4))
        network = long.players_.generator.network
        assert isinstance(network, BlendOfCodes)
        assert network.blend.points.shape == (20, 4)
        assert all(name.startswith(("blend.points", "blend.random", "decoder.")) for name in still(long))
        latent = torch.zeros(2, 4)
        assert network.decoder(latent, torch.zeros(2).long()).shape == (2, 1, 8, 8)
        assert short.model_hash_ != long.model_hash_

    def test_a_single_image_is_drawn_as_it_is(self, make_images: Any) -> None:
        X, y = make_images({"many": 9, "one": 1})
        drawn = GAMO(**TINY).fit(X, y).draw("one", range(3))
        assert (drawn == X[y == "one"]).all()

    def test_a_model_whose_images_do_not_fit(self, boots: Any, tmp_path: Path) -> None:
        GAMO(**TINY).fit(*boots).save(tmp_path)
        weights = load_file(tmp_path / "weights.safetensors")
        name = "blend.points"
        save_file({**weights, name: weights[name][1:].copy()}, tmp_path / "weights.safetensors")
        with pytest.raises(InputError, match="^the model's weights do not fit its card"):
            load(tmp_path)


def test_a_card_that_asks_for_more_images_than_there_are(boots: Any, tmp_path: Path) -> None:
    """No memory is taken for what the card says."""
    GAMO(**TINY).fit(*boots).save(tmp_path)
    card = json.loads((tmp_path / "model.json").read_text())
    card["class_counts"][0] = 2**50
    card["settings"]["start"]["most_images"] = 2**31 - 1
    (tmp_path / "model.json").write_text(json.dumps(card))
    with pytest.raises(
        InputError, match="^the model's weights do not fit its card .networks of .* bytes, and files of"
    ):
        load(tmp_path)


@pytest.mark.parametrize(
    ("method", "changes", "message"),
    [
        (ACGAN, {"prior": "class_gaussian"}, "prior='class_gaussian' is fitted to encoded images, and start='fresh'"),
        (GAMO, {"prior": "class_gaussian"}, "prior='class_gaussian' is fitted to encoded images, and start='convex'"),
        (
            GAMO,
            {"prior": "class_gaussian", "start": "convex_latent"},
            "prior='class_gaussian' is fitted to encoded images, and start='convex_latent' gives it none",
        ),
        (BAGAN, {"start": AutoencoderStart(share=0)}, r"AutoencoderStart\(share=0\) is impossible: it must"),
        (BAGAN, {"start": AutoencoderStart(learning_rate=-1)}, r"AutoencoderStart\(learning_rate=-1\) is"),
        (GAMO, {"start": ConvexStart(most_images=0)}, r"ConvexStart\(most_images=0\) is impossible: it"),
        (GAMO, {"start": ConvexStart(width=2.5)}, r"ConvexStart\(width=2.5\) is impossible: it"),
        (
            GAMO,
            {"start": ConvexStart(tilt=-1)},
            r"ConvexStart\(tilt=-1\) is impossible: it must be above 0, or None.",
        ),
        (AGGAN, {"start": "encoding"}, "there is no start called 'encoding': choose from"),
    ],
)
def test_what_makes_no_sense_is_refused(method: Any, changes: dict[str, Any], message: str, boots: Any) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        method(**TINY, **changes).fit(*boots)
