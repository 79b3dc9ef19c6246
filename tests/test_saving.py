import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from makeweight import AGGAN, Duplicates, load
from makeweight.component import describe, rebuild
from makeweight.errors import InputError
from makeweight.evolution import Annealed, Evolution
from makeweight.networks import DCGAN
from makeweight.saving import Labels

CARD, WEIGHTS, STATE, TRAINING = "model.json", "weights.safetensors", "training.json", "training.safetensors"


@pytest.fixture
def model(boots: tuple[Any, Any], tmp_path: Path) -> Path:
    """A saved AGGAN."""
    networks = DCGAN(width=2, generator_width=2)
    sampler = AGGAN(n_steps=2, batch_size=8, latent_dim=4, random_state=0, networks=networks).fit(*boots)
    sampler.sample({"clog": 3})
    sampler.save(tmp_path / "model")
    return tmp_path / "model"


def change(path: Path, *where: str | int, value: Any) -> None:
    """Set one entry of a JSON file."""
    data = json.loads(path.read_text())
    place = data
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = value
    path.write_text(json.dumps(data))


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        load(folder)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith((".", "?"))
    return sentence


def test_a_model_is_json_and_safetensors(model: Path) -> None:
    assert sorted(path.name for path in model.iterdir()) == [CARD, STATE, TRAINING, WEIGHTS]
    card = json.loads((model / CARD).read_text())
    assert card["format"] == "makeweight model"
    assert card["format_version"] == 1
    assert card["method"] == "aggan"
    assert card["settings"]["networks"] == {"axis": "networks", "name": "dcgan", "width": 2, "generator_width": 2}
    assert card["pixels"]["layout"] == "grey"
    assert card["pixels"]["shape"] == [8, 8]
    assert card["classes"]["values"] == ["boot", "clog", "sandal"]
    assert card["class_counts"] == [12, 5, 3]
    assert json.loads((model / STATE).read_text())["rows_drawn"] == [0, 3, 0]
    load_file(model / WEIGHTS)


def test_no_path_of_this_machine_is_saved(model: Path, tmp_path: Path) -> None:
    for path in model.iterdir():
        assert str(tmp_path).encode() not in path.read_bytes()
        assert str(Path.home()).encode() not in path.read_bytes()


def test_equal_models_are_equal_files(model: Path, tmp_path: Path) -> None:
    load(model).save(tmp_path / "again")
    for path in model.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


def test_saving_again_replaces(model: Path, boots: tuple[Any, Any]) -> None:
    sampler = Duplicates(random_state=1).fit(*boots)
    sampler.save(model)
    assert load(model).model_hash_ == sampler.model_hash_


def test_drawing_goes_on_where_it_was(model: Path) -> None:
    loaded = load(model)
    assert loaded.rows_drawn_ == {"boot": 0, "clog": 3, "sandal": 0}
    drawn, _ = loaded.sample({"clog": 2})
    assert drawn.tobytes() == loaded.draw("clog", [3, 4]).tobytes()


def test_how_many_were_drawn_changes_no_hash(boots: tuple[Any, Any]) -> None:
    sampler = Duplicates(random_state=1).fit(*boots)
    before = sampler.model_hash_
    sampler.sample({"clog": 3})
    assert sampler.model_hash_ == before


def test_the_hash_covers_card_and_weights(model: Path) -> None:
    first = load(model).model_hash_
    change(model / CARD, "seed", value=5)
    assert load(model).model_hash_ != first
    weights = load_file(model / WEIGHTS)
    name = sorted(weights)[0]
    weights[name] = weights[name] + 1
    seed_only = load(model).model_hash_
    save_file(weights, model / WEIGHTS)
    assert load(model).model_hash_ not in (first, seed_only)


def test_the_device_is_the_loader_s_choice(model: Path) -> None:
    assert load(model, device="cpu").get_params()["device"] == "cpu"
    with pytest.raises(InputError, match="^device='tpu' is no choice"):
        load(model, device="tpu")


class TestRefusals:
    def test_no_such_folder(self, tmp_path: Path) -> None:
        folder = tmp_path / "nowhere"
        assert refusal(folder) == (
            f"{folder} is no model of makeweight: model.json cannot be read (No such file or directory)."
        )

    def test_an_empty_folder(self, tmp_path: Path) -> None:
        assert refusal(tmp_path) == (
            f"{tmp_path} is no model of makeweight: model.json cannot be read (No such file or directory)."
        )

    def test_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "picture.png"
        path.write_bytes(b"x")
        assert refusal(path) == f"{path} is no model of makeweight: model.json cannot be read (Not a directory)."

    @pytest.mark.parametrize("text", ["", "{", "[1]", "null", '{"format": ', "\udcff"])
    def test_broken_json(self, model: Path, text: str) -> None:
        (model / CARD).write_bytes(text.encode("utf-8", "surrogateescape"))
        assert refusal(model).startswith(f"{model / CARD} is no card of a makeweight model: ")

    def test_another_format(self, model: Path) -> None:
        change(model / CARD, "format", value="somebody's model")
        assert refusal(model) == (
            f"{model / CARD} is no card of a makeweight model: format: Input should be 'makeweight model'."
        )

    def test_a_later_version(self, model: Path) -> None:
        change(model / CARD, "format_version", value=2)
        assert refusal(model) == f"{model / CARD} is no card of a makeweight model: format_version: Input should be 1."

    def test_an_entry_too_many(self, model: Path) -> None:
        change(model / CARD, "author", value="me")
        assert refusal(model) == (
            f"{model / CARD} is no card of a makeweight model: author: Extra inputs are not permitted."
        )

    def test_an_unknown_method(self, model: Path) -> None:
        change(model / CARD, "method", value="stylegan")
        assert refusal(model).startswith("there is no method called 'stylegan': choose from acgan, aggan, ")

    def test_unknown_settings(self, model: Path) -> None:
        change(model / CARD, "settings", "speed", value=3)
        assert refusal(model).startswith(f"{model} is a damaged model (TypeError: ")
        assert "'speed'" in refusal(model)

    def test_an_unknown_part(self, model: Path) -> None:
        change(model / CARD, "settings", "networks", "name", value="resnet")
        assert refusal(model) == (
            "there is no networks called 'resnet': choose from by_shape, dcgan, mlp, own, published_28."
        )

    def test_an_unknown_axis(self, model: Path) -> None:
        change(model / CARD, "settings", "networks", "axis", value="nets")
        assert refusal(model) == "there is no axis called 'nets': the model is from another version of makeweight."

    def test_parameters_that_a_part_does_not_take(self, model: Path) -> None:
        change(model / CARD, "settings", "networks", "depth", value=3)
        assert refusal(model).startswith("networks 'dcgan' does not take ['depth', 'generator_width', 'width']: ")

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            ({"nothing": 1}, "there is no axis called None: the model is from another version of makeweight."),
            ({"pairs": 3}, "model is a damaged model (TypeError: "),
            ({"axis": "networks"}, "model is a damaged model (KeyError: 'name'): save it anew."),
        ],
        ids=str,
    )
    def test_settings_of_a_strange_form(self, model: Path, value: Any, words: str) -> None:
        change(model / CARD, "settings", "networks", value=value)
        assert words in refusal(model)

    @pytest.mark.parametrize("value", ["no dtype", "float65", "<U0.5"])
    def test_labels_of_no_dtype(self, model: Path, value: str) -> None:
        change(model / CARD, "classes", "dtype", value=value)
        assert f"model is a damaged model (TypeError: data type {value!r} not understood)" in refusal(model)

    @pytest.mark.parametrize("name", [CARD, STATE, WEIGHTS])
    def test_a_missing_file(self, model: Path, name: str) -> None:
        (model / name).unlink()
        assert name in refusal(model)

    def test_missing_players(self, model: Path) -> None:
        (model / TRAINING).unlink()
        assert refusal(model).startswith("the model's weights do not fit its card (")

    def test_missing_numbers(self, model: Path) -> None:
        change(model / STATE, "training", value={})
        assert refusal(model) == f"{model} is a damaged model (KeyError: 'n_steps'): save it anew."

    def test_counts_of_other_classes(self, model: Path) -> None:
        change(model / STATE, "rows_drawn", value=[0, 3])
        assert refusal(model).startswith(f"{model} is a damaged model (ValueError: ")

    @pytest.mark.parametrize("name", [WEIGHTS, TRAINING])
    @pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
    def test_truncated_weights(self, model: Path, name: str, share: float) -> None:
        content = (model / name).read_bytes()
        (model / name).write_bytes(content[: int(len(content) * share)])
        sentence = refusal(model)
        assert sentence.startswith(f"{model / name} cannot be read as safetensors (")
        assert sentence.endswith("): save the model anew.")

    @pytest.mark.parametrize("name", [WEIGHTS, TRAINING])
    def test_a_pickle_is_never_opened(self, model: Path, name: str, tmp_path: Path) -> None:
        class Trap:
            def __reduce__(self) -> Any:
                return (Path.touch, (tmp_path / "sprung",))

        (model / name).write_bytes(pickle.dumps(Trap()))
        assert refusal(model).startswith(f"{model / name} cannot be read as safetensors (")
        assert not (tmp_path / "sprung").exists()

    @pytest.mark.parametrize("name", [WEIGHTS, TRAINING])
    def test_weights_that_do_not_fit(self, model: Path, name: str) -> None:
        weights = load_file(model / name)
        first = next(key for key in sorted(weights) if weights[key].ndim == 4)
        save_file({**weights, first: weights[first][1:].copy()}, model / name)
        sentence = refusal(model)
        assert sentence.startswith("the model's weights do not fit its card (")
        assert sentence.endswith("): save it anew.")
        assert first.split(".")[-1] in sentence

    @pytest.mark.parametrize("name", [WEIGHTS, TRAINING])
    def test_weights_that_are_missing(self, model: Path, name: str) -> None:
        weights = load_file(model / name)
        weights.pop(next(key for key in sorted(weights) if "generator.network" in key or name == WEIGHTS))
        save_file(weights, model / name)
        assert refusal(model).startswith("the model's weights do not fit its card (")

    def test_weights_of_another_model(self, model: Path) -> None:
        change(model / CARD, "settings", "networks", "width", value=3)
        assert refusal(model).startswith("the model's weights do not fit its card (")

    @pytest.mark.parametrize(
        ("arrays", "words"),
        [
            ({}, "is a damaged model (KeyError: 'images'): save it anew."),
            ({"images": np.zeros((2, 3))}, "is a damaged model (KeyError: 'codes'): save it anew."),
            (
                {"images": np.zeros((2, 5, 5)), "codes": np.zeros(3)},
                "images of shape (2, 5, 5) do not belong to 3 codes: save the model anew.",
            ),
        ],
        ids=["nothing", "no_codes", "other_shapes"],
    )
    def test_duplicates_without_their_images(
        self, boots: tuple[Any, Any], tmp_path: Path, arrays: Any, words: str
    ) -> None:
        Duplicates(random_state=0).fit(*boots).save(tmp_path)
        save_file(arrays, tmp_path / WEIGHTS)
        assert refusal(tmp_path).endswith(words)


class TestLabels:
    @pytest.mark.parametrize(
        "classes",
        [
            np.array(["a", "bäh", ""]),
            np.array([1, -(2**40)]),
            np.array([3], dtype=np.uint8),
            np.array([0.5, 2.0], dtype=np.float32),
            np.array([False, True]),
            np.array(["x", "y"], dtype=object),
            np.array([1, 2], dtype=object),
        ],
        ids=lambda classes: classes.dtype.str,
    )
    def test_there_and_back(self, classes: np.ndarray) -> None:
        again = Labels.model_validate_json(Labels.of(classes).model_dump_json()).array()
        assert again.dtype == classes.dtype
        assert again.tolist() == classes.tolist()
        assert [type(value) for value in again.tolist()] == [type(value) for value in classes.tolist()]

    @pytest.mark.parametrize("classes", [np.array([b"a"]), np.array(["2020-01-01"], dtype="datetime64[D]")])
    def test_labels_that_json_cannot_hold_are_refused(self, classes: np.ndarray) -> None:
        with pytest.raises(InputError) as caught:
            Labels.of(classes)
        assert str(caught.value) == f"labels such as {classes.tolist()[0]!r} cannot be saved: use numbers or strings."


class TestDescriptions:
    def test_there_and_back(self) -> None:
        evolution = Evolution(mutations=("minimax", "least_squares"), acceptance=Annealed(cooling=0.5))
        again = rebuild(json.loads(json.dumps(describe(evolution))))
        assert isinstance(again, Evolution)
        assert again.mutations == ("minimax", "least_squares")
        assert isinstance(again.acceptance, Annealed)
        assert again.get_params(deep=False).keys() == evolution.get_params(deep=False).keys()
        assert again.acceptance.get_params() == evolution.acceptance.get_params()  # type: ignore[union-attr]

    @pytest.mark.parametrize("value", [None, True, 3, 0.5, "auto", (0.5, 0.999), {"a": 3}, {1: 3, 2: 4}])
    def test_plain_values(self, value: Any) -> None:
        assert rebuild(json.loads(json.dumps(describe(value)))) == value

    def test_numbers_of_numpy_become_plain(self) -> None:
        assert describe({np.int64(1): np.float32(0.5)}) == describe({1: 0.5})

    def test_what_is_foreign_is_told_by_its_type_alone(self) -> None:
        assert describe(np.random.RandomState(0)) == {"foreign": "numpy.random.mtrand.RandomState"}
        assert describe(len)["foreign"].startswith("builtins.")
        assert rebuild(describe(len)) is None
