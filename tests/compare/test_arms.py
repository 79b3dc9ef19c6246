import numpy as np
import pytest

from makeweight.compare.arms import ARMS, AdjustedBlended, Arm, SharedBlended, all_arms, drawing_methods, plain_arms
from makeweight.compare.classifier import MixedClassifier
from makeweight.component import describe, rebuild
from makeweight.methods.smote import SMOTE
from makeweight.sampler import METHODS

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


def test_methods_whose_classes_share_a_name_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(METHODS, "_parts", dict(METHODS._parts))
    for name in ("my_smote", "other_smote", "mine"):
        METHODS.register(name)(type("SMOTE" if name != "mine" else "Mine", (SMOTE,), {}))
    titles = [arm.title for arm in all_arms(["smote", "my_smote", "other_smote", "mine"], fills=[1.0], shares=[])]
    assert titles[-4:] == [f"{name} at fill 1" for name in ("SMOTE", "my_smote", "other_smote", "Mine")]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("name", ["", "a/b", "x at fill 0.5", "z's class output", "drawn\n", "../up"])
def test_names_that_would_be_read_as_something_else_are_not_registered(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be registered: give a name of letters"):
        METHODS.register(name)


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
    mirroring = [name for name, own in settings.items() if "mirror': True" in repr(describe(own["augmentation"]))]
    assert mirroring == ["mirrored"]
    assert settings["shared"]["drawn_share"] == settings["equal_share"]["drawn_share"] == 0.5
    assert settings["fine_tuned"]["real_at_end"] == 0.25
    assert [name for name, own in settings.items() if own["risk"] is not None] == ["mixup"]
    assert describe(base.augmentation) is None


@pytest.mark.parametrize("arm", all_arms(["smote"]), ids=lambda arm: arm.title)
def test_arms_are_json(arm: Arm) -> None:
    assert rebuild(describe(arm)).title == arm.title
