import math

import pytest
import torch
from torch import nn

from makeweight.heads import HEADS, AuxiliaryClassifier, Discriminator, Head, Judgement

# Two images, two classes: probabilities (1/2, 1/2) and (1/4, 3/4).
LOGITS = torch.tensor([[0.0, 0.0], [0.0, math.log(3)]])
JUDGEMENT = Judgement(torch.zeros(2), LOGITS, torch.zeros(2, 1))
CODES = torch.tensor([1, 1])
CROSS_ENTROPY = (math.log(2) + math.log(4 / 3)) / 2


def test_cross_entropies_by_hand() -> None:
    head = AuxiliaryClassifier()
    for loss in (head.real_loss, head.fake_loss, head.generator_loss):
        assert loss(JUDGEMENT, CODES).item() == pytest.approx(CROSS_ENTROPY, rel=1e-6)
    assert head.real_loss(JUDGEMENT, torch.tensor([0, 0])).item() == pytest.approx(
        (math.log(2) + math.log(4)) / 2, rel=1e-6
    )


def test_each_player_has_its_weight() -> None:
    head = AuxiliaryClassifier(weight=0.1, generator_weight=0.3)
    assert head.real_loss(JUDGEMENT, CODES).item() == pytest.approx(0.1 * CROSS_ENTROPY, rel=1e-6)
    assert head.fake_loss(JUDGEMENT, CODES).item() == pytest.approx(0.1 * CROSS_ENTROPY, rel=1e-6)
    assert head.generator_loss(JUDGEMENT, CODES).item() == pytest.approx(0.3 * CROSS_ENTROPY, rel=1e-6)


def test_modified_acgan_teaches_the_discriminator_nothing_from_drawn_images() -> None:
    head = AuxiliaryClassifier(fakes=False)
    assert head.fake_loss(JUDGEMENT, CODES).item() == 0
    assert head.real_loss(JUDGEMENT, CODES).item() == pytest.approx(CROSS_ENTROPY, rel=1e-6)
    assert head.generator_loss(JUDGEMENT, CODES).item() == pytest.approx(CROSS_ENTROPY, rel=1e-6)


def test_losses_that_a_head_does_not_have_are_zero() -> None:
    for loss in (Head().real_loss, Head().fake_loss, Head().generator_loss):
        assert loss(JUDGEMENT, CODES).item() == 0


@pytest.mark.parametrize("name", HEADS.names())
def test_heads_keep_the_contract(name: str) -> None:
    head = HEADS.get(name)()
    scores, logits = torch.zeros(4, requires_grad=True), torch.randn(4, 3, requires_grad=True)
    judgement = Judgement(scores, logits, torch.zeros(4, 2))
    codes = torch.tensor([0, 1, 2, 0])
    for loss in (head.real_loss, head.fake_loss, head.generator_loss):
        value = loss(judgement, codes)
        assert value.shape == ()
        assert value.isfinite()
        assert value.item() >= 0


def test_discriminator_answers_by_name() -> None:
    trunk = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
    judge = Discriminator(trunk, n_features=5, n_classes=3)
    images = torch.randn(2, 3, 2, 2)
    judgement = judge(images)
    assert judgement.scores.shape == (2,)
    assert judgement.class_logits.shape == (2, 3)
    torch.testing.assert_close(judgement.features, trunk(images))
    torch.testing.assert_close(judgement.scores, judge.realness(trunk(images))[:, 0])
    torch.testing.assert_close(judgement.class_logits, judge.classes(trunk(images)))


def test_scores_and_logits_are_single_precision_under_autocast() -> None:
    judge = Discriminator(nn.Flatten(), n_features=4, n_classes=3)
    with torch.autocast("cpu", dtype=torch.float16):
        judgement = judge(torch.randn(2, 1, 2, 2))
    assert judgement.scores.dtype == judgement.class_logits.dtype == torch.float32
