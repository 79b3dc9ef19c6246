from collections.abc import Callable

import pytest
import torch
from torch import nn

from makeweight.errors import InputError
from makeweight.judges import Discriminator
from makeweight.networks import DCGAN, MLP, ByShape, ClassifierResNet, NetworkPair, Networks, ResNet, Shape
from makeweight.networks.base import doublings
from makeweight.rules import judges_alike

SHAPES: list[Shape] = [
    (1, 8, 8),
    (3, 8, 128),
    (4, 13, 9),
    (1, 28, 28),
    (2, 36, 36),
    (3, 32, 32),
    (1, 100, 48),
    (4, 96, 96),
    (3, 100, 100),
    (3, 128, 128),
]
FAMILIES: dict[str, Callable[[], Networks]] = {
    "by_shape": lambda: ByShape(width=2, generator_width=4, row_width=4),
    "resnet": lambda: ResNet(width=2, generator_width=2),
    "resnet with batch norm": lambda: ResNet(width=2, generator_width=2, batch_norm=True),
    "classifier_resnet": lambda: ClassifierResNet(depth=8, width=2, generator_width=2),
}


def build(networks: Networks, shape: Shape, n_classes: int = 3, latent_dim: int = 5) -> NetworkPair:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return networks.build(shape, n_classes, latent_dim)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_shapes_range_and_gradients(family: str, shape: Shape) -> None:
    pair = build(FAMILIES[family](), shape)
    images = pair.generator(torch.randn(4, 5, generator=torch.Generator().manual_seed(0)), torch.arange(4) % 3)
    assert tuple(images.shape) == (4, *shape)
    assert images.abs().max() <= 1
    assert images.isfinite().all()
    features = pair.trunk(images)
    assert tuple(features.shape) == (4, pair.n_features)
    parameters = [*pair.generator.parameters(), *pair.trunk.parameters()]
    gradients = torch.autograd.grad(features.square().sum(), parameters, allow_unused=True)
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("sides", [(7, 8), (8, 7), (129, 128), (128, 129), (4, 200)])
@pytest.mark.parametrize("family", FAMILIES)
def test_other_sizes_are_refused_with_the_way_out(family: str, sides: tuple[int, int]) -> None:
    height, width = sides
    with pytest.raises(InputError) as caught:
        build(FAMILIES[family](), (1, height, width))
    assert str(caught.value) == (
        f"images of {width}×{height} pixels are outside the 8 to 128 pixels a side that networks learn here: "
        "bring them to such a size (on the command line, --resize 128, or 64, which is several times faster)."
    )


def test_the_family_goes_by_the_shape() -> None:
    choice = ByShape(width=6, generator_width=10, row_width=7)
    assert isinstance(choice.family((30, 1, 1)), MLP)
    for shape in ((1, 8, 8), (3, 64, 64), (3, 8, 64)):
        family = choice.family(shape)
        assert isinstance(family, DCGAN)
        assert (family.width, family.generator_width) == (6, 10)
    for shape in ((3, 65, 64), (3, 64, 65), (1, 128, 128), (1, 8, 65)):
        family = choice.family(shape)
        assert isinstance(family, ResNet)
        assert (family.width, family.generator_width, family.batch_norm) == (6, 5, False)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 100, 72)], ids=str)
def test_only_the_plain_trunk_judges_images_alone_and_alike_in_both_modes(shape: Shape) -> None:
    """Evolution reuses gradients because of this."""
    alike = {}
    for name, family in FAMILIES.items():
        pair = build(family(), shape)
        alike[name] = judges_alike(Discriminator(pair.trunk, pair.n_features, 3), shape)
    assert alike == {
        "by_shape": True,
        "resnet": True,
        "resnet with batch norm": False,
        "classifier_resnet": False,
    }


def test_signals_keep_their_size_through_the_trunk() -> None:
    """Without batch norm, small weights would leave nothing of an image after five halvings."""
    images = torch.rand(8, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    features = build(ResNet(width=8), (3, 128, 128)).trunk(images)
    assert 0.05 < features.std().item() < 5
    assert (features[0] - features[1]).abs().max() > 0.01


def test_label_and_noise_reach_every_block_of_the_generator() -> None:
    generator = build(ResNet(generator_width=2), (1, 32, 32)).generator
    parts = [part for part in generator.modules() if type(part).__name__ == "ModulatedNorm"]
    assert [part.norm.num_features for part in parts] == [8, 4, 4, 2, 2]
    for part in parts:
        assert part.modulation.in_features == 3 + 5
    noise = torch.zeros(2, 5)
    drawn = generator.eval()(noise, torch.tensor([0, 1]))
    assert not torch.equal(drawn[0], drawn[1])


def test_widths_double_up_to_eightfold() -> None:
    pair = build(ResNet(width=3, generator_width=2), (1, 128, 128))
    stem, *blocks = (part for part in pair.trunk.children() if not isinstance(part, (nn.LeakyReLU, nn.Flatten)))
    assert [stem.out_channels, *(block.second.out_channels for block in blocks)] == [3, 6, 12, 24, 24]
    assert pair.n_features == 24 * 4 * 4
    drawn = [part.second.out_channels for part in pair.generator.body.blocks]
    assert [pair.generator.body.blocks[0].first.in_channels, *drawn] == [16, 16, 8, 4, 2]


@pytest.mark.parametrize(
    ("sides", "expected"), [((8, 8), (1, (4, 4))), ((28, 28), (2, (7, 7))), ((128, 100), (4, (8, 7)))], ids=str
)
def test_doublings(sides: tuple[int, int], expected: tuple[int, tuple[int, int]]) -> None:
    assert doublings(*sides) == expected


class TestClassifierResNet:
    def test_it_has_the_layers_of_the_paper(self) -> None:
        """ResNet-20 has 0.27 million weights, of which 650 are the last layer's; the shortcuts add a little."""
        trunk = build(ClassifierResNet(), (3, 32, 32)).trunk
        convolutions = [part for part in trunk.modules() if isinstance(part, nn.Conv2d) and part.kernel_size == (3, 3)]
        assert len(convolutions) == 19
        assert 0.267e6 < sum(weight.numel() for weight in trunk.parameters()) < 0.275e6

    @pytest.mark.parametrize(("side", "expected"), [(32, 32), (48, 48), (64, 32), (96, 48), (128, 32)])
    def test_large_images_are_halved_at_once(self, side: int, expected: int) -> None:
        trunk = build(ClassifierResNet(depth=8, width=2, generator_width=2), (1, side, side)).trunk
        assert trunk[0](torch.zeros(1, 1, side, side)).shape[-1] == expected

    @pytest.mark.parametrize("depth", [2, 18, 21])
    def test_depths_that_there_are_not(self, depth: int) -> None:
        with pytest.raises(InputError, match=f"^depth={depth} is no depth of such a network: give 6n \\+ 2"):
            build(ClassifierResNet(depth=depth), (1, 8, 8))
