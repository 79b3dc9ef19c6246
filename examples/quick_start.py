# %% [markdown]
# # Quick start
#
# A set of handwritten digits in which three classes are rare, balanced with AGGAN, and whether that helped. It takes
# less than a minute on one core, because the training is kept short: 600 steps, where the default is 9,000.

# %%
from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import recall_score

from makeweight import AGGAN, CNNClassifier, Duplicates, load
from makeweight.data.named import load_named
from makeweight.data.subsets import imbalanced_subset

digits = load_named("digits")
counts = dict.fromkeys(digits.class_names, 100) | {"3": 10, "8": 15, "9": 20}
X, y, _ = imbalanced_subset(digits.X_train, digits.y_train, counts, random_state=0)
print(X.shape, X.dtype, Counter(y.tolist()))

# %% [markdown]
# A method is a sampler of imbalanced-learn. It gives the originals back, and drawn images after them.

# %%
sampler = AGGAN(n_steps=600, random_state=0)
X_aggan, y_aggan = sampler.fit_resample(X, y)
print(f"{len(X)} originals, {len(X_aggan) - len(X)} drawn")
print("originals first, untouched:", bool((X_aggan[: len(X)] == X).all()))

# %% [markdown]
# Look at them before you trust them: real images in the upper row, drawn ones in the lower.

# %%
figure, axes = plt.subplots(2, 12, figsize=(6, 1.2), dpi=80)
for label, columns in (("3", axes[:, :4]), ("8", axes[:, 4:8]), ("9", axes[:, 8:])):
    for row, images in zip(columns, (X[y == label], sampler.draw(label, range(4))), strict=True):
        for axis, image in zip(row, images, strict=False):
            axis.imshow(image, cmap="gray_r")
            axis.axis("off")
figure.savefig("quick-start.png")

# %% [markdown]
# Did it help? Only images that nothing was learnt from can tell, and duplicates are the rival to beat. These are
# means of three trainings of a small network, and one training of AGGAN: small differences may be chance.
# `makeweight compare` asks the question properly, with intervals and a verdict.

# %%
X_twice, y_twice = Duplicates(random_state=0).fit_resample(X, y)
for name, images, labels in (
    ("imbalanced", X, y),
    ("duplicates", X_twice, y_twice),
    ("AGGAN", X_aggan, y_aggan),
):
    trained = [CNNClassifier(n_steps=200, random_state=seed).fit(images, labels) for seed in range(3)]
    answers = [classifier.predict(digits.X_test) for classifier in trained]
    recalls = np.mean([recall_score(digits.y_test, answer, average=None) for answer in answers], axis=0)
    rare = ", ".join(f"{label}: {100 * recalls[int(label)]:.0f} %" for label in ("3", "8", "9"))
    print(f"{name:>10}: mean recall {100 * recalls.mean():.1f} %, of the rare digits {rare}")

# %% [markdown]
# A saved model draws more, without the training images: row 0 is the same image every time.

# %%
sampler.save("digits-model")
again = load("digits-model")
print("the same bytes:", bool((again.draw("3", [0]) == sampler.draw("3", [0])).all()))
X_more, y_more = again.sample({"3": 5})
print(X_more.shape, y_more)
