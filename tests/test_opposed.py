import pytest
import torch
from torch import nn

from makeweight.errors import InputError
from makeweight.judges import Judgement
from makeweight.opposed import OpposedClassifier, squared_error

# Two classes with probabilities 3/4 and 1/2, asked for the first: 1/16 + 1/4, and 9/16 + 1/4 from the opposite.
LOGITS = torch.tensor([[1.0986123, 0.0]])
JUDGEMENT = Judgement(torch.zeros(1), LOGITS, torch.zeros(1, 1))
CODES = torch.tensor([0])


def test_squared_errors_by_hand() -> None:
    assert squared_error(LOGITS, CODES).item() == pytest.approx(5 / 16)
    head = OpposedClassifier(weight=2.0, generator_weight=0.5)
    assert head.real_loss(JUDGEMENT, CODES).item() == pytest.approx(2 * 5 / 16)
    assert head.fake_loss(JUDGEMENT, CODES).item() == pytest.approx(2 * 5 / 16)
    assert head.generator_loss(JUDGEMENT, CODES).item() == pytest.approx(0.5 * 13 / 16)


def test_the_generator_pulls_against_the_classifier() -> None:
    logits = LOGITS.clone().requires_grad_()
    opposed = Judgement(torch.zeros(1), logits, torch.zeros(1, 1))
    (slope,) = torch.autograd.grad(OpposedClassifier().generator_loss(opposed, CODES), logits)
    assert slope[0, 0] > 0 > slope[0, 1]


def test_the_classifier_has_a_trunk_of_its_own() -> None:
    trunk = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    judge = OpposedClassifier().build(trunk, n_features=3, n_classes=2)
    images, codes = torch.randn(5, 1, 2, 2, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 0, 1, 1])
    judgement = judge(images, codes)
    assert [tuple(part.shape) for part in judgement] == [(5,), (5, 2), (5, 3)]
    own = torch.autograd.grad(judgement.class_logits.sum(), list(judge.parameters()), allow_unused=True)
    names = [name for (name, _), slope in zip(judge.named_parameters(), own, strict=True) if slope is not None]
    assert names
    assert all(name.startswith("classifier.") for name in names)
    assert not torch.equal(judge(images, 1 - codes).scores, judgement.scores)
    assert torch.equal(judge(images).class_logits, judgement.class_logits)


def test_impossible_weights() -> None:
    with pytest.raises(InputError) as caught:
        OpposedClassifier(generator_weight=-1).check()
    assert str(caught.value) == "OpposedClassifier(generator_weight=-1) is impossible: it must be 0 or more."
