"""Runs studies: plan, ledger, Ray, MLflow; what is computed in them is in `nemo`.

    study = orchestrator.load_study("quickstart")
    study.subtasks                                     # a polars frame
    module = study.module(study.best[0], ["3", "5"])   # a torch network

Names are imported when they are first used, so that the command line starts at once.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.report.notebook import LoadedStudy, load_study

__all__ = ["LoadedStudy", "load_study"]

# MLflow reads these when it is imported or called. Its own default waits minutes for a server that is away.
for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}.items():
    os.environ.setdefault(_name, _value)

# A request whose answer was lost may have been carried out. MLflow would send it again as it was, and a run would be
# there twice; `Tracking` looks at what is there before it tries again.
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"


def __getattr__(name: str) -> Any:
    if name in __all__:
        from orchestrator.report import notebook as loaded_study

        return getattr(loaded_study, name)
    raise AttributeError(f"module 'orchestrator' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
