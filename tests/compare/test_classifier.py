from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning

from makeweight import CNNClassifier
from makeweight.classifiers.logit_adjusted import LogitAdjustedClassifier
from makeweight.classifiers.mixup import MixupClassifier
from makeweight.compare.arms import AdjustedBlended, all_arms
from makeweight.compare.classifier import MixedClassifier, shared_epoch
from makeweight.compare.runs import Workbench
from makeweight.errors import InputError
from makeweight.networks import DCGAN

TINY: dict[str, Any] = {"networks": DCGAN(width=4), "n_steps": 6, "batch_size": 8, "random_state": 0}


def test_without_settings_it_is_the_small_cnn(boots: Any) -> None:
    X, y = boots
    mixed = MixedClassifier(**TINY).fit(X, y)
    plain = CNNClassifier(**TINY).fit(X, y)
    assert mixed.predict_proba(X).tobytes() == plain.predict_proba(X).tobytes()


def test_equal_seeds_give_equal_answers(boots: Any) -> None:
    X, y = boots
    drawn = np.arange(20) % 2 == 0
    drawn[[y.tolist().index(label) for label in ("boot", "clog", "sandal")]] = False
    made = [MixedClassifier(**TINY, drawn_share=0.5, real_at_end=0.5).fit(X, y, drawn=drawn) for _ in range(2)]
    assert made[0].predict_proba(X).tobytes() == made[1].predict_proba(X).tobytes()
    assert clone(made[0]).get_params()["drawn_share"] == 0.5


def test_shared_epoch_by_hand() -> None:
    """Five real 0s; two real and one drawn 1; a share of 0.4 is two drawn and three real 1s."""
    codes, drawn = np.array([0] * 5 + [1] * 3), np.array([False] * 7 + [True])
    epoch = sorted(shared_epoch(codes, drawn, 0.4, np.random.default_rng(0)).tolist())
    assert epoch[:5] == [0, 1, 2, 3, 4]
    assert epoch[-2:] == [7, 7]
    assert set(epoch[5:8]) == {5, 6}


def test_batches_hold_the_share_and_end_on_real_images() -> None:
    codes, drawn = np.repeat([0, 1], [64, 40]), np.repeat([False, False, True], [64, 8, 32])
    classifier = MixedClassifier(n_steps=16, batch_size=32, drawn_share=0.25, real_at_end=0.25)
    classifier._drawn = drawn
    batches = classifier._batches(codes, np.random.default_rng(0), 16)
    taken = [next(batches) for _ in range(16)]
    mixed, real = np.concatenate(taken[:12]), np.concatenate(taken[12:])
    assert np.bincount(codes[mixed]).tolist() == [192, 192]
    assert drawn[mixed].sum() == 192 / 4
    assert not drawn[real].any()
    assert np.bincount(codes[real]).tolist() == [64, 64]


def test_class_weights_are_those_of_scikit_learn(boots: Any) -> None:
    """20 images, 12, 5 and 3 of a class: 20/(3·12) and so on; they change what is learnt."""
    X, y = boots
    weighted = MixedClassifier(**TINY, class_weight="balanced").fit(X, y)
    by_hand = MixedClassifier(**TINY, class_weight={"boot": 20 / 36, "clog": 20 / 15, "sandal": 20 / 9}).fit(X, y)
    assert weighted.predict_proba(X).tobytes() == by_hand.predict_proba(X).tobytes()
    assert weighted.predict_proba(X).tobytes() != MixedClassifier(**TINY).fit(X, y).predict_proba(X).tobytes()


def test_class_weights_go_by_real_images(boots: Any) -> None:
    """Twelve boots, five clogs, three sandals; eight of the boots are drawn."""
    X, y = boots
    drawn = np.zeros(20, bool)
    drawn[np.flatnonzero(y == "boot")[:8]] = True
    fitted = MixedClassifier(**TINY, class_weight="balanced").fit(X, y, drawn=drawn)
    assert fitted.class_counts_.tolist() == [4, 5, 3]


@pytest.mark.parametrize(
    ("settings", "drawn", "words"),
    [
        ({"drawn_share": 1.5}, None, "drawn_share=1.5 is impossible"),
        ({"real_at_end": -0.1}, None, "real_at_end=-0.1 is impossible"),
        ({}, [True], "give one mark an image"),
        ({}, [True] * 20, "class 'boot' has drawn images only"),
    ],
)
def test_impossible_settings(boots: Any, settings: dict[str, Any], drawn: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        MixedClassifier(**TINY, **settings).fit(*boots, drawn=drawn)


def test_labels_are_checked_before_marks(boots: Any) -> None:
    X, y = boots
    faulty = np.where(y == "boot", None, y)
    with pytest.raises(InputError, match="^the label of image 0 is None: give every image a label.$"):
        MixedClassifier(**TINY).fit(X, faulty)
    with pytest.warns(DataConversionWarning):
        column = MixedClassifier(**TINY).fit(X, y.reshape(-1, 1))
    assert column.predict_proba(X).tobytes() == MixedClassifier(**TINY).fit(X, y).predict_proba(X).tobytes()


@pytest.mark.parametrize(("faulty", "drawn"), [(False, [True] * 20), (True, [False] * 20)])
def test_a_refused_fit_leaves_no_marks_behind(boots: Any, faulty: bool, drawn: list[bool]) -> None:
    X, y = boots
    classifier = MixedClassifier(**TINY)
    with pytest.raises(InputError):
        classifier.fit(X[:, :, :2] if faulty else X, y, drawn=drawn)
    assert not hasattr(classifier, "_drawn")
    classifier.fit(X, y)


def test_mixup_learns_from_blends_and_is_told(boots: Any) -> None:
    X, y = boots
    plain, blended = MixedClassifier(**TINY), MixedClassifier(**TINY, risk="mixup")
    chances = [classifier.fit(X, y).predict_proba(X).tobytes() for classifier in (plain, blended)]
    mixup = MixupClassifier(**TINY).fit(X, y)
    assert chances[1] == mixup.predict_proba(X).tobytes() != chances[0]
    assert "risk" not in plain.settings
    assert blended.settings["risk"] == mixup.settings["risk"]


def test_logit_adjustment_goes_by_real_images_and_is_told(boots: Any) -> None:
    X, y = boots
    learner = AdjustedBlended().classifier(MixedClassifier(**TINY))
    alone = LogitAdjustedClassifier(**TINY, risk="mixup", augmentation=learner.augmentation).fit(X, y)
    assert learner.fit(X, y).predict_proba(X).tobytes() == alone.predict_proba(X).tobytes()
    assert learner.settings["loss"] == alone.settings["loss"]
    assert "loss" not in MixedClassifier(**TINY).settings
    drawn = np.zeros(20, bool)
    drawn[np.flatnonzero(y == "boot")[:8]] = True
    mixed = learner.fit(X, y, drawn=drawn)
    assert mixed.class_counts_.tolist() == [4, 5, 3]
    assert mixed.predict_proba(X).tobytes() != alone.predict_proba(X).tobytes()  # where counts are those of all


def test_runs_of_older_comparisons_are_found_again(tmp_path: Path) -> None:
    """Hashes from before the classifier had a risk: a comparison that was begun then trains nothing twice."""
    images: Any = SimpleNamespace(clusters=np.arange(10), grouped=False)
    split: Any = SimpleNamespace(seed=0, fold=0)
    bench = Workbench(tmp_path, images, "d", "0" * 64, MixedClassifier(n_steps=5), 5, 5)
    found = {arm.title: bench.arm_run(arm, split).settings_hash[:12] for arm in all_arms(["smote"], [0.5], [0.25])}
    assert found["nothing"] == "8bc52cad8c3c"
    assert found["augmentation"] == "0d18b457bb32"
    assert found["SMOTE with augmentation at fill 0.5"] == "f87cd94dcfa1"
