"""Settings of a method as they are typed: ``head=projection``, ``evolution.mutations=hinge,minimax``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from makeweight.component import Component
from makeweight.data.wording import no_such, shown
from makeweight.errors import InputError
from makeweight.sampler import SILENT, ImageSampler

OWN_OPTIONS = SILENT | {"sampling_strategy", "random_state", "n_steps", "n_epochs", "budget", "precision", "channels"}


def apply_settings(sampler: ImageSampler, settings: Mapping[str, str]) -> None:
    """Set parameters of a method, and of its parts by names with dots; parts that are not named are the recipe's.

    Parameters
    ----------
    sampler : ImageSampler
        Changed in place; not yet fitted.
    settings : mapping of str to str
        Names to values: a number, ``true``, ``null``, a name of a part, or several of these with commas where the
        parameter takes several.

    Raises
    ------
    InputError
        For a name that is no parameter, or has an option of its own.

    Examples
    --------
    >>> from makeweight import AGGAN
    >>> sampler = AGGAN()
    >>> apply_settings(sampler, {"evolution.acceptance.cooling": "0.999", "batch_size": "32"})
    >>> sampler.evolution.acceptance.cooling, sampler.batch_size
    (0.999, 32)
    """
    # Whole parts first: what is changed within a part is changed of that one.
    for name, text in sorted(settings.items(), key=lambda each: "." in each[0]):
        top, _, rest = name.partition(".")
        known = sorted(set(sampler.get_params(deep=False)) - OWN_OPTIONS)
        if top not in known:
            raise InputError(no_such(f"setting of {sampler.name}", top, known))
        now = sampler.setting(top)
        sampler.set_params(**{top: _changed(now, name, rest, text) if rest else _value(text, now)})


def _changed(part: Any, name: str, path: str, text: str) -> Component:
    """Give a part with one parameter, of its own or of a part within, changed."""
    own, _, rest = path.partition(".")
    known = sorted(part.get_params(deep=False)) if isinstance(part, Component) else []
    if own not in known:
        raise InputError(no_such(f"setting {shown(name)}: parameter of {type(part).__name__}", own, known))
    now = part._part(own) if rest else getattr(part, own)
    return part.set_params(**{own: _changed(now, name, rest, text) if rest else _value(text, now)})  # type: ignore[no-any-return]


def _value(text: str, now: Any) -> Any:
    """Read a value; several where the present one is several, or where there is none and commas tell."""
    if isinstance(now, (tuple, list)) or (now is None and "," in text):
        return tuple(_value(each, "") for each in text.split(","))
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, (int, float, bool)) or value is None else text
