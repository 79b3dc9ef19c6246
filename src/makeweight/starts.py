"""What the players begin from: fresh weights, an autoencoder's, or the real images themselves."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from makeweight.autoencoder import (
    Autoencoder,
    AutoencoderReport,
    AutoencoderTraining,
    build_autoencoder,
    encoded,
    hand_over,
)
from makeweight.checkpoints import Checkpoints
from makeweight.component import Component, Registry
from makeweight.convex import Blend, BlendOfCodes, BlendOfImages
from makeweight.data.arrays import ImageCodec
from makeweight.data.batches import Batches
from makeweight.data.lazy import LazyImages
from makeweight.individual import Individual
from makeweight.inference import WithEncoder
from makeweight.networks import NetworkPair, Networks, OwnNetworks, Shape
from makeweight.networks.resnet import keep_scale
from makeweight.priors import ClassGaussian, InGaussians, Prior
from makeweight.ranges import DECAYS, SWITCH, Ranges, above, or_none, up_to, whole
from makeweight.schedule import Schedule
from makeweight.team import Team

BETAS = (0.9, 0.999)


@dataclass(frozen=True)
class Setting:
    """What is known of a game before it begins, and from a saved model: it settles the networks' shapes.

    Attributes
    ----------
    networks : Networks
        The family.
    shape : (channels, height, width)
        Shape of the images.
    class_counts : array of int of shape (n_classes,)
        Real images of each class.
    latent_dim : int
        Entries of the noise.
    prior : Prior
        Which labels and noise are asked for.
    """

    networks: Networks
    shape: Shape
    class_counts: NDArray[np.int64]
    latent_dim: int
    prior: Prior


@dataclass(frozen=True)
class Material:
    """What a start may learn from.

    Attributes
    ----------
    X, codes, codec
        Images in the user's layout, their class codes, and the way to floats.
    batches : callable
        Gives the batches of the game without the first of them, as many as it is told.
    schedule : Schedule
        Of the game.
    checkpoints : Checkpoints or None
        For what is trained before the game.
    seed : int
        Of all chance.
    device, autocast, team
        Where and with whom to compute.
    callback : callable or None
        Told an `AutoencoderReport` after each step of what is trained before the game.
    notes : list of str
        What happened meanwhile that a person should read; grows.
    """

    X: NDArray[Any] | LazyImages
    codes: NDArray[np.int64]
    codec: ImageCodec
    batches: Callable[[int], Batches]
    schedule: Schedule
    checkpoints: Checkpoints | None
    seed: int
    device: torch.device
    autocast: Callable[[], AbstractContextManager[object]]
    team: Team
    callback: Callable[[AutoencoderReport], None] | None = None
    notes: list[str] = field(default_factory=list)


class Start(Component):
    """Fresh weights.

    Attributes
    ----------
    fits_prior : bool
        Whether images are encoded to latent vectors, and a prior fitted to them.
    holds_images : bool
        Whether the generator draws from the real images themselves, so that it cannot go on with others.
    share : float
        Length of what is trained before the game, as a share of the game's own length.
    """

    fits_prior: ClassVar[bool] = False
    holds_images: ClassVar[bool] = False
    share: float = 0.0

    def framed(self, generator: nn.Module, setting: Setting) -> nn.Module:
        """Return the generator that plays, by shape alone: around the family's own, or in its place."""
        return generator

    def begin(self, generators: Sequence[nn.Module], trunk: nn.Module, setting: Setting, material: Material) -> None:
        """Fill framed generators, and the discriminator's trunk, from what can be learnt before the game."""


LONGEST_SHARE = 1000  # times the length of the game
STARTS: Registry[Start] = Registry("start", Start)
STARTS.register("fresh")(Start)


@STARTS.register("encoder")
class EncoderStart(Start):
    """An encoder beside the generator, both fresh, that gives real images back while they play.

    Parameters
    ----------
    weight : float, default=1.0
        Weight of the reconstruction's distance, in the discriminator's features, in the generator's step; above 0.
    prior_weight : float, default=0.1
        Weight of the distance of encoded images from standard normal noise, above 0.

    References
    ----------
    Larsen et al., 2016, "Autoencoding beyond Pixels Using a Learned Similarity Metric", Algorithm 1.
    """

    ranges: ClassVar[Ranges] = {"weight": above(0), "prior_weight": above(0)}

    def __init__(self, *, weight: float = 1.0, prior_weight: float = 0.1) -> None:
        self.weight = weight
        self.prior_weight = prior_weight

    def framed(self, generator: nn.Module, setting: Setting) -> nn.Module:
        """Put an encoder beside the generator."""
        pair = setting.networks.build(setting.shape, len(setting.class_counts), setting.latent_dim)
        if not isinstance(setting.networks, OwnNetworks):
            keep_scale(pair.trunk)  # for the reason that `build_autoencoder` has
        return WithEncoder(generator, pair.trunk, pair.n_features, setting.latent_dim, self.weight, self.prior_weight)


class _Encoding(Start):
    """A start that trains an autoencoder."""

    ranges: ClassVar[Ranges] = {"share": up_to(LONGEST_SHARE), "learning_rate": above(0), "betas": DECAYS}
    later: ClassVar[dict[str, Any]] = {"betas": BETAS}

    def __init__(self, *, share: float = 0.25, learning_rate: float = 1e-3, betas: tuple[float, float] = BETAS) -> None:
        self.share = share
        self.learning_rate = learning_rate
        self.betas = betas

    def _autoencoder(self, setting: Setting, material: Material, n_classes: int = 1) -> Autoencoder:
        fresh = build_autoencoder(setting.networks, setting.shape, setting.latent_dim, n_classes).to(material.device)
        schedule, share = material.schedule, self.share
        shorter = replace(
            schedule,
            n_steps=schedule.n_steps and math.ceil(share * schedule.n_steps),
            budget=schedule.budget and share / (1 + share) * schedule.budget,
            learning_rate=self.learning_rate,
        )
        training = AutoencoderTraining(
            Individual(fresh, self.learning_rate, self.betas),
            shorter,
            torch.Generator().manual_seed(material.seed),
            autocast=material.autocast,
            together=material.team,
            checkpoints=material.checkpoints,
            callback=material.callback,
        )
        progress = training.run(material.batches(training.progress.n_batches))
        material.notes.extend(f"autoencoder: {note}" for note in [*progress.told, *progress.notes])
        return fresh


@STARTS.register("autoencoder")
class AutoencoderStart(_Encoding):
    """Decoder becomes generator, and encoder the discriminator's trunk; the last layers of either player are fresh.

    Parameters
    ----------
    share : float, default=0.25
        Length of the autoencoder's training as a share of the game's, above 0 and at most 1,000. Of a budget,
        both have their parts.
    learning_rate : float, default=0.001
        Its step size, above 0.
    betas : tuple of two floats, default=(0.9, 0.999)
        Adam's decay rates while it trains, 0 or more and below 1.
    labelled : bool, default=False
        Whether the decoder is told the labels. Without, the generator draws the same for every label at first, and its
        classes differ by the prior. The decoder of `OwnNetworks` is always told them, since only their maker knows how
        weights of a single label become weights of more.

    References
    ----------
    Mariani et al., 2018, "BAGAN: Data Augmentation with Balancing GAN", section 4; Huang and Jafari, 2021, "Enhanced
    Balancing GAN: Minority-class Image Generation", for the labels.
    """

    fits_prior = True
    ranges: ClassVar[Ranges] = {**_Encoding.ranges, "labelled": SWITCH}

    def __init__(
        self,
        *,
        share: float = 0.25,
        learning_rate: float = 1e-3,
        labelled: bool = False,
        betas: tuple[float, float] = BETAS,
    ) -> None:
        super().__init__(share=share, learning_rate=learning_rate, betas=betas)
        self.labelled = labelled

    def framed(self, generator: nn.Module, setting: Setting) -> nn.Module:
        """Put the Gaussians of the classes before the generator, where the prior is fitted."""
        if not setting.prior.fitted:
            return generator
        return InGaussians(generator, len(setting.class_counts), setting.latent_dim)

    def begin(self, generators: Sequence[nn.Module], trunk: nn.Module, setting: Setting, material: Material) -> None:
        """Train the autoencoder, hand it over, and fit the prior to what it encodes."""
        n_classes = len(setting.class_counts)
        labelled = self.labelled or isinstance(setting.networks, OwnNetworks)
        autoencoder = self._autoencoder(setting, material, n_classes if labelled else 1)
        found = None
        if isinstance(setting.prior, ClassGaussian):
            latent = encoded(autoencoder, material.X, material.codes, material.codec, material.device)
            found = setting.prior.fit(latent, material.codes, n_classes)
        for generator in generators:
            inner = generator.generator if isinstance(generator, InGaussians) else generator
            hand_over(autoencoder, NetworkPair(inner, trunk, 0))
            if found is not None and isinstance(generator, InGaussians):
                generator.place(*found)


class _Blending(Start):
    """What both spaces of convex generators share."""

    holds_images = True
    most_images: int
    width: int
    tilt: float | None
    ranges: ClassVar[Ranges] = {"tilt": or_none(above(0)), "most_images": whole(1), "width": whole(1)}

    def _blend(self, n_values: int, setting: Setting) -> Blend:
        counts = [min(int(count), self.most_images) for count in setting.class_counts]
        return Blend(counts, n_values, setting.latent_dim, self.width, self.tilt)

    def _chosen(self, material: Material) -> NDArray[np.int64]:
        """Choose the images that are blended, class by class."""
        random = np.random.default_rng(material.seed)
        chosen = []
        for code in range(int(material.codes.max()) + 1):
            own = np.flatnonzero(material.codes == code)
            many = len(own) > self.most_images
            chosen.append(np.sort(random.choice(own, self.most_images, replace=False)) if many else own)
        return np.concatenate(chosen)


@STARTS.register("convex")
class ConvexStart(_Blending):
    """A generator that blends real images, pixel by pixel, in place of the family's.

    Parameters
    ----------
    most_images : int, default=300
        Images of a class that are blended, chosen at random where there are more. All of them are part of the model, as
        floats, three times while it trains, and each adds `width` weights.
    width : int, default=256
        Units of both hidden layers of the network that weighs the images.
    tilt : float or None, default=2.0
        The most by which the logits of the weights depart from random ones that give each noise a few images to blend.
        With None, as in the paper, nothing limits them, and every noise soon gives the same blend.

    References
    ----------
    Mullick et al., 2019, "Generative Adversarial Minority Oversampling", section 3. It has no random logits and no
    limit of images; both are this library's.
    """

    def __init__(self, *, most_images: int = 300, width: int = 256, tilt: float | None = 2.0) -> None:
        self.most_images = most_images
        self.width = width
        self.tilt = tilt

    def framed(self, generator: nn.Module, setting: Setting) -> nn.Module:
        """Give a convex generator in place of the family's."""
        return BlendOfImages(self._blend(math.prod(setting.shape), setting), setting.shape)

    def begin(self, generators: Sequence[nn.Module], trunk: nn.Module, setting: Setting, material: Material) -> None:
        """Give the generators the images."""
        points = torch.from_numpy(material.codec.encode(np.asarray(material.X[self._chosen(material)]))).flatten(1)
        for generator in generators:
            assert isinstance(generator, BlendOfImages)
            generator.blend.place(points)


@STARTS.register("convex_latent")
class ConvexLatentStart(_Encoding, _Blending):
    """A generator that blends the latent vectors of real images, and an autoencoder's decoder that does not learn.

    Parameters
    ----------
    share : float, default=0.25
        Length of the autoencoder's training as a share of the game's, above 0 and at most 1,000.
    learning_rate : float, default=0.001
        Its step size, above 0.
    betas : tuple of two floats, default=(0.9, 0.999)
        As for ``"autoencoder"``.
    most_images : int, default=300
        As for ``"convex"``; a latent vector is much smaller than an image.
    width : int, default=256
        As for ``"convex"``.
    tilt : float or None, default=2.0
        As for ``"convex"``.

    References
    ----------
    Mullick et al., 2019, "Generative Adversarial Minority Oversampling", section 3.
    """

    ranges: ClassVar[Ranges] = {**_Encoding.ranges, **_Blending.ranges}

    def __init__(
        self,
        *,
        share: float = 0.25,
        learning_rate: float = 1e-3,
        most_images: int = 300,
        width: int = 256,
        tilt: float | None = 2.0,
        betas: tuple[float, float] = BETAS,
    ) -> None:
        super().__init__(share=share, learning_rate=learning_rate, betas=betas)
        self.most_images = most_images
        self.width = width
        self.tilt = tilt

    def framed(self, generator: nn.Module, setting: Setting) -> nn.Module:
        """Give a convex generator with a decoder in place of the family's."""
        decoder = setting.networks.build(setting.shape, 1, setting.latent_dim).generator
        return BlendOfCodes(self._blend(setting.latent_dim, setting), decoder)

    def begin(self, generators: Sequence[nn.Module], trunk: nn.Module, setting: Setting, material: Material) -> None:
        """Train the autoencoder, hand over its decoder, and give the generators what it encodes."""
        autoencoder = self._autoencoder(setting, material)
        chosen = self._chosen(material)
        latent = encoded(autoencoder, material.X[chosen], material.codes[chosen], material.codec, material.device)
        for generator in generators:
            assert isinstance(generator, BlendOfCodes)
            generator.decoder.load_state_dict(autoencoder.decoder.state_dict())
            generator.blend.place(torch.from_numpy(latent))
