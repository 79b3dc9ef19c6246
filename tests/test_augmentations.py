import math

import pytest
import torch
from torch import Tensor

from makeweight.augmentations import (
    AUGMENTATIONS,
    Affine,
    Augmentation,
    DiffAugment,
    InstanceNoise,
    Warp,
    coloured,
    cut,
    grid_of,
    look_through,
    translated,
)
from makeweight.errors import InputError

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
        if name in ("none", "affine"):  # colours and noise go beyond
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


class TestDiffAugment:
    def test_colours_by_hand(self) -> None:
        """Two channels of two pixels; all at full: +0.5, saturation 2, contrast 1.5."""
        images = torch.tensor([[[0.0, 1.0]], [[1.0, 0.0]]]).view(1, 2, 1, 2)
        one, half = torch.ones(1, 1, 1, 1), torch.full((1, 1, 1, 1), 0.5)
        assert torch.equal(coloured(images, half, half, half), images)
        torch.testing.assert_close(coloured(images, one, half, half), images + 0.5)
        assert coloured(images, half, 0 * one, half).flatten().tolist() == [0.5] * 4  # grey
        torch.testing.assert_close(coloured(images, half, one, half), 2 * images - 0.5)
        torch.testing.assert_close(coloured(images, half, half, one), 1.5 * images - 0.25)

    def test_translation_by_hand(self) -> None:
        """Eight pixels, a quarter at most: shifts of −2 to 2 in equal parts."""
        images = torch.arange(1.0, 65.0).view(1, 1, 8, 8).expand(5, -1, -1, -1)
        drawn = torch.tensor([0.0, 0.25, 0.5, 0.75, 0.999])
        shifted = translated(images, drawn, torch.full((5,), 0.5), 0.25)
        for image, shift in zip(shifted, (-2, -1, 0, 1, 2), strict=True):
            expected = torch.zeros(8, 8)
            for row in range(8):
                if 0 <= row - shift < 8:
                    expected[row] = images[0, 0, row - shift]
            assert torch.equal(image[0], expected)
        sideways = translated(images, torch.full((5,), 0.5), drawn, 0.25)
        assert torch.equal(sideways[0, 0, :, :6], images[0, 0, :, 2:])
        assert not sideways[0, 0, :, 6:].any()

    def test_cutout_by_hand(self) -> None:
        """A square of 4 in 8 pixels whose middle is at the corner, in the middle, beyond the end."""
        images = torch.ones(3, 1, 8, 8)
        drawn = torch.tensor([0.0, 0.5, 0.999])
        holes = [8 * 8 - int(image.sum()) for image in cut(images, drawn, drawn, 0.5)]
        assert holes == [4, 16, 4]
        assert not cut(images, drawn, drawn, 0.5)[1, 0, 2:6, 2:6].any()

    def test_each_can_be_left_out(self) -> None:
        images = pictures(4, 3, 8, 8)
        assert torch.equal(DiffAugment(colour=False, translation=0, cutout=0).draw(4, seeded())(images), images)

    def test_impossible_shares_are_refused(self) -> None:
        with pytest.raises(
            InputError, match=r"^DiffAugment\(translation=1.0\) is impossible: it must be 0 or more and"
        ):
            DiffAugment(translation=1.0).check()


class TestInstanceNoise:
    def test_it_fades(self) -> None:
        images, noise = torch.zeros(64, 1, 8, 8), InstanceNoise(deviation=0.4, n_steps=100)
        for n_steps, deviation in ((0, 0.4), (50, 0.2), (75, 0.1)):
            assert noise.draw(64, seeded(), n_steps)(images).std().item() == pytest.approx(deviation, rel=0.05)
        for n_steps in (100, 1000):
            assert torch.equal(noise.draw(64, seeded(), n_steps)(images), images)

    def test_it_comes_after_another(self) -> None:
        images = pictures(4, 1, 8, 8)
        clear = Affine().draw(4, seeded())(images)
        noisy = InstanceNoise(after="affine", deviation=0.01).draw(4, seeded())(images)
        assert 0 < (noisy - clear).abs().max() < 0.1

    def test_impossible_parameters_are_refused(self) -> None:
        with pytest.raises(InputError, match=r"^InstanceNoise\(deviation=-1\) is impossible: it must be 0 or more"):
            InstanceNoise(deviation=-1).check()
        with pytest.raises(InputError, match=r"^Affine\(scale=-1\) is impossible"):
            InstanceNoise(after=Affine(scale=-1)).check()


def test_places_are_not_rounded_to_bfloat16() -> None:
    images = torch.rand(2, 1, 28, 28)
    transform = Affine().draw(2, torch.Generator().manual_seed(0))
    again = Affine().draw(2, torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        changed = transform(images)
    assert torch.equal(changed, again(images))
    assert torch.equal(transform(images), changed)


@pytest.mark.parametrize("size", [(28, 28), (9, 5), (1, 6)])
def test_the_repeatable_gradient_is_that_of_torch(size: tuple[int, int]) -> None:
    random = torch.Generator().manual_seed(0)
    images = torch.randn(6, 2, *size, generator=random).requires_grad_()
    grid = grid_of(Affine(degrees=40, scale=0.5, shift=0.5, mirror=True).draw(6, random).numbers, images.shape)
    towards = 1e-3 * torch.randn(6, 2, *size, generator=random)
    found: list[Tensor] = []
    for look in (look_through, Warp.apply):
        changed = look(images, grid)
        found += [changed, *torch.autograd.grad(changed, images, towards)]
    assert torch.equal(found[0], found[2])
    torch.testing.assert_close(found[3], found[1], rtol=1e-4, atol=1e-8)
    assert torch.autograd.grad(Warp.apply(images, grid), images, 0 * towards)[0].abs().max() == 0
    assert torch.autograd.grad(Warp.apply(images, grid), images, towards / 0)[0].isfinite().logical_not().all()
