# %% [markdown]
# # Attributes
#
# Some tables tell no class but what an image has: a face is *blond* and *smiling*, a part is *scratched* and *wet*.
# CA-GAN takes each attribute for a condition of its own, so a rare combination is learnt from all images that share
# a part of it.
#
# The table here is made on the spot: a digit is `even` or not, and has a `loop` (0, 6, 8, 9) or not. Of odd digits
# with a loop, which are nines, there are 20.

# %%
import csv
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from makeweight import CNNClassifier, balance_folder, sample_folder
from makeweight.data.named import load_named
from makeweight.data.source import open_source
from makeweight.data.subsets import imbalanced_subset

digits = load_named("digits")
counts = dict.fromkeys(digits.class_names, 60) | {"9": 20}
X, y, _ = imbalanced_subset(digits.X_train, digits.y_train, counts, random_state=0)

folder = Path("attributes")
folder.mkdir(exist_ok=True)
with (folder / "attributes.csv").open("w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["file_name", "even", "loop"])
    for number, (image, label) in enumerate(zip(X, y, strict=True)):
        Image.fromarray(image).save(folder / f"{number:03}.png")
        table.writerow([f"{number:03}.png", int(label in "02468"), int(label in "0689")])
print((folder / "attributes.csv").read_text()[:60], "...", sep="\n")

# %% [markdown]
# All columns but that of the file are binary, and none is called `label`: so these are attributes, and an image's
# class is what it has, joined by `+`, or `none`. On the command line it is `makeweight balance attributes
# attributes-balanced --labels attributes.csv --method ca_gan`.

# %%
balance_folder(
    folder,
    "attributes-balanced",
    labels=folder / "attributes.csv",
    method="ca_gan",
    n_steps=500,
    seed=0,
    overwrite=True,
)
balanced = open_source("attributes-balanced/images")
print(Counter(map(str, balanced.labels)))

# %% [markdown]
# More of the rare combination, an odd digit with a loop, from the saved model.

# %%
sample_folder("attributes-balanced", 20, label="loop", out="attributes-more", overwrite=True)
drawn = np.stack([np.asarray(Image.open(path)) for path in sorted(Path("attributes-more").rglob("*.png"))[:20]])
figure, axes = plt.subplots(2, 10, figsize=(5, 1.2), dpi=80)
for row, images in zip(axes, (X[y == "9"], drawn), strict=True):
    for axis, image in zip(row, images, strict=False):
        axis.imshow(image, cmap="gray_r")
        axis.axis("off")
figure.savefig("attributes.png")

# %% [markdown]
# Do they show what was asked for? A network that has learnt the digits from many real images, none of which CA-GAN
# has seen, says which digit it takes each for.

# %%
judge = CNNClassifier(n_steps=300, random_state=0).fit(digits.X_test, digits.y_test)
taken_for = judge.predict(drawn)
print("taken for:", Counter(taken_for.tolist()))
print("odd:", np.mean([label in "13579" for label in taken_for]))
print("with a loop:", np.mean([label in "0689" for label in taken_for]))
