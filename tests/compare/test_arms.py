import numpy as np
import pytest

from makeweight.compare.arms import ARMS, AdjustedBlended, Arm, SharedBlended, all_arms, drawing_methods, plain_arms
from makeweight.compare.classifier import MixedClassifier
from makeweight.component import describe, rebuild

COUNTS = np.array([100, 40, 10])


def by_title(title: str, arms: list[Arm]) -> Arm:
    return next(arm for arm in arms if arm.title == title)


def test_every_method_of_the_registry_joins() -> None:
    drawn = {arm.method for arm in all_arms() if arm.draws}
    assert drawn == set(drawing_methods())
    assert {"acgan", "aggan", "egan", "smote"} <= drawn
    assert "duplicates" not in drawn


def test_titles_are_unique_and_the_essential_come_first() -> None:
    arms = all_arms()
    assert len({arm.title for arm in arms}) == len(arms)
    assert [arm.title for arm in arms[:2]] == ["nothing", "augmentation"]
    assert {type(arm) for arm in arms} == set(ARMS) - {AdjustedBlended, SharedBlended}  # which are of tables alone


def test_methods_that_classify_have_their_class_output() -> None:
    arms = all_arms(["aggan", "smote", "projection_gan", "bagan"])
    assert [arm.title for arm in arms if arm.itself] == ["AGGAN's class output", "BAGAN's class output"]
    assert "class_output" not in plain_arms()
    assert {"nothing", "augmentation", "mixup", "adjusted_mixup"} <= set(plain_arms())


def test_fills_by_hand() -> None:
    arms = all_arms(["aggan"], fills=[0.25, 1.0], shares=[0.5])
    assert by_title("AGGAN at fill 0.25", arms).counts(COUNTS).tolist() == [0, 0, 15]
    assert by_title("AGGAN with augmentation at fill 1", arms).counts(COUNTS).tolist() == [0, 60, 90]
    equal = by_title("AGGAN with augmentation at share 0.5 of every class", arms)
    assert equal.counts(COUNTS).tolist() == [100, 100, 100]
    assert by_title("class weights", arms).counts(COUNTS).tolist() == [0, 0, 0]


def test_classifiers_differ_in_the_arm_alone() -> None:
    loaded = {
        "balanced_batches": True,
        "class_weight": "balanced",
        "drawn_share": 0.9,
        "real_at_end": 0.9,
        "risk": "mixup",
        "loss": "focal",
    }
    base = MixedClassifier(n_steps=100, batch_size=7, learning_rate=0.5, **loaded)
    arms = all_arms(["aggan"], shares=[0.5])
    for arm in arms:
        made = arm.classifier(base)
        assert (made.batch_size, made.learning_rate) == (7, 0.5)
        assert made.n_steps == (50 if arm.name == "half_as_long" else 100)
    settings = {arm.name: arm.classifier(base).get_params(deep=False) for arm in arms}
    assert describe(settings["nothing"]["augmentation"]) == "none"
    neutral = [settings["nothing"][name] for name in loaded]
    assert neutral == [False, None, None, 0.0, None, None]
    assert settings["class_weights"]["class_weight"] == "balanced"
    assert describe(settings["augmentation"]["augmentation"])["name"] == "affine"
    assert settings["shared"]["drawn_share"] == settings["equal_share"]["drawn_share"] == 0.5
    assert settings["fine_tuned"]["real_at_end"] == 0.25
    assert [name for name, own in settings.items() if own["risk"] is not None] == ["mixup"]
    assert describe(base.augmentation) is None


@pytest.mark.parametrize("arm", all_arms(["smote"]), ids=lambda arm: arm.title)
def test_arms_are_json(arm: Arm) -> None:
    assert rebuild(describe(arm)).title == arm.title
