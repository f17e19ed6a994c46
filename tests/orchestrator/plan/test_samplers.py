"""`search: {sampler: ...}`: Optuna's samplers by name, which carry on as if nothing had stopped them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from nemo.errors import UserError
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.warm_start import check_searches
from orchestrator.plan.planner import plan
from orchestrator.plan.search import Adaptive
from orchestrator.plan.training_queue import TrainingQueue
from orchestrator.report.fronts import front_table
from orchestrator.report.rendering import as_markdown
from orchestrator.study.data import describe
from orchestrator.study.file import load_study_file
from orchestrator.study.study import Study
from orchestrator.study.yaml_source import dump_yaml

SPACE = {"lambda_coup": [0.5, 3.0], "lr": {"low": 0.01, "high": 0.1, "log": True}}


def study(search: Any, methods: tuple[str, ...] = ("mwt",), **changes: Any) -> Study:
    sweep = {"search": search, "trials": 12, "space": SPACE, "objectives": ["accuracy", "krr"], **changes}
    return Study.model_validate(
        {
            "name": "s",
            "pairs": [{"backbone": "simcnn", "dataset": "digits", "width": 0.125}],
            "methods": [*methods],
            "recipe": {"epochs": 1, "validation": 0.1},
            "sweep": {"mwt": sweep},
        }
    )


def suggested(folder: Path, wanted: Study, *, interrupted: bool = False) -> list[tuple[Any, Any]]:
    """What a search suggests where accuracy and KRR follow from the settings."""
    ledger = Ledger(folder)
    planned = plan(describe(wanted), ledger)
    (search,) = planned.searches
    if search.standard is not None:
        ledger.put(search.standard, {"accuracy": 0.0, "validation_accuracy": 0.9})
    adaptive = Adaptive(search, ledger)
    while True:
        if interrupted:
            adaptive = Adaptive(search, ledger)
        given = adaptive.next()
        if given is None:
            return [(trial.settings, trial.generation) for trial in ledger.suggestions(search.key)]
        number, steps = given
        coup = next(each for each in ledger.suggestions(search.key) if each.number == number).settings["lambda_coup"]
        ledger.put(steps[0], {"accuracy": 0.0, "validation_accuracy": 1 - 0.1 * float(coup)})
        for step, result in zip(steps[1:], ({}, {"krr": 1 / (1 + float(coup))}), strict=False):
            ledger.put(step, result)
        adaptive.tell(number)


@pytest.mark.parametrize(
    "search",
    [
        {"sampler": "nsga2", "population": 3},
        pytest.param({"sampler": "gp", "startup": 3}, marks=pytest.mark.slow),
        pytest.param({"sampler": "tpe", "startup": 3}, marks=pytest.mark.slow),
    ],
    ids=lambda search: search["sampler"],
)
def test_a_resumed_search_suggests_what_the_uninterrupted_one_would(search: dict[str, Any], tmp_path: Path) -> None:
    wanted = study(search)
    assert suggested(tmp_path / "one", wanted) == suggested(tmp_path / "two", wanted, interrupted=True)


def test_cmaes_carries_on_and_needs_no_pickle(tmp_path: Path) -> None:
    pytest.importorskip("cmaes")
    wanted = study({"sampler": "cmaes", "population": 4}, objectives=["accuracy"], trials=17)
    told = suggested(tmp_path / "one", wanted)
    assert told == suggested(tmp_path / "two", wanted, interrupted=True)
    assert [generation for _, generation in told] == [None, *(number // 4 for number in range(16))]
    adaptive = Adaptive(plan(describe(wanted), {}).searches[0], Ledger(tmp_path / "one"))
    assert not any("optimizer" in name for trial in adaptive.optuna.trials for name in trial.system_attrs)
    # It has learned: accuracy rises as lambda_coup falls.
    first, last = (
        [float(settings["lambda_coup"]) for settings, _ in told][part] for part in (slice(1, 5), slice(-4, None))
    )
    assert sum(last) < sum(first)


def test_without_its_package_one_sentence_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cmaes", None)
    ledger = Ledger(tmp_path)
    searches = plan(describe(study({"sampler": "cmaes"}, objectives=["accuracy"])), ledger).searches
    with pytest.raises(UserError, match=r"^sweep\.mwt\.search: cmaes needs the package.*nemo-orchestrator\[cmaes\]"):
        check_searches(searches, ledger)


def test_cmaes_takes_ranges_alone() -> None:
    space = {"lambda_coup": {"choices": [1.0, 2.0]}, "lr": [0.1, 0.2]}
    with pytest.raises(ValidationError, match="is no range, and cmaes knows no other"):
        study({"sampler": "cmaes"}, objectives=["accuracy"], space=space)


def test_generations_follow_each_other(tmp_path: Path) -> None:
    told = suggested(tmp_path, study({"sampler": "nsga2", "population": 3}))
    assert [generation for _, generation in told] == [number // 3 for number in range(12)]


def test_a_sampler_that_is_what_a_word_says_finds_its_results(tmp_path: Path) -> None:
    def key(search: Any) -> str:
        return plan(describe(study(search)), {}).searches[0].key

    assert key({"sampler": "tpe"}) == key("optuna") and key({"sampler": "random"}) == key("random")
    others = [key({"sampler": "tpe", "startup": 3}), key({"sampler": "nsga2"}), key({"sampler": "gp"}), key("optuna")]
    assert len(set(others)) == 4


@pytest.mark.parametrize(
    ("search", "told"),
    [
        ({"sampler": "cmaess"}, "sampler"),
        ({"sampler": "cmaes"}, "objectives: are several, and cmaes takes one; leave one, or choose tpe, gp or nsga2."),
        ({"sampler": "nsga2", "startup": 3}, "startup: is for tpe and gp, and nsga2 has none; remove it."),
        ({"sampler": "cmaes", "population": 3}, "population: of cmaes must be at least 4, not 3: half of them lead."),
        ({"sampler": "gp", "population": 3}, "population: is for nsga2 and cmaes, and gp has none; remove it."),
        ({"population": 3}, "sampler"),
        ("genetic", "search"),
    ],
)
def test_what_no_sampler_is_is_refused(search: Any, told: str, tmp_path: Path) -> None:
    data = study("optuna").model_dump(mode="json", by_alias=True, exclude_unset=True)
    data["sweep"]["mwt"]["search"] = search
    file = tmp_path / "s.yaml"
    file.write_text(dump_yaml(data))
    with pytest.raises(UserError) as refused:
        load_study_file(file)
    assert told in str(refused.value).splitlines()[0]


CONSTRAINED = {"methods": ("standard", "mwt"), "constraints": {"accuracy_drop": 0.05}}


@pytest.mark.parametrize(
    "sampler", [pytest.param("tpe", marks=pytest.mark.slow), pytest.param("gp", marks=pytest.mark.slow), "nsga2"]
)
def test_constraints_teach_a_search_and_a_resumed_one_the_same(sampler: str, tmp_path: Path) -> None:
    search = {"sampler": sampler, **({"population": 3} if sampler == "nsga2" else {"startup": 3})}
    wanted = study(search, **CONSTRAINED)
    told = suggested(tmp_path / "one", wanted)
    assert told == suggested(tmp_path / "two", wanted, interrupted=True)
    assert told != suggested(tmp_path / "free", study(search, methods=("standard", "mwt")))


def test_the_front_keeps_to_the_constraints(tmp_path: Path) -> None:
    wanted = study("random", methods=("standard", "mwt"))
    suggested(tmp_path, wanted)
    ledger = Ledger(tmp_path)
    constrained = study("optuna", **CONSTRAINED)
    (search,) = plan(describe(constrained), ledger).searches
    (free,) = plan(describe(wanted), ledger).searches
    ledger.put(search.standard, {"accuracy": 0.0, "validation_accuracy": 0.9})  # type: ignore[arg-type]
    for trial in ledger.suggestions(free.key):
        ledger.suggest(search.key, trial.number, trial.settings)
    adaptive = Adaptive(search, ledger)
    assert 0 < adaptive.feasible < adaptive.counts()[0]
    assert min(values[0] for _, _, values in adaptive.front()) >= 0.85
    assert min(values[0] for _, _, values in Adaptive(free, ledger).front()) < 0.85
    table = front_table(search, ledger)
    assert table is not None
    said = "are at most 5.00 points below the standard network's accuracy on validation images."
    assert f"{adaptive.feasible} of the finished ones {said}" in table.note


def test_where_no_trial_keeps_to_the_constraints_the_report_says_so(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    (search,) = plan(describe(study("optuna", **CONSTRAINED)), ledger).searches
    ledger.put(search.standard, {"accuracy": 0.0, "validation_accuracy": 0.9})  # type: ignore[arg-type]
    adaptive = Adaptive(search, ledger)
    number, steps = adaptive.next() or (0, [])
    for step, result in zip(steps, ({"validation_accuracy": 0.3}, {}, {"krr": 0.2}), strict=True):
        ledger.put(step, result)
    adaptive.tell(number)
    table = front_table(search, ledger)
    assert table is not None and table.rows == []
    assert "0 of the finished ones are at most 5.00 points below" in table.note
    assert "0 of the finished ones" in as_markdown("s", [table])


def test_a_constrained_search_waits_for_the_standard_network_and_is_lost_with_it(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    planned = plan(describe(study("optuna", **CONSTRAINED)), ledger)
    standard, *_ = steps = [step for step in planned.steps if step.kind == "train"]
    queue = TrainingQueue(steps, planned.searches, ledger)
    first = queue.next()
    assert first is not None and first.steps == [standard]
    assert queue.next() is None and not queue.exhausted
    ledger.put(standard, {"accuracy": 0.0, "validation_accuracy": 0.9})
    queue.ended(standard)
    assert queue.next() is not None
    ledger = Ledger(tmp_path / "failed")
    queue = TrainingQueue(steps, planned.searches, ledger)
    queue.next()
    ledger.fail(standard, "diverged")
    assert queue.ended(standard) == 12
    assert plan(describe(study("optuna", **CONSTRAINED)), ledger).searches == []


@pytest.mark.parametrize(
    ("search", "changes", "told"),
    [
        ("random", {"methods": ("standard", "mwt")}, "constraints: are for tpe, gp, nsga2, random learns nothing"),
        ("optuna", {}, "constraints: compare with the standard network, add `standard: {}` to methods, or drop them."),
    ],
)
def test_constraints_that_mean_nothing_are_refused(search: Any, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as refused:
        study(search, **{"constraints": {"accuracy_drop": 0.05}, **changes})
    ((place, text),) = [(error["loc"], error["msg"]) for error in refused.value.errors()]
    assert f"{place[-1]}: {text}".startswith(told)
