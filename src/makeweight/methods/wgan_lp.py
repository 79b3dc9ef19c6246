"""WGAN-LP: the Wasserstein distance with a one-sided penalty, with a class head."""

from dataclasses import replace
from typing import ClassVar

from makeweight.methods.wgan_gp import WGANGP
from makeweight.recipe import Recipe
from makeweight.sampler import METHODS


@METHODS.register("wgan_lp")
class WGANLP(WGANGP):
    """Wasserstein GAN with a Lipschitz penalty, which leaves slopes below 1 alone, and an auxiliary classifier.

    Parameters are those of `RecipeSampler`.

    Notes
    -----
    WGAN-GP with another penalty: the recipes differ in `penalty` alone. The class head is added, and the departures
    are those of WGAN-GP.

    References
    ----------
    Petzka et al., 2018, "On the Regularization of Wasserstein GANs", eq. 7.
    """

    recipe: ClassVar[Recipe] = replace(WGANGP.recipe, penalty="lipschitz_penalty")
