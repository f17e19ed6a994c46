"""Transformers in a study: what the plan makes of teachers, configurations, roles and surgery."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from orchestrator.plan.planner import Plan, plan
from orchestrator.plan.step import Step
from orchestrator.study.data import DescribedStudy
from tests.orchestrator.plan.test_planner import Finished
from tests.orchestrator.study_examples import DESCRIPTIONS, study

DEIT = {"backbone": "deit_s", "dataset": "digits", "width": 0.25}
VIT = {"backbone": "vit_s", "dataset": "digits", "width": 0.25}
TINY = {"model_type": "vit", "hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "patch_size": 8}


def planned(pairs: list[dict[str, Any]], **changed: Any) -> Plan:
    return plan(DescribedStudy(study(pairs=pairs, **changed), DESCRIPTIONS), {})


def trainings(planned: Plan) -> list[Step]:
    return [step for step in planned.steps if step.kind == "train"]


def test_a_teacher_is_trained_once_and_before_its_students() -> None:
    grid = {"mwt": {"grid": {"lambda_coup": [0.5, 0.6]}}}
    teacher, *students = trainings(planned([DEIT], sweep=grid))
    assert (teacher.params["backbone"], teacher.params["method"], teacher.params["width"]) == (
        "resnet18",
        "standard",
        0.25,
    )
    assert [student.params["method"] for student in students] == ["standard", "mwt", "mwt"]
    assert all(student.parents == {"teacher": teacher.key} for student in students)
    assert teacher.parents == {}


def test_a_teacher_is_the_standard_network_of_a_pair_like_it() -> None:
    both = trainings(planned([DEIT, {**DEIT, "backbone": "resnet18"}]))
    standard = [step for step in both if step.params["backbone"] == "resnet18" and step.params["method"] == "standard"]
    assert len(standard) == 1
    assert len(both) == 4


def test_every_seed_has_its_own_teacher() -> None:
    found = trainings(planned([DEIT], seeds=[0, 1]))
    teachers = {step.key: step.params["seed"] for step in found if not step.parents}
    assert sorted(teachers.values()) == [0, 1]
    assert all(teachers[step.parents["teacher"]] == step.params["seed"] for step in found if step.parents)


def test_a_teachers_recipe_is_its_own_but_for_the_images_held_out() -> None:
    pair = {
        **DEIT,
        "recipe": {"optimizer": "adamw", "lr": 0.0005, "validation": 0.2},
        "teacher": {"width": 0.5, "recipe": {"epochs": 7}},
    }
    teacher, student, _ = trainings(planned([pair], recipe={"epochs": 3, "lr": 0.1}))
    assert {name: teacher.params["recipe"][name] for name in ("epochs", "lr", "optimizer", "validation")} == {
        "epochs": 7,
        "lr": 0.1,
        "optimizer": "sgd",
        "validation": 0.2,
    }
    assert teacher.params["width"] == 0.5
    assert student.params["recipe"]["optimizer"] == "adamw"


def test_another_teacher_gives_other_students() -> None:
    def keys(**teacher: Any) -> set[str]:
        return {step.key for step in trainings(planned([{**DEIT, "teacher": teacher}]))}

    assert keys(backbone="rescnn").isdisjoint(keys(backbone="resnet18"))
    assert keys(backbone="resnet18") == keys()


def test_a_search_waits_for_its_teacher_and_ends_with_it() -> None:
    sweep = {"mwt": {"search": "random", "trials": 3, "space": {"lambda_coup": [0.1, 1.0]}}}
    wanted = study(pairs=[DEIT], methods=["mwt"], recipe={"validation": 0.1}, sweep=sweep)
    waiting = plan(DescribedStudy(wanted, DESCRIPTIONS), {})
    [teacher] = trainings(waiting)
    assert (len(waiting.searches), waiting.up_to["train"]) == (1, 3)
    lost = plan(DescribedStudy(wanted, DESCRIPTIONS), Finished(failed={teacher.key}))
    assert (len(lost.searches), lost.up_to["train"]) == (0, 0)


@pytest.mark.parametrize(
    ("pair", "place", "text"),
    [
        ({**VIT, "teacher": {}}, "pairs.0.teacher", "vit_s has no head that learns from a teacher"),
        ({**DEIT, "teacher": {"backbone": "deit_s"}}, "pairs.0.teacher.backbone", "needs a teacher itself"),
        ({**DEIT, "teacher": {"width": 9}}, "pairs.0.teacher.width", "at most 8"),
        ({**DEIT, "teacher": {"recipe": {"validation": 0.1}}}, "pairs.0.teacher.recipe.validation", "is the student's"),
        ({**DEIT, "teacher": {"recipe": {"epochs": 0}}}, "pairs.0.teacher.recipe.epochs", "must be at least 1"),
        ({**VIT, "backbone": "vit:nowhere.json"}, "pairs.0.backbone", "cannot be read as JSON"),
        ({**VIT, "backbone": "resnet18", "roles": ["fc1"]}, "pairs.0.roles", "resnet18 is none"),
        ({**VIT, "roles": ["fc3"]}, "pairs.0.roles.0", "did you mean 'fc"),
        ({**VIT, "finetune": {"lr": -1.0}}, "pairs.0.finetune.lr", "must be positive"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(pair: dict[str, Any], place: str, text: str) -> None:
    with pytest.raises(ValidationError) as raised:
        study(pairs=[pair], subtasks={"sizes": [2]})
    found = {".".join(map(str, error["loc"])): error["msg"] for error in raised.value.errors()}
    assert text in found[place]


def test_a_configuration_counts_by_its_content(tmp_path: Path) -> None:
    def key(folder: str, **changed: Any) -> str:
        file = tmp_path / folder / "tiny.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps({**TINY, **changed}))
        [train] = trainings(planned([{**VIT, "backbone": f"vit:{file}"}], methods=["mwt"]))
        assert train.params["backbone"] == "vit:tiny"
        assert str(tmp_path) not in json.dumps(train.params)
        return train.key

    assert key("here") == key("there")
    assert key("here") != key("there", hidden_size=32)


def test_a_distilled_configuration_has_a_teacher(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({**TINY, "model_type": "deit"}))
    teacher, student = trainings(planned([{**VIT, "backbone": f"vit:{tmp_path}"}], methods=["mwt"]))
    assert student.parents == {"teacher": teacher.key}
    assert student.params["backbone"] == f"vit:{tmp_path.name}"


def test_roles_surgery_and_finetuning_are_the_transformers_own() -> None:
    cut = {"sizes": [2], "samples": 1, "surgery": "paper", "finetune": {"epochs": 3}}
    vit = {**VIT, "roles": ["fc2", "fc1"], "finetune": {"optimizer": "adamw", "lr": 0.0005}}
    steps = planned([vit, {**VIT, "backbone": "resnet18"}], subtasks=cut).steps
    standard, modular, plain, _ = [step for step in steps if step.kind == "train"]
    assert "roles" not in standard.params
    assert modular.params["roles"] == ["fc1", "fc2"]
    assert "roles" not in plain.params
    transformer, cnn = [step for step in steps if step.kind == "reuse"]
    assert transformer.params["surgery"] == "paper"
    assert "surgery" not in cnn.params
    assert (transformer.params["finetune"]["epochs"], transformer.params["finetune"]["optimizer"]) == (3, "adamw")
    assert cnn.params["finetune"]["optimizer"] == "sgd"


def test_all_roles_are_the_same_as_none_named() -> None:
    roles = ["query", "key", "value", "output", "fc1", "fc2"]
    assert [step.key for step in planned([{**VIT, "roles": roles}]).steps] == [
        step.key for step in planned([VIT]).steps
    ]
