"""`search: {sampler: ...}`: Optuna's samplers by name, which carry on as if nothing had stopped them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nemo.errors import UserError
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.planner import plan
from orchestrator.plan.search import Adaptive
from orchestrator.study.data import describe
from orchestrator.study.file import load_study_file
from orchestrator.study.study import Study
from orchestrator.study.yaml_source import dump_yaml

SPACE = {"lambda_coup": [0.5, 3.0], "lr": {"low": 0.01, "high": 0.1, "log": True}}


def study(search: Any, **changes: Any) -> Study:
    sweep = {"search": search, "trials": 12, "space": SPACE, "objectives": ["accuracy", "krr"], **changes}
    return Study.model_validate(
        {
            "name": "s",
            "pairs": [{"backbone": "simcnn", "dataset": "digits", "width": 0.125}],
            "methods": ["mwt"],
            "recipe": {"epochs": 1, "validation": 0.1},
            "sweep": {"mwt": sweep},
        }
    )


def suggested(folder: Path, wanted: Study, *, interrupted: bool = False) -> list[tuple[Any, Any]]:
    """What a search suggests where accuracy and KRR follow from the settings."""
    ledger = Ledger(folder)
    (search,) = plan(describe(wanted), ledger).searches
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
        for step, result in zip(steps[1:], ({}, {"krr": 1 / (1 + float(coup))}), strict=True):
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
        ({"sampler": "cmaes"}, "sampler"),
        ({"sampler": "nsga2", "startup": 3}, "startup: is for tpe and gp, and nsga2 has none; remove it."),
        ({"sampler": "gp", "population": 3}, "population: is for nsga2, and gp has none; remove it."),
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
