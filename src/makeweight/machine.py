"""What computes: versions and the processor, and nothing that names the machine or its owner."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

import joblib

import makeweight


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
        python, torch, numpy, makeweight, processor, and cores: the number that this process may use.

    Examples
    --------
    >>> sorted(software_and_processor())
    ['cores', 'makeweight', 'numpy', 'processor', 'python', 'torch']
    """
    return {**software_versions(), "processor": processor_name(), "cores": str(joblib.cpu_count())}


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


def processor_name(cpu_info: Path = Path("/proc/cpuinfo")) -> str:
    """Give the name of the processor.

    Parameters
    ----------
    cpu_info : Path, default=Path("/proc/cpuinfo")
        Where Linux describes processors; where it is missing, Python's own name is taken.

    Returns
    -------
    str
    """
    try:
        lines = cpu_info.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "") or platform.processor() or platform.machine() or "unknown"
