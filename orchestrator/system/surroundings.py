"""The environment of the processes that we start: a shell may hold variables that change what libraries do there."""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping

from nemo.errors import UserError

OPEN_FILES = 1024
"""So many files Ray's daemons and workers may have open at once, at least."""

ADDRESS_SPACE = 8 * 2**30
"""So many bytes a process of Ray's may map, at least: it uses a fraction of them. With 6 GB it was aborted."""

SHORT = 20
"""Characters of a folder for temporary files under which unix sockets stay below the limit of 104 on macOS."""

OF_OTHER_HEADS = (
    "RAY_ADDRESS",  # another user's head, perhaps
    "RAY_NAMESPACE",
    "RAY_OVERRIDE_RESOURCES",
    "RAY_RUNTIME_ENV_HOOK",
    "RAY_TMPDIR",
)
"""Variables that would make a head of ours another one than we start. What else begins with `RAY_` is honoured."""

_OF_SERVER = ("MLFLOW_S3_", "MLFLOW_TRACKING_SERVER_CERT_PATH", "MLFLOW_TRACKING_CLIENT_CERT_PATH")
"""How variables of MLflow begin that a page of ours honours; the others speak of servers, stores or runs."""


def for_ray(environment: Mapping[str, str], temporary: str) -> dict[str, str]:
    """The variables of a Ray head and its workers.

    Nothing is imported from the working folder, where a `random.py` may lie.

    Args:
        environment: The shell's.
        temporary: The folder for temporary files, see `short_folder`.
    """
    own = {name: value for name, value in environment.items() if name not in OF_OTHER_HEADS}
    return own | {"PYTHONSAFEPATH": "1", "TMPDIR": temporary}


def for_mlflow(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of an MLflow server, which is told by its command what it serves; see `for_ray`."""
    own = {
        name: value
        for name, value in environment.items()
        if not name.startswith(("MLFLOW_", "_MLFLOW_")) or name.startswith(_OF_SERVER)
    }
    return own | {"PYTHONSAFEPATH": "1"}


def short_folder(folder: str) -> str:
    """The folder for temporary files, or `/tmp` where its path is too long for unix sockets below it."""
    return folder if len(os.fsencode(folder)) <= SHORT else "/tmp"


def raise_limits() -> None:
    """Lets this process, and those that it starts, open as many files and map as much as the machine's limits allow.

    Raises:
        UserError: That is too little.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY and hard < ADDRESS_SPACE:
        raise UserError(
            f"ulimit -v: {hard / 2**30:.1f} GB of address space are too few for Ray, which maps more than it uses; "
            f"raise the limit to {ADDRESS_SPACE >> 30} GB or more (ulimit -Hv, or h_vmem of a batch system)."
        )
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < OPEN_FILES:
        raise UserError(
            f"ulimit -n: {hard} open files are too few for Ray, raise the limit to {OPEN_FILES} or more "
            "(ulimit -Hn, or your administrator)."
        )
    if soft != resource.RLIM_INFINITY and (hard == resource.RLIM_INFINITY or soft < hard):
        wanted = max(soft, 65_536) if hard == resource.RLIM_INFINITY else hard
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
