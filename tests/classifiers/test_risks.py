from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from makeweight.classifiers.class_weights import ClassWeight
from makeweight.classifiers.deep_over_sampling import DeepOverSampling, Targets, micro_cluster, neighbours
from makeweight.classifiers.losses import CrossEntropy
from makeweight.classifiers.risks import RISKS, Criterion, Mixup, Study
from makeweight.errors import InputError, TrainingError
from makeweight.judges import Discriminator

# Two features an image, which are its pixels; class 0 is the largest.
PIXELS = np.array([[0, 0], [1, 0], [0, 1], [5, 5], [9, 9], [6, 5], [5, 8], [0, 9]], dtype=np.float32)
CODES = np.array([0, 0, 0, 0, 1, 1, 1, 2])


def study(n_steps: int = 12) -> Study:
    torch.manual_seed(0)
    return Study(
        network=Discriminator(nn.Flatten(), 2, 3),
        criterion=Criterion(
            CrossEntropy(), ClassWeight(), np.bincount(CODES), np.arange(3), n_steps, torch.device("cpu")
        ),
        images=lambda index: torch.from_numpy(PIXELS[index]).reshape(-1, 1, 1, 2),
        codes=CODES,
        n_steps=n_steps,
        random=np.random.default_rng(0),
        device=torch.device("cpu"),
    )


def batch(own: Study, index: np.ndarray) -> tuple[np.ndarray, torch.Tensor, torch.Tensor]:
    return index, own.images(index), torch.from_numpy(CODES[index])


def cross_entropy_of(own: Study, features: np.ndarray, code: int) -> float:
    """Cross-entropy of the last layer, in plain NumPy."""
    layer = own.network.classes
    logits = features.astype(float) @ layer.weight.detach().double().numpy().T + layer.bias.detach().double().numpy()
    return float(np.log(np.exp(logits).sum()) - logits[code])


def test_empirical_is_the_mean_loss() -> None:
    own = study()
    index = np.array([3, 5, 7])
    expected = np.mean([cross_entropy_of(own, PIXELS[i], CODES[i]) for i in index])
    found = RISKS.resolve("empirical").begin(own)(0, *batch(own, index))
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_mixup_by_hand() -> None:
    """The same draws again: the share from Beta(α, α), then the partners."""
    own = study()
    index = np.array([0, 4, 7, 6])
    found = Mixup(alpha=0.4).begin(own)(0, *batch(own, index)).item()
    random = np.random.default_rng(0)
    share = random.beta(0.4, 0.4)
    partners = index[random.permutation(4)]
    expected = 0.0
    for i, j in zip(index, partners, strict=True):
        mixed = share * PIXELS[i] + (1 - share) * PIXELS[j]
        losses = cross_entropy_of(own, mixed, CODES[i]), cross_entropy_of(own, mixed, CODES[j])
        expected += share * losses[0] + (1 - share) * losses[1]
    assert found == pytest.approx(expected / 4, rel=1e-5)
    assert 0 < share < 1
    assert (index != partners).any()


def test_manifold_mixup_by_hand() -> None:
    """Each of four images is blended with the next, by 1/8, 3/8, 5/8, 7/8; the trunk changes nothing."""
    own = study()
    index = np.array([0, 4, 7, 6])
    found = RISKS.resolve("manifold_mixup").begin(own)(0, *batch(own, index)).item()
    expected = 0.0
    for i, j, share in zip(index, np.roll(index, -1), (0.125, 0.375, 0.625, 0.875), strict=True):
        mixed = share * PIXELS[i] + (1 - share) * PIXELS[j]
        losses = cross_entropy_of(own, mixed, CODES[i]), cross_entropy_of(own, mixed, CODES[j])
        expected += share * losses[0] + (1 - share) * losses[1]
    assert found == pytest.approx(expected / 4, rel=1e-5)


def test_neighbours_by_hand() -> None:
    """Class 1 lies at (9, 9), (6, 5), (5, 8): distances 5, √17 and √10. Class 0 is the largest, class 2 one image."""
    near, n_near = neighbours(PIXELS, CODES, 2)
    assert near[4:7].tolist() == [[6, 5], [6, 4], [5, 4]]
    assert n_near.tolist() == [1, 1, 1, 1, 2, 2, 2, 1]
    assert near[[0, 1, 2, 3, 7], 0].tolist() == [0, 1, 2, 3, 7]


def test_more_neighbours_than_there_are() -> None:
    near, n_near = neighbours(PIXELS, CODES, 5)
    assert near.shape == (8, 3), "one less than the largest class has images"
    assert n_near[4] == 2
    assert near[4].tolist() == [6, 5, 4]


def test_micro_cluster_by_hand() -> None:
    """f = 0 and v of squared lengths 1 and 4 with weights 1/4 and 3/4: pull 1/4 + 3, ρ as e^(−1/4) to e^(−3)."""
    near = torch.tensor([[[1.0, 0.0], [0.0, 2.0], [7.0, 7.0]]])
    pull, importance = micro_cluster(torch.zeros(1, 2), near, torch.tensor([[0.25, 0.75, -1.0]]))
    assert pull.item() == pytest.approx(3.25)
    powers = np.exp([-0.25, -3.0])
    assert importance[0].tolist() == pytest.approx([*(powers / powers.sum()), 0.0])


def test_weights_lie_on_the_simplex_and_change() -> None:
    own = study()
    own.network.trunk = nn.Sequential(own.network.trunk, nn.Dropout(0.9))  # features are those of a network at rest
    targets = Targets(own, 2)
    targets.look_up()
    assert own.network.training
    index = np.array([4] * 3000 + [7, 0])
    near, weights = targets.draw(index)
    assert weights[:3000].sum(1).tolist() == pytest.approx([1.0] * 3000)
    # Evenly on the simplex of two: the first weight is uniform, of mean 1/2 and variance 1/12.
    assert weights[:3000, 0].mean().item() == pytest.approx(1 / 2, abs=0.02)
    assert weights[:3000, 0].var().item() == pytest.approx(1 / 12, abs=0.005)
    assert weights[3000:].tolist() == [[1, -1], [1, -1]]
    assert near[0].tolist() == PIXELS[[6, 5]].tolist()
    assert near[3000, 0].tolist() == PIXELS[7].tolist()


def test_features_that_are_not_finite_are_told() -> None:
    own = replace(study(), images=lambda index: torch.full((len(index), 1, 1, 2), torch.nan))
    with pytest.raises(TrainingError, match="the features of the classifier are no finite numbers"):
        Targets(own, 2).look_up()


def test_deep_over_sampling_by_hand() -> None:
    """One minority image, whose features are shifted by (1, 1) as by augmentation, and one of the largest class."""
    own = study(n_steps=4)
    index, images, codes = batch(own, np.array([4, 1]))
    risk = DeepOverSampling(n_neighbors=2, n_rounds=2, start=0.5).begin(own)
    assert risk(0, index, images, codes).item() == pytest.approx(
        (cross_entropy_of(own, PIXELS[4], 1) + cross_entropy_of(own, PIXELS[1], 0)) / 2, rel=1e-5
    )
    found = risk(2, index, images + 1, codes)
    lengths = np.random.default_rng(0).exponential(size=(2, 2))[0]
    w = lengths / lengths.sum()
    away = w * ((PIXELS[4] + 1 - PIXELS[[6, 5]]) ** 2).sum(axis=1)
    rho = np.exp(-away) / np.exp(-away).sum()
    classes = sum(rho[j] * cross_entropy_of(own, PIXELS[i], 1) for j, i in enumerate((6, 5)))
    minority, largest = away.sum() + classes, 2 + cross_entropy_of(own, PIXELS[1], 0)
    assert found.item() == pytest.approx((minority + largest) / 2, rel=1e-5)


def test_neighbours_are_looked_up_once_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve steps, the plain loss for six, three rounds of two."""
    own, looked = study(), []
    shipped = Targets.look_up
    step = -1

    def count(targets: Targets) -> None:
        looked.append(step)
        shipped(targets)

    monkeypatch.setattr(Targets, "look_up", count)
    risk = DeepOverSampling(n_neighbors=2).begin(own)
    for step in range(12):
        risk(step, *batch(own, np.array([4, 5, 1])))
    assert looked == [6, 8, 10]
    assert own.network.training


def test_features_learn_from_the_pull_and_classes_from_the_neighbours() -> None:
    own = study(n_steps=2)
    trunk = nn.Sequential(nn.Flatten(), nn.Linear(2, 2))
    own.network.trunk = trunk
    index, images, codes = batch(own, np.array([4, 5, 6]))
    DeepOverSampling(start=0.0).begin(own)(0, index, images, codes).backward()
    with torch.no_grad():
        own.network.classes.weight.zero_()
    pulled = trunk[1].weight.grad.clone()
    trunk.zero_grad()
    own.random.bit_generator.state = np.random.default_rng(0).bit_generator.state
    DeepOverSampling(start=0.0).begin(own)(0, index, images, codes).backward()
    assert torch.equal(trunk[1].weight.grad, pulled)
    assert own.network.classes.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("risk", "words"),
    [
        (Mixup(alpha=0), "Mixup(alpha=0) is impossible: it must be above 0."),
        (
            DeepOverSampling(n_neighbors=0),
            "DeepOverSampling(n_neighbors=0) is impossible: it must be a whole number, 1 to 2,147,483,647.",
        ),
        (
            DeepOverSampling(n_rounds=1.5),
            "DeepOverSampling(n_rounds=1.5) is impossible: it must be a whole number, 1 to 2,147,483,647.",
        ),  # type: ignore[arg-type]
        (DeepOverSampling(start=-1), "DeepOverSampling(start=-1) is impossible: it must be 0 to 1."),
    ],
)
def test_impossible_settings(risk: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        risk.check()
    assert str(caught.value) == words
