"""Classes by name and by number, one rule: in study files, on the command line, and in Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo.datasets.naming import parse_classes
from nemo.errors import UserError
from orchestrator.modules.choose import class_numbers
from orchestrator.plan.planner import plan
from orchestrator.study.file import study_with_data
from orchestrator.study.study import Study
from orchestrator.study.yaml_source import dump_yaml, parse_value
from tests.data_files import folder, pets

SIGNS = [f"{number:05d}" for number in range(13)]  # as of case 03: folders that are called 00000 to 00012
DAYS = [str(number) for number in range(1, 12)]  # and 1 to 11, of which 11 comes after 10

MISREAD = {
    "00010": "the number 8",
    "0x10": "the number 16",
    "1_0": "the number 10",
    "12:30": "the number 750",
    "+5": "the number 5",
    "3.10": "the number 3.1",
    "1e3": "the number 1000.0",
    "no": "false",
    "On": "true",
    "~": "nothing",
    "null": "nothing",
    "2026-01-01": "a date",
}


def study(root: Path, classes: str, *overrides: str, names: list[str] = SIGNS) -> list[list[str]]:
    """The names of the classes of every planned sub-task."""
    folder(root / "data", pets(classes=names))
    text = (
        f"name: signs\npairs: [{{backbone: rescnn, dataset: 'folder:{root}/data', width: 0.0625, image_size: 32}}]\n"
        f"methods: [standard, mwt]\nrecipe: {{epochs: 1}}\nsubtasks: {{classes: [{classes}]}}\n"
    )
    (root / "signs.yaml").write_text(text)
    described = study_with_data(root / "signs.yaml", overrides)
    known = next(iter(described.data.values())).classes
    steps = [step for step in plan(described, {}).steps if step.kind == "reuse"]
    return [[known[number] for number in step.params["classes"]] for step in steps]


def refused(root: Path, classes: str, *overrides: str, names: list[str] = SIGNS) -> list[str]:
    with pytest.raises(UserError) as error:
        study(root, classes, *overrides, names=names)
    return str(error.value).splitlines()


def test_numbers_with_zeros_in_front_are_to_be_quoted(tmp_path: Path) -> None:
    assert refused(tmp_path, "[00010, 00012]") == [
        f"{tmp_path}/signs.yaml:5: subtasks.classes[0][0]: '00010' is the number 8 in YAML, put it in quotes.",
        f"{tmp_path}/signs.yaml:5: subtasks.classes[0][1]: '00012' is the number 10 in YAML, put it in quotes.",
    ]
    assert study(tmp_path, '["00010", "00012"]') == [["00010", "00012"]]
    assert study(tmp_path, "[10, 12]") == [["00010", "00012"]]  # no class is called 10, so it is a place


def test_a_number_that_is_a_name_and_another_place_is_refused(tmp_path: Path) -> None:
    said = refused(tmp_path, "[2, 3]", names=DAYS)
    assert said[0].endswith(
        "subtasks.classes[0][0]: 2 is the name of a class and the number of the class '11', put the name of the one "
        'that is meant in quotes: "2" or "11".'
    )
    assert len(said) == 2
    assert study(tmp_path, '["2", "3"]', names=DAYS) == [["2", "3"]]
    assert study(tmp_path, "[11, '1']", names=DAYS) == [["1", "11"]]  # there is no twelfth class


@pytest.mark.parametrize("wanted", ["2,3", '"2","3"', "cat,2", "7,8", "00,1"])
def test_the_command_line_and_python_follow_the_same_rule(tmp_path: Path, wanted: str) -> None:
    study(tmp_path, '["2", "3"]', names=DAYS)
    described = study_with_data(tmp_path / "signs.yaml")
    description = next(iter(described.data.values()))
    classes = parse_classes(wanted)
    in_yaml = dump_yaml(classes, default_flow_style=True).strip()
    try:
        numbers = class_numbers(classes, description)
    except UserError as error:
        (first, *_) = refused(tmp_path, in_yaml, names=DAYS)
        assert first.partition("]: ")[2].split(",")[0] in str(error)
        return
    assert study(tmp_path, in_yaml, names=DAYS) == [[description.classes[number] for number in sorted(numbers)]]


@pytest.mark.parametrize("text", MISREAD)
def test_what_yaml_reads_otherwise_is_to_be_quoted(tmp_path: Path, text: str) -> None:
    told = f"subtasks.classes[0][1]: {text!r} is {MISREAD[text]} in YAML, put it in quotes."
    assert [line.partition(": ")[2] for line in refused(tmp_path, f"[0, {text}]")] == [told]
    names = sorted(["a", text])
    assert study(tmp_path / "quoted", f"[a, '{text}']", names=names) == [names]
    (said,) = refused(tmp_path, "[0, 1]", f"subtasks.classes=[[0,{text}]]")
    assert said == f"--set subtasks.classes=[[0,{text}]]: {told}"


@pytest.mark.parametrize("option", ["image", "label", "classes"])
def test_columns_and_class_names_are_names_too(tmp_path: Path, option: str) -> None:
    value = "[a, 007]" if option == "classes" else "007"
    said = refused(tmp_path, "[0, 1]", f"pairs.0.dataset_options.{option}={value}")
    assert said[0].endswith(": '007' is the number 7 in YAML, put it in quotes.")


def test_one_class_twice_is_refused(tmp_path: Path) -> None:
    (said,) = refused(tmp_path, '[2, "00002"]')
    assert said.endswith("subtasks.classes[0][1]: '00002' is the class '00002' once more, remove one.")


def test_in_python_what_is_no_name_is_refused(tmp_path: Path) -> None:
    fields: dict[str, Any] = {
        "name": "x",
        "pairs": [{"backbone": "rescnn", "dataset": "digits"}],
        "methods": ["standard", "mwt"],
        "subtasks": {"classes": [[1, True]]},
    }
    with pytest.raises(ValueError, match="the number or the name of a class, not True; put a name in quotes"):
        Study.model_validate(fields)


@given(
    st.recursive(st.text("0123456789abcdefx:._-+~ \n'\"eEnoyNO", max_size=8), lambda each: st.lists(each, max_size=3))
)
def test_names_stay_names_when_a_study_is_written_and_read(data: Any) -> None:
    assert parse_value(dump_yaml(data)) == data


def test_a_name_like_a_number_stays_one_when_a_study_is_kept(tmp_path: Path) -> None:
    names = ["1e3", "a"]
    study(tmp_path, "['1e3', a]", names=names)
    kept = study_with_data(tmp_path / "signs.yaml", ["seeds=[1]"]).study.text
    (tmp_path / "kept.yaml").write_text(kept)
    subtasks = study_with_data(tmp_path / "kept.yaml").study.subtasks
    assert subtasks is not None
    assert subtasks.classes == [["1e3", "a"]]
