"""The layout of a storage: the names of a study's files and folders, and of MLflow's own beside the studies.

Names are those of a `Store`: with slashes, below the study; what Ray keeps lies below its folder on this machine. What
a store or the ledger's segments keep for themselves, they name themselves.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import PurePath

DATABASE, FILES = "mlflow.db", "mlartifacts"
STORES = (DATABASE, FILES)
"""MLflow's own files and folders beside the studies."""

SUBMITTED = "study.yaml"
"""A study as it was last submitted."""

ENVIRONMENT = "environment.json"
"""Versions and hardware of the study's last driver."""

LEDGER, ARTIFACTS, QUARANTINE = "ledger", "artifacts", "quarantine"
FAILURES, SEARCHES = f"{LEDGER}/failures", f"{LEDGER}/searches"
DATA = f"{LEDGER}/data.json"
"""What was known of a study's data when it was last run."""

SPENT = f"{LEDGER}/spent.json"
"""What the study has spent over all of its runs."""

ONGOING = f"{LEDGER}/ongoing.json"
"""What the study's driver has running."""

WEIGHTS_FOLDER = "weights"
WEIGHTS = f"{WEIGHTS_FOLDER}/fetched.json"
"""Which pretrained weights were fetched for the study, and how their images were prepared."""

LOCK = "lock"
CONTROL = "control"
"""What people ask of a running study."""

PAUSED = f"{CONTROL}/paused.json"
"""Is there while a study is paused."""

HANDED, ANSWER = f"{CONTROL}/study.yaml", f"{CONTROL}/answer.json"
"""A changed study that waits for the driver of the one that runs, and what the driver said to it."""

SPOOL = "spool/mlflow.jsonl"

CHECKPOINTS = "checkpoints"
"""The folder of the checkpoints of trainings that are not finished."""

NETWORK, LOGITS, RELEVANCE, MODULES, PROGRAM, DERIVED = (
    f"{name}.safetensors" for name in ("network", "logits", "relevance", "modules", "program", "derived")
)
"""The artifacts of steps."""

RAY_HEAD, RAY_TUNE = "ray/head.json", "ray/tune"


def submitted_version(checksum: str) -> str:
    """A study as it was submitted once, by the SHA-256 of its text."""
    return f"studies/{checksum[:12]}.yaml"


def results(kind: str) -> str:
    """The folder of the results of one kind of step."""
    return f"{LEDGER}/{kind}"


def result(kind: str, key: str) -> str:
    """A step's result."""
    return f"{results(kind)}/{key}.json"


def segments(kind: str) -> str:
    """The folder of the segments with copies of the results of one kind."""
    return f"{LEDGER}/segments/{kind}"


def failure(key: str) -> str:
    """Why a step failed."""
    return f"{FAILURES}/{key}.json"


def search(key: str) -> str:
    """The folder of an adaptive search's trials."""
    return f"{SEARCHES}/{key}"


def trial(key: str, number: int) -> str:
    """One trial of an adaptive search."""
    return f"{search(key)}/{number:05d}.json"


def warm_start(key: str) -> str:
    """What an adaptive search was started with, of another study."""
    return f"{LEDGER}/warm_starts/{key}.json"


def artifacts(key: str) -> str:
    """The folder of a step's artifacts."""
    return f"{ARTIFACTS}/{key}"


def artifact(key: str, name: str) -> str:
    """One artifact of a step."""
    return f"{artifacts(key)}/{name}"


def weights(sha256: str, ending: str = ".safetensors") -> str:
    """A file of pretrained weights, by the SHA-256 of its content."""
    return f"{WEIGHTS_FOLDER}/{sha256}{ending}"


def checkpoints(key: str) -> str:
    """The folder where one training keeps its checkpoints."""
    return f"{CHECKPOINTS}/{key}"


def checkpoint(key: str) -> str:
    """The state of one training."""
    return f"{checkpoints(key)}/state.pt"


def measuring(key: str) -> str:
    """The folder of what a measurement of one training's modules says of itself while it runs."""
    return f"measuring/{key}"


def measured(key: str) -> str:
    """How far that is."""
    return f"{measuring(key)}/modules.json"


def quarantined(path: PurePath, now: datetime) -> str:
    """A damaged file's name in quarantine: what it was, and when it was found."""
    return f"{path.parent.name}-{path.stem}-{now:%Y%m%dT%H%M%S%f}{path.suffix}"


def log(key: str) -> str:
    """The traceback of a step that failed unexpectedly."""
    return f"logs/{key}.txt"
