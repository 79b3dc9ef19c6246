# %% [markdown]
# # Drawing on a cluster
#
# A drawn image is a function of model, seed, class and row number, and of nothing else. So any number of machines
# may draw parts of a set, in any order, and together they give the bytes that one machine would have given. Here two
# workers of Dask's scheduler on this machine stand in for a cluster; on a real one only the scheduler's address
# changes.

# %%
import os
import subprocess
import sys

import joblib
import numpy as np
from distributed import Client, LocalCluster

from makeweight import AGGAN, load
from makeweight.data.named import load_named
from makeweight.data.subsets import imbalanced_subset

MODEL = "cluster-model"  # a folder that all machines see
LABELS = ("3", "8")
N_IMAGES, PART = 256, 64


def train() -> None:
    digits = load_named("digits")
    X, y, _ = imbalanced_subset(digits.X_train, digits.y_train, {"0": 60, "3": 10, "8": 10}, random_state=0)
    AGGAN(n_steps=100, random_state=0).fit(X, y).save(MODEL)


# %% [markdown]
# One part of the work: some rows of a class. Images are drawn in blocks of 64, so parts are best multiples of that.


# %%
def draw(model: str, label: str, first: int) -> np.ndarray:
    import torch

    torch.set_num_threads(1)  # one worker a core
    return load(model).draw(label, range(first, first + PART))


# %% [markdown]
# joblib hands the parts to the workers. Workers are processes that read this file again, hence the last line but one
# of this cell: without it each would start a cluster of its own.


# %%
def draw_on_dask() -> None:
    parts = [(label, first) for label in LABELS for first in range(0, N_IMAGES, PART)]
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs="ERROR") as cluster,
        Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        drawn = joblib.Parallel()(joblib.delayed(draw)(MODEL, *part) for part in parts)
    images = np.concatenate(drawn)
    alone = np.concatenate([draw(MODEL, *part) for part in parts])
    print(f"{len(images)} images in {len(parts)} parts; the bytes of one process: {bool((images == alone).all())}")


if __name__ == "__main__":
    train()
    draw_on_dask()

# %% [markdown]
# The command line does without Dask: `torchrun`, which comes with torch, starts several processes, on one machine or
# on many, that share out what `balance` and `sample` draw, and train one model together. In a shell it is `torchrun
# --nproc-per-node 2 -m makeweight sample cluster-model 100 --label 3 --out cluster-drawn`.


# %%
def draw_with_torchrun() -> None:
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d"]
    endpoint = ["--rdzv-endpoint", "localhost:0"]
    job = ["-m", "makeweight", "sample", MODEL, "100", "--label", "3", "--out", "cluster-drawn", "--overwrite"]
    quiet = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([*launch, *endpoint, *job], env=quiet, capture_output=True, text=True, check=True)
    print(done.stdout, end="")


if __name__ == "__main__":
    draw_with_torchrun()
