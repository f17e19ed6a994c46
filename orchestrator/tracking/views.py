"""Views of MLflow's runs page that open with the columns that matter.

The page hides every metric at first. A view is a tag of the experiment, as the page's own Share button writes it, and
opens by its name in the address.
"""

from __future__ import annotations

import json
from urllib.parse import quote

VIEWS: dict[str, tuple[str, list[str], list[str]]] = {
    "trainings": (
        "training",
        ["accuracy", "validation_accuracy", "krr", "cohesion", "coupling", "flops", "parameters"],
        ["method", "backbone", "dataset", "lambda_coh", "lambda_coup", "alpha", "seed"],
    ),
    "subtasks": (
        "subtask",
        ["krr", "accuracy", "accuracy_before_finetuning", "standard_accuracy", "flops", "flops_reduction"],
        ["method", "backbone", "dataset", "classes", "threshold", "seed"],
    ),
}
"""Name -> the stage whose runs are shown, the columns of metrics and those of parameters."""


def view_tags() -> dict[str, str]:
    """The experiment's tags that hold the views."""
    tags = {}
    for name, (stage, metrics, params) in VIEWS.items():
        state = {
            "searchFilter": f"tags.stage = '{stage}'",
            # Sorted by a metric the page lists runs flat; by time it would fold them under their parents.
            "orderByKey": "metrics.`krr`",
            "orderByAsc": True,
            "selectedColumns": [f"metrics.`{name}`" for name in metrics] + [f"params.`{name}`" for name in params],
        }
        tags[f"mlflow.sharedViewState.nemo-{name}"] = json.dumps(state)
    return tags


def view_url(page: str, experiment_id: str, view: str) -> str:
    """Where a view of an experiment opens, under the URL of MLflow's page; `view` is a name in `VIEWS`."""
    return f"{page}/#/experiments/{quote(experiment_id)}/runs?viewStateShareKey=nemo-{view}"
