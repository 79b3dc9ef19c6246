"""Logit adjustment: rare classes must win by a wider margin while the network learns."""

from typing import ClassVar

from makeweight.classifiers.recipe import CLASSIFIERS, ClassifierRecipe
from makeweight.classifiers.small_cnn import CNNClassifier


@CLASSIFIERS.register("logit_adjusted")
class LogitAdjustedClassifier(CNNClassifier):
    """Cross-entropy of logits shifted by the logarithm of the classes' shares, a shift that answers go without.

    Parameters are those of `CNNClassifier`; ``loss=LogitAdjusted(tau=...)`` sets the shift's strength.

    References
    ----------
    Menon et al., 2021, "Long-Tail Learning via Logit Adjustment", the logit adjusted loss.
    """

    recipe: ClassVar[ClassifierRecipe] = ClassifierRecipe(loss="logit_adjusted")
