"""Where to compute and in which precision, by way of lightning-fabric."""

from __future__ import annotations

import logging
import subprocess
import sys

import torch
from lightning_fabric import Fabric

from makeweight.errors import InputError

PRECISIONS = ("32-true", "bf16-mixed")


def fabric_for(device: str, precision: str | None) -> Fabric:
    """Set up one device.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda", "cuda:1", "mps".
    precision : {"32-true", "bf16-mixed"} or None
        None takes bfloat16 where the device computes in it natively, else single precision. Weights, losses and
        optimiser states stay in single precision in both.

    Raises
    ------
    InputError
        For a device that is not there, or another precision.
    """
    if precision is not None and precision not in PRECISIONS:
        raise InputError(f"precision={precision!r} is no choice: give {' or '.join(PRECISIONS)}, or leave it out.")
    kind, _, index = device.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (index and not index.isdigit()):
        raise InputError(f"device={device!r} is no choice: give auto, cpu, cuda, cuda:N or mps.")
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    if kind == "cuda" and not (torch.cuda.is_available() and int(index or 0) < torch.cuda.device_count()):
        raise InputError(f"There is no device {device!r} here: {torch.cuda.device_count()} CUDA devices were found.")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise InputError("There is no device 'mps' here: use device='auto'.")
    if kind == "cpu" and precision == "bf16-mixed" and not bfloat16_works_on_processor():
        raise InputError("This processor cannot compute in bfloat16: use precision 32-true, or leave it out.")
    devices = [int(index)] if kind == "cuda" and index else 1
    return Fabric(accelerator=kind, devices=devices, precision=precision or native_precision(kind))  # type: ignore[arg-type]


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
