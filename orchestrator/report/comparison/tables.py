"""A comparison as tables and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from orchestrator.report.comparison.comparison import Compared, Comparison, Sample
from orchestrator.report.statistics import RULE, Judged
from orchestrator.report.tables import Table

TOPICS = {
    "trainings": "Whole networks",
    "modularizations": "Modules at each threshold",
    "subtasks": "Sub-tasks",
    "derived": "Derived networks",
}

SHOWN = {
    "accuracy": ("Test accuracy %", 100.0, 2),
    "validation_accuracy": ("Validation accuracy %", 100.0, 2),
    "accuracy_before_finetuning": ("Before tuning %", 100.0, 2),
    "standard_accuracy": ("Standard %", 100.0, 2),
    "krr": ("KRR %", 100.0, 2),
    "cohesion": ("Cohesion", 1.0, 4),
    "coupling": ("Coupling", 1.0, 4),
    "flops_reduction": ("FLOPs reduction %", 100.0, 2),
    "base_accuracy": ("Untouched %", 100.0, 2),
    "kept_flops": ("FLOPs kept %", 100.0, 2),
    "kept_parameters": ("Parameters kept %", 100.0, 2),
}
"""Quantity -> its name in the tables, its scale and its digits."""


def comparison_tables(comparison: Comparison) -> list[Table]:
    """The settings that differ, then a table for each pair and topic."""
    groups: dict[tuple[str, str], list[Compared]] = {}
    for pair in dict.fromkeys(row.pair for row in comparison.results):
        for topic in TOPICS:
            groups[pair, topic] = [row for row in comparison.results if (row.pair, row.topic) == (pair, topic)]
    results = [_result_table(comparison.names, *place, rows) for place, rows in groups.items() if rows]
    return [_settings_table(comparison), *results]


def comparison_json(comparison: Comparison) -> str:
    """One JSON object: `names`, `settings` and `results`, each with its values by name, and what is in one `alone`.

    Rates are fractions; what is not known is null. `against_first` is `other - first`, with the ends of its interval.
    """
    names = comparison.names
    results = []
    for row in comparison.results:
        places = ("topic", "pair", "method", "threshold", "size", "budget", "quantity")
        samples = [None if each is None else asdict(each) for each in row.samples]
        judged = [None if each is None else asdict(each) for each in row.judged]
        results.append(
            {
                **{name: getattr(row, name) for name in places},
                "values": dict(zip(names, samples, strict=True)),
                "against_first": dict(zip(names[1:], judged, strict=True)),
            }
        )
    document: dict[str, Any] = {
        "names": names,
        "settings": [
            {"setting": setting, "values": dict(zip(names, values, strict=True))}
            for setting, values in comparison.settings
        ],
        "results": results,
        "alone": dict(zip(names, comparison.alone, strict=True)),
    }
    return json.dumps(document, indent=1, allow_nan=False)


def _settings_table(comparison: Comparison) -> Table:
    note = "Every setting that is not the same, with defaults filled in, and what the results were made with."
    for name, alone in zip(comparison.names, comparison.alone, strict=True):
        if alone:
            note += f" Only in {name}, and not compared: {'; '.join(alone)}."
    rows = [(name, *values) for name, values in comparison.settings] or [("none", *("" for _ in comparison.names))]
    return Table(
        "What differs in settings", ("Setting", *comparison.names), rows, note, words=1 + len(comparison.names)
    )


def _result_table(names: Sequence[str], pair: str, topic: str, rows: Sequence[Compared]) -> Table:
    others = [""] if len(names) == 2 else [f"{name}: " for name in names[1:]]
    judged = [f"{other}{column}" for other in others for column in ("Difference", "Interval", "Judged")]
    columns = (
        "Method",
        "Quantity",
        "Threshold",
        "Classes",
        "Budget",
        *names,
        *(each[0].upper() + each[1:] for each in judged),
    )
    lines = [
        (
            row.method,
            SHOWN[row.quantity][0],
            "" if row.threshold is None else f"{row.threshold:g}",
            "" if row.size is None else str(row.size),
            row.budget or "",
            *(_sample(row.quantity, each) for each in row.samples),
            *(text for each in row.judged for text in _judged(row.quantity, each)),
        )
        for row in rows
    ]
    kept = [place for place in range(len(columns)) if place not in (2, 3, 4) or any(line[place] for line in lines)]
    averaged = {
        "subtasks": " Sub-tasks are averaged for each seed first.",
        "derived": " Class sets are averaged for each seed first.",
    }
    return Table(
        f"{TOPICS[topic]}: {pair}",
        tuple(columns[place] for place in kept),
        [tuple(line[place] for place in kept) for line in lines],
        f"Mean ± standard deviation over the seeds, whose number is in brackets; differences from {names[0]}."
        f"{averaged.get(topic, '')} "
        f"{RULE}; {len(lines)} rows are judged here.",
        words=2,
    )


def _sample(quantity: str, sample: Sample | None) -> str:
    if sample is None:
        return ""
    _, scale, digits = SHOWN[quantity]
    spread = "" if sample.spread is None else f" ±{scale * sample.spread:.{digits}f}"
    return f"{scale * sample.mean:.{digits}f}{spread} ({sample.seeds})"


def _judged(quantity: str, judged: Judged | None) -> tuple[str, str, str]:
    if judged is None:
        return "", "", ""
    _, scale, digits = SHOWN[quantity]
    interval = judged.between(scale, digits)
    return f"{scale * judged.difference:+.{digits}f}", interval, judged.verdict
