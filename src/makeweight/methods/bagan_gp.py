"""BAGAN-GP: BAGAN from an autoencoder that knows the labels, and with a gradient penalty."""

from typing import ClassVar, Self

from makeweight.evolution import Evolution
from makeweight.gan_sampler import GANSampler
from makeweight.recipe import Recipe
from makeweight.sampler import METHODS
from makeweight.starts import AutoencoderStart


@METHODS.register("bagan_gp")
class BAGANGP(GANSampler):
    """Enhanced balancing GAN: begins as an autoencoder that knows the labels, and plays for the Wasserstein distance.

    As BAGAN, but the autoencoder's decoder is told the labels, the discriminator judges image and label together, and
    the game is that of the Wasserstein distance with a gradient penalty. There is no class output, and so no
    `classifier_`.

    Parameters are those of `GANSampler`.

    Notes
    -----
    Departures: labels enter the decoder side by side with the latent vector, where the paper multiplies it by an
    embedding. The prior is BAGAN's. The discriminator is not shown real images under wrong labels. It takes fewer steps
    for one of the generator (the paper takes five).

    References
    ----------
    Huang and Jafari, 2021, "Enhanced Balancing GAN: Minority-class Image Generation"; Gulrajani et al.,
    2017, "Improved Training of Wasserstein GANs", eq. 3.
    """

    recipe: ClassVar[Recipe] = Recipe(
        start=AutoencoderStart(labelled=True),
        prior="class_gaussian",
        head="concatenated",
        objective="wasserstein",
        evolution=Evolution(mutations=("wasserstein",)),
        penalty="gradient_penalty",
        betas=(0.5, 0.9),
        discriminator_steps=2,
    )

    @classmethod
    def from_paper(cls) -> Self:
        """Return a sampler with the settings of the paper as far as this library has them."""
        return cls(
            batch_size=128,
            latent_dim=128,
            learning_rate=2e-4,
            discriminator_steps=5,
            augmentation="none",
            learning_rate_decay=0.0,
            average_decay=0.0,
            draws="last",
        )
