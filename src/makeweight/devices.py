"""Where to compute and in which precision, by way of lightning-fabric."""

from __future__ import annotations

import atexit
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import joblib
import torch
from lightning_fabric import Fabric

from makeweight.errors import InputError
from makeweight.team import processes_here, team

PRECISIONS = ("32-true", "bf16-mixed")
SECONDS_TO_FINISH = 0.2
_GLOBAL_STATE = threading.RLock()


def fabric_for(device: str, precision: str | None) -> Fabric:
    """Set up one device.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda", "cuda:1", "mps".
    precision : "32-true", "bf16-mixed" or None
        None takes bfloat16 where the device computes in it natively, else single precision. Weights, losses and
        optimiser states stay in single precision in both.

    Raises
    ------
    InputError
        For a device that is not there, or another precision.
    """
    check_precision(precision)
    kind, _, index = device.partition(":") if isinstance(device, str) else ("", "", "")
    if kind not in ("auto", "cpu", "cuda", "mps") or (index and not index.isdigit()):
        raise InputError(f"device={device!r} is impossible: give auto, cpu, cuda, cuda:N or mps.")
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    if kind == "auto":
        enough = torch.cuda.is_available() and torch.cuda.device_count() >= processes_here()
        kind = "cuda" if enough else "cpu"
    if kind == "cuda" and not (torch.cuda.is_available() and int(index or 0) < torch.cuda.device_count()):
        raise InputError(f"there is no device {device!r} here: {torch.cuda.device_count()} CUDA devices were found.")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise InputError("there is no device 'mps' here: use device='auto'.")
    if kind == "cpu" and precision == "bf16-mixed" and not bfloat16_works_on_processor():
        raise InputError("this processor cannot compute in bfloat16: use precision 32-true, or leave it out.")
    set_threads()
    precision = precision or native_precision(kind)
    if team().size > 1:
        return _fabric_of_a_team(kind, index, precision)
    devices = [int(index)] if kind == "cuda" and index else 1
    return Fabric(accelerator=kind, devices=devices, precision=precision)  # type: ignore[arg-type]


def check_precision(precision: str | None) -> None:
    """Refuse a precision that there is not."""
    if precision is not None and precision not in PRECISIONS:
        raise InputError(f"precision={precision!r} is impossible: give {' or '.join(PRECISIONS)}, or leave it out.")


def join_team(device: str) -> None:
    """Meet the other processes that `torchrun` started, if there are any; `fabric_for` does so, too."""
    if team().size > 1:
        fabric_for(device, None)


def _fabric_of_a_team(kind: str, index: str, precision: str) -> Fabric:
    if kind == "mps" or index:
        raise InputError("several processes train on device='cpu' or 'cuda', where each takes a device of its own.")
    here = processes_here()
    if kind == "cuda" and torch.cuda.device_count() < here:
        raise InputError(
            f"{here} processes were started here, and there are {torch.cuda.device_count()} CUDA devices: start one "
            "for each, or use device='cpu'."
        )
    fabric = Fabric(
        accelerator=kind,
        devices=here,
        num_nodes=team().size // here,
        strategy="ddp",
        precision=precision,  # type: ignore[arg-type]
    )
    fabric.launch()
    atexit.register(_leave_team)
    return fabric


def _leave_team() -> None:
    """Close the connections before the interpreter ends: threads that still listen then would abort the process."""
    if torch.distributed.is_initialized():
        # Older versions of torch wait here for their threads without letting go of the interpreter, which a thread that
        # has yet to give back the tensors of the last message waits for. So it gets a moment for that first.
        time.sleep(SECONDS_TO_FINISH)
        torch.distributed.destroy_process_group()


@contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """Let equal seeds give equal bytes on a device, and leave torch's global state as it was.

    Torch's random states are set aside, that of the device included. On a GPU, convolutions take algorithms that add up
    in the same order every time. All this is the process's own, so of several threads one at a time goes on.
    """
    with _GLOBAL_STATE, torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        before = torch.backends.cudnn.deterministic
        torch.backends.cudnn.deterministic = True
        try:
            yield
        finally:
            torch.backends.cudnn.deterministic = before


def set_threads() -> int:
    """Give torch as many threads as this process has physical cores to itself, and return how many it uses.

    A container's quota and a processor mask are respected, where torch alone would start a thread for every core of
    the machine. A number set by the user (`OMP_NUM_THREADS`, or `torch.set_num_threads` with fewer) stays.
    """
    if "OMP_NUM_THREADS" not in os.environ and "MKL_NUM_THREADS" not in os.environ:
        own = joblib.cpu_count(only_physical_cores=True)
        if own < torch.get_num_threads():
            torch.set_num_threads(own)
    return torch.get_num_threads()


def native_precision(kind: str) -> str:
    """Return "bf16-mixed" on a GPU that computes in bfloat16 natively, else "32-true".

    Processors are left in single precision: some report bfloat16 units that the system does not let programs use, and
    then the first matrix product ends the process.
    """
    fast = kind == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16-mixed" if fast else "32-true"


def bfloat16_works_on_processor() -> bool:
    """Try a bfloat16 product in a process of its own, since an illegal instruction cannot be caught."""
    trial = "import torch; a = torch.ones(1024, 1024).bfloat16(); a @ a"
    return subprocess.run([sys.executable, "-c", trial], capture_output=True, check=False).returncode == 0
