"""Class-balanced loss: weights by the effective number of images."""

from typing import ClassVar

from makeweight.classifiers.recipe import CLASSIFIERS, ClassifierRecipe
from makeweight.classifiers.small_cnn import CNNClassifier


@CLASSIFIERS.register("class_balanced")
class ClassBalancedClassifier(CNNClassifier):
    """A loss weighted by (1 − β)/(1 − β^n_c), one over the effective number of a class's images.

    Parameters are those of `CNNClassifier`.

    Notes
    -----
    By default the loss is cross-entropy and β is 0.999. The paper's others are ``loss="sigmoid"`` and
    ``loss=Focal(gamma=...)``; ``class_weight=ClassBalanced(beta=...)`` sets β.

    References
    ----------
    Cui et al., 2019, "Class-Balanced Loss Based on Effective Number of Samples".
    """

    recipe: ClassVar[ClassifierRecipe] = ClassifierRecipe(class_weight="class_balanced")
