"""What the tables are run with: a file that is fixed before the seeds that count, and its hash."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from makeweight.bench.hashing import hash_settings
from makeweight.data import named
from makeweight.data.files import read_regular
from makeweight.data.wording import no_such, shown
from makeweight.errors import InputError

OWN = Path(__file__).with_name("settings.toml")
LARGEST = 1 << 20
MOST_EPOCHS, BY_SHAPE = 10_000, "by_shape"
LATER = ("dropped",)  # settings that there were not when the first rows were made


class ReadingSettings(BaseModel):
    """How one reading of a table is run.

    Attributes
    ----------
    methods : list of str
        What is compared.
    epochs : float
        Length of every training, in epochs in which every class comes as often as the largest.
    networks : str, or dict of str to str
        Family of networks of the classifier, alike for all sets or by set; of sets that are not named, "by_shape".
    fill : float
        How far classes are filled with drawn images, as a share of the largest.
    added : list of str
        What was added when there were rows. The hash leaves it out, so that new rows stand beside the old ones; rows
        cannot tell whether such a method was fixed before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    methods: list[str] = Field(min_length=1)
    epochs: float = Field(gt=0, le=MOST_EPOCHS)
    networks: str | dict[str, str] = BY_SHAPE
    fill: float = Field(default=0.25, gt=0, le=1)
    added: list[str] = []

    @model_validator(mode="after")
    def _names_are_good(self) -> Self:
        if twice := sorted({name for name in self.all_methods if self.all_methods.count(name) > 1}):
            raise ValueError(f"{twice[0]!r} is named twice")
        by_set = {} if isinstance(self.networks, str) else self.networks
        if unknown := [name for name in by_set if name not in named.names()]:
            raise ValueError(f"networks: {no_such('set', unknown[0], named.names())}")
        return self

    @property
    def all_methods(self) -> list[str]:
        """What is compared, in order."""
        return [*self.methods, *self.added]

    def networks_of(self, dataset: str) -> str:
        """Give the family of networks of the classifier of a set."""
        return self.networks if isinstance(self.networks, str) else self.networks.get(dataset, BY_SHAPE)


class TableSettings(BaseModel):
    """What a table is run with.

    Attributes
    ----------
    datasets : list of str
        Names of the sets.
    seeds : int
        How many seeds, each of which draws its own subset.
    paper, practical : ReadingSettings or None
        As in the papers (their networks, the class output as classifier), and as people would do it (the defaults, one
        classifier for all, augmentation for all); None where a table has no such reading.
    majority : dict of str to int
        Images of the larger of two classes, by set.
    temperatures, coolings : list of float
        What an annealing is tried with.
    dropped : list of float
        Shares of a class that are left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    datasets: list[str] = Field(min_length=1)
    seeds: int = Field(ge=1)
    paper: ReadingSettings | None = None
    practical: ReadingSettings | None = None
    majority: dict[str, int] = {}
    temperatures: list[float] = []
    coolings: list[float] = []
    dropped: list[Annotated[float, Field(ge=0, lt=1)]] = []

    @property
    def hash(self) -> str:
        """Hash of it, which rows carry; what came later counts only where it is set, so that rows stay valid."""
        told = self.model_dump(mode="json", exclude={name: {"added"} for name in ("paper", "practical")})
        return hash_settings({name: value for name, value in told.items() if value or name not in LATER})

    def reading(self, name: str) -> ReadingSettings:
        """Give the settings of a reading that there is, by its name."""
        found = getattr(self, name)
        assert isinstance(found, ReadingSettings)
        return found


def read_settings(path: str | Path = OWN) -> dict[str, TableSettings]:
    """Read the settings of all tables.

    Parameters
    ----------
    path : str or Path
        A TOML file with a section for each table; the one that comes with makeweight by default.

    Returns
    -------
    dict of str to TableSettings

    Raises
    ------
    InputError
        If there is no such file, or it holds something else.

    Examples
    --------
    >>> read_settings()["aggan-multiclass"].seeds
    5
    """
    try:
        found: dict[str, Any] = tomllib.loads(read_regular(Path(path), LARGEST).decode())
        return {name: TableSettings.model_validate(section) for name, section in found.items()}
    except OSError as error:
        raise InputError(f"the settings {shown(path)} cannot be read ({error.strerror}): check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"the settings {shown(path)} are no TOML ({shown(error)}): mend the file.") from error
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"]) or "section"
        raise InputError(
            f"the settings {shown(path)} cannot be used ({shown(where)}: {shown(fault['msg'])})."
        ) from error
