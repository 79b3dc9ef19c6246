"""The user's own pair."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import nn

from makeweight.errors import InputError
from makeweight.networks.base import NETWORKS, NetworkPair, Networks, Shape


@NETWORKS.register("own")
class OwnNetworks(Networks):
    """The user's own pair. Saved models hold its weights, not its code: give the same networks to ``load``.

    Parameters
    ----------
    generator : Module or callable
        Maps noise (batch, latent_dim) and codes (batch,) to images (batch, c, h, w) in [-1, 1]. A callable is called as
        ``generator(shape, n_classes, latent_dim)`` and returns the module, a new one each time; a module is copied,
        weights and all.
    trunk : Module or callable
        Maps images to features (batch, n_features). A callable is called as ``trunk(shape)``.
    """

    def __init__(
        self,
        *,
        generator: nn.Module | Callable[[Shape, int, int], nn.Module],
        trunk: nn.Module | Callable[[Shape], nn.Module],
    ) -> None:
        self.generator = generator
        self.trunk = trunk

    def build(self, shape: Shape, n_classes: int, latent_dim: int) -> NetworkPair:
        """Copy or call for the pair, and try it once on two images; a misfit is an InputError."""
        own_generator, own_trunk = self.generator, self.trunk
        if own_generator is None or own_trunk is None:
            raise InputError(
                "the model was trained with its user's own networks, whose code is not saved: give them as networks=, "
                "OwnNetworks(generator=..., trunk=...)."
            )
        generator = (
            copy.deepcopy(own_generator)
            if isinstance(own_generator, nn.Module)
            else own_generator(shape, n_classes, latent_dim)
        )
        trunk = copy.deepcopy(own_trunk) if isinstance(own_trunk, nn.Module) else own_trunk(shape)
        with torch.no_grad():
            images = copy.deepcopy(generator).eval()(torch.zeros(2, latent_dim), torch.zeros(2, dtype=torch.long))
            if tuple(images.shape) != (2, *shape):
                raise InputError(
                    f"the generator given in networks= draws {tuple(images.shape[1:])} where the images are {shape} "
                    "(channels, height, width): change its output."
                )
            features = copy.deepcopy(trunk).eval()(images)
        if features.ndim != 2:
            raise InputError(
                f"the trunk given in networks= answers with shape {tuple(features.shape)} where (batch, n_features) is "
                "needed: flatten its output."
            )
        return NetworkPair(generator.train(), trunk.train(), features.shape[1])
