import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from makeweight.heads import Judgement
from makeweight.stabilisers import (
    AUGMENTATIONS,
    PENALTIES,
    R1,
    Affine,
    Augmentation,
    AveragedWeights,
    Penalty,
    balanced_epoch,
    endless_batches,
    plain_epoch,
)

STILL = {"degrees": 0.0, "scale": 0.0, "shift": 0.0}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(n: int, *shape: int) -> Tensor:
    return torch.rand(n, *shape, generator=seeded(9)) * 2 - 1


class TestAugmentations:
    @pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 12), (40, 1, 1)])
    @pytest.mark.parametrize("name", AUGMENTATIONS.names())
    def test_contract(self, name: str, shape: tuple[int, int, int]) -> None:
        images = pictures(4, *shape).requires_grad_()
        before = torch.random.get_rng_state()
        transform = AUGMENTATIONS.get(name)().draw(4, seeded())
        changed = transform(images)
        assert changed.shape == images.shape
        assert changed.dtype == torch.float32
        assert changed.min() >= -1
        assert changed.max() <= 1
        assert torch.equal(transform(images), changed)  # one draw, the same changes each time
        assert torch.equal(AUGMENTATIONS.get(name)().draw(4, seeded())(images), changed)
        (gradient,) = torch.autograd.grad(changed.sum(), images)
        assert gradient.abs().sum() > 0
        assert torch.equal(torch.random.get_rng_state(), before)

    def test_none_changes_nothing(self) -> None:
        images = pictures(3, 1, 8, 8)
        assert AUGMENTATIONS.get("none") is Augmentation
        assert Augmentation().draw(3, seeded())(images) is images


class TestAffine:
    def test_flat_rows_stay(self) -> None:
        rows = pictures(4, 6, 1, 1)
        assert Affine().draw(4, seeded())(rows) is rows

    def test_nothing_allowed_is_nothing_done(self) -> None:
        images = pictures(4, 2, 8, 11)
        torch.testing.assert_close(Affine(**STILL).draw(4, seeded())(images), images, atol=1e-5, rtol=0)

    def test_every_image_is_changed_by_itself(self) -> None:
        images = pictures(1, 1, 8, 8).expand(6, -1, -1, -1)
        changed = Affine().draw(6, seeded())(images)
        assert len({image.numpy().tobytes() for image in changed}) == 6

    def test_half_are_mirrored(self) -> None:
        images = pictures(64, 1, 8, 10)
        changed = Affine(**STILL, mirror=True).draw(64, seeded())(images)
        flipped = [torch.allclose(a, b.flip(2), atol=1e-4) for a, b in zip(changed, images, strict=True)]
        kept = [torch.allclose(a, b, atol=1e-4) for a, b in zip(changed, images, strict=True)]
        assert all(a != b for a, b in zip(flipped, kept, strict=True))
        assert 20 <= sum(flipped) <= 44

    @pytest.mark.parametrize("sides", [(8, 8), (8, 24), (24, 8)])
    def test_a_rotation_stays_a_rotation(self, sides: tuple[int, int]) -> None:
        """Coordinates as images: they must turn rigidly about the middle, in pixels, square or not."""
        height, width = sides
        y, x = torch.meshgrid(
            torch.arange(height) - (height - 1) / 2, torch.arange(width) - (width - 1) / 2, indexing="ij"
        )
        images = torch.stack([x, y]).expand(5, -1, -1, -1)
        turned = Affine(degrees=30, scale=0, shift=0).draw(5, seeded(3))(images)
        angles = (torch.rand(5, 5, generator=seeded(3)) * 2 - 1)[0] * math.pi / 6
        middle = (slice(height // 2 - 2, height // 2 + 2), slice(width // 2 - 2, width // 2 + 2))
        for image, angle in zip(turned, angles, strict=True):
            expected_x = angle.cos() * x - angle.sin() * y
            expected_y = angle.sin() * x + angle.cos() * y
            torch.testing.assert_close(image[0][middle], expected_x[middle], atol=1e-3, rtol=0)
            torch.testing.assert_close(image[1][middle], expected_y[middle], atol=1e-3, rtol=0)

    def test_shifts_are_shares_of_the_side_and_the_border_fills_up(self) -> None:
        ramp = torch.arange(20.0).expand(8, 1, 10, 20)
        shifted = Affine(degrees=0, scale=0, shift=0.2).draw(8, seeded(1))(ramp)
        shares = (torch.rand(5, 8, generator=seeded(1)) * 2 - 1)[3] * 0.2
        expected = (ramp + (shares * 20).view(8, 1, 1, 1)).clamp(0, 19)
        torch.testing.assert_close(shifted, expected, atol=1e-3, rtol=0)

    def test_scale_is_a_relative_change_of_size(self) -> None:
        x = torch.arange(16.0) - 7.5
        images = x.expand(6, 1, 16, 16)
        zoomed = Affine(degrees=0, scale=0.3, shift=0).draw(6, seeded(2))(images)
        zooms = 1 + (torch.rand(5, 6, generator=seeded(2)) * 2 - 1)[1] * 0.3
        middle = slice(5, 11)
        expected = zooms.view(6, 1, 1, 1) * images
        torch.testing.assert_close(zoomed[..., middle], expected[..., middle], atol=1e-3, rtol=0)


class Slanted(nn.Module):
    """Scores of slope (2, -1) at every image of two pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([2.0, -1.0]))

    def forward(self, images: Tensor) -> Judgement:
        scores = images.flatten(1) @ self.weight
        return Judgement(scores, scores[:, None], images)


class TestPenalties:
    def test_r1_by_hand(self) -> None:
        judge = Slanted()
        cost = R1(gamma=0.1, every=1).loss(judge, pictures(3, 1, 1, 2))
        assert cost.item() == pytest.approx(0.05 * 5, rel=1e-6)
        (gradient,) = torch.autograd.grad(cost, judge.parameters())
        torch.testing.assert_close(gradient, 0.1 * judge.weight.detach())

    def test_rarer_penalties_weigh_more(self) -> None:
        cost = R1(gamma=0.1, every=8).loss(Slanted(), pictures(3, 1, 1, 2))
        assert cost.item() == pytest.approx(8 * 0.05 * 5, rel=1e-6)

    def test_none_is_never_taken(self) -> None:
        assert PENALTIES.names() == ["none", "r1"]
        assert PENALTIES.get("none").every == 0
        with pytest.raises(TypeError, match="^Penalty must say what it costs$"):
            Penalty().loss(Slanted(), pictures(1, 1, 1, 2))


class TestEpochs:
    CODES = np.repeat([0, 1, 2], [10, 4, 1])

    def test_balanced_epochs_show_every_class_as_often_as_the_largest(self) -> None:
        epoch = balanced_epoch(self.CODES, np.random.default_rng(0))
        assert len(epoch) == 30
        assert np.bincount(self.CODES[epoch]).tolist() == [10, 10, 10]
        shown = np.bincount(epoch, minlength=15)
        assert (shown[:10] == 1).all()
        assert sorted(shown[10:14]) == [2, 2, 3, 3]
        assert shown[14] == 10

    def test_balanced_epochs_are_shuffled_and_seeded(self) -> None:
        first, again, other = (balanced_epoch(self.CODES, np.random.default_rng(seed)) for seed in (0, 0, 1))
        assert (first == again).all()
        assert (first != other).any()
        assert (np.diff(self.CODES[first]) != 0).sum() > 5

    def test_plain_epochs_show_every_image_once(self) -> None:
        epoch = plain_epoch(self.CODES, np.random.default_rng(0))
        assert sorted(epoch) == list(range(15))
        assert epoch.tolist() != list(range(15))

    def test_batches_straddle_epochs(self) -> None:
        parts = iter([np.arange(3), np.arange(10, 13), np.arange(20, 30)])
        batches = endless_batches(lambda: next(parts), 4)
        assert [next(batches).tolist() for _ in range(4)] == [
            [0, 1, 2, 10],
            [11, 12, 20, 21],
            [22, 23, 24, 25],
            [26, 27, 28, 29],
        ]

    def test_batches_larger_than_an_epoch_are_filled(self) -> None:
        batches = endless_batches(lambda: np.arange(3), 7)
        assert next(batches).tolist() == [0, 1, 2, 0, 1, 2, 0]
        assert next(batches).tolist() == [1, 2, 0, 1, 2, 0, 1]


class TestAveragedWeights:
    def test_by_hand(self) -> None:
        average = AveragedWeights(nn.Linear(1, 1, bias=False), decay=0.9)
        now = nn.Linear(1, 1, bias=False)
        nn.init.constant_(average.module.weight, 0.0)
        nn.init.constant_(now.weight, 1.0)
        average.update(now, 0)  # min(0.9, 1/10)
        assert average.module.weight.item() == pytest.approx(0.9)
        average.update(now, 8)  # min(0.9, 9/18)
        assert average.module.weight.item() == pytest.approx(0.95)
        average.update(now, 1000)  # 0.9
        assert average.module.weight.item() == pytest.approx(0.955)
        assert now.weight.item() == 1.0

    def test_running_statistics_are_averaged_and_counts_copied(self) -> None:
        average, now = AveragedWeights(nn.BatchNorm1d(1), decay=0.5), nn.BatchNorm1d(1)
        now(torch.tensor([[8.0], [12.0]]))
        average.update(now, 100)
        assert now.running_mean is not None
        assert average.module.running_mean.item() == pytest.approx(now.running_mean.item() / 2)
        assert average.module.num_batches_tracked.item() == 1

    def test_other_networks_do_not_fit(self) -> None:
        with pytest.raises(ValueError, match="zip"):
            AveragedWeights(nn.Linear(1, 1), 0.5).update(nn.Linear(1, 1, bias=False), 0)
