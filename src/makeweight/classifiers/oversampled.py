"""Os+CN: the small CNN on classes duplicated up to the largest."""

from typing import ClassVar

from makeweight.classifiers.recipe import CLASSIFIERS, ClassifierRecipe
from makeweight.classifiers.small_cnn import CNNClassifier


@CLASSIFIERS.register("os_cn")
class OversampledClassifier(CNNClassifier):
    """The small CNN on batches that hold every class equally often: random over-sampling.

    Parameters are those of `CNNClassifier`.

    References
    ----------
    Hao et al., 2020, "Annealing Genetic GAN for Minority Oversampling", section 5: Os+CN.
    """

    recipe: ClassVar[ClassifierRecipe] = ClassifierRecipe(balanced_batches=True)
