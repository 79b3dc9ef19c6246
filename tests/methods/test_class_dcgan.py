import itertools
from pathlib import Path
from typing import Any

import pytest

from makeweight import ClassDCGAN, load
from makeweight.balance.drawing import draws_on_processor
from makeweight.errors import InputError
from makeweight.estimate import estimate
from makeweight.gan_sampler import GANSampler
from makeweight.networks import DCGAN
from makeweight.progress import StepReport

TINY: dict[str, Any] = {
    "n_steps": 9,
    "batch_size": 8,
    "latent_dim": 4,
    "networks": DCGAN(width=2, generator_width=2),
    "random_state": 0,
}


def test_each_class_is_learnt_from_its_own_images_alone(boots: Any) -> None:
    X, y = boots
    changed = X.copy()
    changed[y == "boot"] = X[y == "boot"][::-1]  # other batches, and the same range of values
    first, second = ClassDCGAN(**TINY).fit(X, y), ClassDCGAN(**TINY).fit(changed, y)
    assert first.draw("clog", range(5)).tobytes() == second.draw("clog", range(5)).tobytes()
    assert first.samplers_[0].model_hash_ != second.samplers_[0].model_hash_
    assert first.samplers_[1].model_hash_ == second.samplers_[1].model_hash_


@pytest.mark.parametrize(
    ("length", "each"),
    [
        ({"n_steps": 9}, [3, 3, 3]),
        ({"n_steps": 8}, [3, 3, 2]),
        ({"n_steps": 7}, [3, 2, 2]),
        ({"n_steps": 3}, [1, 1, 1]),
        ({"n_epochs": 4}, [4, 4, 4]),
    ],
)
def test_the_classes_share_the_length(length: dict[str, int], each: list[int], boots: Any) -> None:
    """Twenty images are three batches of eight an epoch; of twelve steps each class has four."""
    reports: list[StepReport] = []
    sampler = ClassDCGAN(**{**TINY, "n_steps": None, **length}, callback=reports.append).fit(*boots)
    assert [one.n_steps_ for one in sampler.samplers_] == each
    assert sampler.n_steps_ == sum(each)
    assert [report.step for report in reports] == list(range(1, sum(each) + 1))
    assert {report.n_steps for report in reports} == {sum(each)}
    assert all(a.seconds <= b.seconds for a, b in itertools.pairwise(reports))
    assert [entry["step"] for entry in sampler.history_][-1] == sum(each)


@pytest.mark.parametrize(
    ("length", "told"), [({"n_steps": 2}, "2 steps"), ({"n_epochs": 1, "batch_size": 20}, "1 step")]
)
def test_fewer_steps_than_classes_are_refused(length: dict[str, int], told: str, boots: Any) -> None:
    sampler = ClassDCGAN(**{**TINY, "n_steps": None, **length})
    sentence = (
        f"class_dcgan learns each class by itself, and {told} in all would leave some of 3 classes without any: train "
        "for at least 3."
    )
    for ask in (lambda: sampler.fit(*boots), lambda: estimate(sampler, (8, 8), [12, 5, 3])):
        with pytest.raises(InputError) as caught:
            ask()
        assert str(caught.value) == sentence
    assert not hasattr(sampler, "samplers_")


def test_what_it_holds_is_what_it_says(boots: Any, tmp_path: Path) -> None:
    """Workers draw where `generator_` lies; what a single game has, it has not."""
    sampler = ClassDCGAN(**TINY).fit(*boots)
    sampler.save(tmp_path)
    for each in (sampler, load(tmp_path, device="cpu")):
        assert list(each.generator_) == [one.generator_ for one in each.samplers_]
        assert draws_on_processor(each)
        assert not isinstance(each, GANSampler)
        assert not any(hasattr(each, name) for name in ("players_", "head_", "held_"))


def test_a_budget_is_shared(boots: Any) -> None:
    sampler = ClassDCGAN(**{**TINY, "n_steps": None, "budget": 0.6}).fit(*boots)
    assert all(one.n_steps_ > 1 for one in sampler.samplers_)
    assert [one.budget for one in sampler.samplers_] == pytest.approx([0.2] * 3)


def test_it_goes_on_from_a_loaded_model(boots: Any, tmp_path: Path) -> None:
    first = ClassDCGAN(**TINY).fit(*boots)
    first.save(tmp_path)
    before, loaded = first.model_hash_, load(tmp_path)
    assert loaded.n_steps_ == 9
    assert [entry["step"] for entry in loaded.history_] == [entry["step"] for entry in first.history_]
    for sampler in (first, loaded):
        sampler.set_params(warm_start=True).fit(*boots)
    assert first.model_hash_ == loaded.model_hash_ != before


def test_going_on_is_kept_in_checkpoints_too(boots: Any, tmp_path: Path) -> None:
    sampler = ClassDCGAN(**TINY, warm_start=True, checkpoints=tmp_path / "first").fit(*boots)
    before = sampler.model_hash_
    assert sampler.set_params(checkpoints=tmp_path / "second").fit(*boots).model_hash_ != before


def test_an_interrupted_training_ends_with_the_same_bytes(
    boots: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("makeweight.loop.KEEP_EVERY", 0.0)
    whole = ClassDCGAN(**TINY).fit(*boots)

    def stop(report: StepReport) -> None:
        if report.step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ClassDCGAN(**TINY, checkpoints=tmp_path, callback=stop).fit(*boots)
    reports: list[StepReport] = []
    again = ClassDCGAN(**TINY, checkpoints=tmp_path, callback=reports.append).fit(*boots)
    assert [report.step for report in reports] == [5, 6, 7, 8, 9]
    assert reports[0].notes == ("went on from step 1, where the training was interrupted.",)
    assert again.model_hash_ == whole.model_hash_


def test_a_training_that_goes_on_can_be_interrupted(boots: Any, tmp_path: Path) -> None:
    ClassDCGAN(**TINY).fit(*boots).save(tmp_path / "model")
    whole = load(tmp_path / "model").set_params(warm_start=True).fit(*boots)

    def stop(report: StepReport) -> None:
        if report.step == 5:
            raise RuntimeError

    sampler = load(tmp_path / "model").set_params(warm_start=True, checkpoints=tmp_path / "kept", callback=stop)
    before = sampler.model_hash_
    with pytest.raises(RuntimeError):
        sampler.fit(*boots)
    assert sampler.model_hash_ == before
    assert sampler.set_params(callback=None).fit(*boots).model_hash_ == whole.model_hash_


def test_it_tells_no_classes_apart(boots: Any) -> None:
    with pytest.raises(InputError) as caught:
        _ = ClassDCGAN(**TINY).fit(*boots).classifier_
    assert not hasattr(ClassDCGAN(**TINY), "classifier_")
    assert str(caught.value) == (
        "class_dcgan has no class output to classify with: choose a method that learns all classes."
    )


@pytest.mark.parametrize(("n_steps", "counts"), [(1000, [12, 5, 3]), (1001, [12, 5, 3]), (10, [3] * 10)])
def test_its_cost_can_be_foretold(n_steps: int, counts: list[int]) -> None:
    cost = estimate(ClassDCGAN(**{**TINY, "n_steps": n_steps}), (8, 8), counts)
    assert cost.n_steps == n_steps
    assert cost.seconds > 0


def test_its_cost_can_be_foretold_with_an_autoencoder_for_each_class() -> None:
    cost = estimate(ClassDCGAN(**{**TINY, "n_steps": 1000}, start="autoencoder"), (8, 8), [12, 5, 3, 3, 3])
    assert 0 < cost.seconds < 1e4
