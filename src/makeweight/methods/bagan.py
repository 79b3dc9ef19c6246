"""BAGAN: an autoencoder becomes both players, and a Gaussian for each class what the generator draws from."""

from typing import ClassVar, Self

from makeweight.evolution import Evolution
from makeweight.gan_sampler import GANSampler
from makeweight.heads import KPlusOne
from makeweight.recipe import WITHOUT_TRICKS, Recipe
from makeweight.sampler import METHODS
from makeweight.starts import AutoencoderStart


@METHODS.register("bagan")
class BAGAN(GANSampler):
    """Balancing GAN: begins as an autoencoder, draws from a Gaussian a class, and judges K classes and "drawn".

    An autoencoder learns all images, without labels. Its decoder becomes the generator, its encoder the discriminator's
    trunk. The generator draws from a Gaussian for each class, fitted to the encoded images and then fixed. The
    discriminator answers with one of the K classes or with "drawn".

    Parameters are those of `RecipeSampler`.

    Notes
    -----
    Departures: the discriminator sees as many drawn images as real ones, and its loss on them is weighed by 1/(K + 1)
    in place of showing it so few, which is the same in the mean. The generator is pulled towards its class with a tenth
    of the paper's weight, which leaves it more variety. It is told the label beside the latent vector; at first it
    draws the same for every label. Networks, augmentation, step sizes and the moving average of the generator are this
    library's; ``BAGAN.from_paper()`` takes the paper's numbers.

    References
    ----------
    Mariani et al., 2018, "BAGAN: Data Augmentation with Balancing GAN", section 4.
    """

    recipe: ClassVar[Recipe] = Recipe(
        start=AutoencoderStart(share=0.5),
        prior="class_gaussian",
        head=KPlusOne(even=True, generator_weight=0.1),
        evolution=Evolution(mutations=("non_saturating",)),
        learning_rate=3e-4,
        balanced_batches=False,
    )

    @classmethod
    def from_paper(cls) -> Self:
        """Return a sampler with the settings of the paper as far as this library has them."""
        return cls(
            start=AutoencoderStart(share=1.0, learning_rate=5e-5, betas=(0.5, 0.999)),
            head=KPlusOne(even=True),
            n_epochs=150,
            batch_size=128,
            latent_dim=100,
            learning_rate=5e-5,
            **WITHOUT_TRICKS,
        )
