"""What computes: versions and the processor, and nothing that names the machine or its owner."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

import joblib

import makeweight

CPU_INFO = Path("/proc/cpuinfo")
# Flags of Linux on x86 and on Arm, and what they stand for.
BFLOAT16_UNITS = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16", "bf16": "BF16"}


def software_versions() -> dict[str, str]:
    """Name the versions of what computes.

    Examples
    --------
    >>> sorted(software_versions())
    ['makeweight', 'numpy', 'python', 'torch']
    """
    return {
        "python": platform.python_version(),
        "torch": version("torch"),
        "numpy": version("numpy"),
        "makeweight": makeweight.__version__,
    }


def software_and_processor() -> dict[str, str]:
    """Name the versions of what computes, and the processor.

    Returns
    -------
    dict of str
        python, torch, numpy, makeweight, processor, bfloat16 (see `bfloat16_units`), and cores: the number that this
        process may use.

    Examples
    --------
    >>> sorted(software_and_processor())
    ['bfloat16', 'cores', 'makeweight', 'numpy', 'processor', 'python', 'torch']
    """
    return {
        **software_versions(),
        "processor": processor_name(),
        "bfloat16": bfloat16_units(),
        "cores": str(joblib.cpu_count()),
    }


def device_name(device: str) -> str:
    """Name what computes, as rows tell it.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda", "cuda:1" or "mps".

    Returns
    -------
    str
        The name of the GPU, "mps", or "cpu"; which processor that is, `software_and_processor` tells.

    Examples
    --------
    >>> device_name("cpu"), device_name("mps")
    ('cpu', 'mps')
    """
    import torch  # heavy, and of no use to whoever reads rows

    if device.startswith("cuda") or (device == "auto" and torch.cuda.is_available()):
        return torch.cuda.get_device_name(device if ":" in device else None)
    return "mps" if device == "mps" else "cpu"


def full_device_name(device: str) -> str:
    """Name what computes as `device_name` does, but in place of "cpu" the processor and its units for bfloat16."""
    name = device_name(device)
    return name if name != "cpu" else f"{processor_name()}, bfloat16: {bfloat16_units()}"


def processor_name(cpu_info: Path = CPU_INFO) -> str:
    """Give the name of the processor.

    Parameters
    ----------
    cpu_info : Path, default=Path("/proc/cpuinfo")
        Where Linux describes processors; where it is missing, Python's own name is taken.

    Returns
    -------
    str
    """
    return _of_first_processor(cpu_info, "model name") or platform.processor() or platform.machine() or "unknown"


def bfloat16_units(cpu_info: Path = CPU_INFO) -> str:
    """Name the units of the processor that compute in bfloat16.

    Processors of one name, as virtual machines give it, differ in them.

    Parameters
    ----------
    cpu_info : Path, default=Path("/proc/cpuinfo")
        Where Linux describes processors.

    Returns
    -------
    str
        Such as "AMX and AVX512-BF16", "none", or "unknown" where nothing describes the processor.
    """
    flags = (_of_first_processor(cpu_info, "flags") or _of_first_processor(cpu_info, "Features")).split()
    if not flags:
        return "unknown"
    return " and ".join(name for flag, name in BFLOAT16_UNITS.items() if flag in flags) or "none"


def _of_first_processor(cpu_info: Path, name: str) -> str:
    try:
        lines = cpu_info.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")
