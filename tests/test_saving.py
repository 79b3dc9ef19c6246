import hashlib
import itertools
import json
import os
import pickle
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save, save_file

from makeweight import AGGAN, Duplicates, load
from makeweight.component import describe, rebuild
from makeweight.data.files import write_synced
from makeweight.errors import InputError
from makeweight.evolution import Annealed, Evolution
from makeweight.machine import software_versions
from makeweight.networks import DCGAN
from makeweight.saving import Labels

TINY: dict[str, Any] = {"n_steps": 2, "batch_size": 8, "latent_dim": 4, "random_state": 0}
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


@pytest.mark.parametrize("n_before", range(8))
def test_what_interrupts_a_save_leaves_no_mixture(
    n_before: int, model: Path, boots: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The older model stays until the new one is written; while files change names there is none, and load says so."""
    older, newer = load(model), Duplicates(random_state=1).fit(*boots)
    calls = itertools.count()

    def interrupted(of: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            if next(calls) == n_before:
                raise KeyboardInterrupt
            return of(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        patch.setattr("makeweight.data.files.write_synced", interrupted(write_synced))
        patch.setattr(Path, "replace", interrupted(Path.replace))
        if n_before < 6:
            with pytest.raises(KeyboardInterrupt):
                newer.save(model)
        else:
            newer.save(model)
    assert not list(model.glob(".*"))
    if n_before < 3:
        assert load(model).model_hash_ == older.model_hash_
    elif n_before < 6:
        assert "training.json cannot be read" in refusal(model)
    else:
        assert load(model).model_hash_ == newer.model_hash_
        assert not (model / TRAINING).exists()


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


def test_a_file_is_no_place_for_a_model(model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("theirs")
    with pytest.raises(InputError, match="file is a file: name a folder for the model"):
        load(model).save(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "theirs"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.json", b'{"format": "of somebody else"}'),
        ("model.json", b"[1]"),
        ("model.json", b"\xff"),
        ("model.json", b"[" * 100_000),
        ("weights.safetensors", b"theirs"),
        ("training.json", b"{}"),
    ],
)
def test_files_of_others_are_not_replaced(name: str, content: bytes, model: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name} is no part of a makeweight model, and would be overwritten"):
        load(model).save(theirs)
    assert [(file.name, file.read_bytes()) for file in theirs.iterdir()] == [(name, content)]


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


@pytest.mark.parametrize("settings", [{"random_state": np.random.RandomState(0)}, {"sampling_strategy": dict}])
def test_a_hash_outlives_what_json_cannot_hold(
    settings: dict[str, Any], boots: tuple[Any, Any], tmp_path: Path
) -> None:
    if "sampling_strategy" in settings:
        settings = {"sampling_strategy": lambda y: {"clog": 7}}
    sampler = Duplicates(**settings).fit(*boots)
    sampler.save(tmp_path / "model")
    assert load(tmp_path / "model").model_hash_ == sampler.model_hash_


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


def test_the_hash_covers_what_computed_and_that_of_older_cards_stays(model: Path) -> None:
    there = load(model)
    assert there.made_with_ == software_versions() == json.loads((model / CARD).read_text())["made_with"]
    change(model / CARD, "made_with", "torch", value="1.0")
    assert load(model).model_hash_ != there.model_hash_
    card = json.loads((model / CARD).read_text())
    del card["made_with"]
    (model / CARD).write_text(json.dumps(card))
    older = load(model)
    # The entries of a card as they were, before it told versions.
    digest = hashlib.sha256(json.dumps(card, separators=(",", ":"), ensure_ascii=False).encode())
    digest.update(save(load_file(model / WEIGHTS)))
    assert older.made_with_ == {}
    assert older.model_hash_ == digest.hexdigest()


def test_the_device_is_the_loader_s_choice(model: Path) -> None:
    assert load(model, device="cpu").get_params()["device"] == "cpu"
    with pytest.raises(InputError, match="^device='tpu' is impossible"):
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
        assert refusal(model).startswith("there is no method called 'stylegan': choose from acgan, ")

    def test_unknown_settings(self, model: Path) -> None:
        change(model / CARD, "settings", "speed", value=3)
        assert refusal(model).startswith(f"{model} is a damaged model (TypeError: ")
        assert "'speed'" in refusal(model)

    def test_an_unknown_part(self, model: Path) -> None:
        change(model / CARD, "settings", "networks", "name", value="vgg")
        assert refusal(model).startswith("there is no networks called 'vgg': choose from by_shape, ")

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

    @pytest.mark.parametrize("value", ["no dtype", "float65", "<U0.5", "<U1000000000", "V9", "i4,i4", "(9,9)i4", "O"])
    def test_labels_of_no_dtype(self, model: Path, value: str) -> None:
        change(model / CARD, "classes", "dtype", value=value)
        assert refusal(model).endswith(
            f"is no card of a makeweight model: classes: {value!r} is no type of these labels."
        )

    @pytest.mark.parametrize("name", [CARD, STATE, WEIGHTS])
    def test_a_missing_file(self, model: Path, name: str) -> None:
        (model / name).unlink()
        assert name in refusal(model)

    def test_missing_players(self, model: Path) -> None:
        (model / TRAINING).unlink()
        assert refusal(model).startswith("the model's weights do not fit its card (")

    def test_missing_numbers(self, model: Path) -> None:
        change(model / STATE, "training", value={})
        assert refusal(model) == "the model's weights do not fit its card ('n_steps'): save it anew."

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


class TestAttacks:
    @pytest.mark.parametrize(
        ("where", "value", "words"),
        [
            (("settings", "networks", "generator_width"), 10**9, "networks of "),
            (("settings", "networks", "width"), 10**9, "is a damaged model (RuntimeError: Storage size"),
            (("settings", "networks", "width"), 10**30, "it must be a whole number, 1 to 2,147,483,647."),
            (("settings", "networks", "width"), -1, "DCGAN(width=-1) is impossible: it must be a whole number"),
            (("settings", "networks", "width"), "2", "DCGAN(width='2') is impossible: it must be a whole number"),
            (("settings", "latent_dim"), 10**6, "networks of "),
            (("settings", "latent_dim"), 10**12, "latent_dim=1000000000000 is impossible: it must be a whole number"),
            (("settings", "latent_dim"), -4, "latent_dim=-4 is impossible: it must be a whole number, 1 to 1,048,576."),
            (("settings", "batch_size"), "many", "batch_size='many' is impossible"),
            (("settings", "evolution", "mutations"), ["minimax"] * 1_000, "1,000 mutations are too many: give 64"),
            (("settings", "evolution", "n_survivors"), 10**9, "Evolution(n_survivors=1000000000) is impossible"),
            (("settings", "evolution", "n_survivors"), 1000, "networks of "),
            (
                ("settings", "evolution", "mutations"),
                [[[]] * 20] * 9_000,
                "(it holds more than 50,000 lists and objects).",
            ),
            (("settings", "networks", "\x1b[31m"), 1, "got an unexpected keyword argument '\\x1b[31m'."),
            (("settings", "checkpoints"), "/tmp", "(ValueError: checkpoints is no setting of a model)"),
            (("settings", "callback"), "os.system", "(ValueError: callback is no setting of a model)"),
            (("settings", "networks"), {"axis": "networks", "name": "own"}, "networks 'own' does not take []: "),
            (("settings", "networks"), {"axis": "head", "name": "auxiliary_classifier"}, "is no networks: give a name"),
            (("pixels", "shape"), [10**9, 10**9], "pixels: images of the layout grey have no such shape."),
            (("pixels", "shape"), [8], "pixels: images of the layout grey have no such shape."),
            (("pixels", "shape"), [2**40, 8], "pixels.shape.0: Input should be less than or equal to 2147483648."),
            (("pixels", "shape"), [9, 8], "the model's weights do not fit its card ("),
            (("pixels", "layout"), "last", "pixels: images of the layout last have no such shape."),
            (("pixels", "dtype"), "object", "pixels: 'object' is no type of pixels."),
            (("pixels", "dtype"), "\x1b[31m", "pixels: '\\x1b[31m' is no type of pixels."),
            (("pixels", "low"), [float("nan")], "pixels.low.0: Input should be a finite number."),
            (("pixels", "low"), [300.0], "pixels: the ranges are not those of such images."),
            (("pixels", "low"), [-4e9], "pixels: pixels of uint8 have no such ranges."),
            (("pixels", "dtype"), "float96", "pixels: float96 is no type of pixels on this machine."),
            (("pixels", "high"), [255.0] * 100_000, "pixels: the ranges are not those of such images."),
            (("class_counts",), [12, 5], "the file: 2 counts do not belong to 3 classes."),
            (("class_counts", 0), 10**30, "class_counts.0: Input should be less than or equal to 9007199254740992."),
            (("class_counts", 0), "12", "class_counts.0: Input should be a valid integer."),
            (
                ("classes", "values"),
                ["sandal", "sandal", "clog"],
                "classes: the labels are no different values of the type <U6.",
            ),
            (
                ("classes", "values"),
                ["boot", "clog", "sandals"],
                "classes: the labels are no different values of the type",
            ),
            (("classes", "values"), [], "classes.values: List should have at least 1 item"),
            (("seed",), 2**31, "seed: Input should be less than 2147483648."),
            (("seed",), True, "seed: Input should be a valid integer."),
            (("\x1b[31m",), 1, "model: \\x1b[31m: Extra inputs are not permitted."),
        ],
        ids=str,
    )
    def test_cards(self, model: Path, where: tuple[str, ...], value: Any, words: str) -> None:
        change(model / CARD, *where, value=value)
        assert words in refusal(model)

    @pytest.mark.parametrize("value", [[-1, 3, 0], [2**63, 3, 0], ["0", 3, 0]], ids=str)
    def test_numbers_of_rows(self, model: Path, value: Any) -> None:
        change(model / STATE, "rows_drawn", value=value)
        assert "training.json is no card of a makeweight model: rows_drawn.0: Input should be " in refusal(model)

    @pytest.mark.parametrize("depth", [300, 20_000])
    def test_json_that_nests(self, model: Path, depth: int) -> None:
        (model / CARD).write_text('{"settings": ' + "[" * depth + "]" * depth + "}")
        assert "is no card of a makeweight model: the file: Invalid JSON: recursion limit exceeded" in refusal(model)

    def test_numbers_of_thousands_of_digits(self, model: Path) -> None:
        text = (model / CARD).read_text().replace('"seed": ', '"seed": ' + "9" * 10_000)
        (model / CARD).write_text(text)
        assert "model.json is no card of a makeweight model: " in refusal(model)

    @pytest.mark.parametrize("name", [CARD, STATE, WEIGHTS, TRAINING])
    def test_something_else_in_the_place_of_a_file(self, model: Path, name: str) -> None:
        path = model / name
        for make in (
            os.mkfifo,
            Path.mkdir,
            lambda path: path.symlink_to("/dev/zero"),
            lambda path: path.symlink_to(path.name),
        ):
            path.unlink()
            make(path)
            assert name in refusal(model)
            path.rmdir() if path.is_dir() else path.unlink()
            path.touch()

    @pytest.mark.parametrize("name", [CARD, STATE, WEIGHTS, TRAINING])
    def test_a_file_of_a_terabyte(self, model: Path, name: str) -> None:
        with (model / name).open("r+b") as file:
            file.truncate(1 << 40)
        assert "it has 1,099,511,627,776 bytes, which is too many" in refusal(model)

    @pytest.mark.parametrize(
        "header",
        [
            '{"a": {"dtype": "F32", "shape": [1000000000000000], "data_offsets": [0, 4]}}',
            '{"a": {"dtype": "F32", "shape": [4611686018427387904, 4], "data_offsets": [0, 4]}}',
            '{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}',
            '{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4000000000]}}',
            '{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}',
            '{"a": {"dtype": "O", "shape": [1], "data_offsets": [0, 4]}}',
            "[" * 100_000,
            "{}",
            "",
        ],
        ids=range(9),
    )
    def test_headers_of_weights_that_lie(self, model: Path, header: str) -> None:
        (model / WEIGHTS).write_bytes(struct.pack("<Q", len(header)) + header.encode() + bytes(4))
        assert "cannot be read as safetensors (" in refusal(model)

    @pytest.mark.parametrize("size", [2**63, 2**64 - 1, 10**9])
    def test_a_header_longer_than_the_file(self, model: Path, size: int) -> None:
        (model / WEIGHTS).write_bytes(struct.pack("<Q", size) + b"{}")
        assert "cannot be read as safetensors (" in refusal(model)

    @pytest.mark.parametrize("name", [WEIGHTS, TRAINING])
    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_weights_that_are_no_numbers(self, model: Path, name: str, value: float) -> None:
        weights = load_file(model / name)
        first = next(key for key in sorted(weights) if weights[key].dtype.kind == "f")
        weights[first].flat[0] = value
        save_file(weights, model / name)
        assert refusal(model) == (
            f"{model / name} holds numbers that are not finite ({first}): train and save the model anew."
        )

    def test_weights_that_draw_no_numbers(self, model: Path) -> None:
        weights = load_file(model / WEIGHTS)
        variances = [key for key in weights if key.endswith("running_var")]
        save_file({**weights, **{key: weights[key] * 0 - 5 for key in variances}}, model / WEIGHTS)
        with pytest.raises(InputError, match=r"^the model draws no finite images: its weights are damaged"):
            load(model).draw("boot", [0])

    def test_weights_of_another_precision_or_of_huge_numbers(self, model: Path) -> None:
        weights = load_file(model / WEIGHTS)
        save_file(
            {key: np.full_like(array, 3e38) if array.dtype.kind == "f" else array for key, array in weights.items()},
            model / WEIGHTS,
        )
        with pytest.raises(InputError, match=r"^the model draws no finite images"):
            load(model).draw("boot", [0])

    def test_duplicates_of_other_types_and_classes(self, boots: tuple[Any, Any], tmp_path: Path) -> None:
        Duplicates(random_state=0).fit(*boots).save(tmp_path)
        weights = load_file(tmp_path / WEIGHTS)
        for change in (
            {"codes": np.zeros_like(weights["codes"])},
            {"codes": weights["codes"].astype(np.float64)},
            {"codes": weights["codes"] - 1},
            {"codes": weights["codes"] + 2**40},
            {"images": weights["images"].astype(np.float32)},
        ):
            save_file({**weights, **change}, tmp_path / WEIGHTS)
            assert " is a damaged model (ValueError: " in refusal(tmp_path)

    def test_saving_replaces_links_and_never_writes_through_them(self, model: Path, boots: tuple[Any, Any]) -> None:
        precious = model.parent / "precious"
        precious.write_text("keep me")
        sampler = Duplicates(random_state=1).fit(*boots)
        for name in (STATE, WEIGHTS, TRAINING):
            (model / name).unlink()
            (model / name).symlink_to(precious)
        sampler.save(model)
        assert not any(path.is_symlink() for path in model.iterdir())
        assert sorted(path.name for path in model.iterdir()) == [CARD, STATE, WEIGHTS]
        (model / CARD).unlink()
        (model / CARD).symlink_to(precious)
        with pytest.raises(InputError, match="would be overwritten"):
            sampler.save(model)
        assert precious.read_text() == "keep me"

    def test_a_folder_whose_name_is_an_escape_sequence(self, tmp_path: Path) -> None:
        folder = tmp_path / "\x1b[31m"
        assert "\\x1b[31m is no model of makeweight: model.json cannot be read" in refusal(folder)

    def test_requests_that_cannot_be_drawn(self, boots: tuple[Any, Any]) -> None:
        sampler = Duplicates(random_state=1).fit(*boots)
        for counts, words in (
            ({"boot": 10**15}, "1,000,000,000,000,000 images do not fit into memory: draw them in parts, or on disk."),
            ({"boot": 10**30}, "do not fit into memory"),
            ({"boot": True}, "True images of 'boot' cannot be drawn"),
            ({"boot": -1}, "-1 images of 'boot' cannot be drawn"),
            ({"boot": 1.5}, "1.5 images of 'boot' cannot be drawn"),
            ({"shoe": 1}, "there is no class 'shoe' in this model"),
            ([("boot", 1)], "does not say how many images of which class"),
        ):
            with pytest.raises(InputError, match=re.escape(words)):
                sampler.sample(counts)  # type: ignore[arg-type]
        for rows, seed in (
            ([-1], 0),
            ([0.5], 0),
            ([2**63], 0),
            ([10**30], 0),
            (["a"], 0),
            ([[0, 1]], 0),
            ([0], -1),
            ([0], 2**31),
            ([0], 0.5),
            ([0], True),
        ):
            with pytest.raises(InputError, match="rows are numbered from 0, and a seed is"):
                sampler.draw("boot", rows, seed)  # type: ignore[arg-type]
        assert sampler.draw("boot", []).shape == (0, 8, 8)
        for label in ("slipper", np.array(["boot"]), ["boot"], None):
            with pytest.raises(InputError, match="there is no class"):
                sampler.draw(label, [0])


class TestLabels:
    @pytest.mark.parametrize(
        "classes",
        [
            np.array(["a", "bäh", ""]),
            np.array(["a", "b"], dtype="<U21"),
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

    @pytest.mark.parametrize(
        "classes", [np.array([b"a"]), np.array(["2020-01-01"], dtype="datetime64[D]"), np.array(["a\udc80"])]
    )
    def test_labels_that_json_cannot_hold_are_refused(self, classes: np.ndarray) -> None:
        with pytest.raises(InputError) as caught:
            Labels.of(classes)
        assert str(caught.value) == (
            f"labels such as {classes.tolist()[0]!r} cannot be saved: use numbers, or strings of valid text."
        )

    def test_a_model_that_cannot_be_saved_leaves_the_one_before(self, boots: tuple[Any, Any], tmp_path: Path) -> None:
        X, y = boots
        before = Duplicates(random_state=0).fit(X, y)
        before.save(tmp_path / "model")
        with pytest.raises(InputError, match="use numbers, or strings of valid text"):
            Duplicates(random_state=0).fit(X, np.where(y == "boot", "a\udc80", y)).save(tmp_path / "model")
        assert load(tmp_path / "model").model_hash_ == before.model_hash_


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


class TestUnregistered:
    """What no registry knows by its name is not saved, since no model that is loaded could have it."""

    def test_parts(self, boots: Any, tmp_path: Path) -> None:
        class Never(Annealed):
            def chance(self, best: Any, parent: Any, temperature: Any) -> Any:
                return torch.zeros_like(best)

        own = Evolution(acceptance=Never())
        sampler = AGGAN(**TINY, evolution=own).fit(*boots)
        assert AGGAN(**TINY).settings_hash != sampler.settings_hash
        for later in (own, None):  # what is set after the fit is not what was learnt with
            with pytest.raises(InputError, match=r"Never is no registered part, so no model that is loaded could have"):
                sampler.set_params(evolution=later).save(tmp_path / "model")
            assert not (tmp_path / "model").exists()
        AGGAN(**TINY).fit(*boots).set_params(evolution=own).save(tmp_path / "model")
        assert load(tmp_path / "model").settings_hash == AGGAN(**TINY).settings_hash

    def test_methods(self, boots: Any, tmp_path: Path) -> None:
        class Flipped(AGGAN):
            def _draw_block(self, code: int, block: int, seed: int) -> Any:
                return super()._draw_block(code, block, seed)[::-1]

        sampler = Flipped(**TINY).fit(*boots)
        with pytest.raises(InputError, match=r"Flipped is no registered part"):
            sampler.save(tmp_path / "model")
