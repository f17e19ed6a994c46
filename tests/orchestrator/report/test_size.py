"""A report has a bound, however large its study is."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
import yaml

from nemo.modularizing import Relevance, save_relevance
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.step import Step
from orchestrator.report.figures.maps import HeatMap
from orchestrator.report.tables import Table
from tests.data_files import folder, pets
from tests.orchestrator import invented
from tests.orchestrator.large import large_study
from tests.tiny import command, environment

CLASSES, LAYERS = 1000, 200
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


def most_memory(folder: Path, name: str, *words: object) -> float:
    """The most memory of a report, in GB; what it says is in `told.txt`."""
    told = folder / "told.txt"
    with told.open("w") as file:
        whole = [*command("report", name, "--storage", folder), *map(str, words)]
        process = subprocess.Popen(whole, env=environment(), stdout=file, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, told.read_text()
    return usage.ru_maxrss / 2**20


@pytest.mark.slow
def test_the_largest_study_is_reported_within_bounds(tmp_path: Path) -> None:
    """500 points of 1,000 epochs, nine thresholds, 5,000 sub-tasks."""
    large_study(tmp_path, LARGEST)
    assert most_memory(tmp_path, "largest") < 2
    assert len((tmp_path / "told.txt").read_text().splitlines()) < 1000
    assert most_memory(tmp_path, "largest", "--export", tmp_path / "export") < 2
    assert (tmp_path / "export" / "report.html").stat().st_size < 5e6
    rows = json.loads((tmp_path / "export" / "report.json").read_text())
    assert {name: len(rows[name]) for name in ("trainings", "modularizations", "subtasks", "epochs")} == {
        **{"trainings": 501, "modularizations": 4500, "subtasks": 5000, "epochs": 501_000},
    }


@pytest.mark.slow
def test_a_thousand_classes_and_two_hundred_layers_are_reported_within_bounds(tmp_path: Path) -> None:
    """Of twelve trainings that could have maps, whose 24 maps have 14 million squares."""

    def finish(ledger: Ledger, step: Step) -> object:
        if step.kind != "modularize":
            return invented.finish(ledger, step)
        shares = torch.rand(LAYERS, CLASSES, 8, generator=torch.Generator().manual_seed(int(step.key[:8], 16)))
        counts = [(4 * layer).long() for layer in shares]
        samples, packed = torch.full((CLASSES,), 4), torch.zeros(CLASSES, LAYERS, dtype=torch.uint8)
        with ledger.writing(step.key, "relevance.safetensors") as path:
            save_relevance(Relevance(counts, samples, [*shares], packed, torch.arange(CLASSES)), path)
        return ledger.put(step, {"widths": [8] * LAYERS, "samples": samples.tolist()}, seconds=1.0)

    many = folder(tmp_path / "many", pets(train=1, test=1, classes=[f"class {number}" for number in range(CLASSES)]))
    widths = (0.125, 0.25, 0.375, 0.5, 0.75, 1.0)
    pairs = [{"backbone": "rescnn", "dataset": f"folder:{many}", "width": width, "image_size": 32} for width in widths]
    study = {
        "name": "wide",
        "pairs": pairs,
        "methods": {"standard": {}, "mwt": {}, "nemo": {}},
        "recipe": {"epochs": 2},
    }
    invented.invented_study(
        tmp_path, yaml.safe_dump(study | {"subtasks": {"sizes": [CLASSES], "samples": 1}}), by=finish
    )
    assert most_memory(tmp_path, "wide") < 2
    assert most_memory(tmp_path, "wide", "--export", tmp_path / "export") < 2
    assert (tmp_path / "export" / "report.html").stat().st_size < 5e6
    pictures = [*(tmp_path / "export" / "figures").glob("coupling-*.png")]
    assert len(pictures) == 5 and max(path.stat().st_size for path in pictures) < 5e6


@pytest.mark.slow
def test_a_thousand_sets_of_a_hundred_out_of_a_thousand_classes_are_reported_within_bounds(tmp_path: Path) -> None:
    """Two methods of deriving, a network for each set."""
    many = folder(tmp_path / "many", pets(train=1, test=1, classes=[f"class {number}" for number in range(CLASSES)]))
    study = {
        "name": "sets",
        "pairs": [{"backbone": "rescnn", "dataset": f"folder:{many}", "width": 1.0, "image_size": 32}],
        "methods": ["standard"],
        "derive": {"methods": ["magnitude", "random"], "budgets": [{"flops": 0.5}], "sizes": [100], "samples": CLASSES},
    }
    _, ledger = invented.invented_study(tmp_path, yaml.safe_dump(study))
    assert len(list(ledger.results("derive"))) == 2 * CLASSES
    assert most_memory(tmp_path, "sets") < 2
    assert len((tmp_path / "told.txt").read_text().splitlines()) < 1000
    assert most_memory(tmp_path, "sets", "--export", tmp_path / "export") < 2
    assert (tmp_path / "export" / "report.html").stat().st_size < 5e6
    assert len(json.loads((tmp_path / "export" / "report.json").read_text())["derived"]) == 2 * CLASSES
