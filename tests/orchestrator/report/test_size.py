"""A report has a bound, however large its study is."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from orchestrator.report.figures.maps import HeatMap
from orchestrator.report.tables import Table
from tests.orchestrator.large import large_study
from tests.tiny import command, environment

SWEEP = [round(0.1 * number, 1) for number in range(1, 26)]

LARGEST = f"""
name: largest
pairs: [{{backbone: rescnn, dataset: digits, width: 0.125}}]
methods: {{standard: {{}}, mwt: {{}}, nemo: {{temperature: 0.2}}}}
recipe: {{epochs: 1000, batch_size: 32, validation: 0.1}}
sweep:
  mwt: {{grid: {{lambda_coh: {SWEEP[:10]}, lambda_coup: {SWEEP}}}}}
  nemo: {{grid: {{alpha: {SWEEP}, temperature: {SWEEP[:10]}}}}}
thresholds: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
subtasks: {{from: every, sizes: [2, 3, 4, 5, 6], samples: 2}}
"""


def test_a_table_has_a_head_and_a_word_about_the_rest() -> None:
    table = Table("Many", ("A", "B"), [(str(number), "x") for number in range(1234)], "A note.")
    assert table.head(1234) is table
    short = table.head(100)
    assert short.rows == table.rows[:100]
    assert short.note == "A note. Not shown here: 1,134 more rows; nemo report --export writes all of them."


@pytest.mark.parametrize(("classes", "layers"), [(1000, 200), (61, 3), (60, 60)])
def test_a_map_is_thinned_evenly(classes: int, layers: int) -> None:
    rows = [(f"layer {layer}", [layer + label / classes for label in range(classes)]) for layer in range(layers)]
    whole = HeatMap("Kept", "Layer, class", [str(label) for label in range(classes)], rows, "A note.")
    thinned = whole.thinned(60)
    if max(classes, layers) <= 60:
        assert thinned is whole
        return
    assert len(thinned.rows) <= 60 and len(thinned.columns) <= 60
    for name, values in thinned.rows:
        layer = int(name.split()[1])
        assert values == [layer + int(label) / classes for label in thinned.columns]
    assert f"of {layers} rows" in thinned.note and f"of {classes} columns" in thinned.note


@pytest.mark.slow
def test_the_largest_study_is_reported_within_bounds(tmp_path: Path) -> None:
    """500 points of 1,000 epochs, nine thresholds, 5,000 sub-tasks."""
    large_study(tmp_path, LARGEST)

    def report(*words: object) -> float:
        """The most memory of a report, in GB."""
        told = tmp_path / "told.txt"
        with told.open("w") as file:
            whole = [*command("report", "largest", "--storage", tmp_path), *map(str, words)]
            process = subprocess.Popen(whole, env=environment(), stdout=file, stderr=subprocess.STDOUT)
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, told.read_text()
        return usage.ru_maxrss / 2**20

    assert report() < 2
    assert len((tmp_path / "told.txt").read_text().splitlines()) < 1000
    assert report("--export", tmp_path / "export") < 2
    assert (tmp_path / "export" / "report.html").stat().st_size < 5e6
    rows = json.loads((tmp_path / "export" / "report.json").read_text())
    assert {name: len(rows[name]) for name in ("trainings", "modularizations", "subtasks", "epochs")} == {
        **{"trainings": 501, "modularizations": 4500, "subtasks": 5000, "epochs": 501_000},
    }
