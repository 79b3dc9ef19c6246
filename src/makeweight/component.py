"""A part: parameters in scikit-learn's way, and a registry by name for each axis of a recipe."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeVar, cast

import numpy as np
from sklearn.base import BaseEstimator, clone

from makeweight.data.wording import no_such, shown
from makeweight.errors import InputError
from makeweight.ranges import Ranges, check_ranges


class Nested(BaseEstimator):
    """Takes parameters of its parts by nested names, also where a part is told by its name alone or not at all.

    Attributes
    ----------
    axes : dict
        Axis of a parameter's part, where the parameter has another name.
    """

    axes: ClassVar[Mapping[str, str]] = {}

    def set_params(self, **params: Any) -> Self:
        """Set parameters, those of parts by names such as ``evolution__acceptance__cooling``.

        A part that is told by its name, or left to the recipe, becomes an object for that, and follows neither the
        recipe nor a short name such as ``objective`` from then on.

        Raises
        ------
        ValueError
            For a parameter that there is not.
        """
        super().set_params(**{name: value for name, value in params.items() if "__" not in name})
        nested = {name: value for name, value in params.items() if "__" in name}
        own = self.get_params(deep=False)
        for name in dict.fromkeys(each.partition("__")[0] for each in nested):
            if name in own and not isinstance(own[name], BaseEstimator):
                part = self._part(name)
                if not isinstance(part, BaseEstimator):
                    raise ValueError(f"{name}={own[name]!r} has no parameters to set by nested names.")
                setattr(self, name, part)
        super().set_params(**nested)
        return self

    def _part(self, name: str) -> Any:
        """Give the part that a parameter stands for, an object of its own; anything else if it stands for none."""
        value, registry = getattr(self, name), registry_of(self.axes.get(name, name))
        return registry.resolve(value) if registry is not None and isinstance(value, str) else value


@contextmanager
def whole_or_not(estimator: BaseEstimator) -> Iterator[None]:
    """Give an estimator back as it was where a block fails, so that half a fit is none."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


class Component(Nested):
    """A swappable part of a method.

    A part's constructor takes keywords and only stores them, so that ``get_params``, ``set_params``, ``clone`` and
    nested names such as ``evolution__acceptance__cooling`` work. What is learnt or counted lives elsewhere.

    Attributes
    ----------
    ranges : dict
        What its own numbers, switches and words may be, by parameter; `Registry.resolve` lets nothing else through.
    later : dict
        Parameters that came after models had been saved, with the value that does what was done before. At that value
        `describe` leaves them out, so that the hashes of older models hold.
    """

    axis: str = ""
    name: str = ""
    ranges: ClassVar[Ranges] = {}
    later: ClassVar[dict[str, Any]] = {}

    def check(self) -> None:
        """Refuse impossible parameters.

        Raises
        ------
        InputError
            For the first that is out of its range.
        """
        check_ranges(self.ranges, self.get_params(deep=False), type(self).__name__)


T = TypeVar("T", bound=BaseEstimator)
_REGISTRIES: dict[str, Registry[Any]] = {}


class Registry(Generic[T]):
    """The parts of one axis, found by name.

    Parameters
    ----------
    axis : str
        What the parts are, in the singular ("objective"), for messages.
    base : type
        Class that every part of this axis extends.
    package : str, default=""
        Package in which the parts lie, where they lie above the registry: the first who asks for one loads its files.
    """

    def __init__(self, axis: str, base: type[T], package: str = "") -> None:
        self.axis = axis
        self.base = base
        self._package = package
        self._parts: dict[str, type[T]] = {}
        _REGISTRIES[axis] = self

    def register(self, name: str) -> Callable[[type[T]], type[T]]:
        """Class decorator: file the part under `name`, which must be free.

        Raises
        ------
        ValueError
            If it is not free, or holds other than letters, digits, underscores and hyphens.
        """
        if not re.fullmatch(r"[\w-]+", name):
            raise ValueError(f"{self.axis} {name!r} cannot be registered: give a name of letters, digits, _ and -.")

        def add(part: type[T]) -> type[T]:
            known = self._parts.get(name, part)
            if (known.__module__, known.__qualname__) != (part.__module__, part.__qualname__):  # else read anew
                raise ValueError(f"{self.axis} {name!r} is registered twice")
            part.axis, part.name = self.axis, name
            self._parts[name] = part
            return part

        return add

    def names(self) -> list[str]:
        """Names of all parts, in alphabetical order."""
        return sorted(self._loaded())

    def __iter__(self) -> Iterator[type[T]]:
        return iter(self._parts[name] for name in self.names())

    def _loaded(self) -> dict[str, type[T]]:
        if self._package:
            for file in iter_modules(import_module(self._package).__path__):
                import_module(f"{self._package}.{file.name}")
            self._package = ""
        return self._parts

    def get(self, name: str) -> type[T]:
        """Return the class called `name`.

        Raises
        ------
        InputError
            If there is none; the message lists the names.
        """
        parts = self._loaded()
        if name not in parts:
            raise InputError(no_such(self.axis, name, parts))
        return parts[name]

    def resolve(self, part: str | T) -> T:
        """Turn a name, or an instance, into an instance of its own (a clone, so that nothing is shared).

        Raises
        ------
        InputError
            If there is no such part, or its parameters are impossible.
        """
        if isinstance(part, str):
            kind = self.get(part)
            try:
                return cast("T", kind())
            except TypeError as error:
                raise InputError(
                    f"the {self.axis} {part!r} cannot be named alone ({shown(error)}): give an instance in Python."
                ) from None
        if isinstance(part, self.base):
            own = cast("T", clone(part))
            if isinstance(own, Component):
                own.check()
            return own
        raise InputError(f"{part!r} is no {self.axis}: give a name ({', '.join(self.names())}) or an instance.")

    def catalogue(self) -> list[CatalogueEntry]:
        """Give every part with one line and its paper, as its docstring tells them."""
        entries = []
        for kind in self:
            text = inspect.getdoc(kind) or ""
            line = " ".join(text.partition("\n\n")[0].split())
            paper = re.search(r"^References\n-+\n(.+?)(?:\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
            entries.append(CatalogueEntry(kind.name, line, " ".join(paper.group(1).split()) if paper else ""))
        return entries


class CatalogueEntry(NamedTuple):
    """What a registry holds under one name.

    Attributes
    ----------
    name : str
        What it is called.
    line : str
        What it does, in one sentence.
    paper : str
        Where it comes from; empty where there is none.
    """

    name: str
    line: str
    paper: str


def registry_of(axis: str) -> Registry[Any] | None:
    """Give the registry of an axis, None if there is none of that name."""
    return _REGISTRIES.get(axis)


class OwnPart(NamedTuple):
    """A part that is not makeweight's, which other processes do not know until they are told.

    Attributes
    ----------
    axis, name : str
        Where it is registered.
    kind : type
        What.
    """

    axis: str
    name: str
    kind: type[Any]


def own_parts() -> list[OwnPart]:
    """Give all parts that have been registered from outside this package."""
    package = __name__.partition(".")[0]
    return [
        OwnPart(axis, name, kind)
        for axis, registry in _REGISTRIES.items()
        for name, kind in registry._parts.items()
        if kind.__module__.partition(".")[0] != package
    ]


def register_parts(parts: Iterable[OwnPart]) -> None:
    """Register here what `own_parts` found in another process."""
    for axis, name, kind in parts:
        registry = registry_of(axis)
        if registry is not None:
            registry.register(name)(kind)


def describe(value: Any) -> Any:
    """Give a value as JSON data: a part becomes its axis, name and parameters; what is foreign, a name of Python's."""
    if isinstance(value, Component):
        given = without_defaults(value.get_params(deep=False), value.later)
        settings = {key: describe(item) for key, item in given.items()}
        return {"axis": value.axis, "name": _name_of(value), **settings}
    if isinstance(value, (list, tuple)):
        return [describe(item) for item in value]
    if isinstance(value, Mapping):
        return {"pairs": [[describe(key), describe(item)] for key, item in value.items()]}
    if isinstance(value, (str, int, float, bool)) or value is None:
        return value
    if isinstance(value, np.generic):
        return value.item()
    named = value if hasattr(value, "__qualname__") else type(value)
    return {"foreign": f"{named.__module__}.{named.__qualname__}"}


def _name_of(part: Component) -> str:
    """Give the name under which a part is registered, and that of its class where it is not, but its parent may be."""
    kind, registry = type(part), registry_of(part.axis)
    known = None if registry is None else registry._parts.get(part.name)
    own = (kind.__module__, kind.__qualname__)
    return part.name if known is not None and (known.__module__, known.__qualname__) == own else ".".join(own)


def unregistered(described: Any) -> str | None:
    """Name the first part in what `describe` gave that no registry knows; None if there is none."""
    if isinstance(described, list):
        return next((name for name in map(unregistered, described) if name is not None), None)
    if not isinstance(described, dict):
        return None
    if "axis" in described:
        registry, name = registry_of(described["axis"]), str(described["name"])
        if registry is None or name not in registry.names():
            return name
    return unregistered(list(described.values()))


def without_defaults(settings: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the settings that are at the value given in `later`.

    Examples
    --------
    >>> without_defaults({"width": 8, "smoothing": 0.0}, {"smoothing": 0.0})
    {'width': 8}
    """
    return {key: item for key, item in settings.items() if key not in later or describe(item) != describe(later[key])}


def rebuild(value: Any) -> Any:
    """Undo `describe`: parts are looked up in the registry of their axis, lists become tuples, the foreign None.

    Raises
    ------
    InputError
        For a part that no registry knows, or parameters that it does not take.
    """
    if isinstance(value, list):
        return tuple(rebuild(item) for item in value)
    if not isinstance(value, dict):
        return value
    if "foreign" in value:
        return None
    if "pairs" in value:
        return {key: rebuild(item) for key, item in value["pairs"]}
    settings = {key: rebuild(item) for key, item in value.items() if key not in ("axis", "name")}
    if value.get("axis") not in _REGISTRIES:
        raise InputError(
            f"there is no axis called {value.get('axis')!r}: the model is from another version of makeweight."
        )
    part = _REGISTRIES[value["axis"]].get(value["name"])
    try:
        return part(**settings)
    except TypeError as error:
        raise InputError(
            f"{value['axis']} {value['name']!r} does not take {sorted(settings)}: {shown(error)}."
        ) from error
