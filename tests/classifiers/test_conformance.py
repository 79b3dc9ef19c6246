"""What every classifier keeps, over the registry: a new one needs no edit here."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import ClassifierMixin, clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from makeweight import CNNClassifier, GANClassifier
from makeweight.classifiers import catalogue, classifier_names, get_classifier
from makeweight.errors import InputError
from makeweight.networks import DCGAN, MLP

NAMES = classifier_names()
RECIPES = [name for name in NAMES if issubclass(get_classifier(name), CNNClassifier)]
LAYOUTS: dict[str, tuple[int, ...]] = {"rows": (6,), "grey": (8, 11), "last": (9, 8, 3), "first": (3, 8, 9)}
ROOT = Path(__file__).parents[2]


def make(name: str, rows: bool = False, **changes: Any) -> Any:
    """Make a classifier that is done in a moment."""
    settings: dict[str, Any] = {"n_steps": 4, "batch_size": 8, "random_state": 0}
    settings["networks"] = "mlp" if rows else DCGAN(width=2, generator_width=2)
    settings |= changes
    kind = get_classifier(name)
    if issubclass(kind, GANClassifier):
        return kind(sampler=kind.default(latent_dim=3, best_every=0, **settings))
    return kind(**settings)


@pytest.mark.parametrize("name", NAMES)
class TestContract:
    def test_names(self, name: str) -> None:
        classifier = make(name)
        assert isinstance(classifier, ClassifierMixin)
        assert (classifier.name, classifier.axis) == (name, "classifier")

    def test_constructor_only_stores(self, name: str) -> None:
        parameters = inspect.signature(get_classifier(name).__init__).parameters
        assert all(p.kind is p.KEYWORD_ONLY for key, p in parameters.items() if key != "self")
        marks = {key: object() for key in parameters if key != "self"}
        assert get_classifier(name)(**marks).get_params(deep=False) == marks

    def test_clone_keeps_settings_and_nothing_learnt(self, name: str, boots: Any) -> None:
        fitted = make(name).fit(*boots)
        copy = clone(fitted)
        assert copy.get_params().keys() == fitted.get_params().keys()
        with pytest.raises(NotFittedError):
            copy.predict(boots[0])

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_layouts(self, name: str, layout: str, make_images: Any) -> None:
        X, y = make_images({"a": 9, "b": 5, "c": 2}, LAYOUTS[layout])
        before = X.tobytes()
        classifier = make(name, rows=layout == "rows").fit(X, y)
        chances = classifier.predict_proba(X)
        assert chances.shape == (16, 3)
        assert chances.dtype == np.float32
        np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-5)
        assert classifier.classes_.tolist() == ["a", "b", "c"]
        assert (classifier.predict(X) == classifier.classes_[chances.argmax(axis=1)]).all()
        assert X.tobytes() == before

    @pytest.mark.parametrize("dtype", ["uint16", "float64"])
    def test_values_alone_count_not_their_type_or_scale(self, name: str, dtype: str, boots: Any) -> None:
        """Images are brought to one range, so a common factor changes nothing but rounding."""
        X, y = boots
        plain = make(name).fit(X, y).predict_proba(X)
        scaled = (X * np.dtype(dtype).type(1)).astype(dtype)
        np.testing.assert_allclose(make(name).fit(scaled, y).predict_proba(scaled), plain, atol=1e-4)

    @pytest.mark.parametrize("labels", [["x", "yy", "z"], [7, -2, 30], [True, False, None], [0.5, 1.5, 2.5]])
    def test_labels_of_any_kind(self, name: str, labels: list[Any], boots: Any) -> None:
        X, codes = boots[0], np.unique(boots[1], return_inverse=True)[1]
        own = [label for label in labels if label is not None]
        y = np.array(own)[codes % len(own)]
        if y.dtype.kind == "f":
            with pytest.raises(ValueError, match="Unknown label type: continuous"):
                make(name).fit(X, y)
            return
        predicted = make(name).fit(X, y).predict(X)
        assert predicted.dtype == y.dtype
        assert set(predicted.tolist()) <= set(y.tolist())

    def test_equal_seeds_give_equal_bytes_and_leave_the_global_states(self, name: str, boots: Any) -> None:
        X, y = boots
        states = torch.random.get_rng_state(), np.random.get_state()[1].copy()
        first, again, other = (make(name, random_state=seed).fit(X, y).predict_proba(X) for seed in (0, 0, 1))
        assert first.tobytes() == again.tobytes() != other.tobytes()
        assert torch.equal(torch.random.get_rng_state(), states[0])
        assert (np.random.get_state()[1] == states[1]).all()

    def test_two_classes_and_a_class_that_is_never_shown(self, name: str, make_images: Any) -> None:
        X, y = make_images({"a": 9, "b": 1})
        classifier = make(name).fit(X, y)
        only_a = X[y == "a"][:2]
        assert classifier.predict_proba(only_a).shape == (2, 2)
        assert classifier.predict(only_a).shape == (2,)

    def test_cross_validation_and_search(self, name: str, boots: Any) -> None:
        X, y = boots[0], boots[1] == "boot"
        assert cross_val_score(make(name, n_steps=1), X, y, cv=2, error_score="raise").shape == (2,)
        key = "n_steps" if name in RECIPES else "sampler__n_steps"
        search = GridSearchCV(make(name), {key: [1, 2]}, cv=2, error_score="raise").fit(X, y)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
        assert search.predict(X).shape == y.shape

    def test_bad_images(self, name: str, boots: Any) -> None:
        X, y = boots
        holed = X.astype(float)
        holed[4, 0, 0] = np.nan
        classifier = make(name).fit(X, y)
        for use in (lambda: make(name).fit(holed, y), lambda: classifier.predict(holed)):
            with pytest.raises(InputError, match="^image 4 of the array holds NaN or infinity: remove or mend it.$"):
                use()
        with pytest.raises(InputError, match=r"^images of shape \(7, 8\) do not fit what was learnt, \(8, 8\)"):
            classifier.predict(X[:, 1:])
        with pytest.raises(InputError, match="^there is one class only"):
            make(name).fit(X, np.full(20, "a"))
        with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[20, 19\]"):
            make(name).fit(X, y[:19])
        with pytest.raises(NotFittedError):
            make(name).predict_proba(X)

    def test_learns_digits(self, name: str) -> None:
        """Digits with few of the last; ten per cent is chance."""
        digits = load_digits()
        X, y = digits.images.astype(np.uint8), digits.target
        chosen = np.concatenate([np.flatnonzero(y == c)[: 120 - 10 * c] for c in range(10)])
        settings: dict[str, Any] = {"networks": DCGAN(width=8, generator_width=8), "learning_rate": 5e-3}
        classifier = make(name, batch_size=32, n_steps=90, **settings).fit(X[chosen], y[chosen])
        held_out = np.setdiff1d(np.arange(len(y)), chosen)
        assert classifier.score(X[held_out], y[held_out]) > 0.5


@pytest.mark.parametrize("name", RECIPES)
class TestOptions:
    @pytest.mark.parametrize(
        "changes", [{"balanced_batches": True}, {"balanced_batches": False, "augmentation": "none"}]
    )
    def test_batches_and_augmentation_are_options(self, name: str, changes: dict[str, Any], boots: Any) -> None:
        assert make(name, **changes).fit(*boots).predict(boots[0]).shape == (20,)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"loss": "hinge"}, "^there is no loss called 'hinge': choose from cross_entropy, "),
            ({"class_weight": "heavy"}, "^there is no class_weight called 'heavy': choose from balanced, "),
            ({"risk": "mixap"}, "^there is no risk called 'mixap': choose from .*; did you mean 'mixup'"),
            ({"n_steps": 0}, "^n_steps=0 is impossible: it must be a whole number, 1 to 2,147,483,647, or None.$"),
            ({"n_epochs": 1.5}, "^n_epochs=1.5 is impossible: it must be a whole number, 1 to 2,147,483,647.$"),
            ({"batch_size": -1}, "^batch_size=-1 is impossible: it must be a whole number, 1 to 1,048,576.$"),
            ({"learning_rate": 0}, "^learning_rate=0 is impossible: it must be above 0.$"),
        ],
    )
    def test_impossible_settings(self, name: str, changes: dict[str, Any], words: str, boots: Any) -> None:
        with pytest.raises(InputError, match=words):
            make(name, **changes).fit(*boots)


def test_parts_go_together() -> None:
    """Any loss with any weights and any risk."""
    X = np.random.default_rng(0).normal(size=(20, 3))
    y = np.repeat([0, 1, 2], [12, 5, 3])
    networks = MLP(width=3)
    for loss in ("cross_entropy", "sigmoid", "focal", "logit_adjusted", "post_hoc"):
        for weight in ("none", "balanced", "class_balanced", "deferred", {0: 0.5}):
            for risk in ("empirical", "mixup", "manifold_mixup", "deep_over_sampling"):
                fitted = make("cn", networks=networks, loss=loss, class_weight=weight, risk=risk).fit(X, y)
                assert np.isfinite(fitted.predict_proba(X)).all(), (loss, weight, risk)


def test_unknown_classifiers_are_told_with_the_choices() -> None:
    with pytest.raises(InputError, match="^there is no classifier called 'doss': choose from .*; did you mean 'dos'"):
        get_classifier("doss")


def test_catalogue_and_docs_tell_the_same() -> None:
    entries = catalogue()
    assert [entry.name for entry in entries] == NAMES
    text = (ROOT / "docs" / "classifiers.md").read_text(encoding="utf-8")
    for entry in entries:
        assert entry.line.endswith(".")
        assert entry.paper.endswith(".")
        assert f"| `{entry.name}` | {entry.line} | {entry.paper} |" in text, entry.name


# The others are recipes of the first, on the same code.
@parametrize_with_checks(
    [
        get_classifier("cn")(n_steps=30, batch_size=32, learning_rate=1e-2),
        get_classifier("dos")(n_steps=30, batch_size=32, learning_rate=1e-2),
    ]
)
def test_checks_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)
