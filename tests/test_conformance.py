"""What every method keeps, over the registry: a new method needs no edit here."""

import copy
import inspect
import itertools
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from imblearn.pipeline import Pipeline
from imblearn.utils.estimator_checks import parametrize_with_checks
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

from makeweight import SMOTE, CNNClassifier, Duplicates, load
from makeweight.data.batches import read_batches
from makeweight.errors import InputError
from makeweight.methods import get_method, method_names
from makeweight.networks import DCGAN
from makeweight.sampler import ImageSampler

METHODS = method_names()
LEARNING = [name for name in METHODS if get_method(name).learns]
SHAPES: dict[str, tuple[int, ...]] = {"rows": (6,), "grey": (8, 11), "last": (9, 8, 3), "first": (3, 8, 9)}


def make(name: str, **changes: Any) -> Any:
    """Make a sampler of the method that is done in a moment."""
    method = get_method(name)
    settings: dict[str, Any] = {"random_state": 0}
    if method.learns:
        n_steps = 3 if name == "class_dcgan" else 2  # one a class at the least
        networks = DCGAN(width=2, generator_width=2)
        settings |= {"n_steps": n_steps, "batch_size": 8, "latent_dim": 3, "networks": networks}
    return method(**{**settings, **changes})


def for_rows(name: str) -> dict[str, Any]:
    return {"networks": "mlp"} if get_method(name).learns else {}


def cast(X: np.ndarray, dtype: str) -> np.ndarray:
    return (
        X / np.dtype(dtype).type(3) - 7
        if dtype.startswith("float")
        else X.astype(dtype) * (3 if dtype == "uint16" else 1)
    )


@pytest.mark.parametrize("name", METHODS)
class TestContract:
    def test_names(self, name: str) -> None:
        sampler = make(name)
        assert isinstance(sampler, ImageSampler)
        assert sampler.name == name
        assert get_method(name) is type(sampler)

    def test_constructor_only_stores(self, name: str) -> None:
        parameters = inspect.signature(get_method(name).__init__).parameters
        assert all(p.kind is p.KEYWORD_ONLY for key, p in parameters.items() if key != "self")
        marks = {key: object() for key in parameters if key != "self"}
        assert get_method(name)(**marks).get_params(deep=False) == marks

    @pytest.mark.parametrize(
        "copied", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))], ids=["deep", "pickle"]
    )
    def test_a_copy_draws_and_goes_on_as_the_original(
        self, name: str, copied: Callable[[Any], Any], make_images: Any
    ) -> None:
        X, y = make_images({"a": 9, "b": 5}, SHAPES["grey"])
        sampler = make(name).fit(X, y)
        other = copied(sampler)
        assert other.model_hash_ == sampler.model_hash_
        for each in (sampler, other):
            each.sample({"a": 1})
        assert other.draw("b", [3]).tobytes() == sampler.draw("b", [3]).tobytes()
        if name not in LEARNING:
            return
        before = other.model_hash_
        for each in (sampler, other):
            each.set_params(warm_start=True).fit(X, y)
        assert other.model_hash_ == sampler.model_hash_ != before

    def test_going_on_that_is_interrupted_changes_nothing(self, name: str, make_images: Any, tmp_path: Path) -> None:
        if name not in LEARNING:
            return
        X, y = make_images({"a": 9, "b": 5}, SHAPES["grey"])
        sampler = make(name, device="cpu").fit(X, y)
        undisturbed = copy.deepcopy(sampler).set_params(warm_start=True).fit(X, y)
        answers = sampler.classifier_.class_logits(X) if hasattr(sampler, "classifier_") else None

        def stop(report: Any) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            sampler.set_params(warm_start=True, callback=stop).fit(X, y)
        if answers is not None:
            np.testing.assert_array_equal(sampler.classifier_.class_logits(X), answers)
        sampler.save(tmp_path / "model")
        for each in (sampler, load(tmp_path / "model", device="cpu")):
            assert each.set_params(warm_start=True, callback=None).fit(X, y).model_hash_ == undisturbed.model_hash_

    @pytest.mark.parametrize(
        ("labels", "words"),
        [
            (
                np.array(["2026-01-01", "2026-01-02"], "datetime64[D]"),
                "^labels of dtype datetime64.* are not taken: give",
            ),
            (np.array([1.0, np.nan]), "^the label of image 9 is nan: give every image a label"),
            (None, "array-like"),
        ],
        ids=str,
    )
    def test_what_is_no_label_is_refused_before_anything_is_learnt(
        self, name: str, labels: Any, words: str, make_images: Any
    ) -> None:
        X, _ = make_images({"a": 9, "b": 5}, SHAPES["grey"])
        sampler = make(name)
        for fit in (sampler.fit, sampler.fit_resample):
            with pytest.raises(ValueError, match=words):
                fit(X, None if labels is None else np.repeat(labels, [9, 5]))
        assert not hasattr(sampler, "codec_")

    def test_a_finished_training_is_taken_from_its_checkpoint(
        self, name: str, make_images: Any, tmp_path: Path
    ) -> None:
        if name not in LEARNING:
            assert "checkpoints" not in make(name).get_params()
            return
        X, y = make_images({"a": 9, "b": 5}, SHAPES["grey"])
        first = make(name, checkpoints=tmp_path, device="cpu").fit(X, y)
        assert list(tmp_path.rglob("*.safetensors"))
        told: list[Any] = []
        again = make(name, checkpoints=tmp_path, device="cpu", callback=told.append).fit(X, y)
        assert told == []
        assert again.model_hash_ == first.model_hash_ == make(name, device="cpu").fit(X, y).model_hash_

    @pytest.mark.parametrize("length", [np.int64(3), 3.0, np.float32(3)])
    def test_lengths_of_other_types_are_kept_and_found_again(
        self, name: str, length: Any, boots: Any, tmp_path: Path
    ) -> None:
        if name not in LEARNING:
            assert "n_steps" not in make(name).get_params()
            return
        told: list[Any] = []
        for callback in (None, told.append):
            sampler = make(name, n_steps=length, checkpoints=tmp_path / "kept", callback=callback).fit(*boots)
        assert told == []
        sampler.save(tmp_path / "model")
        assert load(tmp_path / "model").model_hash_ == sampler.model_hash_

    def test_going_on_sees_other_batches(self, name: str, make_images: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        if name not in LEARNING:
            assert "warm_start" not in make(name).get_params()
            return
        seen: list[list[int]] = []

        def read(X: Any, codes: Any, indices: Any, *others: Any) -> Any:
            first, rest = next(indices), indices
            seen.append(first.tolist())
            return read_batches(X, codes, itertools.chain([first], rest), *others)

        monkeypatch.setattr("makeweight.training_sampler.read_batches", read)
        sampler, last = make(name, batch_size=4, warm_start=True), []
        for _ in range(3):
            sampler.fit(*make_images({"a": 40, "b": 30}, (8, 8)))
            last.append(seen[-1])
        assert len(set(map(str, last))) == 3

    def test_no_predict(self, name: str) -> None:
        """The checks would take a sampler with ``predict`` for a classifier."""
        assert not hasattr(make(name), "predict")
        assert not hasattr(make(name), "predict_proba")

    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
    @pytest.mark.parametrize("layout", SHAPES)
    def test_originals_first_counts_exact_dtype_and_layout_kept(
        self, name: str, layout: str, dtype: str, make_images: Any
    ) -> None:
        X, y = make_images({"a": 7, "b": 4, "c": 1}, SHAPES[layout])
        X = cast(X, dtype)
        assert X.dtype == dtype
        X_before, y_before = X.copy(), y.copy()
        sampler = make(name, **(for_rows(name) if layout == "rows" else {}))
        X_res, y_res = sampler.fit_resample(X, y)
        assert X_res.dtype == X.dtype
        assert y_res.dtype == y.dtype
        assert X_res.shape == (21, *SHAPES[layout])
        assert X_res[:12].tobytes() == X_before.tobytes()
        assert (y_res[:12] == y_before).all()
        assert X.tobytes() == X_before.tobytes()
        assert (y == y_before).all()
        assert y_res[12:].tolist() == ["b"] * 3 + ["c"] * 6
        assert sampler.sampling_strategy_ == {"b": 3, "c": 6}
        assert sampler.codec_.layout == layout
        new = X_res[12:]
        assert np.isfinite(new).all()
        assert new.min() >= X.min()
        assert new.max() <= X.max()
        assert sampler.small_classes_ == ["a", "b", "c"]

    @pytest.mark.parametrize("dtype", [">u2", ">f4"])
    def test_byte_order_is_kept(self, name: str, dtype: str, boots: Any, tmp_path: Any) -> None:
        X = boots[0].astype(dtype)
        y = np.array(["boot", "clog", "sandal"]).astype(">U6")[np.unique(boots[1], return_inverse=True)[1]]
        sampler = make(name)
        X_res, y_res = sampler.fit_resample(X, y)
        assert (X_res.dtype.str, y_res.dtype.str) == (dtype, ">U6")
        assert X_res[:20].tobytes() == X.tobytes()
        native = X.astype(X.dtype.newbyteorder("="))
        same, _ = make(name).fit_resample(native, boots[1])
        assert (X_res == same).all()
        sampler.save(tmp_path)
        again = load(tmp_path).draw("clog", [3])
        assert again.dtype.str == dtype
        assert again.tobytes() == sampler.draw("clog", [3]).tobytes()

    @pytest.mark.parametrize(
        "labels",
        [
            np.array(["nought", "one"]),
            np.array([-3, 40]),
            np.array([3, 4], dtype=np.uint8),
            np.array([1.0, 2.0]),
            np.array([1.0, 2.0], dtype=np.float32),
            np.array([True, False]),
            np.array(["nought", "one"], dtype=object),
        ],
        ids=lambda labels: labels.dtype.str,
    )
    def test_labels_of_any_type(self, name: str, labels: np.ndarray, make_images: Any, tmp_path: Any) -> None:
        X, codes = make_images({"0": 8, "1": 5})
        y = labels[codes.astype(int)]
        sampler = make(name)
        X_res, y_res = sampler.fit_resample(X, y)
        assert len(X_res) == 16
        assert y_res.dtype == y.dtype
        assert y_res[13:].tolist() == [labels[1]] * 3
        rare = labels.tolist()[1]
        _, more = sampler.sample({rare: 2})
        assert more.dtype == y.dtype
        assert more.tolist() == [rare, rare]
        assert sampler.sample({labels[1]: 1})[1].tolist() == [rare]
        sampler.save(tmp_path)
        loaded = load(tmp_path)
        assert loaded.classes_.dtype == sampler.classes_.dtype
        assert loaded.draw(rare, [5]).tobytes() == sampler.draw(rare, [5]).tobytes()

    def test_equal_seeds_give_equal_bytes(self, name: str, boots: Any) -> None:
        first, again, other = (make(name, random_state=seed) for seed in (3, 3, 4))
        drawn = [sampler.fit_resample(*boots)[0].tobytes() for sampler in (first, again, other)]
        assert drawn[0] == drawn[1] != drawn[2]
        assert first.model_hash_ == again.model_hash_ != other.model_hash_
        assert first.settings_hash == again.settings_hash != other.settings_hash
        assert first.fit_resample(*boots)[0].tobytes() == drawn[0]

    def test_a_random_state_moves_on(self, name: str, boots: Any) -> None:
        sampler = make(name, random_state=np.random.RandomState(0))
        drawn = [sampler.fit_resample(*boots)[0].tobytes() for _ in range(2)]
        assert drawn[0] != drawn[1]
        assert make(name, random_state=np.random.RandomState(0)).fit_resample(*boots)[0].tobytes() == drawn[0]

    def test_global_random_states_are_left(self, name: str, boots: Any) -> None:
        torch_state, numpy_state = torch.random.get_rng_state(), np.random.get_state()
        sampler = make(name)
        sampler.fit_resample(*boots)
        sampler.sample({"boot": 2})
        assert torch.equal(torch.random.get_rng_state(), torch_state)
        after = np.random.get_state()
        assert (after[1] == numpy_state[1]).all()
        assert after[2:] == numpy_state[2:]

    def test_global_seeds_change_nothing(self, name: str, boots: Any) -> None:
        drawn = []
        with torch.random.fork_rng(devices=[]):
            for seed in (1, 2):
                torch.manual_seed(seed)
                drawn.append(make(name).fit_resample(*boots)[0].tobytes())
        assert drawn[0] == drawn[1]

    def test_single_rows_equal_many(self, name: str, boots: Any) -> None:
        sampler = make(name).fit(*boots)
        size = sampler.block_size
        rows = [0, 1, size - 1, size, 3 * size + 2]
        many = sampler.draw("clog", rows)
        assert many.shape == (5, 8, 8)
        for row, image in zip(rows, many, strict=True):
            assert sampler.draw("clog", [row])[0].tobytes() == image.tobytes()
        assert sampler.draw("clog", range(3))[1].tobytes() == many[1].tobytes()
        assert sampler.draw("clog", []).shape == (0, 8, 8)
        assert sampler.draw("clog", [1, 1, 0]).tobytes() == many[[1, 1, 0]].tobytes()
        assert sampler.draw("boot", rows).tobytes() != many.tobytes()

    @pytest.mark.parametrize("layout", SHAPES)
    def test_saved_and_loaded_draws_the_same(self, name: str, layout: str, make_images: Any, tmp_path: Any) -> None:
        X, y = make_images({"a": 7, "b": 4}, SHAPES[layout])
        sampler = make(name, **(for_rows(name) if layout == "rows" else {}))
        sampler.fit_resample(X, y)
        sampler.save(tmp_path / "model")
        loaded = load(tmp_path / "model")
        assert type(loaded) is type(sampler)
        assert loaded.model_hash_ == sampler.model_hash_
        assert loaded.settings_hash == sampler.settings_hash
        assert loaded.settings == sampler.settings
        assert loaded.seed_ == sampler.seed_
        assert loaded.rows_drawn_ == sampler.rows_drawn_ == {"a": 0, "b": 3}
        assert loaded.small_classes_ == sampler.small_classes_
        counts = {"b": 3, "a": 2}
        for mine, theirs in zip(sampler.sample(counts), loaded.sample(counts), strict=True):
            assert mine.dtype == theirs.dtype
            assert mine.tobytes() == theirs.tobytes()

    def test_learns_without_resampling(self, name: str, boots: Any) -> None:
        fitted = make(name).fit(*boots)
        resampled = make(name)
        X_res, _ = resampled.fit_resample(*boots)
        assert fitted.sampling_strategy_ == resampled.sampling_strategy_ == {"clog": 7, "sandal": 9}
        assert fitted.sample(fitted.sampling_strategy_)[0].tobytes() == X_res[20:].tobytes()

    @pytest.mark.parametrize(
        ("strategy", "totals"),
        [
            ("auto", [12, 12, 12]),
            ("not majority", [12, 12, 12]),
            ("minority", [12, 5, 12]),
            ("not minority", [12, 12, 3]),
            ("all", [12, 12, 12]),
            ({"clog": 9, "boot": 13}, [13, 9, 3]),
            ({"clog": 5}, [12, 5, 3]),
            pytest.param(lambda y: {"sandal": 4}, [12, 5, 4], id="callable"),
        ],
        ids=str,
    )
    def test_strategies(
        self, name: str, strategy: str | dict[str, int] | Callable[[Any], Any], totals: list[int], boots: Any
    ) -> None:
        _, y_res = make(name, sampling_strategy=strategy).fit_resample(*boots)
        assert np.unique(y_res, return_counts=True)[1].tolist() == totals

    def test_ratio_for_two_classes(self, name: str, boots: Any) -> None:
        X, y = boots
        _, y_res = make(name, sampling_strategy=0.75).fit_resample(X[y != "sandal"], y[y != "sandal"])
        assert np.unique(y_res, return_counts=True)[1].tolist() == [12, 9]
        with pytest.raises(ValueError, match="can be a float only when the type of target is binary"):
            make(name, sampling_strategy=0.75).fit_resample(X, y)

    def test_clone_and_set_params(self, name: str, boots: Any) -> None:
        sampler = make(name).fit(*boots)
        copy = clone(sampler)
        assert copy.settings == sampler.settings
        assert not hasattr(copy, "codec_")
        assert copy.set_params(random_state=9).get_params()["random_state"] == 9
        assert sampler.get_params()["random_state"] == 0

    def test_images_given_may_change_afterwards(self, name: str, boots: Any) -> None:
        X, y = boots
        sampler = make(name).fit(X, y)
        drawn, digest = sampler.draw("clog", range(4)).tobytes(), sampler.model_hash_
        X[:] = 0
        assert sampler.draw("clog", range(4)).tobytes() == drawn
        assert sampler.model_hash_ == digest

    def test_images_drawn_belong_to_the_caller(self, name: str, boots: Any) -> None:
        X, y = boots
        sampler = make(name).fit(X, y)
        before = X.copy()
        drawn = sampler.draw("clog", range(4))
        kept = drawn.copy()
        drawn[:] = 0
        assert sampler.draw("clog", range(4)).tobytes() == kept.tobytes()
        assert X.tobytes() == before.tobytes()

    def test_ambiguous_channels(self, name: str, make_images: Any) -> None:
        X, y = make_images({"a": 6, "b": 4}, (8, 8, 3))
        X = np.concatenate([X, X], axis=2)[:, :, :, None, :].reshape(10, 8, 16, 3)
        with pytest.raises(InputError, match="^images of shape .* may have their channels first or last"):
            make(name).fit_resample(X[:, :3], y)
        X_res, _ = make(name, channels="last").fit_resample(X, y)
        assert X_res.shape == (12, 8, 16, 3)


@pytest.mark.parametrize("name", METHODS)
class TestBadInput:
    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_nan_and_infinity(self, name: str, bad: float, boots: Any) -> None:
        X = boots[0].astype(float)
        X[4, 2, 2] = bad
        for use in (make(name).fit, make(name).fit_resample):
            with pytest.raises(InputError) as caught:
                use(X, boots[1])
            assert str(caught.value) == "image 4 of the array holds NaN or infinity: remove or mend it."

    @pytest.mark.parametrize(("bad", "dtype"), [(np.nan, float), (np.inf, float), (np.nan, object), (None, object)])
    def test_labels_that_are_none(self, name: str, bad: float | None, dtype: type, boots: Any) -> None:
        labels = (boots[1] == "boot").astype(dtype)
        labels[3] = labels[5] = bad
        for use in (make(name).fit, make(name).fit_resample):
            for y in (labels, labels.tolist()):
                with pytest.raises(InputError) as caught:
                    use(boots[0], y)
                assert str(caught.value) == f"the label of image 3 is {bad}: give every image a label."

    def test_one_class(self, name: str, boots: Any) -> None:
        for use in (make(name).fit, make(name).fit_resample):
            with pytest.raises(ValueError, match="needs to have more than 1 class"):
                use(boots[0], np.full(20, "a"))

    def test_lengths_that_differ(self, name: str, boots: Any) -> None:
        for use in (make(name).fit, make(name).fit_resample):
            with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[20, 19\]"):
                use(boots[0], boots[1][:19])

    def test_fewer_than_there_are(self, name: str, boots: Any) -> None:
        for use in (
            make(name, sampling_strategy={"boot": 3}).fit,
            make(name, sampling_strategy={"boot": 3}).fit_resample,
        ):
            with pytest.raises(ValueError, match="Originally, there is 12 samples and 3 samples are asked"):
                use(*boots)

    def test_unknown_classes_in_the_strategy(self, name: str, boots: Any) -> None:
        with pytest.raises(ValueError, match="mule"):
            make(name, sampling_strategy={"mule": 3}).fit(*boots)

    def test_no_images(self, name: str) -> None:
        with pytest.raises(ValueError, match="0 sample"):
            make(name).fit(np.zeros((0, 8, 8)), np.zeros(0))

    def test_other_dtypes(self, name: str, boots: Any) -> None:
        with pytest.raises(InputError, match="^images of dtype object cannot be learnt"):
            make(name).fit(boots[0].astype(object), boots[1])

    def test_nothing_is_drawn_before_learning(self, name: str, tmp_path: Any) -> None:
        sampler = make(name)
        for use in (lambda: sampler.sample({"a": 1}), lambda: sampler.draw("a", [0]), lambda: sampler.model_hash_):
            with pytest.raises(NotFittedError):
                use()
        with pytest.raises(NotFittedError):
            sampler.save(tmp_path / "model")
        assert not (tmp_path / "model").exists()

    def test_unknown_classes(self, name: str, boots: Any) -> None:
        with pytest.raises(
            InputError, match="^there is no class 'mule' in this model: choose from boot, clog, sandal.$"
        ):
            make(name).fit(*boots).sample({"mule": 1})


@pytest.mark.parametrize("name", LEARNING)
def test_sizes_that_the_networks_do_not_draw(name: str, make_images: Any) -> None:
    X, y = make_images({"a": 3, "b": 2}, (7, 70))
    with pytest.raises(InputError, match="^images of 70×7 pixels are outside the 8 to 64 pixels a side"):
        make(name).fit(X, y)


@pytest.mark.parametrize("name", METHODS)
def test_pipeline_on_4d_images(name: str, make_images: Any) -> None:
    X, y = make_images({"a": 10, "b": 5}, (8, 9, 3))
    pipeline = Pipeline(
        [(name, make(name)), ("cnn", CNNClassifier(networks=DCGAN(width=2), n_steps=2, random_state=0))]
    )
    predicted = pipeline.fit(X, y).predict(X)
    assert predicted.shape == (15,)
    assert set(predicted) <= {"a", "b"}


def test_grid_search_on_4d_images(make_images: Any) -> None:
    X, y = make_images({"a": 10, "b": 6}, (8, 9, 3))
    pipeline = Pipeline(
        [("aggan", make("aggan")), ("cnn", CNNClassifier(networks=DCGAN(width=2), n_steps=2, random_state=0))]
    )
    search = GridSearchCV(pipeline, {"aggan__batch_size": [4, 6]}, cv=2, error_score="raise").fit(X, y)
    assert [each["aggan__batch_size"] for each in search.cv_results_["params"]] == [4, 6]
    assert set(search.predict(X)) <= {"a", "b"}
    assert search.best_estimator_.named_steps["aggan"].sampling_strategy_ == {"b": 4}


def test_unknown_methods_are_told_with_the_choices() -> None:
    with pytest.raises(InputError) as caught:
        get_method("smot")
    assert str(caught.value) == (
        f"there is no method called 'smot': choose from {', '.join(METHODS)}; did you mean 'smote'?"
    )


def test_duplicates_are_real_images_of_their_class(boots: Any) -> None:
    X, y = boots
    sampler = Duplicates(random_state=0).fit(X, y)
    own = {image.tobytes() for image in X[y == "clog"]}
    assert {image.tobytes() for image in sampler.draw("clog", range(60))} == own


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_smote_draws_between_two_images_of_the_class(dtype: str) -> None:
    """Two images alone: what is drawn is a + t·(b − a), also where b − a is below zero."""
    random = np.random.default_rng(0)
    X = random.integers(0, 256, (8, 8, 8)).astype(dtype)
    y = np.array([0] * 6 + [1] * 2)
    a, b = X[6:].astype(float)
    for image in SMOTE(random_state=0).fit(X, y).draw(1, range(5)).astype(float):
        share = ((image - a) * (b - a)).sum() / ((b - a) ** 2).sum()
        assert -0.01 <= share <= 1.01
        assert np.abs(image - (a + share * (b - a))).max() <= 1.5


@parametrize_with_checks([make(name, **for_rows(name)) for name in METHODS])
def test_checks_of_imbalanced_learn(estimator: Any, check: Any) -> None:
    check(estimator)
