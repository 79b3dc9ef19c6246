"""Input as attack: damaged and hostile files against every reader, each in a box that is searched afterwards.

A kind of input is a small valid folder made on the spot, the files in it that are damaged, and the reader that is
tried. Readers run in a process of their own, which is ended after five seconds. What counts as a failure: any exception
but `InputError`, a message that is no single printable sentence, a hang, more memory than the bound, a file written or
changed outside OUT, a network connection, another program started, or a class looked up by pickle.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import multiprocessing
import os
import resource
import shutil
import stat
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import mutations
import numpy as np
from faults_kinds import KINDS, Kind, input_error
from mutations import ANY

SECONDS, MEMORY, ADDRESSES = 5.0, 512 << 20, 4 << 30
OUTCOMES = ("refused", "read", "traceback", "hang", "memory", "outside", "code")
COLUMNS = (
    "refused in a sentence", "read", "tracebacks", "hangs over 5 s", "over 512 MB", "files outside OUT", "code run"
)  # fmt: skip
_WORDS = ("pickle.find_class", "socket.connect", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn")


@dataclass
class Tally:
    """What came out for one kind."""

    tried: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    slowest: float = 0.0


def campaign(
    n_inputs: int, seed: int, kinds: Sequence[Kind] = KINDS, note: Callable[[str], None] = print
) -> dict[str, Tally]:
    """Try damaged inputs of all kinds.

    Parameters
    ----------
    n_inputs : int
        How many in all.
    seed : int
        Equal seeds try equal inputs.
    kinds : sequence of Kind
        What is tried.
    note : callable
        Told of each failure.

    Returns
    -------
    dict of Tally
        By the name of the kind.
    """
    weights = np.array([kind.share for kind in kinds])
    numbers = np.diff(np.rint(np.cumsum(weights) / weights.sum() * n_inputs), prepend=0).astype(int)
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        pairs = zip(kinds, numbers.tolist(), strict=True)
        return {kind.name: _try_kind(kind, number, seed, Path(folder), note) for kind, number in pairs}


def _try_kind(kind: Kind, number: int, seed: int, folder: Path, note: Callable[[str], None]) -> Tally:
    tally, worker = Tally(), None
    for case in range(number):
        worker = worker or Worker(kind, folder)
        outcome, detail, lost, seconds = worker.try_case(f"{seed}/{kind.name}/{case}")
        tally.slowest = max(tally.slowest, seconds)
        tally.tried += 1
        tally.outcomes[outcome] += 1
        tally.lost += lost
        if outcome not in ("refused", "read"):
            note(f"{kind.name}, input {case}: {outcome}\n{detail}")
        if outcome in ("hang", "memory"):
            worker = worker.end()
    if worker is not None:
        worker.end()
    print(f"{kind.name}: {tally.tried:,} tried, {dict(tally.outcomes)}", file=sys.stderr, flush=True)
    return tally


class Worker:
    """The process in which readers run, ended when one of them does not come back."""

    def __init__(self, kind: Kind, folder: Path) -> None:
        spawn = multiprocessing.get_context("spawn")
        self.pipe, other = spawn.Pipe()
        self.process = spawn.Process(target=_work, args=(KINDS.index(kind), folder, other), daemon=True)
        self.process.start()
        self.pipe.recv()

    def try_case(self, name: str) -> tuple[str, str, int, float]:
        """Try one input; give the outcome, what there is to say about it, the bytes lost and the seconds."""
        self.pipe.send(name)
        self.pipe.recv()  # the input is made: now the clock runs
        if not self.pipe.poll(SECONDS):
            return "hang", "", 0, SECONDS
        try:
            answer: tuple[str, str, int, float] = self.pipe.recv()
        except EOFError:
            return "memory", f"the process ended with status {self.process.exitcode}", 0, 0.0
        return answer

    def end(self) -> None:
        """Kill the process."""
        self.process.kill()
        self.process.join()


def _work(number: int, folder: Path, pipe: Any) -> None:
    kind = KINDS[number]
    os.environ["MAKEWEIGHT_DATA"] = ""
    sys.dont_write_bytecode = True
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(1000)
    import torch

    torch.set_num_threads(1)
    template = folder / f"template-{number}"
    if not template.exists():
        template.mkdir()
        kind.make(template)
    box = folder / f"box-{number}"
    with contextlib.suppress(Exception):
        _run(kind, template, box)  # imports everything
    n_bytes = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (n_bytes + ADDRESSES, n_bytes + ADDRESSES))
    seen: list[str] = []
    sys.addaudithook(functools.partial(_heard, seen, os.fspath(box / "work" / "OUT")))
    pipe.send("ready")
    while True:
        chance = Random(pipe.recv())
        _fill(kind, template, box, chance)
        seen.clear()
        before, peak = _contents(box), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        pipe.send("made")
        start = time.monotonic()
        outcome, detail = _outcome(kind, box)
        seconds = time.monotonic() - start
        told = list(seen)
        after = _contents(box)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) * 1024
        lost = sum(size for name, (size, content) in before.items() if after.get(name, (0, None))[1] != content)
        changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
        if any(word in what for what in told for word in _WORDS):
            outcome, detail = "code", "\n".join(told)
        elif changed or told:
            outcome, detail = "outside", "\n".join([*changed, *told])
        elif grown > MEMORY:
            outcome, detail = "memory", f"{grown:,} bytes more"
        pipe.send((outcome, detail, lost, seconds))


def _heard(seen: list[str], out: str, event: str, args: tuple[Any, ...]) -> None:
    """Note what a reader must not do; an audit hook cannot be taken away, so it is told what to note where."""
    if event == "open":
        path, mode, flags = args
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        if writes and isinstance(path, (str, bytes)) and not os.path.abspath(os.fsdecode(path)).startswith(out):
            seen.append(f"open {path!r} {mode}")
    elif event in _WORDS:
        seen.append(f"{event} {args!r}"[:300])


def _outcome(kind: Kind, box: Path) -> tuple[str, str]:
    InputError = input_error()
    try:
        kind.read(box / "work" / "in", box / "work" / "OUT")
    except InputError as error:
        sentence = str(error)
        good = sentence.isprintable() and sentence.endswith((".", "?"))
        return ("refused", "") if good else ("traceback", f"no sentence: {sentence!r}")
    except BaseException:
        return "traceback", traceback.format_exc(limit=-6)
    return "read", ""


def _run(kind: Kind, template: Path, box: Path) -> None:
    _fresh(template, box)
    kind.read(box / "work" / "in", box / "work" / "OUT")


def _fresh(template: Path, box: Path) -> Path:
    """Make the box anew: the input, and empty folders that stand for the rest of the machine."""
    shutil.rmtree(box, ignore_errors=True)
    for name in ("work", "home", "temporary", "here"):
        (box / name).mkdir(parents=True)
    os.chdir(box / "here")
    os.environ["HOME"], os.environ["TMPDIR"] = str(box / "home"), str(box / "temporary")
    tempfile.tempdir = None
    shutil.copytree(template, box / "work" / "in")
    return box / "work" / "in"


def _fill(kind: Kind, template: Path, box: Path, chance: Random) -> None:
    folder = _fresh(template, box)
    files = sorted(path for pattern in kind.files for path in folder.glob(pattern) if path.is_file())
    if not files:
        _rename_at_random(folder, chance)
        return
    target = chance.choice(files)
    if chance.random() < 0.04:
        _replace(target, chance)
        return
    content = target.read_bytes()
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        any_of_all = chance.random() < 0.4 or not kind.mutations
        mutation = chance.choice((*ANY, *kind.mutations) if any_of_all else kind.mutations)
        with contextlib.suppress(Exception):  # a mutation of what another one has damaged already
            content = mutation(content, chance)
    target.write_bytes(content)


def _replace(target: Path, chance: Random) -> None:
    """Put something else in the place of a file."""
    target.unlink()
    action = chance.randrange(8)
    if action == 0:
        os.mkfifo(target)
    elif action == 1:
        target.mkdir()
    elif action == 2:
        target.symlink_to(target.name)
    elif action == 3:
        target.symlink_to("/dev/zero")
    elif action == 4:
        target.symlink_to("nowhere")
    elif action == 5:
        target.touch()
    elif action == 6:
        with target.open("wb") as file:
            file.truncate(1 << 40)


def _rename_at_random(folder: Path, chance: Random) -> None:
    """Give classes and files hostile names, and put links among them."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if chance.random() < 0.4:
            text = chance.choice(mutations.TEXTS).replace("/", chance.choice(("", "\\"))).replace("\x00", "")
            raw = text.encode("utf-8", "surrogatepass")[: chance.choice((20, 251))]
            if chance.random() < 0.2:
                raw += bytes((chance.randrange(128, 256),))
            suffix = path.suffix.encode() if path.is_file() else b""
            with contextlib.suppress(OSError):
                os.rename(os.fsencode(path), os.path.join(os.fsencode(path.parent), (raw or b"x") + suffix))
    if chance.random() < 0.3:
        (folder / "loop").symlink_to(chance.choice((".", "..", "loop", "/proc/self/cwd")))


def _contents(box: Path) -> dict[str, tuple[int, str | None]]:
    """Size and content of everything in the box but OUT."""
    return dict(_walk(box))


def _walk(box: Path) -> Iterator[tuple[str, tuple[int, str | None]]]:
    for root, folders, files in os.walk(box):
        if Path(root) == box / "work" and "OUT" in folders:
            folders.remove("OUT")
        for name in (*folders, *files):
            path = os.path.join(root, name)
            status = os.lstat(path)
            small = stat.S_ISREG(status.st_mode) and status.st_size < 1 << 24
            content = hashlib.sha256(Path(path).read_bytes()).hexdigest() if small else str(stat.S_IFMT(status.st_mode))
            yield os.path.relpath(path, box), (status.st_size if stat.S_ISREG(status.st_mode) else 0, content)
