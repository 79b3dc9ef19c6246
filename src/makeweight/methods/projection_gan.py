"""Projection GAN: the label enters the score as an inner product; hinge loss, spectral norm."""

from typing import ClassVar, Self

from makeweight.evolution import Evolution
from makeweight.gan_sampler import GANSampler
from makeweight.recipe import WITHOUT_TRICKS, Recipe
from makeweight.sampler import METHODS


@METHODS.register("projection_gan")
class ProjectionGAN(GANSampler):
    """GAN with a projection discriminator, hinge loss and spectral normalisation.

    There is no class output, and so no `classifier_`.

    Parameters are those of `RecipeSampler`.

    Notes
    -----
    Departures: the networks of the other methods, whose generator is given the label beside the noise, where the
    paper's has conditional batch norm; one step of the discriminator for one of the generator (the paper takes five).

    References
    ----------
    Miyato and Koyama, 2018, "cGANs with Projection Discriminator", eq. 3; Miyato et al., 2018, "Spectral Normalization
    for Generative Adversarial Networks".
    """

    recipe: ClassVar[Recipe] = Recipe(
        head="projection",
        objective="hinge",
        evolution=Evolution(mutations=("hinge",)),
        spectral_norm=True,
        betas=(0.0, 0.9),
    )

    @classmethod
    def from_paper(cls) -> Self:
        """Return a sampler with the settings of the paper for small images."""
        return cls(
            batch_size=64,
            latent_dim=128,
            learning_rate=2e-4,
            discriminator_steps=5,
            **WITHOUT_TRICKS,
        )
