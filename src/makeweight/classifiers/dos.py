"""DOS: deep over-sampling, on batches that hold every class equally often."""

from typing import ClassVar

from makeweight.classifiers.deep_over_sampling import DeepOverSampling
from makeweight.classifiers.recipe import CLASSIFIERS, ClassifierRecipe
from makeweight.classifiers.small_cnn import CNNClassifier


@CLASSIFIERS.register("dos")
class DOSClassifier(CNNClassifier):
    """Deep over-sampling: minority images learn towards random mixtures of their neighbours among the features.

    Parameters are those of `CNNClassifier`; ``risk=DeepOverSampling(n_neighbors=..., n_rounds=...)`` sets the
    neighbours and the rounds.

    References
    ----------
    Ando and Huang, 2017, "Deep Over-sampling Framework for Classifying Imbalanced Data".
    """

    recipe: ClassVar[ClassifierRecipe] = ClassifierRecipe(risk=DeepOverSampling(), balanced_batches=True)
