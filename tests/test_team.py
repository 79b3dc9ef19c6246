"""Two processes train one model: started by torchrun, as a user would, and held against one process."""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from makeweight.assembly import Assembly
from makeweight.augmentations import Transform
from makeweight.balance import sample_folder, verify_folder
from makeweight.balance.manifest import read_manifest
from makeweight.balance.settings import apply_settings
from makeweight.errors import InputError
from makeweight.game import rescore_best, step
from makeweight.gan_sampler import GANSampler
from makeweight.methods import get_method
from makeweight.priors import Request
from makeweight.rules import Game, Players
from makeweight.team import Team, team

SHAPE, N_CLASSES, BATCH, N_STEPS = (1, 8, 8), 3, 8, 6
CHOOSY = "choosy aggan"  # lets next to no worse generator through, and steps so far that some offspring are worse
METHODS = ("acgan", "egan", "aggan", CHOOSY)
ACCEPTED = 3  # column of a step's figures


def make_sampler(method: str) -> GANSampler:
    """MLPs have no batch norm, whose statistics would be each process's own."""
    kind = get_method(method.removeprefix("choosy "))
    sampler: GANSampler = kind(networks="mlp", latent_dim=5, batch_size=BATCH, random_state=0)
    if method == CHOOSY:
        apply_settings(sampler, {"evolution.fresh_noise": "true", "learning_rate": "0.05"})
    return sampler.set_params(penalty="r1")


def set_table(method: str, both: bool = False) -> tuple[Game, Players]:
    sampler = make_sampler(method)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        assembly = Assembly(sampler.setting, SHAPE, np.array([7, 3, 2]))
        game = assembly.game(torch.device("cpu"), torch.enable_grad)
        players = assembly.players(game)
    players.temperature = 1e-9 if method == CHOOSY else 1e-3
    if both:
        game = Both(**{name: getattr(game, name) for name in game.__dataclass_fields__})
    return game, players


class Both(Game):
    """One process that takes by itself what two processes would take in turn."""

    def request(self, random: torch.Generator) -> Request:
        parts = [self.prior.draw(BATCH // 2, self.latent_dim, self.class_counts, random) for _ in range(2)]
        return Request(torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts]))

    def transform(self, random: torch.Generator, n_steps: int = 0) -> Transform:
        first, second = (self.augmentation.draw(BATCH // 2, random) for _ in range(2))
        return lambda images: torch.cat([first(images[: BATCH // 2]), second(images[BATCH // 2 :])])


def play(game: Game, players: Players, order: list[int]) -> dict[str, Tensor]:
    """Take a few steps on batches whose images are picked by `order`; give back everything."""
    random, source = torch.Generator().manual_seed(5), torch.Generator().manual_seed(6)
    figures = []
    for _ in range(N_STEPS):
        images = torch.rand(BATCH, *SHAPE, generator=source)[order] * 2 - 1
        codes = torch.randint(N_CLASSES, (BATCH,), generator=source)[order]
        figures.append(step(game, players, images, codes, random).figures())
        rescore_best(game, players, images, codes, random)
    assert players.best is not None
    parts = {"generator": players.generator, "discriminator": players.discriminator, "best": players.best}
    named = {f"{part}.{name}": value for part, each in parts.items() for name, value in each.named_tensors().items()}
    return {"figures": torch.stack(figures), **named}


def torchrun(
    *arguments: str | int | Path, where: Sequence[str] = ("--standalone", "--nproc-per-node=2")
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", *where]
    root = Path(__file__).resolve().parent.parent
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{root}{os.pathsep}{root / 'src'}"}
    return subprocess.run(
        [*command, *map(str, arguments)], env=environment, capture_output=True, text=True, check=False, timeout=240
    )


STEPS = """
import sys
import torch
from safetensors.torch import save_file
from makeweight.devices import fabric_for
from makeweight.team import team
from tests.test_team import METHODS, play, set_table, BATCH
fabric_for("cpu", None)
for method in METHODS:
    game, players = set_table(method)
    assert game.team == team() and game.team.size == 2
    done = play(game, players, list(range(game.team.rank, BATCH, 2)))
    save_file({name: value.clone() for name, value in done.items()}, f"{sys.argv[1]}/{method}-{game.team.rank}")
import numpy as np
from makeweight import AGGAN
X = np.random.default_rng(0).integers(0, 256, (40, 8, 8)).astype(np.uint8)
hashes = []
for draws in ("average", "last", "best"):
    sampler = AGGAN(n_steps=4, best_every=2, batch_size=8, draws=draws, random_state=0)
    hashes.append(sampler.fit(X, np.arange(40) % 2).model_hash_)
with open(f"{sys.argv[1]}/hashes-{game.team.rank}", "w") as file:
    file.write(" ".join(hashes))
assert game.team.agree(game.team.rank + 0.5, game.device) == 0.5
"""


LONGER = """
import sys
import numpy as np
import makeweight.loop
from safetensors.torch import save_file
from makeweight import AGGAN
from makeweight.team import team
from makeweight.training_state import state_of
makeweight.loop.KEEP_EVERY = 0.0
folder, stop, out = sys.argv[1:]
def listen(report):
    if report.step == int(stop):
        raise SystemExit(3)
X = np.random.default_rng(0).integers(0, 256, (40, 8, 8)).astype(np.uint8)
sampler = AGGAN(n_steps=20, best_every=2, batch_size=8, random_state=0, checkpoints=folder or None, callback=listen)
players = sampler.fit(X, np.arange(40) % 2).players_
state = state_of(players).tensors.items()
save_file({name: value.contiguous().clone() for name, value in state}, f"{out}-{team().rank}")
"""


HOST = """
import sys
import numpy as np
from makeweight import AGGAN
from makeweight.team import processes_here, team
assert (team().size, processes_here()) == (2, 1)
X = np.random.default_rng(0).integers(0, 256, (40, 8, 8)).astype(np.uint8)
sampler = AGGAN(n_steps=4, best_every=2, batch_size=8, draws="average", random_state=0)
with open(f"{sys.argv[1]}/host-{team().rank}", "w") as file:
    file.write(sampler.fit(X, np.arange(40) % 2).model_hash_)
"""


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("team")
    (folder / "steps.py").write_text(STEPS)
    done = torchrun(folder / "steps.py", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("method", METHODS)
def test_two_processes_step_like_one(method: str, two_processes: Path) -> None:
    first, second = (load_file(two_processes / f"{method}-{rank}") for rank in range(2))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    accepted = first["figures"][:, ACCEPTED]
    assert accepted.all() if method != CHOOSY else 0 < accepted.sum() < N_STEPS
    game, players = set_table(method, both=True)
    one = play(game, players, [*range(0, BATCH, 2), *range(1, BATCH, 2)])
    torch.testing.assert_close(first["figures"], one["figures"], rtol=1e-4, atol=1e-5)
    close = 0.01 * players.generator.learning_rate  # Adam's step is as long as that, however small a gradient is
    for name, value in one.items():
        torch.testing.assert_close(first[name], value, rtol=1e-3, atol=close, msg=lambda m, n=name: f"{n} {m}")


def test_all_processes_end_with_the_same_model_whichever_draws(two_processes: Path) -> None:
    """With batch norm, whose statistics each process takes from its own images, and a rescoring at the last step."""
    first, second = ((two_processes / f"hashes-{rank}").read_text().split() for rank in range(2))
    assert first == second
    assert len(set(first)) >= 2


def test_two_hosts_learn_what_two_processes_of_one_do(two_processes: Path, tmp_path: Path) -> None:
    """Two agents with a process each, as on two machines, meet at an address as the guide says."""
    script = tmp_path / "host.py"
    script.write_text(HOST)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    meeting = [
        "--nnodes=2",
        "--nproc-per-node=1",
        "--rdzv-backend=c10d",
        f"--rdzv-endpoint={address}",
        "--rdzv-id=test",
    ]
    with ThreadPoolExecutor() as hosts:
        runs = [hosts.submit(torchrun, script, tmp_path, where=meeting) for _ in range(2)]
    assert [run.result().returncode for run in runs] == [0, 0], [run.result().stderr for run in runs]
    first, *_ = (two_processes / "hashes-0").read_text().split()
    assert [(tmp_path / f"host-{rank}").read_text() for rank in range(2)] == [first, first]


def test_two_processes_go_on_where_one_of_them_was_stopped(tmp_path: Path) -> None:
    script = tmp_path / "longer.py"
    script.write_text(LONGER)
    assert torchrun(script, "", 0, tmp_path / "whole").returncode == 0
    assert torchrun(script, tmp_path / "kept", 13, tmp_path / "never").returncode != 0
    assert [path.name[:9] for path in sorted((tmp_path / "kept").iterdir())] == ["000000011", "000000012"]
    assert torchrun(script, tmp_path / "kept", 0, tmp_path / "resumed").returncode == 0
    for rank in range(2):
        whole, resumed = (load_file(tmp_path / f"{name}-{rank}") for name in ("whole", "resumed"))
        assert whole.keys() == resumed.keys()
        assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_a_process_alone_is_a_team_of_one() -> None:
    assert team() == Team(0, 1)
    alone, value = Team(), torch.tensor([1.0])
    alone.average(value)
    assert value.item() == 1.0
    assert alone.agree(0.1, torch.device("cpu")) == 0.1


def test_own_takes_every_processes_draw_and_keeps_one() -> None:
    streams = [iter(range(10)) for _ in range(3)]
    kept = [[Team(rank, 3).own(lambda s=stream: next(s)) for _ in range(2)] for rank, stream in enumerate(streams)]
    assert kept == [[0, 3], [1, 4], [2, 5]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"random_state": None}, "equal seeds: give random_state a whole number."),
        ({"batch_size": 7}, "batch_size=7 cannot be shared by 2 processes: give a multiple of 2."),
        ({"device": "cpu:0"}, "on device='cpu' or 'cuda', where each takes a device of its own."),
    ],
)
def test_what_a_team_cannot_do(settings: dict[str, object], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "RANK": "0", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    X = np.zeros((8, 8, 8), np.uint8)
    with pytest.raises(InputError) as caught:
        make_sampler("aggan").set_params(**settings).fit(X, np.arange(8) % 2)
    assert message in str(caught.value)


def make_folder(path: Path) -> Path:
    random = np.random.default_rng(0)
    for label, count in {"ants": 30, "bees": 9, "wasps": 4}.items():
        (path / label).mkdir(parents=True)
        for i in range(count):
            pixels = random.integers(0, 256, (8, 8)).astype(np.uint8)
            Image.fromarray(pixels).save(path / label / f"{i}.png")
    return path


def digests(folder: Path) -> dict[str, str]:
    """Of every file but the one that holds times."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "training.json")
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def balanced(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs of two processes."""
    place = tmp_path_factory.mktemp("balance")
    source = make_folder(place / "insects")
    for name in ("one", "two"):
        done = torchrun("-m", "makeweight", "balance", source, place / name, "--steps", "8", "--device", "cpu")
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("Balanced by aggan") == 1, "one process speaks"
    return [place / "one", place / "two"]


def test_two_processes_write_one_folder_the_same_each_time(balanced: list[Path]) -> None:
    one, two = balanced
    assert digests(one) == digests(two)
    assert {path.name for path in one.iterdir()} == {"images", "manifest.csv", "model", "report.html", "samples.png"}
    assert {path.name for path in one.parent.iterdir()} == {"insects", "one", "two"}
    rows = read_manifest(one / "manifest.csv")
    assert [row.origin for row in rows] == ["real"] * 43 + ["drawn"] * 47
    assert [row.source for row in rows if row.label == "wasps" and row.origin == "real"] == [
        f"{i}.png" for i in range(4)
    ]
    assert [row.row for row in rows if row.label == "wasps" and row.origin == "drawn"] == list(range(26))
    assert verify_folder(one).good


def test_two_processes_sample_what_one_does(balanced: list[Path], tmp_path: Path) -> None:
    model = balanced[0] / "model"
    done = torchrun("-m", "makeweight", "sample", model, "200", "--label", "bees", "--out", tmp_path / "team")
    assert done.returncode == 0, done.stderr
    sample_folder(model, 200, label="bees", out=tmp_path / "alone")
    assert digests(tmp_path / "team") == digests(tmp_path / "alone")


def test_bad_input_ends_all_processes_with_one_sentence(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "insects")
    (source / "ants" / "0.png").write_bytes(b"no image")
    done = torchrun("-m", "makeweight", "balance", source, tmp_path / "out", "--steps", "8")
    assert done.returncode == 1  # torchrun's own
    assert 1 <= done.stderr.count("makeweight: ") <= 2  # the other process may be ended before it speaks
    assert "0.png" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"insects"}
