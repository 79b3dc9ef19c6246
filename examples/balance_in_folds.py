# %% [markdown]
# # Balancing inside a pipeline, fold by fold
#
# A set that is balanced before it is split puts copies and descendants of test images into the training part, and
# every figure after that is too good. In a pipeline of imbalanced-learn a sampler works on the training part of each
# fold alone.

# %%
from imblearn.pipeline import make_pipeline
from sklearn.model_selection import StratifiedKFold, cross_val_score

from makeweight import AGGAN, SMOTE, CNNClassifier, Duplicates
from makeweight.data.named import load_named
from makeweight.data.subsets import imbalanced_subset

digits = load_named("digits")
counts = {"0": 80, "1": 80, "2": 80, "3": 12, "8": 12}
X, y, _ = imbalanced_subset(digits.X_train, digits.y_train, counts, random_state=0)
folds = StratifiedKFold(n_splits=3, shuffle=True, random_state=0)
classifier = CNNClassifier(n_steps=100, random_state=0)

# %%
for sampler in (
    None,
    Duplicates(random_state=0),
    SMOTE(random_state=0),
    AGGAN(n_steps=200, random_state=0),
):
    pipeline = make_pipeline("passthrough" if sampler is None else sampler, classifier)
    scores = 100 * cross_val_score(pipeline, X, y, cv=folds, scoring="balanced_accuracy")
    name = "nothing" if sampler is None else type(sampler).__name__
    print(f"{name:>10}: {scores.mean():.1f} % balanced accuracy, folds {scores.round(1)}")

# %% [markdown]
# The mistake, to see how large it is: duplicates first, folds afterwards. Nearly every test image of a rare class
# now has its twin in the training part, and the figure tells nothing.

# %%
X_twice, y_twice = Duplicates(random_state=0).fit_resample(X, y)
scores = 100 * cross_val_score(classifier, X_twice, y_twice, cv=folds, scoring="balanced_accuracy")
print(f"balanced before the split: {scores.mean():.1f} %, which is wrong")
