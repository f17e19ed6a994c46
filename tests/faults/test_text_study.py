"""A small BERT from sentences to modules, on one and on two workers, across a kill."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.ledger.ledger import Ledger
from tests import texts, tiny
from tests.faults.driver import carry_on, kill_when

pytestmark = [pytest.mark.ray, pytest.mark.faults]


@pytest.mark.parametrize("workers", [1, 2])
def test_texts_from_training_to_modules(tmp_path: Path, workers: int) -> None:
    storage = tmp_path / "my runs"
    pair = {
        "backbone": f"hf:{texts.write_network(tmp_path / 'net')}",
        "dataset": f"text:{texts.write_texts(tmp_path / 'data', 'csv', train=120)}",
    }
    study = tiny.write_study(
        tmp_path,
        pairs=[pair],
        methods={"standard": {"recipe": {"epochs": 2}}, "nemo": {"alpha": 1.0}},
        recipe={"epochs": 40, "batch_size": 16, "lr": 0.01, "optimizer": "adamw", "validation": 0.2, "lr_warmup": 0.5},
        sweep=None,
        thresholds=[0.9],
        subtasks={"sizes": [2], "samples": 1, "controls": ["random"], "finetune": {"epochs": 1, "batch_size": 16}},
        resources={"training": {"workers": workers, "cpus": 1}, "subtask": {"cpus": 1}},
    )
    steps = {step.params["method"]: step for step in tiny.planned(study, storage).steps if step.kind == "train"}
    standard, train = steps["standard"], steps["nemo"]

    def one_is_done_and_the_other_trains() -> bool:
        done = Ledger(storage / "tiny", readonly=True).get(standard.key) is not None
        return done and any((storage / "tiny" / "checkpoints" / train.key).glob("*"))

    kill_when(study, storage, one_is_done_and_the_other_trains)
    carry_on(study, storage)
    ledger = Ledger(storage / "tiny", readonly=True)
    trained = ledger.get(train.key) or {}
    assert trained["workers"] == workers
    assert len(trained["result"]["history"]) == 40 and trained["result"]["accuracy"] > 0.6
    cut = [document["result"] for _, document in ledger.results("reuse")]
    assert {row["control"] for row in cut} == {None, "random"}
    assert all(0 < row["krr"] < 1 and row["flops_reduction"] > 0 for row in cut)
