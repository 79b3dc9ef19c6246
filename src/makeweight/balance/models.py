"""Samplers for the jobs: a new one by name, or a saved one to go on with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from makeweight.data.wording import shown
from makeweight.errors import InputError
from makeweight.methods import get_method

if TYPE_CHECKING:
    from makeweight.balance.strategy import Strategy
    from makeweight.data.base import ImageSource
    from makeweight.progress import StepReport
    from makeweight.sampler import ImageSampler

DEFAULT_METHOD = "aggan"


def find_model(folder: str | Path) -> Path:
    """Find the model in a folder that is one, or in an output folder that holds one.

    Raises
    ------
    InputError
        If there is none.
    """
    path = Path(folder)
    for place in (path, path / "model"):
        if (place / "model.json").is_file():
            return place
    problem = "holds no model of makeweight" if path.exists() else "does not exist"
    raise InputError(f"{shown(folder)} {problem}: give the folder model/ of an output, or the output itself.")


def load_model(folder: str | Path, *, device: str = "auto") -> ImageSampler:
    """Load the model of a folder that `find_model` understands.

    Raises
    ------
    InputError
        If there is none, or its files do not belong together.
    """
    from makeweight.sampler import load

    return load(find_model(folder), device=device)


def prepare_sampler(
    *,
    method: str | None,
    from_model: str | Path | None,
    sampling_strategy: Strategy,
    n_steps: int | None,
    n_epochs: int | None,
    budget: float | None,
    seed: int,
    device: str,
    precision: str | None,
    callback: Callable[[StepReport], None],
    settings: Mapping[str, str] | None = None,
    judged: bool = False,
) -> ImageSampler:
    """Set up the sampler of a job, new or loaded; see `makeweight.balance.balance_folder` for the parameters.

    Where what it draws is `judged` by classifiers, a device may be named for a method that does not train.

    Raises
    ------
    InputError
        For an unknown method, more than one length of training, a length for a method that does not train, or a model
        of another method.
    """
    length = {"n_steps": n_steps, "n_epochs": n_epochs, "budget": budget}
    check_length(length)
    model = None if from_model is None else load_model(from_model, device=device)
    kind = _kind(method, model)
    given: dict[str, Any] = {"sampling_strategy": sampling_strategy, "random_state": seed}
    if kind.learns:
        given |= {**length, "device": device, "precision": precision, "callback": callback}
    elif any(value is not None for value in (*length.values(), precision, model)) or (device != "auto" and not judged):
        raise InputError(
            f"{kind.name} does not train: leave out --steps, --epochs, --budget, --device, --precision and --from."
        )
    if model is None:
        from makeweight.balance.settings import apply_settings  # heavy, and of no use to what looks at names alone

        sampler: ImageSampler = kind(**given)
        apply_settings(sampler, settings or {})
        return sampler
    if settings:
        raise InputError("a model that goes on has its settings already: leave out --set, or --from.")
    model.set_params(**given, warm_start=True)
    return model


def suited(sampler: ImageSampler, images: ImageSource) -> ImageSampler:
    """Tell a sampler where the images' channels are; attributes are the conditions of a head that judges by conditions.

    Parameters
    ----------
    sampler : ImageSampler
        Changed in place.
    images : ImageSource
        What it is to learn.

    Returns
    -------
    ImageSampler
        The same.
    """
    sampler.set_params(channels=images.spec.layout)
    if images.attributes:
        _set_conditions(sampler, images)
    return sampler


def _set_conditions(sampler: ImageSampler, images: ImageSource) -> None:
    from makeweight.heads import ConditionalActivation

    head = sampler.setting("head") if "head" in sampler.get_params(deep=False) else None
    if isinstance(head, ConditionalActivation) and head.attributes is None:
        rows = tuple(images.attributes[label] for label in images.classes)
        sampler.set_params(head=ConditionalActivation(attributes=rows))


def check_length(length: Mapping[str, float | None]) -> None:
    """Refuse more than one length of the training, and lengths of nothing.

    Raises
    ------
    InputError
        If there is more than one, or one that is not above 0.
    """
    given = {name: value for name, value in length.items() if value is not None}
    if len(given) > 1:
        raise InputError(
            "the training has one length: give one of --steps, --epochs and --budget (n_steps, n_epochs, budget)."
        )
    for name, value in given.items():
        if value <= 0:
            raise InputError(f"{name}={value} is no length of a training: give a number above 0.")


def _kind(method: str | None, model: ImageSampler | None) -> type[ImageSampler]:
    if model is None:
        kind: type[ImageSampler] = get_method(method or DEFAULT_METHOD)
        return kind
    if method not in (None, model.name):
        raise InputError(f"the model is one of {model.name}, not of {method}: leave out --method.")
    return type(model)
