"""The trade-off of derived networks: accuracy against what is kept, a line for each method."""

from __future__ import annotations

import polars as pl

from orchestrator.report.derived import with_size
from orchestrator.report.figures.figure import Figure, Key, Panel, Point, Series, keys_of
from orchestrator.report.tables import means_of, pair_name, with_spread

_MEASURES = {"flops": "FLOPs kept %", "parameters": "Parameters kept %", "milliseconds": "Time kept %"}


def derived_figure(networks: pl.DataFrame) -> Figure:
    """One pair's derived networks: a panel for each number of classes, and before and after fine-tuning."""
    sized = with_size(networks)
    measures = sized["measure"].unique().sort().to_list()
    measured = ["accuracy", "accuracy_before_finetuning", "base_accuracy", *(f"kept_{name}" for name in measures)]
    rows = means_of(sized, ["settings", "measure", "share", "size", "derivation"], measured)
    several = sized["settings"].n_unique() > 1
    keys, legend = keys_of([(row["derivation"], row["settings"] if several else "") for row in rows])
    heights = {"accuracy_before_finetuning": "before tuning", "accuracy": "after tuning"}
    if not (sized["accuracy"] != sized["accuracy_before_finetuning"]).any():
        heights = {"accuracy": "as cut"}
    whole = "the untouched network"
    panels = []
    for measure in measures:
        for size in sized["size"].unique().sort():
            here = [row for row in rows if row["measure"] == measure and row["size"] == size]
            if not here:
                continue
            ends = [100 * row[f"kept_{measure}"] for row in here]
            base = 100 * sum(row["base_accuracy"] for row in here) / len(here)
            for column, when in heights.items():
                lines = [Series([Point(x, base) for x in sorted({*ends, 100.0})], Key(None), marks=False, text=whole)]
                for (derivation, settings), key in keys.items():
                    points = [
                        Point(
                            100 * row[f"kept_{measure}"],
                            100 * row[column],
                            f"{derivation}\n{with_spread(row, f'kept_{measure}', 100, 1)} % kept: "
                            f"{with_spread(row, column, 100, 2)} %",
                            None if row[f"{column}_spread"] is None else 100 * row[f"{column}_spread"],
                        )
                        for row in here
                        if (row["derivation"], row["settings"] if several else "") == (derivation, settings)
                        and row[column] is not None
                    ]
                    lines.append(Series(points, key, text=derivation))
                panels.append(Panel(f"{size} classes, {when}", _MEASURES[measure], "Test accuracy %", lines))
    note = "Means over class sets and seeds, bars: standard deviation; the numbers are those of the table."
    return Figure(f"Derived networks: {pair_name(networks)}", panels, {**legend, whole: Key(None)}, note)
