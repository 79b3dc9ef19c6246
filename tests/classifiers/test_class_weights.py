from typing import Any

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn.functional import cross_entropy

from makeweight.classifiers.class_weights import (
    CLASS_WEIGHTS,
    Balanced,
    ClassBalanced,
    Deferred,
    Given,
    as_class_weight,
)
from makeweight.classifiers.losses import CrossEntropy
from makeweight.classifiers.risks import Criterion
from makeweight.errors import InputError

COUNTS = np.array([4000, 750, 40])
CLASSES = np.array(["a", "b", "c"])


def weights(part: Any) -> Any:
    return part.weights(COUNTS, CLASSES)


@pytest.mark.parametrize("beta", [0.9, 0.99, 0.999, 0.9999])
def test_class_balanced_against_the_sum_of_powers(beta: float) -> None:
    """The effective number is 1 + β + … + β^(n−1); weights go as one over it, and sum to K."""
    effective = np.array([sum(beta**power for power in range(count)) for count in COUNTS])
    expected = 3 / effective / (1 / effective).sum()
    np.testing.assert_allclose(weights(ClassBalanced(beta=beta)), expected, rtol=1e-9)


def test_class_balanced_by_hand() -> None:
    """β = 1/2, one and two images: effective numbers 1 and 3/2, so weights go as 3 to 2 and sum to 2."""
    found = ClassBalanced(beta=0.5).weights(np.array([1, 2]), np.array([0, 1]))
    assert found.tolist() == pytest.approx([6 / 5, 4 / 5])


def test_class_balanced_at_its_ends() -> None:
    """β = 0 weighs all alike; close to 1 it comes to the inverse of the counts."""
    assert weights(ClassBalanced(beta=0)).tolist() == [1, 1, 1]
    np.testing.assert_allclose(weights(ClassBalanced(beta=1 - 1e-9)), 3 / COUNTS / (1 / COUNTS).sum(), rtol=1e-4)


def test_balanced_is_that_of_scikit_learn() -> None:
    own = compute_class_weight("balanced", classes=CLASSES, y=np.repeat(CLASSES, COUNTS))
    np.testing.assert_allclose(weights(Balanced()), own)


def test_given() -> None:
    assert weights(as_class_weight({"c": 5, "a": 0.5})).tolist() == [0.5, 1, 5]
    assert isinstance(as_class_weight({"c": 5}), Given)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (Given(by_label={"d": 2}), "class_weight names the class 'd', which has no images: leave it out."),
        (Given(by_label={"a": -1}), "class_weight gives 'a' the weight -1: give a number, 0 or more."),
        (Given(by_label={"a": "x"}), "class_weight gives 'a' the weight 'x': give a number, 0 or more."),
        (
            Given(by_label=dict.fromkeys("abc", 0)),
            "class_weight gives every class the weight 0: give one of them more.",
        ),
        (ClassBalanced(beta=1.0), "ClassBalanced(beta=1.0) is impossible: it must be 0 or more and below 1."),
        (Deferred(start=1.5), "Deferred(start=1.5) is impossible: it must be 0 to 1."),
    ],
)
def test_impossible_settings(part: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        weights(as_class_weight(part))
    assert str(caught.value) == words


def test_a_batch_in_which_nothing_counts_costs_nothing() -> None:
    own = criterion(Given(by_label={"a": 0}))
    assert own(0, LOGITS[:1].requires_grad_(), CODES[:1]).item() == 0
    both = torch.tensor([0, 2])
    assert own(0, LOGITS[:2], both).item() == pytest.approx(cross_entropy(LOGITS[1:2], both[1:]).item())


def test_deferred_has_the_weights_of_its_part() -> None:
    np.testing.assert_array_equal(weights(Deferred()), weights(ClassBalanced(beta=0.9999)))
    np.testing.assert_array_equal(weights(Deferred(weight="balanced")), weights(Balanced()))


def criterion(part: Any, n_steps: int = 10) -> Criterion:
    return Criterion(CrossEntropy(), part, COUNTS, CLASSES, n_steps, torch.device("cpu"))


LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.3, 0.2, -0.4], [-2.0, 1.5, 0.0], [0.0, 0.0, 4.0]])
CODES = torch.tensor([0, 2, 1, 2])


def test_class_weights_are_those_of_torch() -> None:
    own = torch.tensor(weights(Balanced()), dtype=torch.float32)
    expected = cross_entropy(LOGITS, CODES, weight=own)
    assert criterion(Balanced())(0, LOGITS, CODES).item() == pytest.approx(expected.item())


def test_class_balanced_loss_is_the_mean_of_weighted_losses() -> None:
    """As Cui et al.'s equation has it: not divided by the weights of the batch."""
    each = cross_entropy(LOGITS, CODES, reduction="none").double().numpy()
    expected = (weights(ClassBalanced())[CODES.numpy()] * each).mean()
    assert criterion(ClassBalanced())(0, LOGITS, CODES).item() == pytest.approx(expected)


def test_deferred_begins_in_the_last_fifth() -> None:
    """Ten steps: the plain mean for eight, then weights as torch takes them."""
    deferred = criterion(Deferred())
    plain = cross_entropy(LOGITS, CODES).item()
    late = cross_entropy(LOGITS, CODES, weight=torch.tensor(weights(Deferred()), dtype=torch.float32)).item()
    found = [deferred(step, LOGITS, CODES).item() for step in range(10)]
    assert found == pytest.approx([plain] * 8 + [late] * 2)
    assert plain != pytest.approx(late)


def test_none_counts_all_alike() -> None:
    assert weights(CLASS_WEIGHTS.resolve("none")) is None
    assert criterion(CLASS_WEIGHTS.resolve("none"))(0, LOGITS, CODES).item() == cross_entropy(LOGITS, CODES).item()


@pytest.mark.parametrize("name", ["balanced", "class_balanced", "deferred"])
def test_rarer_classes_weigh_more(name: str) -> None:
    found = weights(CLASS_WEIGHTS.resolve(name))
    assert found[0] < found[1] < found[2]
