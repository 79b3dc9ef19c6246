import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from makeweight.individual import Individual
from makeweight.judges import Discriminator
from makeweight.stabilisers import (
    AveragedWeights,
    MinibatchDeviation,
    SpectralNorm,
    advance_norms,
    balanced_epoch,
    endless_batches,
    normalise_spectrally,
    plain_epoch,
)


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


class TestSpectralNorm:
    def judge(self) -> Discriminator:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            judge = Discriminator(nn.Sequential(nn.Conv2d(1, 3, 3), nn.Flatten()), 12, 2)
            normalise_spectrally(judge)
        return judge

    def test_largest_singular_value_is_one(self) -> None:
        judge = self.judge()
        for layer in (judge.trunk[0], judge.realness, judge.classes):
            values = torch.linalg.svdvals(layer.weight.detach().flatten(1))
            assert values.max().item() == pytest.approx(1, abs=0.05)

    def test_vectors_follow_the_weights_only_when_told(self) -> None:
        judge, images = self.judge(), torch.randn(2, 1, 4, 4)
        first = judge.train()(images)
        assert torch.equal(judge(images).scores, first.scores)
        assert torch.equal(judge.eval()(images).scores, first.scores)
        with torch.no_grad():
            judge.trunk[0].parametrizations.weight.original.copy_(torch.randn(3, 1, 3, 3))
        before = torch.linalg.svdvals(judge.trunk[0].weight.detach().flatten(1)).max().item()
        for _ in range(60):
            advance_norms(judge)
        after = torch.linalg.svdvals(judge.trunk[0].weight.detach().flatten(1)).max().item()
        assert after == pytest.approx(1, abs=1e-3)
        assert abs(before - 1) > abs(after - 1)

    def test_vectors_move_with_their_player(self) -> None:
        player = Individual(self.judge(), 0.1, (0.5, 0.999))
        norms = [part for part in player.network.modules() if isinstance(part, parametrize.ParametrizationList)]
        assert len(norms) == 3
        named = {name: value.clone() for name, value in player.named_tensors().items()}
        assert "network.trunk.0.parametrizations.weight.0.left" in named
        other = player.offspring()
        advance_norms(other.network)
        player.become(other)
        assert torch.equal(player.row, other.row)
        copied = copy.deepcopy(player.network)
        images = torch.randn(2, 1, 4, 4)
        assert torch.equal(copied(images).scores, player.network(images).scores)

    def test_by_hand(self) -> None:
        norm = SpectralNorm(torch.diag(torch.tensor([3.0, 1.0])))
        normalised = norm(torch.diag(torch.tensor([3.0, 1.0])))
        torch.testing.assert_close(normalised, torch.diag(torch.tensor([1.0, 1 / 3])), atol=1e-4, rtol=0)


def test_minibatch_deviation_of_equal_images_is_nothing() -> None:
    features = torch.ones(4, 3, requires_grad=True)
    spread = MinibatchDeviation()(features)[:, 3]
    assert spread.max().item() == pytest.approx(1e-4)
    (slope,) = torch.autograd.grad(spread.sum(), features)
    assert slope.isfinite().all()
