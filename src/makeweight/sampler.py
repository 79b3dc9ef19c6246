"""Samplers: what every method shares, from checking input to drawing, saving and loading."""

from __future__ import annotations

import hashlib
import json
import math
import os
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils import check_sampling_strategy, check_target_type
from numpy.typing import ArrayLike, NDArray
from safetensors.numpy import save
from scipy import sparse
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from makeweight.component import Registry, describe, rebuild, unregistered, whole_or_not, without_defaults
from makeweight.data.arrays import Channels, ImageCodec, check_labels
from makeweight.data.lazy import LazyImages
from makeweight.data.memory import available_memory
from makeweight.data.wording import shown
from makeweight.errors import InputError
from makeweight.machine import software_versions
from makeweight.ranges import LARGEST_ROW, SEED
from makeweight.saving import (
    CARD,
    DAMAGE,
    STATE,
    TRAINING,
    WEIGHTS,
    Arrays,
    Labels,
    ModelCard,
    Pixels,
    TrainingRecord,
    read_arrays,
    read_json,
    write_model,
)

FEW = 10
SILENT = frozenset({"callback", "checkpoints", "device", "warm_start"})  # where and how loudly to run: never saved
Strategy = float | str | Mapping[Any, int] | Callable[[Any], Mapping[Any, int]]


class ImageSampler(BaseOverSampler):
    """A sampler of images with the contract of imbalanced-learn.

    Every image is a function of the model, a seed, its label and its row number, so that any of them can be drawn again
    by itself. A method of your own learns in `_learn` and draws a block of numbered images in `_draw_block`.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        Labels in the order of the codes.
    class_counts_ : array of int of shape (n_classes,)
        Number of real images of each.
    sampling_strategy_ : dict
        Label to number of images to add; after `fit`, not after `load`.
    small_classes_ : list
        Labels with fewer than ten images, learnt from duplicates (and augmentation where the method has it).
    codec_ : ImageCodec
        The way from the user's arrays to images and back.
    seed_ : int
        Seed of the drawing.
    rows_drawn_ : dict
        Label to the row number that `sample` takes next.
    settings_ : dict
        `settings` as they were at the fit.
    made_with_ : dict of str
        Versions of python, torch, numpy and makeweight at the fit; empty for models of versions that did not tell.
    model_hash_, settings_hash : str
        SHA-256 of what draws, and of the settings, in hexadecimal.
    """

    axis: ClassVar[str] = ""
    name: ClassVar[str] = ""
    learns: ClassVar[bool] = False
    learns_apart: ClassVar[bool] = False  # each class by itself
    block_size: ClassVar[int] = 1024
    later: ClassVar[dict[str, Any]] = {}  # parameters that came after models had been saved; see `Component`

    random_state: Any
    channels: Channels | None

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that images (n, h, w) are taken, too."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def fit(self, X: ArrayLike | LazyImages, y: ArrayLike) -> Self:
        """Learn from images and labels.

        Parameters
        ----------
        X : array of shape (n, h, w), (n, h, w, c), (n, c, h, w) or (n, d)
            Images of uint8, uint16 or floats, or flat rows; or `LazyImages`, which a method that trains reads batch by
            batch.
        y : array of shape (n,)
            Labels: numbers, True and False, or strings.

        Returns
        -------
        self
            The fitted sampler.

        Raises
        ------
        InputError
            For arrays that hold no images, or a layout left open.
        ValueError
            For a single class, or a strategy that asks for fewer images than there are.
        """
        check_labels(y)
        check_classification_targets(y)
        with whole_or_not(self):
            array, labels, _ = self._check_X_y(X, y)
            self.sampling_strategy_ = check_sampling_strategy(self.sampling_strategy, labels, self._sampling_type)
            self._begin(array if self.learns and isinstance(X, LazyImages) else _dense(array), labels)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        """Tell `check_is_fitted`."""
        return hasattr(self, "codec_")

    def fit_resample(self, X: ArrayLike, y: ArrayLike) -> tuple[Any, Any]:
        """Learn from images and labels, and give them back with drawn images after them.

        Parameters
        ----------
        X : array of shape (n, h, w), (n, h, w, c), (n, c, h, w) or (n, d)
            Images of uint8, uint16 or floats, or flat rows.
        y : array of shape (n,)
            Labels: numbers, True and False, or strings.

        Returns
        -------
        X_resampled : array of shape (n_new, ...)
            The originals first, in the layout and dtype of `X`.
        y_resampled : array of shape (n_new,)
            Their labels.

        Raises
        ------
        InputError
            For arrays that hold no images, a layout left open, or images without a label (NaN).
        ValueError
            For a single class, or a strategy that asks for fewer images than there are.
        """
        check_labels(y)
        with whole_or_not(self):
            return super().fit_resample(X, y)  # type: ignore[no-any-return]

    def _fit_resample(self, X: Any, y: NDArray[Any]) -> tuple[Any, NDArray[Any]]:
        self._begin(_dense(X), y)
        X_new, y_new = self.sample(self.sampling_strategy_)
        filled = np.concatenate([_dense(X), X_new], dtype=X.dtype)  # a byte order, too, is kept
        labels = np.concatenate([y, y_new.astype(y.dtype, copy=False)], dtype=y.dtype)
        return X.__class__(filled) if sparse.issparse(X) else filled, labels

    def sample(self, counts: Mapping[Any, int]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Draw new images.

        Parameters
        ----------
        counts : dict
            Label to number of images, at least 0.

        Returns
        -------
        X_new : array of shape (n, ...)
            Images in the layout and dtype of the training images, label by label in the order of `counts`.
        y_new : array of shape (n,)
            Their labels.
        """
        check_is_fitted(self, "codec_")
        if not isinstance(counts, Mapping):
            raise InputError(
                f"{counts!r} does not say how many images of which class: give a dict such as {{label: 10}}."
            )
        for label, count in counts.items():
            self._code(label)
            if not isinstance(count, (int, np.integer)) or isinstance(count, bool) or count < 0:
                raise InputError(
                    f"{shown(count)} images of {label!r} cannot be drawn: ask for a whole number, 0 or more."
                )
        wanted = {label: int(count) for label, count in counts.items()}  # small integers of NumPy would overflow
        self._check_room(sum(wanted.values()))
        images, labels = [self._nothing()], [self.classes_[:0]]
        for label, count in wanted.items():
            first = self.rows_drawn_[label]
            images.append(self.draw(label, range(first, first + count)))
            labels.append(np.repeat(self.classes_[self._code(label)], count))
        for label, count in wanted.items():  # once all are there
            self.rows_drawn_[label] += count
        return np.concatenate(images), np.concatenate(labels)

    def draw(self, label: Any, rows: Sequence[int], seed: int | None = None) -> NDArray[Any]:
        """Draw the images with the given row numbers; the same arguments always give the same bytes.

        Parameters
        ----------
        label : object
            One of `classes_`.
        rows : sequence of int
            Row numbers, at least 0.
        seed : int, optional
            Seed of the drawing, 0 to 2**31 - 1; `seed_` by default.

        Returns
        -------
        array of shape (len(rows), ...)
            Images in the layout and dtype of the training images.
        """
        check_is_fitted(self, "codec_")
        code = self._code(label)
        seed = self.seed_ if seed is None else seed
        numbers = np.asarray(rows) if len(rows) else np.zeros(0, np.int64)
        are_numbers = numbers.ndim == 1 and numbers.dtype.kind in "iu"
        if not (are_numbers and ((numbers >= 0) & (numbers <= LARGEST_ROW)).all() and SEED.holds(seed)):
            raise InputError("rows are numbered from 0, and a seed is 0 to 2**31 - 1: one of those given is outside.")
        numbers = numbers.astype(np.int64)
        images = np.empty((len(numbers), *self.codec_.shape), self.codec_.dtype)
        blocks, places = np.divmod(numbers, self.block_size)
        for block in np.unique(blocks):
            here = blocks == block
            drawn = self._draw_block(code, int(block), seed)
            images[here] = drawn[places[here]]
        return images

    def save(self, folder: str | Path) -> None:
        """Write the fitted model into `folder`, made if need be: JSON and safetensors, never pickle.

        Its settings are those of the fit; what was changed after it is not saved.

        Raises
        ------
        InputError
            If a label is one that JSON cannot hold, a part, or the method itself, is not registered, or the folder
            holds files of a model's names that are no model's.
        """
        check_is_fitted(self, "codec_")
        method = METHODS.get(self.name) if self.name in METHODS.names() else None
        unknown = unregistered(self.settings_)
        if method is not type(self) or unknown is not None:
            raise InputError(
                f"{unknown or type(self).__qualname__} is no registered part, so no model that is loaded could have "
                "it: register it under a name of its own."
            )
        training, numbers = self._training()
        drawn = [int(self.rows_drawn_[label]) for label in self.classes_.tolist()]
        state = TrainingRecord(rows_drawn=drawn, training=numbers)
        write_model(Path(folder), self._card(), self._weights(), training, state)

    @property
    def settings(self) -> dict[str, Any]:
        """Method and settings as JSON data, without those that only say where and how loudly to run.

        What the constructor was not told is what the recipe says, so that a saved model means the same for ever.
        """
        told = {name: self.setting(name) for name in self.get_params(deep=False) if name not in SILENT}
        given = without_defaults(told, self.later)
        return {"method": self.name, **{name: describe(value) for name, value in given.items()}}

    def setting(self, name: str) -> Any:
        """Give the value of a parameter that is in force: what was told, or else what the method says."""
        return getattr(self, name)

    @property
    def settings_hash(self) -> str:
        """SHA-256 of `settings` in hexadecimal."""
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()

    @property
    def model_hash_(self) -> str:
        """SHA-256 of the model's description and weights in hexadecimal."""
        check_is_fitted(self, "codec_")
        digest = hashlib.sha256(self._card().hashed())
        digest.update(save(self._weights()))
        return digest.hexdigest()

    @abstractmethod
    def _learn(
        self, X: NDArray[Any], codes: NDArray[np.int64], codec: ImageCodec, classes: NDArray[Any], seed: int
    ) -> None:
        """Learn from images in the user's layout and class codes; `classes` are their labels."""

    @abstractmethod
    def _draw_block(self, code: int, block: int, seed: int) -> NDArray[Any]:
        """Draw rows block·block_size and on, `block_size` of them, of one class, in the user's layout."""

    @abstractmethod
    def _weights(self) -> Arrays:
        """Everything that `_draw_block` needs and the card does not hold."""

    @abstractmethod
    def _restore(self, weights: Arrays, training: Arrays, numbers: dict[str, Any]) -> None:
        """Undo `_weights` and `_training`."""

    def _training(self) -> tuple[Arrays, dict[str, Any]]:
        """Arrays and numbers from which `fit` can go on; none by default."""
        return {}, {}

    def _begin(self, X: NDArray[Any], y: NDArray[Any]) -> None:
        codec = self._codec_for(X)
        classes, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self._learn(X, codes.astype(np.int64), codec, classes, seed)
        self._learnt(codec, classes, counts, seed)

    def _codec_for(self, X: NDArray[Any]) -> ImageCodec:
        return ImageCodec.learn(X, self.channels)

    def _check_X_y(  # noqa: N802
        self, X: ArrayLike | LazyImages, y: ArrayLike, accept_sparse: Any = None
    ) -> tuple[Any, Any, bool]:
        y, binarize_y = check_target_type(y, indicate_one_vs_all=True)
        if isinstance(X, LazyImages):
            check_consistent_length(X, y)
            self.n_features_in_ = X.shape[1]
            return X, column_or_1d(y), binarize_y
        X, y = validate_data(
            self, X=X, y=y, reset=True, allow_nd=True, dtype=None, ensure_all_finite=False, accept_sparse=["csr", "csc"]
        )
        return X, y, binarize_y

    def _check_room(self, n_images: int) -> None:
        """Refuse more images than memory holds twice, as they are put together at the end."""
        n_bytes = 2 * n_images * self._nothing().dtype.itemsize * math.prod(self.codec_.shape)
        available = available_memory()
        if n_bytes >= LARGEST_ROW or (available is not None and n_bytes > available):
            raise InputError(f"{n_images:,} images do not fit into memory: draw them in parts, or on disk.")

    def _code(self, label: Any) -> int:
        found = [code for code, known in enumerate(self.classes_.tolist()) if np.ndim(label) == 0 and known == label]
        if not found:
            known = ", ".join(map(str, self.classes_[:20].tolist()))
            raise InputError(f"there is no class {label!r} in this model: choose from {known}.")
        return found[0]

    def _nothing(self) -> NDArray[Any]:
        return np.empty((0, *self.codec_.shape), self.codec_.dtype)

    def _card(self) -> ModelCard:
        return ModelCard(
            method=self.name,
            settings=self.settings_,
            pixels=Pixels(**asdict(self.codec_)),
            classes=Labels.of(self.classes_),
            class_counts=self.class_counts_.tolist(),
            seed=self.seed_,
            made_with=self.made_with_,
        )

    def _learnt(self, codec: ImageCodec, classes: NDArray[Any], counts: NDArray[np.int64], seed: int) -> None:
        self.codec_, self.classes_, self.class_counts_, self.seed_ = codec, classes, counts, seed
        self.settings_, self.made_with_ = self.settings, software_versions()
        self.small_classes_ = [label for label, count in zip(classes.tolist(), counts, strict=True) if count < FEW]
        self.rows_drawn_ = dict.fromkeys(classes.tolist(), 0)
        self.n_features_in_ = codec.shape[0]


def _dense(X: Any) -> NDArray[Any]:
    if isinstance(X, LazyImages):
        return X.load()
    dense: NDArray[Any] = X.toarray() if sparse.issparse(X) else X
    return dense


METHODS: Registry[Any] = Registry("method", ImageSampler, "makeweight.methods")


def load(folder: str | Path, *, networks: Any = None, device: str = "auto") -> ImageSampler:
    """Load a saved model.

    Parameters
    ----------
    folder : str or Path
        What ``save`` wrote.
    networks : Networks, optional
        The user's own networks, where the model was trained with such: a file holds their weights, not their code.
    device : str, default="auto"
        Where to compute.

    Returns
    -------
    ImageSampler
        A fitted sampler of the class that was saved, with its `model_hash_`. What JSON cannot hold, a callable strategy
        or a RandomState, is at its default, so that the hash of the settings that are set may be another.

    Raises
    ------
    InputError
        If the folder is no model of makeweight, or its files do not belong together.
    """
    source = Path(folder)
    card: ModelCard = read_json(source / CARD, ModelCard)
    state: TrainingRecord = read_json(source / STATE, TrainingRecord)
    METHODS.names()  # loads the files of all methods, whose faults are none of the model's
    try:
        return _rebuilt(source, card, state, networks, device)
    except InputError:
        raise
    except DAMAGE as error:
        reason = shown(" ".join(str(error).split()))[:200]
        raise InputError(
            f"{shown(folder)} is a damaged model ({type(error).__name__}: {reason}): save it anew."
        ) from None


def _rebuilt(source: Path, card: ModelCard, state: TrainingRecord, networks: Any, device: str) -> ImageSampler:
    method = METHODS.get(card.method)
    # What a card leaves out was at the value in `later`, whatever the recipe says.
    told = {key: describe(value) for key, value in method.later.items()} | card.settings
    given = {key: value for key, value in told.items() if key != "method"}
    if SILENT & given.keys():
        raise ValueError(f"{min(SILENT & given.keys())} is no setting of a model")
    foreign = [key for key, value in given.items() if isinstance(value, dict) and "foreign" in value]
    settings = {key: rebuild(value) for key, value in given.items() if key not in foreign}
    if networks is not None:
        settings["networks"] = networks
    if method.learns:
        settings["device"] = device
    sampler: ImageSampler = method(**settings)
    sampler._learnt(card.codec(), card.classes.array(), np.asarray(card.class_counts), card.seed)
    sampler.rows_drawn_ = dict(zip(sampler.classes_.tolist(), state.rows_drawn, strict=True))
    training = read_arrays(source / TRAINING) if os.path.lexists(source / TRAINING) else {}
    sampler._restore(read_arrays(source / WEIGHTS), training, state.training)
    # Those of the fit: settings also where they cannot be rebuilt.
    sampler.settings_, sampler.made_with_ = dict(card.settings), dict(card.made_with)
    return sampler
