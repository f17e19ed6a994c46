"""The table of derived networks, on invented ones whose differences are known."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from orchestrator.report.derived import derived_table
from orchestrator.report.frames import DERIVED
from orchestrator.report.statistics import judge_sets, paired

SETS = [[0, 1], [0, 2], [1, 2], [2, 3]]
NOISE = [-0.01, 0.0, 0.005, 0.005]


def networks(**above: float) -> pl.DataFrame:
    """`random` has 80 % and the others so much more, by class set with the same noise; the base has 95 %."""
    rows = [
        {
            "backbone": "net",
            "dataset": "data",
            "width": 1.0,
            "variant": "",
            "method": "standard",
            "settings": "",
            "seed": 0,
        }
        | {"key": f"{name}{place}", "derivation": name, "compensate": "none", "finetune": "", "measure": "flops"}
        | {"share": 0.5, "classes": classes, "base_accuracy": 0.95, "accuracy": 0.8 + more + (more != 0) * noise}
        | {"accuracy_before_finetuning": 0.6, "kept_flops": 0.5, "kept_parameters": 0.4, "deriving_seconds": 2.0}
        for name, more in {"random": 0.0, **above}.items()
        for place, (classes, noise) in enumerate(zip(SETS, NOISE, strict=True))
    ]
    return pl.DataFrame([{name: row.get(name) for name in DERIVED} for row in rows], schema=DERIVED)


def cells(frame: pl.DataFrame, column: str) -> dict[str, str]:
    table = derived_table(frame)
    return {str(row[0]): str(row[table.columns.index(column)]) for row in table.rows}


def test_differences_are_those_of_the_same_class_sets() -> None:
    half = 3.1824463 * np.std(NOISE, ddof=1) / 2  # Student's t of three degrees of freedom
    above = cells(networks(magnitude=0.1, worse=-0.1, same=0.0005), "Above random")
    assert above["magnitude"] == f"+10.00 ({10 - 100 * half:+.2f} to {10 + 100 * half:+.2f}), better"
    assert above["worse"].endswith("worse") and above["same"].endswith("unresolved") and above["random"] == ""
    below = cells(networks(magnitude=0.1), "Against untouched")
    assert below["magnitude"].startswith("-5.00 (") and below["random"].startswith("-15.00")


def test_random_units_of_another_training_budget_or_tuning_are_no_rival() -> None:
    both = networks(magnitude=0.1)
    is_random = pl.col("derivation") == "random"
    for column, other in (
        ("settings", "lr=1"),
        ("share", 0.3),
        ("finetune", "finetune.epochs=9"),
        ("compensate", "refit"),
    ):
        changed = both.with_columns(pl.when(is_random).then(pl.lit(other)).otherwise(pl.col(column)).alias(column))
        table = derived_table(changed)
        assert [str(row[table.columns.index("Above random")]) for row in table.rows] == ["", ""], column


def test_intervals_over_class_sets_cover_what_they_say() -> None:
    rng, covered = np.random.default_rng(0), 0
    for _ in range(2000):
        judged = judge_sets(rng.normal(0.02, 0.05, 5))
        assert judged.low is not None and judged.high is not None
        covered += judged.low <= 0.02 <= judged.high
    assert 0.94 <= covered / 2000 <= 0.96
    assert judge_sets(np.array([0.3])).verdict == "unresolved"


@pytest.mark.parametrize(("least", "found"), [(1, True), (2, False)])
def test_one_seed_is_enough_where_it_is_said_to_be(least: int, found: bool) -> None:
    own = networks()
    assert (paired(own, own, "accuracy", least=least) is not None) == found
