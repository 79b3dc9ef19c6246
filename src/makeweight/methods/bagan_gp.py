"""BAGAN-GP: BAGAN from an autoencoder that knows the labels, and with a gradient penalty."""

from typing import ClassVar, Self

from makeweight.evolution import Evolution
from makeweight.gan_sampler import GANSampler
from makeweight.recipe import WITHOUT_TRICKS, Recipe
from makeweight.sampler import METHODS
from makeweight.starts import AutoencoderStart


@METHODS.register("bagan_gp")
class BAGANGP(GANSampler):
    """Enhanced balancing GAN: begins as an autoencoder that knows the labels, and has a gradient penalty.

    As BAGAN, but the autoencoder's decoder is told the labels, and the discriminator judges image and label together,
    by cross-entropy and with a gradient penalty. There is no class output, and so no `classifier_`.

    Parameters are those of `RecipeSampler`.

    Notes
    -----
    Departures: labels enter the decoder side by side with the latent vector, where the authors multiply it by an
    embedding. The prior is BAGAN's, where theirs is standard normal. The discriminator is not shown real images under
    wrong labels, and the penalty is taken between a real and a drawn image, theirs on the line through both.
    Where these are of different classes, the point between them is judged under the real one's, which is this package's
    choice. The discriminator takes two steps for one of the generator in place of five. The autoencoder learns by
    squared errors, theirs by absolute ones. ``BAGANGP.from_paper()`` takes the numbers of the authors' code.

    References
    ----------
    Huang and Jafari, 2021, "Enhanced Balancing GAN: Minority-class Image Generation"; Gulrajani et al.,
    2017, "Improved Training of Wasserstein GANs", eq. 3, for the penalty.
    """

    recipe: ClassVar[Recipe] = Recipe(
        start=AutoencoderStart(labelled=True),
        prior="class_gaussian",
        head="concatenated",
        evolution=Evolution(mutations=("non_saturating",)),
        penalty="gradient_penalty",
        betas=(0.5, 0.9),
        discriminator_steps=2,
        balanced_batches=False,
    )

    @classmethod
    def from_paper(cls) -> Self:
        """Return a sampler with the settings of the authors' code as far as this library has them."""
        return cls(
            start=AutoencoderStart(labelled=True, share=0.3, learning_rate=2e-4, betas=(0.5, 0.9)),
            n_epochs=100,
            batch_size=128,
            latent_dim=128,
            learning_rate=2e-4,
            discriminator_steps=5,
            **WITHOUT_TRICKS,
        )
