# %% [markdown]
# # Your own networks
#
# Any pair of PyTorch modules can play the game: a generator that draws, and a trunk that turns images into features.
# Label, objectives, annealing and all the rest stay makeweight's.

# %%
import math

import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn

from makeweight import AGGAN, OwnNetworks, load
from makeweight.data.named import load_named
from makeweight.data.subsets import imbalanced_subset

# %% [markdown]
# The generator gets noise (batch, latent_dim) and class codes (batch,), and gives images (batch, channels, height,
# width) in [-1, 1]. This one starts from a small picture and enlarges it by nearest neighbours.


# %%
class Generator(nn.Module):
    def __init__(self, shape: tuple[int, int, int], n_classes: int, latent_dim: int) -> None:
        super().__init__()
        channels, height, width = shape
        small = (48, height // 4, width // 4)
        self.label = nn.Embedding(n_classes, latent_dim)
        self.body = nn.Sequential(
            nn.Linear(2 * latent_dim, math.prod(small)),
            nn.Unflatten(1, small),
            *self._enlarged(48, 32),
            *self._enlarged(32, 24),
            nn.Conv2d(24, channels, 3, padding=1),
            nn.Tanh(),
        )

    @staticmethod
    def _enlarged(n_in: int, n_out: int) -> tuple[nn.Module, ...]:
        return nn.Upsample(scale_factor=2), nn.Conv2d(n_in, n_out, 3, padding=1), nn.BatchNorm2d(n_out), nn.ReLU()

    def forward(self, noise: Tensor, codes: Tensor) -> Tensor:
        images: Tensor = self.body(torch.cat([noise, self.label(codes)], dim=1))
        return images


# %% [markdown]
# The trunk is called with the shape of the images, and ends in a row of features. How realness and class are read
# from them is the business of the head.


# %%
def trunk(shape: tuple[int, int, int]) -> nn.Module:
    channels, height, width = shape
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(32, 48, 3, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(48 * (height // 2) * (width // 2), 64),
        nn.LeakyReLU(0.2),
    )


networks = OwnNetworks(generator=Generator, trunk=trunk)

# %% [markdown]
# They are tried once before the training. A misfit is told in a sentence:

# %%
digits = load_named("digits")
counts = {"0": 100, "1": 100, "3": 20}
X, y, _ = imbalanced_subset(digits.X_train, digits.y_train, counts, random_state=0)
try:
    AGGAN(networks=OwnNetworks(generator=Generator, trunk=nn.Identity()), n_steps=1, random_state=0).fit(X, y)
except ValueError as error:
    print(error)

# %%
sampler = AGGAN(networks=networks, n_steps=400, random_state=0).fit(X, y)
figure, axes = plt.subplots(3, 10, figsize=(5, 1.6), dpi=80)
for row, label in zip(axes, ("0", "1", "3"), strict=True):
    for axis, image in zip(row, sampler.draw(label, range(10)), strict=True):
        axis.imshow(image, cmap="gray_r")
        axis.axis("off")
figure.savefig("own-networks.png")

# %% [markdown]
# A saved model holds weights, not code. So `load` is given the networks again.

# %%
sampler.save("own-model")
again = load("own-model", networks=networks)
print("the same bytes:", bool((again.draw("3", range(5)) == sampler.draw("3", range(5))).all()))
try:
    load("own-model").draw("3", [0])
except ValueError as error:
    print(error)
