import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Subset, WeightedRandomSampler

from makeweight import BalancedDataset, InputError
from makeweight.balance import BalanceSummary, balance_folder, read_manifest
from makeweight.balance.manifest import ManifestRow, write_manifest

from .conftest import Fill


def test_what_the_manifest_says(balanced: BalanceSummary) -> None:
    images = BalancedDataset(balanced.out)
    rows = read_manifest(balanced.out / "manifest.csv")
    assert images.files == [row.file for row in rows]
    assert images.classes == ["boot", "clog", "sandal"]
    assert [images.classes[code] for code in images.codes.tolist()] == [row.label for row in rows]
    assert images.is_drawn.tolist() == [row.origin == "drawn" for row in rows]
    assert int(images.is_drawn.sum()) == 17


def test_every_image_is_that_of_its_file(balanced: BalanceSummary) -> None:
    images = BalancedDataset(balanced.out)
    for place, name in enumerate(images.files):
        image, code, is_drawn = images[place]
        with Image.open(balanced.out / name) as file:
            pixels = np.asarray(file)
        assert image.dtype == torch.float32
        assert torch.equal(image, torch.from_numpy(pixels.astype(np.float32)[None] / 255))
        assert (code, is_drawn) == (int(images.codes[place]), bool(images.is_drawn[place]))


def test_numbers_from_the_end_and_beyond(balanced: BalanceSummary) -> None:
    images = BalancedDataset(balanced.out)
    assert torch.equal(images[-1].image, images[len(images) - 1].image)
    with pytest.raises(IndexError):
        images[len(images)]


def test_what_it_shows_of_itself(balanced: BalanceSummary) -> None:
    images = BalancedDataset(balanced.out)
    drawn = int(images.is_drawn.sum())
    assert repr(images) == f"<BalancedDataset {balanced.out.name}: {len(images)} images, 3 classes, {drawn} drawn>"


def test_slices_are_refused_with_what_does_it(balanced: BalanceSummary) -> None:
    images = BalancedDataset(balanced.out)
    told = r"^BalancedDataset gives one image at a time: take torch\.utils\.data\.Subset\(images, range\(0, 3\)\) for"
    with pytest.raises(InputError, match=told):
        images[0:3]
    assert [each.code for each in Subset(images, range(3))] == images.codes[:3].tolist()


def test_colour_comes_channels_first_and_is_converted(tmp_path: Path, fill: Fill) -> None:
    fill(tmp_path / "in" / "a", 4, mode="RGB")
    fill(tmp_path / "in" / "b", 2, mode="RGB", seed=1)
    balance_folder(tmp_path / "in", tmp_path / "out", method="duplicates")
    assert BalancedDataset(tmp_path / "out")[0].image.shape == (3, 8, 9)
    assert BalancedDataset(tmp_path / "out", mode="L", resize=16)[0].image.shape == (1, 16, 16)


def test_deep_grey_keeps_its_depth(tmp_path: Path, fill: Fill) -> None:
    fill(tmp_path / "in" / "a", 4, mode="I;16")
    fill(tmp_path / "in" / "b", 2, mode="I;16", seed=1)
    balance_folder(tmp_path / "in", tmp_path / "out", method="duplicates")
    images = BalancedDataset(tmp_path / "out")
    with Image.open(tmp_path / "out" / images.files[0]) as file:
        expected = np.asarray(file).astype(np.float32) / 65535
    assert torch.equal(images[0].image[0], torch.from_numpy(expected))


def test_originals_of_other_sizes_get_that_of_the_drawn(tmp_path: Path, fill: Fill) -> None:
    fill(tmp_path / "in" / "a", 4, size=(20, 12))
    fill(tmp_path / "in" / "b", 2, size=(10, 10))
    balance_folder(tmp_path / "in", tmp_path / "out", method="smote", resize=16)
    images = BalancedDataset(tmp_path / "out")
    assert {tuple(images[place].image.shape) for place in range(len(images))} == {(1, 16, 16)}


def test_the_transform_gets_the_image(balanced: BalanceSummary) -> None:
    plain = BalancedDataset(balanced.out)
    seen = BalancedDataset(balanced.out, transform=lambda image: 1 - image)
    assert torch.equal(seen[3].image, 1 - plain[3].image)


def test_batches_by_workers_and_by_weights(balanced: BalanceSummary) -> None:
    images = BalancedDataset(balanced.out)
    sampler = WeightedRandomSampler(images.weights(0.0).tolist(), 40, generator=torch.Generator().manual_seed(0))
    for batch in DataLoader(images, batch_size=20, sampler=sampler, num_workers=1):
        assert batch.image.shape == (20, 1, 8, 9)
        assert not batch.is_drawn.any()
        assert set(batch.code.tolist()) == {0, 1, 2}


def test_it_can_be_sent_to_another_process(balanced: BalanceSummary) -> None:
    images = BalancedDataset(balanced.out)
    assert torch.equal(pickle.loads(pickle.dumps(images))[5].image, images[5].image)


class TestWeights:
    def shares(self, images: BalancedDataset, share: float | None) -> list[tuple[float, float]]:
        """Odds of real and of drawn images, class by class."""
        weights = images.weights(share)
        assert weights.dtype == torch.float64
        assert float(weights.sum()) == pytest.approx(1)
        return [
            (float(weights[own & ~images.is_drawn].sum()), float(weights[own & images.is_drawn].sum()))
            for own in (images.codes == code for code in range(len(images.classes)))
        ]

    def test_a_share_of_each_class(self, balanced: BalanceSummary) -> None:
        # Boots have no drawn images, so all of theirs are real.
        boot, clog, sandal = self.shares(BalancedDataset(balanced.out), 0.25)
        assert boot == pytest.approx((1 / 3, 0))
        assert clog == pytest.approx((0.25, 1 / 12))
        assert sandal == pytest.approx((0.25, 1 / 12))

    def test_all_alike_by_default(self, balanced: BalanceSummary) -> None:
        boot, clog, sandal = self.shares(BalancedDataset(balanced.out), None)
        assert boot == pytest.approx((1 / 3, 0))
        assert clog == pytest.approx((2 / 36, 10 / 36))
        assert sandal == pytest.approx((5 / 36, 7 / 36))

    def test_drawn_ones_alone(self, balanced: BalanceSummary) -> None:
        assert self.shares(BalancedDataset(balanced.out), 1.0)[1] == pytest.approx((0, 1 / 3))

    @pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
    def test_no_share(self, balanced: BalanceSummary, share: float) -> None:
        with pytest.raises(InputError, match=r"is impossible: give a share, 0 to 1, or leave it out\.$"):
            BalancedDataset(balanced.out).weights(share)


def test_a_class_of_drawn_images_alone(balanced: BalanceSummary) -> None:
    rows = [row for row in read_manifest(balanced.out / "manifest.csv") if row.origin == "drawn" or row.label != "clog"]
    write_manifest(balanced.out / "manifest.csv", rows)
    images = BalancedDataset(balanced.out)
    odds = images.weights(0.25)
    assert float(odds[images.codes == 1].sum()) == pytest.approx(1 / 3)


class TestRefused:
    def test_a_file_outside(self, balanced: BalanceSummary, tmp_path: Path) -> None:
        Image.new("L", (9, 8)).save(tmp_path / "secret.png")
        write_manifest(balanced.out / "manifest.csv", [ManifestRow("images/../../secret.png", "boot", "real")])
        with pytest.raises(InputError, match=r"outside images/: run makeweight verify\.$"):
            BalancedDataset(balanced.out)

    def test_a_folder_without_manifest(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"^there is no manifest at .*: give a folder that makeweight wrote\.$"):
            BalancedDataset(tmp_path)

    def test_a_manifest_without_images(self, tmp_path: Path) -> None:
        write_manifest(tmp_path / "manifest.csv", [])
        with pytest.raises(InputError, match=r"names no images: give an output of makeweight balance\.$"):
            BalancedDataset(tmp_path)

    def test_a_file_that_went(self, balanced: BalanceSummary) -> None:
        next((balanced.out / "images" / "clog").iterdir()).unlink()
        with pytest.raises(InputError, match=r"holds 1 file that cannot be read: images/clog/"):
            BalancedDataset(balanced.out)

    def test_a_file_that_goes_later(self, balanced: BalanceSummary) -> None:
        images = BalancedDataset(balanced.out)
        (balanced.out / images.files[0]).write_bytes(b"")
        with pytest.raises(InputError, match=r"has changed while it was in use \(empty\): leave the folder alone"):
            images[0]

    def test_an_impossible_size(self, balanced: BalanceSummary) -> None:
        with pytest.raises(InputError, match=r"^images cannot be resized to 0"):
            BalancedDataset(balanced.out, resize=0)

    def test_originals_alone_of_a_mode_that_is_not_learnt(self, balanced: BalanceSummary) -> None:
        rows = [row for row in read_manifest(balanced.out / "manifest.csv") if row.origin == "real"][:1]
        write_manifest(balanced.out / "manifest.csv", rows)
        Image.new("P", (9, 8)).save(balanced.out / rows[0].file)
        with pytest.raises(InputError, match=r"of the mode P \(palette\), which cannot be learnt as it is"):
            BalancedDataset(balanced.out)
        assert BalancedDataset(balanced.out, mode="L")[0].image.shape == (1, 8, 9)
