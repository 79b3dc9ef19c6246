"""WGAN-GP: the Wasserstein distance with a gradient penalty, with a class head."""

from typing import ClassVar, Self

from makeweight.evolution import Evolution
from makeweight.gan_sampler import GANSampler
from makeweight.heads import AuxiliaryClassifier
from makeweight.recipe import WITHOUT_TRICKS, Recipe
from makeweight.sampler import METHODS


@METHODS.register("wgan_gp")
class WGANGP(GANSampler):
    """Wasserstein GAN with a gradient penalty and an auxiliary classifier.

    Parameters are those of `RecipeSampler`.

    Notes
    -----
    The class head is that of the paper's conditional model for CIFAR-10. Departures: fewer steps of the discriminator
    (the paper takes five), and the networks of the other methods. The generator's class loss weighs 1, where the other
    methods give it 0.1: scores of slope 1 drown a smaller one.

    References
    ----------
    Gulrajani et al., 2017, "Improved Training of Wasserstein GANs", Algorithm 1.
    """

    recipe: ClassVar[Recipe] = Recipe(
        head=AuxiliaryClassifier(fakes=False),
        objective="wasserstein",
        evolution=Evolution(mutations=("wasserstein",)),
        penalty="gradient_penalty",
        betas=(0.0, 0.9),
        discriminator_steps=2,
    )

    @classmethod
    def from_paper(cls) -> Self:
        """Return a sampler with the settings of the paper for small images."""
        return cls(
            batch_size=64,
            latent_dim=128,
            learning_rate=1e-4,
            discriminator_steps=5,
            **WITHOUT_TRICKS,
        )
