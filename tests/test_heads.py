import math
from typing import Any

import pytest
import torch
from torch import nn

from makeweight.errors import InputError
from makeweight.heads import HEADS, AuxiliaryClassifier, ConcatenatedLabel, ConditionalActivation, Head, KPlusOne
from makeweight.judges import Discriminator, Judge, Judgement
from makeweight.objectives import OBJECTIVES

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


def test_mixup_of_two_images_by_hand() -> None:
    """λ is 1/4 and 3/4, so that both blends are a quarter of the first image: logits 0 and 3/4·log 3."""
    head, codes = AuxiliaryClassifier(weight=0.5, mixup=True), torch.tensor([1, 0])
    likely = 3**0.75 / (1 + 3**0.75)
    expected = -0.25 * math.log(likely) - 0.75 * math.log(1 - likely)
    assert head.real_loss(JUDGEMENT, codes).item() == pytest.approx(0.5 * expected, rel=1e-6)
    assert head.fake_loss(JUDGEMENT, CODES).item() == pytest.approx(0.5 * CROSS_ENTROPY, rel=1e-6)
    assert head.generator_loss(JUDGEMENT, CODES).item() == pytest.approx(CROSS_ENTROPY, rel=1e-6)


def test_losses_that_a_head_does_not_have_are_zero() -> None:
    for loss in (Head().real_loss, Head().fake_loss, Head().generator_loss):
        assert loss(JUDGEMENT, CODES).item() == 0


@pytest.mark.parametrize("name", [head.name for head in HEADS if head.__module__ == "makeweight.heads"])
def test_heads_keep_the_contract(name: str) -> None:
    head = HEADS.get(name)()
    judge = head.build(nn.Flatten(), n_features=2, n_classes=3)
    images, codes = torch.randn(4, 2, 1, 1), torch.tensor([0, 1, 2, 0])
    judgement = judge(images, codes)
    assert judgement.scores.shape == (4,)
    assert judgement.class_logits.shape == (4, 3 if head.classifies else 0)
    assert torch.equal(judgement.features, images.flatten(1))
    other = judge(images, torch.tensor([1, 2, 0, 1]))
    assert torch.equal(judgement.class_logits, other.class_logits)
    conditioned = not torch.equal(judgement.scores, other.scores)
    assert conditioned is (name in ("concatenated", "conditional_activation", "projection"))
    assert torch.equal(judge(images).scores, judge(images, codes * 0).scores)
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


def set_weights(layer: nn.Module, weight: list[list[float]], bias: list[float] | None = None) -> None:
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weight))  # type: ignore[operator, union-attr]
        if bias is not None:
            layer.bias.copy_(torch.tensor(bias))  # type: ignore[operator, union-attr]


def test_projection_by_hand() -> None:
    """s = w·φ + b + v_y·φ with φ = (1, 2), w = (1, 1), b = 1/2, v_0 = (0, 0), v_1 = (3, −1)."""
    judge: Any = HEADS.get("projection")().build(nn.Flatten(), 2, 2)
    set_weights(judge.realness, [[1.0, 1.0]], [0.5])
    set_weights(judge.of_class, [[0.0, 0.0], [3.0, -1.0]])
    images = torch.tensor([1.0, 2.0]).view(1, 2, 1, 1).expand(2, -1, -1, -1)
    assert judge(images, torch.tensor([0, 1])).scores.tolist() == [3.5, 4.5]


def test_concatenated_label_by_hand() -> None:
    """One unit a layer: 2·φ of the image, 1 or −10 for the label, of which the leaky layer keeps a fifth."""
    judge: Any = ConcatenatedLabel(width=1).build(nn.Flatten(), 1, 2)
    set_weights(judge.of_image[0], [[2.0]], [0.0])
    set_weights(judge.of_label[0], [[1.0, -10.0]], [0.0])
    set_weights(judge.joint[0], [[1.0, 3.0]], [0.0])
    set_weights(judge.realness, [[1.0]], [0.25])
    images = torch.tensor([3.0, 3.5]).view(2, 1, 1, 1)
    assert judge(images, torch.tensor([0, 1])).scores.tolist() == pytest.approx([6 + 3 + 0.25, 7 - 6 + 0.25])


class TestConditionalActivation:
    def test_one_score_for_the_class_asked(self) -> None:
        judge: Any = ConditionalActivation().build(nn.Flatten(), 1, 3)
        set_weights(judge.conditions, [[1.0], [10.0], [100.0]], [0.0, 0.0, 0.0])
        judgement = judge(torch.tensor([1.0, 2.0]).view(2, 1, 1, 1), torch.tensor([2, 0]))
        assert judgement.scores.tolist() == [100.0, 2.0]

    def test_attributes_and_their_complements(self) -> None:
        """Outputs 1, 10, 100, 1000 for A, not A, B, not B."""
        judge: Any = ConditionalActivation(attributes=((1, 0), (0, 1), (1, 1))).build(nn.Flatten(), 1, 3)
        set_weights(judge.conditions, [[1.0], [10.0], [100.0], [1000.0]], [0.0] * 4)
        judgement = judge(torch.ones(3, 1, 1, 1), torch.tensor([0, 1, 2]))
        assert judgement.scores.tolist() == [[1.0, 1000.0], [10.0, 100.0], [1.0, 100.0]]

    def test_conditions_that_are_off_teach_nothing(self) -> None:
        judge: Any = ConditionalActivation().build(nn.Flatten(), 1, 3)
        loss = judge(torch.ones(2, 1, 1, 1), torch.tensor([1, 1])).scores.square().mean()
        (slope,) = torch.autograd.grad(loss, judge.conditions.weight)
        assert slope[1].abs() > 0
        assert not slope[[0, 2]].any()

    @pytest.mark.parametrize(
        "attributes", [((1,), (0,)), ((1, 0), (1,), (0, 0)), ((1,), (2,), (0,)), ((1,), (1,), (0,)), 1, (1, 0, 0)]
    )
    def test_attributes_that_do_not_fit_are_refused(self, attributes: Any) -> None:
        with pytest.raises(InputError) as caught:
            ConditionalActivation(attributes=attributes).active(3)
        assert str(caught.value) == (
            f"attributes={attributes!r} is impossible: give each of the 3 classes a row of 0 and 1, all of one length "
            "and no two alike."
        )


class TestKPlusOne:
    """Two classes and "drawn" with probabilities 1/6, 2/6, 3/6."""

    LOGITS = (math.log(1), math.log(2), math.log(3))

    def judge(self) -> Judgement:
        judge: Any = KPlusOne().build(nn.Flatten(), 1, 2)
        set_weights(judge.outputs, [[0.0]] * 3, list(self.LOGITS))
        judgement: Judgement = judge(torch.zeros(1, 1, 1, 1))
        return judgement

    def test_realness_is_the_chance_of_not_being_drawn(self) -> None:
        assert self.judge().scores.sigmoid().item() == pytest.approx(1 / 2, rel=1e-6)
        assert self.judge().class_logits.softmax(1).tolist()[0] == pytest.approx([1 / 3, 2 / 3], rel=1e-6)

    def test_losses_are_cross_entropies_over_all_k_plus_one(self) -> None:
        head, objective, judgement = KPlusOne(), OBJECTIVES.get("non_saturating")(), self.judge()
        for code, chance in ((0, 1 / 6), (1, 2 / 6)):
            codes = torch.tensor([code])
            real = objective.real_loss(judgement.scores) + head.real_loss(judgement, codes)
            generator = objective.generator_loss(judgement.scores) + head.generator_loss(judgement, codes)
            assert real.item() == generator.item() == pytest.approx(-math.log(chance), rel=1e-6)
            fake = objective.fake_loss(judgement.scores) + head.fake_loss(judgement, codes)
            assert fake.item() == pytest.approx(-math.log(3 / 6), rel=1e-6)


def test_an_impossible_width_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"^ConcatenatedLabel\(width=0\) is impossible: it must be a whole number, 1 to 2,147,483,647"
    ):
        ConcatenatedLabel(width=0).check()


def test_a_head_must_say_how_a_discriminator_is_built() -> None:
    with pytest.raises(TypeError, match="^Head must say how a discriminator is built$"):
        Head().build(nn.Flatten(), 1, 2)
    with pytest.raises(TypeError, match="^Judge must say how features are judged$"):
        Judge(nn.Flatten())(torch.zeros(1, 1, 1, 1))
