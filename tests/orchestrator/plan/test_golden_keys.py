"""Keys as they were before `orchestrator/` got its rooms: a change makes results of every user's ledger unreachable."""

from __future__ import annotations

from typing import Any

from nemo.methods import METHODS
from orchestrator.plan.planner import plan
from orchestrator.plan.step import Step
from orchestrator.study.data import DescribedStudy
from tests.orchestrator.study_examples import DESCRIPTIONS, study

CNN: dict[str, Any] = {
    "pairs": [{"backbone": "simcnn", "dataset": "digits", "width": 0.125}],
    "methods": {name: {} for name in METHODS},
    "recipe": {"epochs": 3, "validation": 0.1},
    "subtasks": {"sizes": [2], "samples": 1, "recalibration": 100},
}
TRANSFORMER: dict[str, Any] = {
    "pairs": [
        {
            "backbone": "deit_s",
            "dataset": "digits",
            "width": 0.25,
            "roles": ["value", "fc1"],
            "teacher": {"backbone": "resnet18", "width": 0.25, "recipe": {"epochs": 2}},
        }
    ],
    "methods": {"nemo": {"alpha": 0.1, "recipe": {"warmup": 2}}},
    "recipe": {"epochs": 3, "as_cut": 0.5, "as_cut_from": 0, "gate": "annealed"},
    "subtasks": {"classes": [[3, 5]], "surgery": "paper", "head": "linear"},
    "resources": {"training": {"workers": 4, "min_workers": 2}},
}
SEARCH: dict[str, Any] = {
    "methods": {"mwt": {}},
    "recipe": {"validation": 0.1},
    "sweep": {
        "mwt": {
            "search": "optuna",
            "trials": 3,
            "space": {"lambda_coup": [1.0, 3.0]},
            "objectives": ["accuracy", "krr"],
        }
    },
}


def keys(fields: dict[str, Any]) -> dict[str, str]:
    """`kind method` -> key, of the first step of each."""
    found: dict[str, str] = {}
    methods: dict[str, str] = {}
    for step in plan(DescribedStudy(study(**fields), DESCRIPTIONS), {}).steps:
        method = methods[step.parents["train"]] if "train" in step.parents else step.params["method"]
        methods[step.key] = method
        found.setdefault(f"{step.kind} {method}", step.key)
    return found


def test_keys_of_every_kind_of_step_and_every_method() -> None:
    assert keys(CNN) == {
        "train standard": "4c54cf74ecebed6fd1a8",
        "train mwt": "2447eb9c79990cdbe8f6",
        "train nemo": "07fc85bc5959dff060cd",
        "train moda": "35d4a5bee1e94476af78",
        "train cnnsplitter": "656f994eab3b7ee83682",
        "modularize mwt": "d988b865a201e4b0b29c",
        "modularize nemo": "c780eaaadfbcccbb4e14",
        "modularize moda": "5d0fb96b60a8af706024",
        "modularize cnnsplitter": "bdfde181aca59e05f717",
        "measure mwt": "8a2835c93fe73de847f6",
        "measure nemo": "e807f95cff2a173ecb4f",
        "measure moda": "2d7fae33a4ab6d5a7d10",
        "measure cnnsplitter": "342c291c7e3e5622e3cb",
        "reuse mwt": "b085ce4f9e5311112da8",
        "reuse nemo": "86ae25c238f3d21c1b00",
        "reuse moda": "745faffc0ad79a4503b9",
        "reuse cnnsplitter": "a6ca95b9d23f582ff94a",
    }


def test_keys_of_a_transformer_with_a_teacher_and_elastic_workers() -> None:
    assert keys(TRANSFORMER) == {
        "train standard": "30f92327be05491f73fd",
        "train nemo": "b12f2a0edfcbe867314a",
        "modularize nemo": "ed7170e51f3f3c4c40eb",
        "measure nemo": "83ea9b1b7223220b1ec9",
        "reuse nemo": "1c6c47ae06cbbf87bfe7",
    }


def test_key_of_an_adaptive_search() -> None:
    (search,) = plan(DescribedStudy(study(**SEARCH), DESCRIPTIONS), {}).searches
    assert search.key == "e596fec4d625e6501632"


def test_a_word_that_is_the_default_is_in_no_key() -> None:
    methods = {name: {} for name in METHODS}
    asked_for = keys({**CNN, "methods": {**methods, "cnnsplitter": {"search": "ours"}}})
    assert asked_for == keys(CNN)
    published = keys({**CNN, "methods": {**methods, "cnnsplitter": {"search": "published"}}})
    assert {kind for kind in asked_for if asked_for[kind] != published[kind]} == {
        f"{kind} cnnsplitter" for kind in ("train", "modularize", "measure", "reuse")
    }


def test_what_alone_learns_is_part_of_a_key_however_it_is_written() -> None:
    def train(**recipe: Any) -> Step:
        return plan(DescribedStudy(study(methods=["mwt"], recipe=recipe), DESCRIPTIONS), {}).steps[0]

    assert "train_only" not in train().params["recipe"] and train(train_only=None).key == train().key
    assert train(train_only="head").params["recipe"]["train_only"] == ["head"]
    assert train(train_only="head").key == train(train_only=["head"]).key
    assert len({train(**each).key for each in ({}, {"train_only": "head"}, {"train_only": ["head", "body.0"]})}) == 3
