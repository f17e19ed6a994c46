"""The baseline in a study: a search that is killed goes on with its next generation and ends as if nothing had been."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch

from nemo.baselines import ModuleSearch, class_logit, fitness_images, module_search
from nemo.training import training_images
from orchestrator.computing.compute import relevance_of
from orchestrator.computing.data import as_dataset, dataset_arrays
from orchestrator.computing.networks import found_masks, modular_network
from orchestrator.execution.checkpoint import Checkpoint
from orchestrator.execution.context import Context
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.step import Step
from orchestrator.storage import store_at
from orchestrator.study.resources import Resources
from tests import tiny
from tests.faults.driver import carry_on, kill_when

pytestmark = [pytest.mark.ray, pytest.mark.faults, pytest.mark.slow]
GENERATIONS = 8


def searched_here(step: Step, ledger: Ledger) -> ModuleSearch:
    """The same search in this process, without Ray and without interruption."""
    torch.set_num_threads(1)
    data = as_dataset(dataset_arrays(step.where))
    network = modular_network(ledger, step.key)
    split = training_images(data, step.params["recipe"]["validation"], step.params["seed"])
    images = fitness_images(*split, int(step.params["settings"]["images"]))
    importances = relevance_of(step.params, network, data, torch.device("cpu")).mean_masks
    search = module_search(importances, images.labels, step.params["settings"], step.params["seed"])
    while not search.done:
        search.tell(torch.stack([class_logit(network, c.label, c.masks, images, data) for c in search.ask()]))
    return search


@pytest.mark.parametrize("word", ["ours", "published"])
def test_a_killed_search_carries_on(tmp_path: Path, word: str) -> None:
    storage = tmp_path / "runs"
    study = tiny.write_study(
        tmp_path,
        methods={"cnnsplitter": {"generations": GENERATIONS, "population": 6, "images": 100, "search": word}},
        sweep=None,
        subtasks={"from": "every", "sizes": [2], "samples": 2, "finetune": {"epochs": 1, "batch_size": 32}},
    )
    steps = tiny.planned(study, storage).steps
    assert Counter(step.kind for step in steps) == {"train": 2, "modularize": 1, "measure": 1, "reuse": 2}
    start, search = steps[:2]
    assert search.parents == {"standard": start.key}
    checkpoint = Checkpoint(Context(store_at(storage / "tiny"), Resources()), search)

    def generations() -> list[dict[str, float]]:
        return (checkpoint.load() or {"rows": []})["rows"]

    kill_when(study, storage, lambda: len(generations()) >= 2)
    kept = generations()
    assert len(kept) < GENERATIONS
    carry_on(study, storage)

    ledger = Ledger(storage / "tiny", readonly=True)
    result = (ledger.get(search.key) or {})["result"]
    assert result["history"][: len(kept)] == kept
    assert [row["epoch"] for row in result["history"]] == list(range(GENERATIONS))
    expected = searched_here(search, ledger)
    assert [row["search/fitness"] for row in result["history"]] == [row["fitness"] for row in expected.history]
    for ours, theirs in zip(found_masks(ledger, search.key) or [], expected.modules(), strict=True):
        assert torch.equal(ours, theirs)
    assert not (storage / "tiny" / checkpoint.name).parent.exists()

    report = tiny.report(storage)
    [measured] = report["modularizations"]
    assert measured["threshold"] is None
    assert 0 < measured["krr"] <= 1
    assert {row["threshold"] for row in report["subtasks"]} == {None}
