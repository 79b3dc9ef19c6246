from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save
from sklearn.datasets import load_digits
from torch import nn

import makeweight.loop as loop
import makeweight.train as training
from makeweight.checkpoints import Checkpoints, State
from makeweight.data import batches
from makeweight.errors import InputError, TrainingError
from makeweight.evolution import Annealed, Evolution
from makeweight.game import StepOutcome, step
from makeweight.gan_sampler import GANSampler
from makeweight.health import Finding, Watch
from makeweight.methods.acgan import ACGAN
from makeweight.methods.aggan import AGGAN
from makeweight.methods.bagan import BAGAN
from makeweight.methods.deep_smote import DeepSMOTE
from makeweight.methods.egan import EGAN
from makeweight.networks import DCGAN, OwnNetworks
from makeweight.progress import StepReport
from makeweight.sampler import load
from makeweight.train import Training
from makeweight.training_state import state_of

from .playing import N_CLASSES, make_game, make_players, real_batches
from .test_train import schedule

SMALL: dict[str, Any] = {"batch_size": 6, "latent_dim": 4, "average_decay": 0.9, "best_every": 5, "random_state": 3}
N_STEPS = 37


@pytest.fixture
def digits() -> tuple[NDArray[Any], NDArray[Any]]:
    X, y = load_digits(return_X_y=True)
    few = np.flatnonzero(y < 3)[:40]
    return X[few].reshape(-1, 8, 8).astype(np.uint8) * 15, y[few]


@pytest.fixture(autouse=True)
def keep_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "KEEP_EVERY", 0.0)


def dropping_trunk(shape: tuple[int, int, int]) -> nn.Module:
    """Dropout takes its chance from torch's own stream."""
    return nn.Sequential(nn.Conv2d(shape[0], 6, 4, 2, 1), nn.LeakyReLU(0.2), nn.Dropout(0.5), nn.Flatten())


def small_generator(shape: tuple[int, int, int], n_classes: int, latent_dim: int) -> nn.Module:
    return DCGAN(width=4, generator_width=4).build(shape, n_classes, latent_dim).generator


KINDS: dict[str, GANSampler] = {
    "aggan": AGGAN(networks=DCGAN(width=4, generator_width=4), **SMALL),
    "egan": EGAN(networks=DCGAN(width=4, generator_width=4), penalty="r1", **SMALL),
    "acgan": ACGAN(networks=DCGAN(width=4, generator_width=4), **SMALL),
    "dropout": AGGAN(networks=OwnNetworks(generator=small_generator, trunk=dropping_trunk), **SMALL),
    "epochs": AGGAN(
        networks=DCGAN(width=4, generator_width=4),
        evolution=Evolution(acceptance=Annealed(per="epoch")),
        balanced_batches=False,
        **SMALL,
    ),
}


class Stop(Exception):  # noqa: N818
    """Stands for whatever ends a process."""


def fitted(kind: str, data: tuple[NDArray[Any], NDArray[Any]], **settings: Any) -> GANSampler:
    sampler: GANSampler = KINDS[kind].__class__(**KINDS[kind].get_params(deep=False))
    return sampler.set_params(n_steps=N_STEPS, **settings).fit(*data)


def bytes_of(sampler: GANSampler) -> list[bytes]:
    """Everything that goes on: both players, average, best, temperature, and what is drawn."""
    state = state_of(sampler.players_)
    tensors = [name.encode() + value.detach().numpy().tobytes() for name, value in sorted(state.tensors.items())]
    told = [{k: v for k, v in entry.items() if "second" not in k and k != "notes"} for entry in sampler.history_]
    drawn = sampler.draw(sampler.classes_[0], range(5)).tobytes()
    return [*tensors, json.dumps([state.numbers, told]).encode(), drawn]


def stop_at(*steps: int) -> Any:
    def listen(report: StepReport) -> None:
        if report.step in steps:
            raise Stop

    return listen


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_goes_on_where_it_was_interrupted(
    kind: str, digits: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path
) -> None:
    whole = fitted(kind, digits)
    for at in (1, 9, 30):
        with pytest.raises(Stop):
            fitted(kind, digits, checkpoints=tmp_path, callback=stop_at(at))
    told: list[StepReport] = []
    resumed = fitted(kind, digits, checkpoints=tmp_path, callback=told.append)
    assert told[0].step == 31
    assert told[0].notes == ("went on from step 30, where the training was interrupted.",)
    assert bytes_of(resumed) == bytes_of(whole)


def test_what_a_callback_ends_is_kept_at_once(
    digits: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "KEEP_EVERY", 1e9)
    with pytest.raises(Stop):
        fitted("aggan", digits, checkpoints=tmp_path, callback=stop_at(11))
    told: list[StepReport] = []
    resumed = fitted("aggan", digits, checkpoints=tmp_path, callback=told.append)
    assert told[0].step == 12
    assert bytes_of(resumed) == bytes_of(fitted("aggan", digits))


def test_keeping_changes_nothing(digits: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path) -> None:
    kept = fitted("aggan", digits, checkpoints=tmp_path)
    assert bytes_of(kept) == bytes_of(fitted("aggan", digits))
    assert kept.model_hash_ == fitted("aggan", digits).model_hash_


def test_a_finished_training_is_not_repeated(digits: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path) -> None:
    first = fitted("aggan", digits, checkpoints=tmp_path)
    told: list[StepReport] = []
    again = fitted("aggan", digits, checkpoints=tmp_path, callback=told.append)
    assert told == []
    assert bytes_of(again) == bytes_of(first)
    assert again.n_steps_ == N_STEPS


@pytest.mark.parametrize(
    "sampler", [ACGAN(**SMALL), DeepSMOTE(batch_size=6), BAGAN(**SMALL)], ids=lambda each: each.name
)
def test_batches_that_were_learnt_before_are_not_read_again(
    sampler: Any, digits: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    take_apart = batches.read_batches

    def counting(X: Any, codes: Any, indices: Any, *rest: Any) -> Any:
        return take_apart(X, codes, (read.append(len(index)) or index for index in indices), *rest)

    monkeypatch.setattr("makeweight.training_sampler.read_batches", counting)
    sampler = sampler.set_params(n_steps=20, random_state=3, checkpoints=tmp_path)
    at = 5 if sampler.name == "bagan" else 15  # of the ten steps of its autoencoder
    with pytest.raises(Stop):
        sampler.set_params(callback=stop_at(at)).fit(*digits)
    read.clear()
    sampler.set_params(callback=None).fit(*digits)
    assert len(read) == (5 + 20 if sampler.name == "bagan" else 5)
    resumed = sampler.model_hash_
    assert sampler.set_params(checkpoints=None).fit(*digits).model_hash_ == resumed


def test_a_training_goes_on_from_the_one_before_a_damaged_one(
    digits: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path
) -> None:
    with pytest.raises(Stop):
        fitted("aggan", digits, checkpoints=tmp_path, callback=stop_at(20))
    newest = max(tmp_path.iterdir())
    newest.write_bytes(newest.read_bytes()[:-1])
    resumed = fitted("aggan", digits, checkpoints=tmp_path)
    assert resumed.training_notes_[0].startswith(f"the checkpoint {newest.name} is damaged")
    assert bytes_of(resumed) == bytes_of(fitted("aggan", digits))


def forged(checkpoint: Path, change: Callable[[State], object]) -> Path:
    """Change what a checkpoint holds and give the file the name that its new bytes ask for."""
    with safe_open(checkpoint, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        state = State(tensors, json.loads(file.metadata()["numbers"]))
    change(state)
    data = save(state.tensors, {"numbers": json.dumps(state.numbers)})
    checkpoint.unlink()
    target = checkpoint.with_name(f"{checkpoint.name[:9]}-{sha256(data).hexdigest()}.safetensors")
    target.write_bytes(data)
    return target


WRONG: dict[str, Callable[[State], object]] = {
    "no progress": lambda state: state.numbers.pop("progress"),
    "an empty progress": lambda state: state.numbers.update(progress=[]),
    "too many steps": lambda state: state.numbers["progress"].update(done=10**30),
    "steps below 0": lambda state: state.numbers["progress"].update(done=-5),
    "another length": lambda state: state.numbers["progress"].update(n_steps=20),
    "a text for figures": lambda state: state.numbers["progress"].update(recent="recent"),
    "other figures": lambda state: state.numbers["progress"].update(recent=[[0.5]]),
    "norms of nothing": lambda state: state.numbers["progress"].update(norms=[0.0, 0.0]),
    "losses too large": lambda state: state.numbers["progress"].update(recent=[[1e308, 1e308, 0.0, 1.0]] * 9),
    "no norms": lambda state: state.numbers["progress"].update(norms=[]),
    "an infinite time": lambda state: state.numbers["progress"].update(seconds=float("inf")),
    "too many batches": lambda state: state.numbers["progress"].update(n_batches=2**50),
    "a history of nothing": lambda state: state.numbers["progress"].update(history=[{}]),
    "no temperature": lambda state: state.numbers["now"].update(temperature=None),
    "a later position": lambda state: state.numbers["healthy"].update(done=30),
    "a tensor less": lambda state: state.tensors.pop("now.generator.optimiser.step"),
    "a tensor more": lambda state: state.tensors.update(more=torch.zeros(1)),
    "another shape": lambda state: state.tensors.update({"now.generator.optimiser.step": torch.zeros(2)}),
    "another type": lambda state: state.tensors.update({"now.generator.optimiser.step": torch.tensor(1)}),
    "half of the best": lambda state: state.tensors.pop("now.best.optimiser.step"),
    "no chance": lambda state: state.tensors.pop("chance.own"),
    "chance too short": lambda state: state.tensors.update({"chance.torch": torch.zeros(9, dtype=torch.uint8)}),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_checkpoint_of_the_right_hash_is_not_trusted(
    wrong: str, digits: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path
) -> None:
    with pytest.raises(Stop):
        fitted("aggan", digits, checkpoints=tmp_path, callback=stop_at(20))
    named = forged(max(tmp_path.iterdir()), WRONG[wrong]).name
    resumed = fitted("aggan", digits, checkpoints=tmp_path)
    assert resumed.training_notes_[0] == f"the checkpoint {named} is damaged, so the one before it was used."
    assert bytes_of(resumed) == bytes_of(fitted("aggan", digits))


def test_another_version_is_refused(
    digits: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted("acgan", digits, checkpoints=tmp_path)
    monkeypatch.setattr("makeweight.__version__", "99")
    with pytest.raises(InputError, match=r"holds checkpoints of another training \(other version\)"):
        fitted("acgan", digits, checkpoints=tmp_path)


def test_development_versions_of_one_release_are_one(
    digits: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("makeweight.__version__", "0.2.0.dev3+g1a2b3c4")
    with pytest.raises(Stop):
        fitted("aggan", digits, checkpoints=tmp_path, callback=stop_at(20))
    monkeypatch.setattr("makeweight.__version__", "0.2.0.dev4+g5d6e7f8")
    assert fitted("aggan", digits, checkpoints=tmp_path).training_notes_[0].startswith("went on from step 20")
    monkeypatch.setattr("makeweight.__version__", "0.2.0")
    with pytest.raises(InputError, match=r"holds checkpoints of another training \(other version\)"):
        fitted("aggan", digits, checkpoints=tmp_path)


def test_forging_nothing_is_no_damage(digits: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path) -> None:
    with pytest.raises(Stop):
        fitted("aggan", digits, checkpoints=tmp_path, callback=stop_at(20))
    forged(max(tmp_path.iterdir()), lambda state: None)
    assert fitted("aggan", digits, checkpoints=tmp_path).training_notes_[0].startswith("went on from step 20")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_and_devices_are_passed_over(digits: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / f"{'9' * 9}-{'0' * 64}.safetensors")
    (tmp_path / f"{'9' * 9}-{'1' * 64}.safetensors").symlink_to("/dev/zero")
    kept = fitted("aggan", digits, checkpoints=tmp_path)
    assert kept.training_notes_[0].endswith("is damaged, so training begins anew.")
    assert bytes_of(kept) == bytes_of(fitted("aggan", digits))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"learning_rate": 0.5}, r"settings\.learning_rate"),
        ({"random_state": 4}, r"seed, settings\.random_state"),
    ],
)
def test_other_settings_are_refused(
    change: dict[str, Any], named: str, digits: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path
) -> None:
    fitted("acgan", digits, checkpoints=tmp_path)
    with pytest.raises(InputError, match=rf"holds checkpoints of another training \(other {named}\)"):
        fitted("acgan", digits, checkpoints=tmp_path, **change)


def test_other_images_are_refused(digits: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path) -> None:
    fitted("acgan", digits, checkpoints=tmp_path)
    X, y = digits[0].copy(), digits[1]
    X[7, 3, 3] ^= 1
    with pytest.raises(InputError, match=r"other data"):
        fitted("acgan", (X, y), checkpoints=tmp_path)


def test_what_is_no_folder_is_refused(digits: tuple[NDArray[Any], NDArray[Any]]) -> None:
    with pytest.raises(InputError, match="^checkpoints=False is impossible: it must be a folder, or None"):
        fitted("acgan", digits, checkpoints=False)


def test_no_seed_is_refused(digits: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs an equal seed: give random_state a whole number"):
        fitted("acgan", digits, checkpoints=tmp_path, random_state=None)
    assert not list(tmp_path.iterdir())


def test_a_model_that_goes_on_can_be_interrupted(digits: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path) -> None:
    fitted("aggan", digits).save(tmp_path / "model")

    def go_on(**settings: Any) -> GANSampler:
        sampler: Any = load(tmp_path / "model", device="cpu")
        return sampler.set_params(n_steps=12, random_state=8, warm_start=True, **settings).fit(*digits)  # type: ignore[no-any-return]

    with pytest.raises(Stop):
        go_on(checkpoints=tmp_path / "kept", callback=stop_at(6))
    resumed = go_on(checkpoints=tmp_path / "kept")
    assert resumed.players_.n_steps == N_STEPS + 12
    assert bytes_of(resumed) == bytes_of(go_on())


def healthy_training(monkeypatch: pytest.MonkeyPatch, **options: Any) -> Training:
    for module in (loop, training):
        monkeypatch.setattr(module, "LOOK_EVERY", 10)
    game = make_game()
    watch = Watch(game, np.ones(N_CLASSES), ["bag", "boot", "coat"], seed=0)
    players = make_players(game)
    return Training(game, players, schedule(45, decay=0.0), torch.Generator().manual_seed(0), watch, **options)


def test_a_broken_step_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def breaking(*arguments: Any) -> StepOutcome:
        nonlocal calls
        calls += 1
        outcome = step(*arguments)
        losses.append(outcome.discriminator_loss.item())
        return replace(outcome, discriminator_loss=outcome.discriminator_loss * torch.nan) if calls == 27 else outcome

    monkeypatch.setattr(training, "step", breaking)
    told: list[StepReport] = []
    losses: list[float] = []
    run = healthy_training(monkeypatch, callback=told.append)
    progress = run.run(real_batches())
    assert [report.step for report in told] == [*range(1, 27), *range(21, 46)]
    assert told[26].notes == ("a loss was nan at step 27: went back to step 20, with half the learning rate.",)
    after = [report.discriminator_loss for report in told[26:29]]
    assert after == pytest.approx(np.cumsum(losses[27:30]) / [1, 2, 3]), "what was taken back should count no more"
    assert calls == progress.n_batches == 52
    assert run.players.n_steps == 45
    assert run.players.generator.learning_rate == 0.05
    assert [entry["step"] for entry in progress.history] == list(range(1, 46))


def test_weights_are_those_of_the_last_look(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {}

    def breaking(*arguments: Any) -> StepOutcome:
        outcome = step(*arguments)
        players = arguments[1]
        rows.setdefault(players.n_steps, players.generator.row.clone())
        if players.n_steps == 25 and players.generator.learning_rate == 0.1:
            for weights in players.generator.parameters:
                weights.data.fill_(torch.inf)
        return outcome

    monkeypatch.setattr(training, "step", breaking)
    seen = []
    run = healthy_training(monkeypatch)
    shipped = run._roll_back

    def roll_back(broken: str) -> None:
        shipped(broken)
        seen.append((broken, torch.equal(run.players.generator.row, rows[20])))

    monkeypatch.setattr(run, "_roll_back", roll_back)
    run.run(real_batches())
    assert len(seen) == 1
    assert seen[0][1]
    assert "no number" in seen[0][0] or "loss was" in seen[0][0]


def find(monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
    waiting = iter(findings)
    monkeypatch.setattr(Watch, "look", lambda *_: next(waiting))


def test_a_class_that_loses_its_variety_is_worth_one_return(monkeypatch: pytest.MonkeyPatch) -> None:
    fine, fallen = Finding(lively=(0, 1, 2)), Finding(lively=(0, 2), dull=(1,))
    find(monkeypatch, fine, fallen, fallen, fallen, fine, fine)
    progress = healthy_training(monkeypatch).run(real_batches())
    assert progress.n_rollbacks == 1
    assert [*progress.told, *progress.notes] == [
        "drawn images of boot have become all alike at step 20: went back to step 10, with half the learning rate.",
        "drawn images of boot have become all alike at step 20, and training goes on for the other classes.",
    ]
    assert progress.collapsed == []


def test_a_generator_that_draws_one_image_ends_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    find(monkeypatch, Finding(lively=(0, 1)), *[Finding(dull=(0, 1, 2))] * 9)
    with pytest.raises(InputError, match=r"broke down, even after 3 returns .*: drawn images of bag, boot have become"):
        healthy_training(monkeypatch).run(real_batches())


def test_classes_that_never_came_alive_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    find(monkeypatch, *[Finding(lively=(0,), dull=(1, 2))] * 9)
    progress = healthy_training(monkeypatch).run(real_batches())
    assert progress.n_rollbacks == 0
    assert progress.told == ["drawn images of boot, coat are all alike: train longer, or look at the real ones."]


def test_a_model_whose_classes_never_came_alive_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (loop, training):
        monkeypatch.setattr(module, "LOOK_EVERY", 10)
    find(monkeypatch, *[Finding(dull=(0, 1, 2), n_looked=3)] * 9)
    with pytest.raises(TrainingError, match=r"^after \d+ steps the drawn images of .* are all alike, so the model is"):
        healthy_training(monkeypatch).run(real_batches())


def test_a_rollback_after_a_resumption_is_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def breaking(*arguments: Any) -> StepOutcome:
        outcome = step(*arguments)
        broken = arguments[1].n_steps == 27 and arguments[1].generator.learning_rate == 0.1
        return replace(outcome, generator_loss=outcome.generator_loss / 0) if broken else outcome

    monkeypatch.setattr(training, "step", breaking)
    whole = healthy_training(monkeypatch)
    whole.run(real_batches())
    stopped = healthy_training(monkeypatch, checkpoints=Checkpoints(tmp_path, {}), callback=stop_at(25))
    with pytest.raises(Stop):
        stopped.run(real_batches())
    resumed = healthy_training(monkeypatch, checkpoints=Checkpoints(tmp_path, {}))
    batches = real_batches()
    for _ in range(resumed.progress.n_batches):
        next(batches)
    resumed.run(batches)
    mine, theirs = state_of(resumed.players), state_of(whole.players)
    assert mine.numbers == theirs.numbers
    assert all(torch.equal(mine.tensors[name], value) for name, value in theirs.tensors.items())


def short_of_memory(run: Training, most: int) -> Training:
    """Let the discriminator fail on more images than `most`."""

    def refuse(_: nn.Module, inputs: Any) -> None:
        if len(inputs[0]) > most:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    run.players.discriminator.network.register_forward_pre_hook(refuse)
    return run


def test_too_little_memory_makes_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[StepReport] = []
    run = short_of_memory(healthy_training(monkeypatch, callback=told.append), most=2)
    progress = run.run(real_batches())
    assert [report.step for report in told] == list(range(1, 46))
    assert told[0].notes == (
        "the device ran out of memory, so batches of 6 are computed 3 images at a time from step 0, and their "
        "gradients added.",
        "the device ran out of memory, so batches of 6 are computed 2 images at a time from step 0, and their "
        "gradients added.",
    )
    assert (progress.n_parts, progress.n_rollbacks, progress.n_batches) == (4, 0, 47)
    assert run.players.generator.learning_rate == 0.1


def test_parts_are_kept_in_a_checkpoint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = healthy_training(monkeypatch, checkpoints=Checkpoints(tmp_path, {}), callback=stop_at(9))
    with pytest.raises(Stop):
        short_of_memory(run, most=3).run(real_batches())
    resumed = healthy_training(monkeypatch, checkpoints=Checkpoints(tmp_path, {}))
    assert resumed.game.n_parts == 2
    assert resumed.watch.game.n_parts == 2


def test_no_memory_at_all_ends_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    run = short_of_memory(healthy_training(monkeypatch), most=0)
    with pytest.raises(InputError, match=r"^the device ran out of memory: make batches smaller with batch_size"):
        run.run(real_batches())
