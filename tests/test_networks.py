from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from makeweight import AGGAN, OwnNetworks, load
from makeweight.errors import InputError
from makeweight.judges import Discriminator
from makeweight.networks import (
    DCGAN,
    MLP,
    NETWORKS,
    LabelledGenerator,
    NetworkPair,
    Networks,
    Published28,
    ResNet,
    Shape,
)
from makeweight.rules import judges_alike

SHAPES: list[Shape] = [
    (1, 8, 8),
    (3, 8, 64),
    (1, 64, 8),
    (4, 13, 9),
    (1, 28, 28),
    (3, 32, 32),
    (1, 15, 31),
    (3, 64, 64),
]


def build(networks: Networks, shape: Shape, n_classes: int = 3, latent_dim: int = 5) -> NetworkPair:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return networks.build(shape, n_classes, latent_dim)


def check_pair(pair: NetworkPair, shape: Shape, n_classes: int = 3, latent_dim: int = 5) -> None:
    """Shapes, range, and gradients through every parameter of both."""
    codes = torch.arange(4) % n_classes
    images = pair.generator(torch.randn(4, latent_dim, generator=torch.Generator().manual_seed(0)), codes)
    assert tuple(images.shape) == (4, *shape)
    assert images.abs().max() <= 1
    features = pair.trunk(images)
    assert tuple(features.shape) == (4, pair.n_features)
    parameters = [*pair.generator.parameters(), *pair.trunk.parameters()]
    gradients = torch.autograd.grad(features.square().sum(), parameters, allow_unused=True)
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)


class TestDCGAN:
    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    def test_every_size_from_8_to_64(self, shape: Shape) -> None:
        check_pair(build(DCGAN(width=2, generator_width=2), shape), shape)

    @pytest.mark.parametrize("sides", [(7, 8), (8, 7), (65, 64), (64, 65), (4, 200)])
    def test_other_sizes_are_refused(self, sides: tuple[int, int]) -> None:
        height, width = sides
        with pytest.raises(InputError) as caught:
            build(DCGAN(), (1, height, width))
        assert str(caught.value) == (
            f"images of {width}×{height} pixels are outside the 8 to 64 pixels a side that DCGAN learns: "
            "use networks='by_shape', or bring them to such a size."
        )

    def test_trunk_answers_for_each_image_alone_and_alike_in_both_modes(self) -> None:
        """Evolution reuses gradients because of this."""
        pair = build(DCGAN(width=4), (1, 16, 16))
        trunk = pair.trunk
        assert judges_alike(Discriminator(trunk, pair.n_features, 3), (1, 16, 16))
        images = torch.randn(4, 1, 16, 16, generator=torch.Generator().manual_seed(0))
        together = trunk.train()(images)
        torch.testing.assert_close(trunk.eval()(images), together, rtol=0, atol=0)
        torch.testing.assert_close(trunk(images[2:3])[0], together[2])

    def test_starts_as_dcgan_does(self) -> None:
        pair = build(DCGAN(), (1, 28, 28))
        for part in [*pair.generator.modules(), *pair.trunk.modules()]:
            if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
                assert part.weight.std().item() == pytest.approx(0.02, rel=0.25)
                assert part.bias is None or not part.bias.any()
            elif isinstance(part, nn.BatchNorm2d):
                assert part.weight.mean().item() == pytest.approx(1, abs=0.02)
                assert part.weight.std().item() == pytest.approx(0.02, rel=0.5)

    def test_widths_are_parameters(self) -> None:
        pair = build(DCGAN(width=6, generator_width=10), (1, 16, 16))
        convolutions = [part for part in pair.trunk.modules() if isinstance(part, nn.Conv2d)]
        assert [part.out_channels for part in convolutions] == [6, 12, 24]
        assert pair.n_features == 24 * 2 * 2


class TestPublished28:
    def test_pair_of_the_authors(self) -> None:
        pair = build(Published28(), (1, 28, 28), n_classes=2, latent_dim=100)
        check_pair(pair, (1, 28, 28), n_classes=2, latent_dim=100)
        sizes = [tuple(p.weight.shape) for p in pair.generator.modules() if hasattr(p, "weight")]
        assert sizes == [(512, 102), (512, 256, 7, 7), (256,), (256, 128, 4, 4), (128,), (128, 1, 4, 4)]
        sizes = [tuple(p.weight.shape) for p in pair.trunk.modules() if hasattr(p, "weight")]
        assert sizes == [(128, 1, 4, 4), (256, 128, 4, 4), (256,), (512, 256, 7, 7), (512,)]
        assert [p.p for p in pair.trunk.modules() if isinstance(p, nn.Dropout)] == [0.5] * 3
        convolutions = (nn.Conv2d, nn.ConvTranspose2d)
        parts = [*pair.generator.modules(), *pair.trunk.modules()]
        assert all(part.bias is None for part in parts if isinstance(part, convolutions))

    def test_other_sizes_are_refused(self) -> None:
        with pytest.raises(InputError) as caught:
            build(Published28(), (1, 28, 32))
        assert str(caught.value) == "the authors' networks draw 28×28 pixels, not 32×28: use networks='dcgan'."


class TestMLP:
    @pytest.mark.parametrize("shape", [(1, 1, 1), (30, 1, 1), (3, 9, 8)], ids=str)
    def test_any_shape(self, shape: Shape) -> None:
        check_pair(build(MLP(width=7), shape), shape)
        assert build(MLP(width=7), shape).n_features == 7


class TestLayout:
    @pytest.mark.parametrize("networks", [DCGAN(), ResNet()])
    def test_maps_lie_with_channels_last_in_every_batch_norm(self, networks: Networks) -> None:
        generator = build(networks, (3, 32, 32)).generator
        norms = [part for part in generator.modules() if isinstance(part, nn.BatchNorm2d)]
        seen: list[Tensor] = []
        for norm in norms:
            norm.register_forward_hook(lambda _, given, __: seen.append(given[0]))
        generator(torch.randn(4, 5), torch.zeros(4, dtype=torch.long))
        assert len(seen) == len(norms) > 0
        assert all(maps.is_contiguous(memory_format=torch.channels_last) for maps in seen)


class TestLabelledGenerator:
    def test_label_stands_in_front_and_the_middle_is_kept(self) -> None:
        seen: list[Tensor] = []

        class Body(nn.Module):
            def forward(self, labelled: Tensor) -> Tensor:
                seen.append(labelled)
                return torch.arange(48.0).reshape(1, 1, 6, 8).expand(2, -1, -1, -1)

        noise = torch.tensor([[0.5, 0.25], [1.5, 2.5]])
        images = LabelledGenerator(Body(), (1, 3, 4), n_classes=3)(noise, torch.tensor([2, 0]))
        assert seen[0].tolist() == [[0, 0, 1, 0.5, 0.25], [1, 0, 0, 1.5, 2.5]]
        assert images[0, 0].tolist() == [[10, 11, 12, 13], [18, 19, 20, 21], [26, 27, 28, 29]]


def test_equal_seeds_build_equal_networks() -> None:
    first, second = (build(DCGAN(width=2, generator_width=2), (1, 8, 8)) for _ in range(2))
    for mine, theirs in zip(first.generator.parameters(), second.generator.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_networks_must_say_how_they_are_built() -> None:
    with pytest.raises(TypeError, match="^Networks must say how networks are built$"):
        Networks().build((1, 8, 8), 2, 3)
    assert NETWORKS.names() == ["by_shape", "classifier_resnet", "dcgan", "mlp", "own", "published_28", "resnet"]


class Draws(nn.Module):
    """A generator of a person's own: a linear map, with a batch norm."""

    def __init__(self, shape: Shape, n_classes: int, latent_dim: int) -> None:
        super().__init__()
        self.shape = shape
        self.labels = nn.Embedding(n_classes, latent_dim)
        self.out = nn.Linear(latent_dim, int(np.prod(shape)))
        self.norm = nn.BatchNorm2d(shape[0])

    def forward(self, noise: Tensor, codes: Tensor) -> Tensor:
        return self.norm(self.out(noise + self.labels(codes)).view(-1, *self.shape)).tanh()


def judges(shape: Shape) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), 6), nn.LeakyReLU(0.2))


def flat(values: Any) -> Tensor:
    return torch.cat([value.detach().flatten() for value in values])


class TestOwnNetworks:
    SETTINGS: ClassVar[dict[str, Any]] = {"n_steps": 3, "batch_size": 8, "latent_dim": 4, "random_state": 0}

    def test_callables_are_called_with_what_they_need(self) -> None:
        pair = build(OwnNetworks(generator=Draws, trunk=judges), (2, 9, 8))
        check_pair(pair, (2, 9, 8))
        assert pair.n_features == 6

    def test_modules_are_copied_with_their_weights(self) -> None:
        generator, trunk = Draws((1, 8, 8), 3, 5), judges((1, 8, 8))
        pair = build(OwnNetworks(generator=generator, trunk=trunk), (1, 8, 8))
        assert pair.generator is not generator
        assert torch.equal(flat(pair.generator.parameters()), flat(generator.parameters()))
        assert torch.equal(flat(pair.trunk.parameters()), flat(trunk.parameters()))
        assert pair.n_features == 6

    def test_the_trial_leaves_no_trace(self) -> None:
        pair = build(OwnNetworks(generator=Draws, trunk=judges), (1, 8, 8))
        assert pair.generator.norm.num_batches_tracked.item() == 0
        assert pair.generator.training
        assert pair.trunk.training

    def test_images_of_another_shape_are_refused(self) -> None:
        own = OwnNetworks(
            generator=lambda shape, n_classes, latent_dim: Draws((1, 8, 9), n_classes, latent_dim), trunk=judges
        )
        with pytest.raises(InputError) as caught:
            build(own, (1, 8, 8))
        assert str(caught.value) == (
            "the generator given in networks= draws (1, 8, 9) where the images are (1, 8, 8) (channels, height, "
            "width): change its output."
        )

    def test_features_that_are_not_flat_are_refused(self) -> None:
        with pytest.raises(InputError) as caught:
            build(OwnNetworks(generator=Draws, trunk=nn.Conv2d(1, 2, 3)), (1, 8, 8))
        assert str(caught.value) == (
            "the trunk given in networks= answers with shape (2, 2, 6, 6) where (batch, n_features) is needed: "
            "flatten its output."
        )

    def test_training_saving_and_loading(self, boots: tuple[Any, Any], tmp_path: Any) -> None:
        own = OwnNetworks(generator=Draws, trunk=judges)
        sampler = AGGAN(networks=own, **self.SETTINGS).fit(*boots)
        assert isinstance(sampler.players_.generator.network, Draws)
        drawn = sampler.draw("clog", range(5))
        sampler.save(tmp_path)
        loaded = load(tmp_path, networks=own)
        assert loaded.draw("clog", range(5)).tobytes() == drawn.tobytes()
        assert loaded.model_hash_ == sampler.model_hash_

    def test_a_module_of_ones_own_is_left_as_it_was(self, boots: tuple[Any, Any]) -> None:
        generator, trunk = Draws((1, 8, 8), 3, 4), judges((1, 8, 8))
        before = flat([*generator.parameters(), *trunk.parameters()])
        AGGAN(networks=OwnNetworks(generator=generator, trunk=trunk), **self.SETTINGS).fit(*boots)
        assert torch.equal(flat([*generator.parameters(), *trunk.parameters()]), before)

    def test_modules_given_in_evaluation_mode_are_trained_all_the_same(self, boots: tuple[Any, Any]) -> None:
        generator, trunk = Draws((1, 8, 8), 3, 4).eval(), judges((1, 8, 8)).eval()
        sampler = AGGAN(networks=OwnNetworks(generator=generator, trunk=trunk), **self.SETTINGS).fit(*boots)
        assert sampler.players_.generator.network.norm.num_batches_tracked.item() > 0

    def test_a_model_with_own_networks_asks_for_them(self, boots: tuple[Any, Any], tmp_path: Any) -> None:
        AGGAN(networks=OwnNetworks(generator=Draws, trunk=judges), **self.SETTINGS).fit(*boots).save(tmp_path)
        with pytest.raises(InputError, match="networks="):
            load(tmp_path)

    def test_other_networks_do_not_fit_the_model(self, boots: tuple[Any, Any], tmp_path: Any) -> None:
        AGGAN(networks=OwnNetworks(generator=Draws, trunk=judges), **self.SETTINGS).fit(*boots).save(tmp_path)
        with pytest.raises(InputError, match="^the model's weights do not fit its card .*: save it anew.$"):
            load(tmp_path, networks=DCGAN(width=2, generator_width=2))

    def test_classes_are_no_networks(self, boots: tuple[Any, Any]) -> None:
        with pytest.raises(InputError) as caught:
            AGGAN(networks=nn.Flatten(), **self.SETTINGS).fit(*boots)
        assert str(caught.value) == (
            "Flatten(start_dim=1, end_dim=-1) is no networks: give a name (by_shape, classifier_resnet, dcgan, mlp, "
            "own, published_28, resnet) or an instance."
        )

    def test_networks_for_rows(self) -> None:
        X = np.random.default_rng(0).normal(size=(20, 6))
        own = OwnNetworks(generator=Draws, trunk=judges)
        sampler = AGGAN(networks=own, **self.SETTINGS).fit(X, np.arange(20) % 2)
        assert sampler.draw(1, range(3)).shape == (3, 6)
