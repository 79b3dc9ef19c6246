"""WGAN-LP: the Wasserstein distance with a one-sided penalty, with a class head."""

from typing import ClassVar, Self

from makeweight.evolution import Evolution
from makeweight.gan_sampler import GANSampler
from makeweight.heads import AuxiliaryClassifier
from makeweight.recipe import Recipe
from makeweight.sampler import METHODS


@METHODS.register("wgan_lp")
class WGANLP(GANSampler):
    """Wasserstein GAN with a Lipschitz penalty, which leaves slopes below 1 alone, and an auxiliary classifier.

    Parameters are those of `GANSampler`.

    Notes
    -----
    WGAN-GP with another penalty: the recipes differ in `penalty` alone. The class head is added, and the departures
    are those of WGAN-GP.

    References
    ----------
    Petzka et al., 2018, "On the Regularization of Wasserstein GANs", eq. 7.
    """

    recipe: ClassVar[Recipe] = Recipe(
        head=AuxiliaryClassifier(fakes=False),
        objective="wasserstein",
        evolution=Evolution(mutations=("wasserstein",)),
        penalty="lipschitz_penalty",
        betas=(0.0, 0.9),
        discriminator_steps=2,
    )

    @classmethod
    def from_paper(cls) -> Self:
        """Return a sampler with the settings of the paper that it shares with WGAN-GP."""
        return cls(
            batch_size=64,
            latent_dim=128,
            learning_rate=1e-4,
            discriminator_steps=5,
            augmentation="none",
            learning_rate_decay=0.0,
            average_decay=0.0,
            draws="last",
        )
