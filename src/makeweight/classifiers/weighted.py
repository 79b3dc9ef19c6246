"""Class weights: errors on rare classes count more."""

from typing import ClassVar

from makeweight.classifiers.recipe import CLASSIFIERS, ClassifierRecipe
from makeweight.classifiers.small_cnn import CNNClassifier


@CLASSIFIERS.register("class_weights")
class WeightedClassifier(CNNClassifier):
    """Cross-entropy with weights n/(K·n_c): each class weighs as much as any other.

    Parameters are those of `CNNClassifier`.

    References
    ----------
    King and Zeng, 2001, "Logistic Regression in Rare Events Data".
    """

    recipe: ClassVar[ClassifierRecipe] = ClassifierRecipe(class_weight="balanced")
