from __future__ import annotations

from pathlib import Path

import yaml

from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.planner import Plan, plan
from orchestrator.simulation.timings import ASSUMED, Timings
from orchestrator.study.data import DescribedStudy
from orchestrator.study.study import Study
from tests.orchestrator.invented import SECONDS, STUDY, invented_study
from tests.orchestrator.study_examples import DESCRIPTIONS


def planned(text: str, ledger: Ledger | None = None) -> Plan:
    return plan(DescribedStudy(Study.model_validate(yaml.safe_load(text)), DESCRIPTIONS), ledger or {})  # type: ignore[arg-type]


def seconds(timings: Timings, text: str, kind: str, method: str = "mwt", ledger: Ledger | None = None) -> list[float]:
    steps = planned(text, ledger).steps
    trainings = {step.key: step.params for step in steps if step.kind == "train"}
    owners = [(step, trainings[step.parents.get("train", step.key)]) for step in steps if step.kind == kind]
    return [timings.seconds(step, train) for step, train in owners if train["method"] == method]


EVERY = STUDY.replace("from: best", "from: every")


def test_without_results_what_is_given_counts_and_else_an_assumption() -> None:
    timings = Timings([], {"reuse": 45.0, "train": 2.0}, 0)
    assert set(seconds(timings, EVERY, "reuse")) == {45.0}
    assert seconds(timings, EVERY, "train", "standard") == [3 * 2.0]
    assert set(seconds(timings, EVERY, "measure")) == {ASSUMED["measure"]}
    assert [timings.sources(kind) for kind in ("reuse", "train", "measure")] == ["given", "given", "assumed"]


def test_what_was_measured_is_taken_epoch_by_epoch(storage: Path) -> None:
    invented_study(storage)
    timings = Timings([Ledger(storage / "invented")], {}, 0)
    longer = EVERY.replace("epochs: 3", "epochs: 30")
    assert seconds(timings, longer, "train", "standard") == [10 * SECONDS["train"]]
    assert set(seconds(timings, longer, "measure")) == {SECONDS["measure"]}
    assert timings.sources("train") == timings.sources("measure") == "measured on cpu"
    shorter = EVERY.replace("samples: 2", "samples: 2, finetune: {epochs: 5}")  # ten by default
    assert set(seconds(timings, shorter, "reuse")) == {SECONDS["reuse"] / 2}


def test_another_method_says_more_than_nothing_and_another_network_nothing(storage: Path) -> None:
    invented_study(storage, STUDY.replace(", nemo: {alpha: 1.0}", ""))
    timings = Timings([Ledger(storage / "invented")], {}, 0)
    assert set(seconds(timings, EVERY, "modularize", "nemo")) == {SECONDS["modularize"]}
    wider = EVERY.replace("width: 0.125", "width: 0.25")
    assert set(seconds(timings, wider, "modularize", "nemo")) == {ASSUMED["modularize"]}
    assert timings.sources("modularize") == "measured on cpu, assumed"


def test_the_studys_own_ledger_wins_over_others(storage: Path) -> None:
    _, own = invented_study(storage / "a")
    for step in planned(STUDY.replace("recipe: {", "recipe: {lr: 0.5, "), own).steps:
        if step.kind == "train":
            Ledger(storage / "b" / "invented").put(step, {}, seconds=600.0, device="cpu")
    ledgers = [Ledger(storage / name / "invented") for name in ("a", "b")]
    assert seconds(Timings(ledgers, {}, 0), EVERY, "train", "standard") == [SECONDS["train"]]
    assert seconds(Timings(ledgers[::-1], {}, 0), EVERY, "train", "standard") == [600.0]
