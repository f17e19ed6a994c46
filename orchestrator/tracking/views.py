"""Views of MLflow's runs page that open with the columns that matter.

The page hides every metric at first, and draws a bar for each. A view is a tag of the experiment, as the page's own
Share button writes it, and opens by its name in the address, which also says whether as a table or as charts.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

VIEWS: dict[str, tuple[str, str, list[str], list[str]]] = {
    "trainings": (
        "training",
        "krr",
        ["accuracy", "validation_accuracy", "krr", "cohesion", "coupling", "flops", "parameters"],
        ["method", "backbone", "dataset", "lambda_coh", "lambda_coup", "alpha", "seed"],
    ),
    "subtasks": (
        "subtask",
        "krr",
        ["krr", "accuracy", "accuracy_before_finetuning", "standard_accuracy", "flops", "flops_reduction"],
        ["method", "backbone", "dataset", "classes", "threshold", "seed"],
    ),
    "derived": (
        "derived",
        "kept_flops",
        ["kept_flops", "accuracy", "accuracy_before_finetuning", "base_accuracy", "kept_parameters", "flops"],
        ["derivation", "compensate", "backbone", "dataset", "classes", "seed"],
    ),
}
"""Name -> the stage whose runs are shown, the metric they are sorted by, the columns of metrics and of parameters."""

COMPARISON = "compared"
"""The view of all trainings as charts: which of them is accurate and keeps little, at a look."""

_CHARTS = (("krr", "accuracy"), ("flops", "accuracy"), ("cohesion", "coupling"))
"""The metrics along x and y of its scatter charts, in their order."""

KIND = {"mlflow.experimentKind": "custom_model_development"}
"""The experiment's tag that says it is of trainings; without it the page takes logged models for versions of agents."""

_MOST_RUNS = 1000
"""So many marks a chart has at most; of more the page draws the first ones."""


def view_tags() -> dict[str, str]:
    """The experiment's tags that hold the views."""
    tags = {}
    for name, (stage, order, metrics, params) in VIEWS.items():
        state = {
            "searchFilter": f"tags.stage = '{stage}'",
            # Sorted by a metric the page lists runs flat; by time it would fold them under their parents.
            "orderByKey": f"metrics.`{order}`",
            "orderByAsc": True,
            "selectedColumns": [f"metrics.`{name}`" for name in metrics] + [f"params.`{name}`" for name in params],
        }
        tags[_tag(name)] = json.dumps(state)
    tags[_tag(COMPARISON)] = json.dumps({**json.loads(tags[_tag("trainings")]), **_charts()})
    return tags


def _tag(name: str) -> str:
    return f"mlflow.sharedViewState.nemo-{name}"


def _charts() -> dict[str, Any]:
    """The state of the page's charts: scatter charts of every training."""
    section = "nemo"
    common = {"metricSectionId": section, "deleted": False, "isGenerated": False, "runsCountToCompare": _MOST_RUNS}
    charts: list[dict[str, Any]] = [
        {
            **common,
            "type": "SCATTER",
            "uuid": f"nemo-{x}-{y}",
            "xaxis": {"key": x, "type": "METRIC"},
            "yaxis": {"key": y, "type": "METRIC"},
        }
        for x, y in _CHARTS
    ]
    return {
        "runsVisibilityMode": "SHOWALL",
        "compareRunCharts": charts,
        "compareRunSections": [
            {
                "uuid": section,
                "name": "Trainings",
                "display": True,
                "isReordered": True,
                "deleted": False,
                "isGenerated": False,
                "columns": 2,
            }
        ],
        "isAccordionReordered": True,
    }


def view_url(page: str, experiment_id: str, view: str) -> str:
    """Where a view of an experiment opens, under the URL of MLflow's page: one of `VIEWS`, or `COMPARISON`."""
    mode = "&compareRunsMode=CHART" if view == COMPARISON else ""
    return f"{page}/#/experiments/{quote(experiment_id)}/runs?viewStateShareKey=nemo-{view}{mode}"
