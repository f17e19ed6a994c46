"""The environment that a result was computed in: code, packages and machine."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("nemo-orchestrator", "torch", "torchvision", "ray", "mlflow", "numpy", "optuna", "fvcore", "scikit-learn")

SHIPPED = "shipped.json"
"""A file with the result of `checkout`, in sources that were sent to a cluster without their git checkout."""


@cache
def environment() -> dict[str, Any]:
    """Describe the code, the packages and the hardware of this process; JSON-able, and cheap after the first call.

    Returns:
        `git` (commit and whether the tree had changes; None for both outside a checkout), `python`, `packages`
        (name -> version, the installed ones) and `hardware` (cpu, cores, memory_gb, gpus).
    """
    return {
        "git": checkout(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": _packages(),
        "hardware": _hardware(),
    }


def checkout() -> dict[str, Any]:
    """The commit that this code is of, and whether the tree had changes; None for both outside a checkout."""
    source = Path(__file__).resolve()
    shipped = source.parents[1] / SHIPPED
    if shipped.exists():
        return dict(json.loads(shipped.read_bytes()))
    # A checkout that merely contains the environment we are installed in does not track this file, and its commit
    # would say nothing about this code.
    if _output("git", "-C", str(source.parent), "ls-files", "--error-unmatch", source.name) is None:
        return {"commit": None, "changed": None}
    changes = _output("git", "-C", str(source.parent), "status", "--porcelain", "--untracked-files=no")
    return {"commit": _output("git", "-C", str(source.parent), "rev-parse", "HEAD"), "changed": bool(changes)}


def _packages() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def _hardware() -> dict[str, Any]:
    import psutil

    return {
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "gpus": gpus(),
    }


def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def gpus() -> list[str]:
    """The GPUs of this machine: name, memory and driver of each; none where NVIDIA's tool finds none."""
    # From the driver's own tool and not from torch, which this process may not need otherwise.
    listing = _output("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
    return listing.splitlines() if listing else []


def _output(*command: str) -> str | None:
    """The command's output, or None where it is missing or fails."""
    if shutil.which(command[0]) is None:
        return None
    try:
        process = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except subprocess.TimeoutExpired:
        return None
    return process.stdout.strip() if process.returncode == 0 else None
