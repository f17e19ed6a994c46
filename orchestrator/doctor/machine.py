"""What the doctor sees of the machine and of the installation, without starting anything."""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

import psutil
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from nemo.errors import UserError
from orchestrator.doctor.finding import Finding, fails, good, look
from orchestrator.system.environment import gpus
from orchestrator.system.namesake import namesake
from orchestrator.system.ports import HOST, free_ports
from orchestrator.system.processor import computes_bfloat16
from orchestrator.system.surroundings import raise_limits

PACKAGE = "nemo-orchestrator"

_GB = 2**30
_MEMORY = (1, 4)
"""GB under which Ray does not start, and under which a training of a small network has no room."""
_DISK = (1, 10)
"""GB under which Ray spills and stops, and under which a sweep's checkpoints may fill the disk."""
_PORTS = 7  # of a Ray head


def installation() -> Iterator[Finding]:
    """Python, the packages, and whose `nemo` it is."""
    try:
        wanted = SpecifierSet(metadata(PACKAGE)["Requires-Python"] or "")
        needed = [Requirement(text) for text in requires(PACKAGE) or ()]
    except PackageNotFoundError:
        yield look("Python", platform.python_version(), f"{PACKAGE} is not installed here, so what it needs is unknown")
        return
    if wanted.contains(platform.python_version(), prereleases=True):
        yield good("Python", f"{platform.python_version()}, {sys.executable}")
    else:
        yield fails("Python", platform.python_version(), f"install a Python {wanted}, and this program into it")
    yield _packages([each for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})])
    sentence = namesake()
    yield good("nemo", "this program's own") if sentence is None else fails("nemo", sentence, "")


def _packages(needed: list[Requirement]) -> Finding:
    wrong = []
    for each in needed:
        try:
            found = version(each.name)
        except PackageNotFoundError:
            wrong.append(f"{each.name} is missing")
            continue
        if not each.specifier.contains(found, prereleases=True):
            wrong.append(f"{each.name} {found} is not {each.specifier}")
    if wrong:
        return fails("packages", "; ".join(wrong), f"install it again: python -m pip install --upgrade {PACKAGE}")
    return good("packages", f"{len(needed)} of them, in versions that fit")


def machine(storage: Path | None) -> Iterator[Finding]:
    """System, memory, limits, disk, ports and GPUs.

    Args:
        storage: The folder where studies lie; None if they lie in a bucket.
    """
    if sys.platform.startswith("linux"):
        yield good("system", f"{platform.system()} {platform.release()}, {os.cpu_count()} CPU cores")
    else:
        yield look("system", platform.system(), "nobody has tried it there; Linux (on Windows in WSL 2) is tested")
    yield _precision()
    yield _memory()
    yield _shared_memory()
    try:
        raise_limits()
        yield good("limits", "enough open files and address space")
    except UserError as error:
        yield fails("limits", str(error), "")
    if storage is not None:
        yield _disk(storage)
    yield _open_ports()
    yield _graphics()


def _precision() -> Finding:
    said = {
        True: "the CPUs have instructions for it",
        False: "the CPUs have no instructions for it, and take up to ten times as long: leave `precision` "
        "of a recipe out where networks are trained on them",
        None: "nobody can tell whether the CPUs have instructions for it",
    }
    return good("bfloat16", said[computes_bfloat16()])


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    said = f"{memory.available / _GB:.1f} of {memory.total / _GB:.1f} GB are free"
    return _enough("memory", said, memory.available, _MEMORY, "end other programs, or run on a larger machine")


def _shared_memory() -> Finding:
    folder = Path("/dev/shm")
    if not folder.is_dir():
        return good("shared memory", "this system has no /dev/shm")
    free = shutil.disk_usage(folder).free
    said = f"{free / _GB:.1f} GB of /dev/shm are free"
    remedy = "in a container, start it with more (--shm-size=2g): Ray keeps data there, and is slow on a disk"
    return look("shared memory", said, remedy) if free < _GB else good("shared memory", said)


def _disk(storage: Path) -> Finding:
    """The folder where studies lie, or what is there of its path."""
    there = next(each for each in (storage, *storage.parents) if each.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return fails("disk", f"{there} cannot be written to", "choose another storage: --storage FOLDER")
    free = shutil.disk_usage(there).free
    remedy = "make room, or choose another storage: --storage FOLDER"
    return _enough("disk", f"{free / _GB:.1f} GB are free at {storage}", free, _DISK, remedy)


def _enough(thing: str, said: str, free: int, least: tuple[int, int], remedy: str) -> Finding:
    if free < least[0] * _GB:
        return fails(thing, said, f"{remedy}: {least[0]} GB are the least")
    if free < least[1] * _GB:
        return look(thing, said, f"{remedy}: {least[1]} GB are comfortable")
    return good(thing, said)


def _open_ports() -> Finding:
    try:
        free_ports(_PORTS)
        with socket.create_server((HOST, 0)) as server:
            socket.create_connection(server.getsockname(), timeout=10).close()
    except OSError as error:
        return fails("ports", str(error), f"Ray needs {_PORTS} free ports, and to reach {HOST}: see to the firewall")
    return good("ports", f"{_PORTS} free ones for Ray, and {HOST} answers")


def _graphics() -> Finding:
    """The GPUs, and whether torch can use them; a process of its own asks torch, which takes seconds to import."""
    found = gpus()
    if not found:
        return good("GPU", "none; networks are trained on the CPUs")
    script = "import json, torch; print(json.dumps([torch.cuda.device_count(), torch.version.cuda, torch.__version__]))"
    asked = subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, timeout=300, check=False
    )
    said = f"{len(found)} ({found[0]}, the driver last)"
    try:
        usable, cuda, torch = json.loads(asked.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        lines = asked.stderr.strip().splitlines() or ["no output"]
        return fails("GPU", f"{said}; torch says: {lines[-1][:200]}", "install torch again")
    if usable < len(found):
        remedy = "install a build of torch for this driver, or renew the driver; without, leave gpus out of `resources`"
        return fails("GPU", f"{said}, of which torch {torch} (CUDA {cuda or 'none'}) can use {usable}", remedy)
    return good("GPU", f"{said}; torch {torch} with CUDA {cuda}")
