import warnings
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from torch import nn

from makeweight import AGGAN, CNNClassifier
from makeweight.augmentations import Affine
from makeweight.compare.classifier import MixedClassifier
from makeweight.component import describe
from makeweight.errors import InputError, ScaleWarning, TrainingError
from makeweight.heads import AuxiliaryClassifier
from makeweight.networks import DCGAN, MLP, OwnNetworks

TINY: dict[str, Any] = {"networks": DCGAN(width=4), "batch_size": 8, "random_state": 0}


def test_learns(make_images: Any) -> None:
    X, y = make_images({"a": 30, "b": 30, "c": 30})
    classifier = CNNClassifier(**TINY, n_epochs=8, learning_rate=5e-3).fit(X, y)
    assert classifier.classes_.tolist() == ["a", "b", "c"]
    X_test, y_test = make_images({"a": 20, "b": 20, "c": 20}, seed=1)
    assert classifier.score(X_test, y_test) > 0.9
    chances = classifier.predict_proba(X_test)
    assert chances.sum(axis=1) == pytest.approx(np.ones(60), abs=1e-5)
    assert (classifier.predict(X_test) == classifier.classes_[chances.argmax(axis=1)]).all()


def test_equal_seeds_give_equal_answers_and_leave_the_global_states(boots: Any) -> None:
    X, y = boots
    states = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    first, again, other = (CNNClassifier(**{**TINY, "random_state": s}, n_steps=3).fit(X, y) for s in (0, 0, 1))
    assert first.predict_proba(X).tobytes() == again.predict_proba(X).tobytes() != other.predict_proba(X).tobytes()
    assert torch.equal(torch.random.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all()


@pytest.mark.parametrize(("balanced", "n_steps"), [(False, 2 * 3), (True, 2 * 5)])
def test_epochs(boots: Any, balanced: bool, n_steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty images in batches of eight; or three classes of twelve."""
    X, y = boots
    n_taken = 0
    shipped = torch.optim.Adam.step

    def count(*arguments: Any, **named: Any) -> Any:
        nonlocal n_taken
        n_taken += 1
        return shipped(*arguments, **named)

    monkeypatch.setattr(torch.optim.Adam, "step", count)
    CNNClassifier(**TINY, n_epochs=2, balanced_batches=balanced).fit(X, y)
    assert n_taken == n_steps


@pytest.mark.parametrize("shape", [(9, 12), (8, 8, 3), (5,)])
def test_layouts(make_images: Any, shape: tuple[int, ...]) -> None:
    X, y = make_images({"a": 9, "b": 7}, shape)
    networks = MLP(width=4) if len(shape) == 1 else DCGAN(width=2)
    classifier = CNNClassifier(**{**TINY, "networks": networks}, n_steps=2).fit(X, y)
    assert classifier.predict(X).shape == (16,)


def test_contract_of_scikit_learn(boots: Any) -> None:
    X, y = boots
    classifier = CNNClassifier(**TINY, n_steps=2)
    assert clone(classifier).get_params()["n_steps"] == 2
    assert len(cross_val_score(classifier, X, y == "boot", cv=2)) == 2


def test_twin_has_the_discriminator_s_settings() -> None:
    sampler = AGGAN(networks=DCGAN(width=5), batch_size=9, learning_rate=0.01, balanced_batches=False, random_state=3)
    twin = CNNClassifier.twin(sampler, n_steps=11)
    given = twin.get_params(deep=False)
    assert describe(given["networks"]) == describe(DCGAN(width=5))
    assert (given["n_steps"], given["batch_size"], given["learning_rate"]) == (11, 9, 0.01)
    assert (given["balanced_batches"], given["random_state"]) == (False, 3)
    for name in ("betas", "learning_rate_decay"):
        assert given[name] == getattr(AGGAN.recipe, name), name
    assert describe(given["augmentation"]) == describe(Affine())


def test_a_subclass_gives_the_same_twin() -> None:
    assert type(MixedClassifier.twin(AGGAN(), 3)) is CNNClassifier


def test_twin_has_the_mixup_of_the_discriminator() -> None:
    plain, blended = (AGGAN(head=AuxiliaryClassifier(fakes=False, mixup=on), random_state=3) for on in (False, True))
    assert CNNClassifier.twin(plain, n_steps=1).settings["risk"]["name"] == "empirical"
    assert CNNClassifier.twin(blended, n_steps=1).settings["risk"]["name"] == "manifold_mixup"


def test_twin_of_the_paper_s_sampler_leaves_images_as_they_are() -> None:
    twin = CNNClassifier.twin(AGGAN.from_paper(), n_steps=1)
    assert describe(twin.augmentation)["name"] == "none"
    assert describe(twin.networks)["name"] == "published_28"
    assert twin.learning_rate_decay == 0


def test_one_class_is_refused(boots: Any) -> None:
    with pytest.raises(InputError, match=r"^there is one class only \(a\): give images of at least two\.$"):
        CNNClassifier(**TINY, n_steps=1).fit(boots[0], np.full(20, "a"))


def test_a_training_that_is_refused_leaves_the_one_before(boots: Any) -> None:
    classifier = CNNClassifier(**TINY, n_steps=1).fit(*boots)
    before = classifier.predict_proba(boots[0]).tobytes()
    with pytest.raises(InputError):
        classifier.set_params(networks="published_28").fit(*boots)
    assert classifier.predict_proba(boots[0]).tobytes() == before
    with pytest.raises(InputError):
        clone(classifier).fit(*boots)
    with pytest.raises(NotFittedError):
        clone(classifier).predict(boots[0])


def test_unknown_parts_are_refused(boots: Any) -> None:
    with pytest.raises(
        InputError, match="^there is no networks called 'vgg': choose from by_shape, classifier_resnet, dcgan"
    ):
        CNNClassifier(networks="vgg", n_steps=1).fit(*boots)
    with pytest.raises(InputError, match="^there is no augmentation called 'cutmix': choose from affine, "):
        CNNClassifier(**TINY, augmentation="cutmix", n_steps=1).fit(*boots)
    with pytest.raises(InputError, match="^device='tpu' is impossible"):
        CNNClassifier(**TINY, device="tpu").fit(*boots)


def test_batches_of_one_image_and_batch_norm_of_rows(boots: Any) -> None:
    networks = OwnNetworks(
        generator=lambda shape, n_classes, latent_dim: MLP().build(shape, n_classes, latent_dim).generator,
        trunk=lambda shape: nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.BatchNorm1d(4)),
    )
    classifier = CNNClassifier(networks=networks, batch_size=1, n_steps=1, random_state=0)
    with pytest.raises(InputError, match="^a batch of one image gives batch norm nothing to normalise by: give a larg"):
        classifier.fit(*boots)
    assert classifier.set_params(batch_size=2).fit(*boots).classes_.tolist() == np.unique(boots[1]).tolist()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda X: X / 255,
            "images with values from 0 to 1 are classified by what learnt values from 0 to 255: scale",
        ),
        (
            lambda X: X.astype(np.uint16) * 257,
            "images with values from 0 to 65535 are classified by what learnt v",
        ),
        (lambda X: X.astype(float), None),
        (lambda X: X // 20, None),
    ],
    ids=["from 0 to 1", "16 bits", "floats", "dark"],
)
def test_images_on_another_scale_are_told(boots: Any, change: Any, told: str | None) -> None:
    X, y = boots
    X.flat[:2] = 0, 255
    classifier = CNNClassifier(**TINY, n_steps=1).fit(X, y)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        classifier.predict(change(X))
    found = [str(each.message) for each in caught if each.category is ScaleWarning]
    assert len(found) == (told is not None)
    assert not found or found[0].startswith(str(told))


def test_images_of_another_shape_are_refused(boots: Any) -> None:
    classifier = CNNClassifier(**TINY, n_steps=1).fit(*boots)
    with pytest.raises(InputError, match="^images of shape .* do not fit what was learnt"):
        classifier.predict(boots[0][:, :7])


def test_settings_tell_what_the_recipe_says() -> None:
    settings = CNNClassifier(loss="focal", class_weight={3: 2.0}, device="cpu").settings
    assert settings["classifier"] == "cn"
    assert settings["loss"] == {"axis": "loss", "name": "focal", "gamma": 2.0}
    assert settings["class_weight"] == {"axis": "class_weight", "name": "given", "by_label": {"pairs": [[3, 2.0]]}}
    assert settings["risk"] == {"axis": "risk", "name": "empirical"}
    assert settings["augmentation"]["name"] == "affine"
    assert settings["balanced_batches"] is False
    assert "device" not in settings


def test_biases_start_where_the_loss_says(boots: Any) -> None:
    """Three classes: log 2 below zero, and hardly moved by one small step."""
    classifier = CNNClassifier(**TINY, loss="sigmoid", n_steps=1, learning_rate=1e-6).fit(*boots)
    assert classifier.network_.classes.bias.tolist() == pytest.approx([-np.log(2)] * 3, abs=1e-5)


def test_class_weights_by_label_are_learnt_by(make_images: Any) -> None:
    """A class that weighs nothing is never answered."""
    X, y = make_images({"a": 30, "b": 30, "c": 30})
    classifier = CNNClassifier(**TINY, n_epochs=8, learning_rate=5e-3, class_weight={"b": 0.0}).fit(X, y)
    assert set(classifier.predict(X)) == {"a", "c"}
    with pytest.raises(InputError, match="^class_weight names the class 'd', which has no images: leave it out.$"):
        CNNClassifier(**TINY, n_steps=1, class_weight={"d": 2}).fit(X, y)


def test_weights_that_do_not_stay_finite_are_told(boots: Any) -> None:
    with pytest.raises(
        TrainingError, match=r"^the classifier learnt nothing in 5 steps, since its weights are no finite"
    ):
        CNNClassifier(**TINY, n_steps=5, learning_rate=1e30).fit(*boots)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"betas": 0}, r"betas=0 is impossible: it must be two numbers, 0 or more and below 1\."),
        ({"betas": (1, 2)}, r"betas=\(1, 2\) is impossible"),
        ({"balanced_batches": "abc"}, "balanced_batches='abc' is impossible: it must be True or False"),
        ({"n_epochs": True}, "n_epochs=True is impossible: it must be a whole number, 1 to 2,147,483,647"),
        ({"n_steps": 0}, "n_steps=0 is impossible: it must be a whole number, 1 to 2,147,483,647, or None"),
        ({"augmentation": Affine(degrees=float("nan"))}, r"Affine\(degrees=nan\) is impossible: it must be 0 to 360"),
    ],
)
def test_impossible_settings_are_refused_at_once(boots: Any, wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=f"^{words}"):
        CNNClassifier(**{**TINY, **wrong}).fit(*boots)
