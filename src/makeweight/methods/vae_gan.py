"""VAE-GAN: the generator is also the decoder of a variational autoencoder, measured in the discriminator's features."""

from typing import ClassVar, Self

from makeweight.evolution import Evolution
from makeweight.gan_sampler import GANSampler
from makeweight.recipe import WITHOUT_TRICKS, Recipe
from makeweight.sampler import METHODS


@METHODS.register("vae_gan")
class VAEGAN(GANSampler):
    """Variational autoencoder and GAN in one, with class labels.

    An encoder beside the generator learns to say from which noise a real image may be drawn. Images given back are to
    be near the real ones in what the discriminator sees, and their noise is to be standard normal.

    Parameters are those of `RecipeSampler`.

    Notes
    -----
    Departures: labels, by the generator's input and an auxiliary classifier; the paper has none. The discriminator
    judges drawn images alone, not those given back. The distance is a share of the mean square of the trunk's features,
    where the paper takes a layer as it is, and one weight for encoder and decoder. The distance from standard normal
    noise is a mean over its entries, weighed by 0.1, where the paper has the sum. Adam in place of RMSProp.

    References
    ----------
    Larsen et al., 2016, "Autoencoding beyond Pixels Using a Learned Similarity Metric", Algorithm 1.
    """

    recipe: ClassVar[Recipe] = Recipe(start="encoder", evolution=Evolution(mutations=("non_saturating",)))

    @classmethod
    def from_paper(cls) -> Self:
        """Return a sampler with the settings of the paper as far as this library has them."""
        return cls(
            batch_size=64,
            learning_rate=3e-4,
            **WITHOUT_TRICKS,
        )
