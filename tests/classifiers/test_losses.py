"""Losses against numbers worked by hand and plain NumPy."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from makeweight.classifiers.losses import LOSSES, CrossEntropy, Focal, LogitAdjusted, PostHoc, Sigmoid

COUNTS = torch.tensor([6.0, 3.0, 1.0])
LOGITS = np.array([[2.0, -1.0, 0.5], [0.3, 0.2, -0.4], [-2.0, 1.5, 0.0], [0.0, 0.0, 4.0]])
CODES = np.array([0, 2, 1, 2])


def softmax(z: np.ndarray) -> np.ndarray:
    powers = np.exp(z)
    return powers / powers.sum(axis=1, keepdims=True)


def one_against_all(gamma: float) -> np.ndarray:
    """Sum over the classes of −(1 − p)^γ log p, in a plain loop."""
    losses = []
    for z, code in zip(LOGITS, CODES, strict=True):
        total = 0.0
        for k, value in enumerate(z):
            sigma = 1 / (1 + math.exp(-value))
            p = sigma if k == code else 1 - sigma
            total -= (1 - p) ** gamma * math.log(p)
        losses.append(total)
    return np.array(losses)


SHARES = np.array([0.6, 0.3, 0.1])
REFERENCES: dict[str, tuple[Any, np.ndarray]] = {
    "cross_entropy": (CrossEntropy(), -np.log(softmax(LOGITS)[range(4), CODES])),
    "sigmoid": (Sigmoid(), one_against_all(0)),
    "focal": (Focal(), one_against_all(2)),
    "focal 0.5": (Focal(gamma=0.5), one_against_all(0.5)),
    "logit_adjusted": (LogitAdjusted(), -np.log(softmax(LOGITS + np.log(SHARES))[range(4), CODES])),
    "logit_adjusted 0.5": (LogitAdjusted(tau=0.5), -np.log(softmax(LOGITS + np.log(SHARES) / 2)[range(4), CODES])),
    "post_hoc": (PostHoc(), -np.log(softmax(LOGITS)[range(4), CODES])),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_against_numpy(name: str) -> None:
    loss, expected = REFERENCES[name]
    found = loss.each(torch.tensor(LOGITS), torch.tensor(CODES), COUNTS.double())
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


def test_every_loss_has_a_reference() -> None:
    assert set(LOSSES.names()) == {name.partition(" ")[0] for name in REFERENCES}


def test_by_hand() -> None:
    """Equal logits of two classes: log 2; two questions of log 2 each; a quarter of them with γ = 2."""
    logits, codes = torch.zeros(1, 2), torch.tensor([1])
    even = torch.tensor([5.0, 5.0])
    assert CrossEntropy().each(logits, codes, even).item() == pytest.approx(math.log(2))
    assert Sigmoid().each(logits, codes, even).item() == pytest.approx(2 * math.log(2))
    assert Focal().each(logits, codes, even).item() == pytest.approx(2 * math.log(2) / 4)
    # One image in four is of class 1, so that answer has to overcome log 3: −log(1/4).
    assert LogitAdjusted().each(logits, codes, torch.tensor([3.0, 1.0])).item() == pytest.approx(math.log(4))


def test_focal_without_focus_is_the_sigmoid_loss() -> None:
    arguments = torch.tensor(LOGITS), torch.tensor(CODES), COUNTS
    assert torch.equal(Focal(gamma=0.0).each(*arguments), Sigmoid().each(*arguments))


def test_post_hoc_answers_by_hand() -> None:
    """Equal logits and shares of 3/4 and 1/4: the corrected answers are 1/4 and 3/4."""
    answers = PostHoc().probabilities(torch.zeros(1, 2), torch.tensor([3.0, 1.0]))
    assert answers.tolist() == [pytest.approx([0.25, 0.75])]
    assert LogitAdjusted().probabilities(torch.zeros(1, 2), torch.tensor([3.0, 1.0])).tolist() == [[0.5, 0.5]]


def test_sigmoid_answers_are_sigmoids_over_their_sum() -> None:
    sigmoids = 1 / (1 + np.exp(-LOGITS))
    found = Sigmoid().probabilities(torch.tensor(LOGITS), COUNTS).numpy()
    np.testing.assert_allclose(found, sigmoids / sigmoids.sum(axis=1, keepdims=True), rtol=1e-12)
    far = Focal().probabilities(torch.full((1, 3), -500.0), COUNTS)
    assert far.tolist() == [pytest.approx([1 / 3] * 3)]


@pytest.mark.parametrize(("n_classes", "bias"), [(2, 0.0), (10, -math.log(9))])
def test_one_against_all_starts_at_one_in_k(n_classes: int, bias: float) -> None:
    for loss in (Sigmoid(), Focal()):
        assert loss.start_bias(n_classes) == pytest.approx(bias)
        assert 1 / (1 + math.exp(-loss.start_bias(n_classes))) == pytest.approx(1 / n_classes)
    assert CrossEntropy().start_bias(n_classes) is None


@pytest.mark.parametrize("name", LOSSES.names())
class TestContract:
    def test_gradients_lead_towards_the_true_class(self, name: str) -> None:
        logits = torch.tensor(LOGITS, requires_grad=True)
        LOSSES.get(name)().each(logits, torch.tensor(CODES), COUNTS).sum().backward()
        assert logits.grad is not None
        signs = np.where(np.arange(3) == CODES[:, None], -1.0, 1.0)
        assert (np.sign(logits.grad.numpy()) == signs).all()

    @pytest.mark.parametrize("scale", [1e-6, 60.0, 1e4])
    def test_extreme_answers_stay_finite(self, name: str, scale: float) -> None:
        loss = LOSSES.get(name)()
        logits = (torch.tensor(LOGITS, dtype=torch.float32) * scale).requires_grad_()
        loss.each(logits, torch.tensor(CODES), COUNTS).sum().backward()
        assert logits.grad is not None
        assert torch.isfinite(logits.grad).all()
        assert torch.isfinite(loss.probabilities(logits.detach(), COUNTS)).all()

    def test_answers_sum_to_one(self, name: str) -> None:
        answers = LOSSES.get(name)().probabilities(torch.tensor(LOGITS), COUNTS)
        np.testing.assert_allclose(answers.sum(1).numpy(), 1, rtol=1e-6)
        assert answers.shape == LOGITS.shape
