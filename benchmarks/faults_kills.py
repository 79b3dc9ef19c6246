"""Trainings killed at random moments, which should end with the bytes of one that was left alone.

Every trial trains in processes of its own, which are killed (SIGKILL) after a random share of the time that a whole
training takes, up to three times, and then lets the training go on to its end. Compared are the two players with their
optimisers, the averaged and the best generator, the temperature, the number of steps, the history but for its times,
and drawn images.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits

import makeweight.loop
from makeweight.gan_sampler import GANSampler
from makeweight.methods import get_method
from makeweight.training_state import state_of

METHODS = ("acgan", "egan", "aggan")
N_STEPS = 60
TELL_TIME = {"seconds", "seconds_left", "steps_per_second", "notes"}
MOST_KILLS = 3


def train(method: str, kept: Path, out: Path) -> None:
    """Train on a few digits, go on from what is kept, and write a hash of everything at the end."""
    X, y = load_digits(return_X_y=True)
    few = np.flatnonzero(y < 3)[:120]
    makeweight.loop.KEEP_EVERY = 0.02
    sampler: GANSampler = get_method(method)(
        n_steps=N_STEPS, batch_size=16, best_every=20, random_state=0, device="cpu", checkpoints=kept
    )
    sampler.fit(X[few].reshape(-1, 8, 8).astype(np.uint8) * 15, y[few])
    state = state_of(sampler.players_)
    digest = hashlib.sha256(json.dumps(state.numbers).encode())
    for name, value in sorted(state.tensors.items()):
        digest.update(name.encode() + value.detach().numpy().tobytes())
    digest.update(sampler.draw(0, range(8)).tobytes())
    told = [{name: entry[name] for name in sorted(entry.keys() - TELL_TIME)} for entry in sampler.history_]
    digest.update(json.dumps(told).encode())
    partial = out.with_suffix(f".{os.getpid()}")  # each process of a team writes its own
    partial.write_text(digest.hexdigest())
    partial.rename(out)


def in_processes(n_processes: int, work: Callable[[], None], limit: float) -> bool:
    """Run work in processes of its own, as many as a team has; kill them after `limit` seconds. Tell if it was done."""
    port = _free_port()
    children = []
    for rank in range(n_processes):
        child = os.fork()
        if child == 0:
            _be_child(work, rank, n_processes, port)
        children.append(child)
    end, failed = time.monotonic() + limit, False
    running = set(children)
    while running and time.monotonic() < end and not failed:
        for child in list(running):
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                running.discard(child)
                failed |= status != 0
        time.sleep(0.005)
    for child in running:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if failed:
        raise SystemExit("a training ended by itself, with an error: see above")
    return not running


def _be_child(work: Callable[[], None], rank: int, size: int, port: int) -> None:
    """Work as one process of a team, and end without what the parent planned for its own end."""
    status = 1
    try:
        torch.set_num_threads(1)
        if size > 1:
            names = {"TORCHELASTIC_RUN_ID": "kills", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "GROUP_RANK": 0}
            os.environ.update({name: str(value) for name, value in {**names, **numbers}.items()})
        work()
        status = 0
    finally:
        os._exit(status)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def trial(method: str, n_processes: int, whole: tuple[str, float], chance: random.Random) -> tuple[int, bool]:
    """Kill one training up to three times, let it end, and tell how often it was killed and whether bytes differ."""
    expected, seconds = whole
    folder = Path(tempfile.mkdtemp())
    out = folder / "hash"

    def work() -> None:
        train(method, folder / "kept", out)

    n_kills = 0
    for _ in range(chance.randint(1, MOST_KILLS)):
        if in_processes(n_processes, work, chance.uniform(0, seconds)):
            break
        n_kills += 1
    ended = in_processes(n_processes, work, 600) and out.read_text() == expected
    shutil.rmtree(folder)
    return n_kills, ended


def alone(method: str, n_processes: int) -> tuple[str, float]:
    """Train without a kill; give the hash and the seconds."""
    folder = Path(tempfile.mkdtemp())
    begin = time.monotonic()
    if not in_processes(n_processes, lambda: train(method, folder / "kept", folder / "hash"), 600):
        raise SystemExit(f"{method} did not end by itself")
    found, seconds = (folder / "hash").read_text(), time.monotonic() - begin
    shutil.rmtree(folder)
    return found, seconds


def killed_trainings(n_kills: int, seed: int, n_processes: int) -> list[tuple[str, ...]]:
    """Kill trainings of three methods until as many kills were made; give the rows of the table."""
    chance = random.Random(seed)
    whole = {method: alone(method, n_processes) for method in METHODS}
    counts: dict[str, list[int]] = {method: [0, 0, 0] for method in METHODS}
    while sum(kills for _, kills, _ in counts.values()) < n_kills:
        method = min(METHODS, key=lambda name: counts[name][1])
        kills, ended = trial(method, n_processes, whole[method], chance)
        for place, number in enumerate((1, kills, int(not ended))):
            counts[method][place] += number
    return [
        (f"{method}, {n_processes} process{'es' * (n_processes > 1)}", *map(str, row)) for method, row in counts.items()
    ]


def main(argv: Any = None) -> None:
    """Print the table for one and two processes."""
    for n_processes, n_kills in ((1, 100), (2, 30)):
        for row in killed_trainings(n_kills, 0, n_processes):
            print(*row, sep="\t", flush=True)


if __name__ == "__main__":
    main()
