# %% [markdown]
# # Classifiers compared in `cross_val_score`
#
# Before anything is drawn: remedies that only change what a classifier minimises are cheap, and strong. All
# classifiers of makeweight have the contract of scikit-learn, so `cross_val_score` takes them as they are.

# %%
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score

from makeweight.classifiers import catalogue, get_classifier
from makeweight.data.named import load_named
from makeweight.data.subsets import imbalanced_subset

digits = load_named("digits")
counts = dict.fromkeys(digits.class_names, 60) | {"3": 9, "8": 9, "9": 9}
X, y, _ = imbalanced_subset(digits.X_train, digits.y_train, counts, random_state=0)

# %% [markdown]
# Balanced accuracy is the mean recall of the classes: plain accuracy would hardly notice the rare ones.

# %%
chosen = ("cn", "os_cn", "class_weights", "focal", "logit_adjusted", "mixup")
told = {entry.name: entry.line for entry in catalogue()}
folds = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)
for name in chosen:
    classifier = get_classifier(name)(n_steps=150, random_state=0)
    scores = 100 * cross_val_score(classifier, X, y, cv=folds, scoring="balanced_accuracy")
    print(f"{name:>14}: {scores.mean():.1f} ± {scores.std(ddof=1):.1f}  {told[name]}")

# %% [markdown]
# The numbers behind ± are standard deviations over folds, of which each holds three images of a rare class: this is
# far too little to call a winner. More images, repeats, and intervals paired by image are what `makeweight compare`
# is for.
