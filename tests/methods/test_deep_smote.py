import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from safetensors.torch import save
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from makeweight import DeepSMOTE, load
from makeweight.autoencoder import AutoencoderReport
from makeweight.data.source import open_source
from makeweight.errors import InputError
from makeweight.estimate import estimate
from makeweight.networks import DCGAN

TINY: dict[str, Any] = {
    "n_steps": 3,
    "batch_size": 8,
    "latent_dim": 4,
    "networks": DCGAN(width=2, generator_width=2),
    "random_state": 0,
}
COUNTS = (90, 60, 40, 30, 20, 15, 10, 8, 5, 3)


def digits() -> tuple[NDArray[np.uint8], NDArray[np.int64], LogisticRegression]:
    """Imbalanced digits, and a classifier that learnt other ones."""
    loaded = load_digits()
    X, y = loaded.images.astype(np.uint8), loaded.target
    judge = LogisticRegression(max_iter=500).fit(X[900:].reshape(-1, 64) / 16, y[900:])
    keep = np.concatenate([np.flatnonzero(y[:900] == digit)[:count] for digit, count in enumerate(COUNTS)])
    return X[keep], y[keep], judge


def test_digits_are_recognised_by_a_classifier_of_other_digits() -> None:
    X, y, judge = digits()
    networks = DCGAN(width=8, generator_width=16)
    sampler = DeepSMOTE(n_steps=200, latent_dim=32, networks=networks, random_state=0).fit(X, y)
    drawn, labels = sampler.sample(dict.fromkeys(range(10), 30))
    assert (judge.predict(drawn.reshape(-1, 64) / 16) == labels).mean() > 0.8
    for digit in range(10):
        own, real = drawn[labels == digit].astype(float), X[y == digit].astype(float)
        assert own.std(axis=0).mean() > 0.3 * real.std(axis=0).mean()
    assert {image.tobytes() for image in drawn}.isdisjoint({image.tobytes() for image in X})


def test_what_is_drawn_lies_between_neighbours_in_latent_space(boots: Any) -> None:
    sampler = DeepSMOTE(**TINY).fit(*boots)
    own = sampler.latent_[boots[1] == "sandal"]
    between = [(own[i] + own[j]) / 2 for i in range(3) for j in range(i)]
    low, high = own.min(axis=0), own.max(axis=0)
    assert own.shape == (3, 4)
    assert all((low <= each).all() and (each <= high).all() for each in between)
    assert (sampler.autoencoder_.training, sampler.generator_.training) == (False, False)


@pytest.mark.parametrize("n_own", range(1, 6))
def test_classes_of_a_few_images(n_own: int, make_images: Any) -> None:
    X, y = make_images({"many": 12, "few": n_own})
    sampler = DeepSMOTE(**{**TINY, "n_steps": 40, "networks": DCGAN(width=8, generator_width=8)})
    _, y_res = sampler.fit_resample(X, y)
    assert (y_res == "few").sum() == 12
    drawn = sampler.draw("few", range(20))
    assert (len({image.tobytes() for image in drawn}) == 1) == (n_own == 1)


class TestLength:
    @pytest.mark.parametrize(
        ("length", "expected"), [({"n_steps": 4}, 4), ({"n_epochs": 2}, 10), ({}, None)], ids=lambda value: str(value)
    )
    def test_steps_and_epochs(self, length: dict[str, int], expected: int | None, boots: Any) -> None:
        """Three classes of twelve, duplicated, are five batches of eight."""
        sampler = DeepSMOTE(**{**TINY, "n_steps": None, **length})
        if expected is None:
            assert sampler.settings["n_steps"] == 4000
        else:
            assert sampler.fit(*boots).n_steps_ == expected

    def test_a_budget(self, boots: Any) -> None:
        sampler = DeepSMOTE(**{**TINY, "n_steps": None, "budget": 0.2}).fit(*boots)
        assert sampler.n_steps_ == sampler.history_[-1]["step"] > 1

    @pytest.mark.parametrize("lengths", [{"n_epochs": 1}, {"n_steps": 0}, {"n_steps": 1.5}, {"n_steps": True}])
    def test_impossible_lengths(self, lengths: dict[str, Any], boots: Any) -> None:
        with pytest.raises(
            InputError, match=r"(give one of them|it must be a whole number, 1 to 2,147,483,647, or None)\.$"
        ):
            DeepSMOTE(**{**TINY, **lengths}).fit(*boots)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"batch_size": 0}, "a whole number, 1 to 1,048,576"),
        ({"latent_dim": 2.5}, "a whole number, 1 to 1,048,576"),
        ({"learning_rate": 0}, "above 0"),
        ({"learning_rate_decay": 2}, "0 to 1"),
        ({"exchange_weight": -1}, "0 or more"),
        ({"exchange_weight": "much"}, "a number, 0 or more"),
    ],
)
def test_impossible_settings(setting: dict[str, Any], words: str, boots: Any) -> None:
    ((name, value),) = setting.items()
    with pytest.raises(InputError) as caught:
        DeepSMOTE(**{**TINY, **setting}).fit(*boots)
    assert str(caught.value) == f"{name}={value!r} is impossible: it must be {words}."


class TestGoingOn:
    def test_from_a_loaded_model(self, boots: Any, tmp_path: Path) -> None:
        first = DeepSMOTE(**TINY).fit(*boots)
        first.save(tmp_path)
        drawn, encoded = first.draw("clog", range(3)).tobytes(), first.latent_.copy()
        loaded = load(tmp_path)
        assert (loaded.n_steps_, loaded.history_) == (3, first.history_)
        fresh = [sampler.set_params(warm_start=True).fit(*boots) for sampler in (first, loaded)]
        assert fresh[0].draw("clog", range(3)).tobytes() == fresh[1].draw("clog", range(3)).tobytes() != drawn
        assert not np.array_equal(fresh[1].latent_, encoded)

    def test_images_of_another_shape(self, boots: Any, make_images: Any) -> None:
        sampler = DeepSMOTE(**TINY, warm_start=True).fit(*boots)
        with pytest.raises(InputError, match=r"^the model to go on from knows images of shape \(8, 8\), uint8, and"):
            sampler.fit(*make_images({"a": 4, "b": 3}, (8, 9)))


class TestCheckpoints:
    def test_an_interrupted_training_ends_with_the_same_bytes(
        self, boots: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("makeweight.loop.KEEP_EVERY", 0.0)
        whole = DeepSMOTE(**TINY).fit(*boots)

        def stop(report: AutoencoderReport) -> None:
            if report.step == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            DeepSMOTE(**TINY, checkpoints=tmp_path / "kept", callback=stop).fit(*boots)
        reports: list[AutoencoderReport] = []
        again = DeepSMOTE(**TINY, checkpoints=tmp_path / "kept", callback=reports.append).fit(*boots)
        assert [report.step for report in reports] == [3]
        assert reports[0].notes == ("went on from step 2, where the training was interrupted.",)
        assert again.model_hash_ == whole.model_hash_
        assert [entry["step"] for entry in again.history_] == [1, 2, 3]

    def test_what_a_callback_ends_is_kept_at_once(self, boots: Any, tmp_path: Path) -> None:
        def stop(report: AutoencoderReport) -> None:
            raise RuntimeError

        with pytest.raises(RuntimeError):
            DeepSMOTE(**TINY, checkpoints=tmp_path, callback=stop).fit(*boots)
        reports: list[AutoencoderReport] = []
        again = DeepSMOTE(**TINY, checkpoints=tmp_path, callback=reports.append).fit(*boots)
        assert [report.step for report in reports] == [2, 3]
        assert again.model_hash_ == DeepSMOTE(**TINY).fit(*boots).model_hash_

    @pytest.mark.parametrize("wrong", [{"done": 10**30}, {"n_steps": 2}, {"history": [{}]}, {"notes": None}])
    def test_one_that_does_not_fit_is_passed_over(self, boots: Any, tmp_path: Path, wrong: dict[str, Any]) -> None:
        whole = DeepSMOTE(**TINY, checkpoints=tmp_path).fit(*boots)
        (path,) = tmp_path.iterdir()
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            numbers = json.loads(file.metadata()["numbers"]) | wrong
        data = save(tensors, {"numbers": json.dumps(numbers)})
        path.rename(path.with_name(f"{path.name[:9]}-{sha256(data).hexdigest()}.safetensors")).write_bytes(data)
        reports: list[AutoencoderReport] = []
        again = DeepSMOTE(**TINY, checkpoints=tmp_path, callback=reports.append).fit(*boots)
        assert [report.step for report in reports] == [1, 2, 3]
        assert again.model_hash_ == whole.model_hash_

    def test_those_of_other_images_are_refused(self, boots: Any, tmp_path: Path) -> None:
        DeepSMOTE(**TINY, checkpoints=tmp_path).fit(*boots)
        with pytest.raises(InputError, match="holds checkpoints of another training .other data.: give"):
            DeepSMOTE(**TINY, checkpoints=tmp_path).fit(255 - boots[0], boots[1])
        with pytest.raises(InputError, match="^a training that can go on needs an equal seed"):
            DeepSMOTE(**{**TINY, "random_state": None}, checkpoints=tmp_path).fit(*boots)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"random_state": None}, "equal seeds: give random_state a whole number."),
        ({"batch_size": 7}, "batch_size=7 cannot be shared by 2 processes: give a multiple of 2."),
    ],
)
def test_what_a_team_cannot_do(
    settings: dict[str, Any], message: str, boots: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "RANK": "0", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError) as caught:
        DeepSMOTE(**{**TINY, **settings}).fit(*boots)
    assert message in str(caught.value)


def test_a_switch_is_on_or_off(boots: Any) -> None:
    with pytest.raises(InputError, match="^balanced_batches='no' is impossible: it must be True or False"):
        DeepSMOTE(**TINY, balanced_batches="no").fit(*boots)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("codes", lambda codes: codes[::-1].copy() * 0, "save it anew"),
        ("latent", lambda latent: latent[1:], r"\(19, 4\) are no latent codes of 20 images"),
        ("decoder.body.0.weight", lambda weight: weight[:, 1:].copy(), "the model's weights do not fit its card"),
    ],
)
def test_a_model_whose_weights_do_not_fit(name: str, change: Any, words: str, boots: Any, tmp_path: Path) -> None:
    DeepSMOTE(**TINY).fit(*boots).save(tmp_path)
    weights = load_file(tmp_path / "weights.safetensors")
    save_file({**weights, name: change(weights[name])}, tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match=words):
        load(tmp_path)


def test_a_card_that_asks_for_huge_networks(boots: Any, tmp_path: Path) -> None:
    DeepSMOTE(**TINY).fit(*boots).save(tmp_path)
    with pytest.raises(
        InputError, match="^the model's weights do not fit its card .networks of .* bytes, and files of"
    ):
        load(tmp_path, networks=DCGAN(width=8192))


def test_each_step_is_told(boots: Any) -> None:
    reports: list[AutoencoderReport] = []
    sampler = DeepSMOTE(**TINY, callback=reports.append).fit(*boots)
    assert [report.step for report in reports] == [1, 2, 3]
    assert [entry["reconstruction_loss"] for entry in sampler.history_] == [r.reconstruction_loss for r in reports]


def test_its_cost_can_be_foretold(boots: Any) -> None:
    cost = estimate(DeepSMOTE(**{**TINY, "n_steps": 1000}), (8, 8), [12, 5, 3])
    assert cost.n_steps == 1000
    assert cost.seconds > 0


def test_images_read_from_files_give_the_same_model(
    boots: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, (image, label) in enumerate(zip(*boots, strict=True)):
        (tmp_path / label).mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / label / f"{number}.png")
    models = []
    for memory in ("0", "1000"):
        monkeypatch.setenv("MAKEWEIGHT_MEMORY", memory)
        monkeypatch.setenv("MAKEWEIGHT_WORKERS", "0")
        source = open_source(tmp_path)
        models.append(DeepSMOTE(**TINY).fit(source.images(), source.labels).model_hash_)
    assert models[0] == models[1]
