"""Runs studies: plan, ledger, Ray, MLflow; what is computed in them is in `nemo`.

    study = orchestrator.run_study("studies/quickstart.yaml")   # or load_study("quickstart"), of one that was run
    study.subtasks                                              # a polars frame
    module = study.module(study.best[0], ["3", "5"])            # a torch network

The command line calls the same functions. What they need is imported when they are called, so that it starts at once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orchestrator.plan as _plan  # noqa: F401  # now: imported later, the room would take the function's name

if TYPE_CHECKING:
    from orchestrator.report.notebook import LoadedStudy
    from orchestrator.report.status import Overview
    from orchestrator.storage import Where
    from orchestrator.study.file import StudyLike
    from orchestrator.study.study import Study

__all__ = ["LoadedStudy", "Study", "load_study", "plan", "run_study"]

# MLflow reads these when it is imported or called. Its own default waits minutes for a server that is away.
for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}.items():
    os.environ.setdefault(_name, _value)

# Under `uv run` Ray would ship the working folder to its workers, and start them by uv; they are of this environment.
os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"

# A request whose answer was lost may have been carried out. MLflow would send it again as it was, and a run would be
# there twice; `Tracking` looks at what is there before it tries again.
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"


def plan(study: StudyLike, storage: Where | None = None, *, overrides: Sequence[str] = ()) -> Overview:
    """What a study would run: its steps by kind, what is finished, what failed, and what is left; touches nothing.

    Args:
        study: A study file, or a `Study` made in Python.
        storage: Where the studies lie; wins over the study's own. `$NEMO_STORAGE`, or the folder `runs`, if none says.
        overrides: `key=value` texts that win over the study, the key a dotted path.

    Raises:
        UserError: Something is wrong with the study, its data or its storage.
    """
    from orchestrator.report.status import overview
    from orchestrator.storage.studies import storage_root
    from orchestrator.study.file import study_with_data

    described = study_with_data(study, overrides)
    return overview(described, storage_root(storage or described.study.storage))


def run_study(
    study: StudyLike,
    storage: Where | None = None,
    *,
    overrides: Sequence[str] = (),
    address: str | None = None,
    retry_failed: bool = False,
    replace: bool = False,
) -> LoadedStudy:
    """Runs a study to its end, or carries on with it; a finished one is left as it is.

    To be called in a program's main thread, because it answers to Ctrl-C and SIGTERM, and where `ray.init` has not been
    called, because it makes a connection of its own.

    Args:
        study: A study file, or a `Study` made in Python.
        storage: Where the studies lie; wins over the study's own. `$NEMO_STORAGE`, or the folder `runs`, if none says.
        overrides: `key=value` texts that win over the study, the key a dotted path.
        address: A running Ray head (`host:port`, or `auto`); None starts one for this study and ends it afterwards.
        retry_failed: Whether steps that failed for good in an earlier run are tried again.
        replace: Whether another study of the same name, with finished work that this one lacks, may be followed.

    Returns:
        The study as it is then, as `load_study` opens it.

    Raises:
        UserError: Something is wrong with the study, its data, its storage, its tracking or the cluster.
        HandedOver: Another process runs it, and has taken up what is changed here (`orchestrator.driver.handover`).
        Interrupted: Ctrl-C or SIGTERM came, or a limit of the study is reached; everything that was started has
            ended, and the same call carries on.
    """
    from orchestrator.driver.run import run_study as run
    from orchestrator.study.file import study_with_data

    described = study_with_data(study, overrides)
    where = run(described, storage, address, retry_failed, replace)

    from orchestrator.ledger.ledger import Ledger
    from orchestrator.report.notebook import LoadedStudy

    return LoadedStudy(Ledger(where, readonly=True))


def load_study(path_or_name: Where, storage: Where | None = None) -> LoadedStudy:
    """Opens a study that was run, to look at what it found; nothing in it is changed.

    Args:
        path_or_name: The study's name, or where it lies: a folder such as `runs/quickstart`, or a URL.
        storage: Where a study that is given by name lies; `$NEMO_STORAGE`, or the folder `runs`, if not given.

    Raises:
        UserError: There is none; the sentence lists those there are.
    """
    from orchestrator.ledger.ledger import Ledger
    from orchestrator.report.notebook import LoadedStudy
    from orchestrator.storage.studies import study_at

    return LoadedStudy(Ledger(study_at(path_or_name, storage), readonly=True))


def __getattr__(name: str) -> Any:
    if name == "Study":
        from orchestrator.study.study import Study

        return Study
    if name == "LoadedStudy":
        from orchestrator.report.notebook import LoadedStudy

        return LoadedStudy
    raise AttributeError(f"module 'orchestrator' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
