"""The table of derived networks: what is left of the untouched network's accuracy at each budget, against a draw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from orchestrator.report.number import Number
from orchestrator.report.statistics import RULE, Judged, judge_pairs, judge_sets, paired
from orchestrator.report.tables import Table, asked_attacks, means_of, pair_name, told_attacks, with_spread

_ALIKE = ("settings", "measure", "share", "size")
"""What derived networks have in common that are compared: their training's settings, their budget, how many classes."""

_RATES = {
    "base_accuracy": "Untouched %",
    "accuracy_before_finetuning": "Before tuning %",
    "accuracy": "After tuning %",
    "kept_flops": "FLOPs kept %",
    "kept_parameters": "Parameters kept %",
    "kept_milliseconds": "Time kept %",
}


def derived_table(networks: pl.DataFrame) -> Table:
    """One pair's derived networks by budget, number of classes and method."""
    sized = with_size(networks)
    tuned = bool((sized["accuracy"] != sized["accuracy_before_finetuning"]).any())
    rates = {name: text for name, text in _RATES.items() if tuned or name != "accuracy_before_finetuning"}
    rates = {name: text for name, text in rates.items() if sized[name].count()}
    rates |= {} if tuned else {"accuracy": "Accuracy %"}
    rates |= asked_attacks(sized)
    drawn = _is_random(sized).any()
    rows = []
    several = sized["settings"].n_unique() > 1
    for row in means_of(sized, [*_ALIKE, "derivation"], [*rates, "deriving_seconds"]):
        own = _of(sized, row)
        rows.append(
            (
                f"{row['derivation']} of {row['settings'] or 'standard'}" if several else str(row["derivation"]),
                f"{row['measure']} {row['share']:g}",
                Number(row["size"]),
                Number(row["count"]),
                *(with_spread(row, name, 100.0, 2) for name in rates),
                _told(_against_base(own)),
                *([_told(_above_random(own, sized, row))] if drawn else []),
                Number(row["deriving_seconds"], 1),
            )
        )
    note = (
        "Test accuracy on the set's classes. Untouched: the whole network with the rows of these classes. FLOPs and "
        "parameters kept: of that. Against it, and above random units at the same budget: in points"
        f"{', after tuning' if tuned else ''}. {RULE}; of one seed, over its class sets alone. Seconds: of finding the "
        f"units and cutting.{told_attacks(sized)}"
    )
    columns = ("Method", "Budget", "Classes", "Networks", *rates.values(), "Against untouched")
    return Table(
        f"Derived networks: {pair_name(networks)}",
        (*columns, *(["Above random"] if drawn else []), "Seconds"),
        rows,
        note,
        words=2,
    )


def with_size(networks: pl.DataFrame) -> pl.DataFrame:
    """The same with the number of classes as `size`."""
    return networks.with_columns(pl.col("classes").list.len().cast(pl.Int64).alias("size"))


def _of(networks: pl.DataFrame, row: Mapping[str, Any]) -> pl.DataFrame:
    return networks.filter(*(pl.col(name) == row[name] for name in (*_ALIKE, "derivation")))


def _against_base(own: pl.DataFrame) -> Judged | None:
    return _judged(own.with_columns(pl.col("base_accuracy").alias("accuracy")), own)


def _above_random(own: pl.DataFrame, networks: pl.DataFrame, row: Mapping[str, Any]) -> Judged | None:
    same = networks.filter(*(pl.col(name) == row[name] for name in _ALIKE))
    random = same.filter(_is_random(same), *(pl.col(name) == own[name][0] for name in ("compensate", "finetune")))
    one = random["derivation"].n_unique() == 1 and random["derivation"][0] != row["derivation"]
    return _judged(random, own) if one else None


def _judged(first: pl.DataFrame, other: pl.DataFrame) -> Judged | None:
    differences = paired(first, other, "accuracy", least=1)
    if differences is None:
        return None
    return judge_sets(differences[0]) if len(differences) == 1 else judge_pairs(differences)


def _is_random(networks: pl.DataFrame) -> pl.Series:
    return networks["derivation"].str.split(" ").list.first() == "random"


def _told(judged: Judged | None) -> str:
    return "" if judged is None else judged.told(100.0, 2)
