"""`width: [0.25, 0.5]`: a pair of each, as if it were written so, and errors where they are written."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo.errors import UserError
from orchestrator.plan.planner import plan
from orchestrator.study.data import describe
from orchestrator.study.file import load_study_file
from orchestrator.study.study import Study
from tests.orchestrator.study_examples import write

SEVERAL = """
name: widths
pairs:
  - {backbone: simcnn, dataset: digits, width: [0.125, 0.25]}
  - {backbone: rescnn, dataset: digits, width: 0.25}
methods: [standard, mwt]
recipe: {epochs: 1, validation: 0.1}
sweep: {mwt: {grid: {lambda_coup: [1.0, 2.0]}}}
subtasks: {from: best, classes: [[0, 1]]}
"""


def test_every_width_is_a_pair_with_its_own_standard_network(tmp_path: Path) -> None:
    loaded = load_study_file(write(tmp_path, SEVERAL))
    assert [(pair.backbone, pair.width) for pair in loaded.pairs] == [
        ("simcnn", 0.125),
        ("simcnn", 0.25),
        ("rescnn", 0.25),
    ]
    described = describe(loaded)
    steps = [step for step in plan(described, {}).steps if step.kind == "train"]
    assert [step.label.split(" lambda")[0] for step in steps[:4]] == [
        "standard simcnn/digits width 0.125 image 32 seed 0",
        "mwt simcnn/digits width 0.125 image 32",
        "mwt simcnn/digits width 0.125 image 32",
        "standard simcnn/digits width 0.25 image 32 seed 0",
    ]
    assert len({step.key for step in steps}) == 9
    again = load_study_file(write(tmp_path, loaded.model_copy(update={"name": "again"}).text))
    assert again.pairs == loaded.pairs


def test_keys_are_those_of_pairs_written_one_by_one(tmp_path: Path) -> None:
    one_by_one = SEVERAL.replace(
        "  - {backbone: simcnn, dataset: digits, width: [0.125, 0.25]}\n",
        "".join(f"  - {{backbone: simcnn, dataset: digits, width: {width}}}\n" for width in (0.125, 0.25)),
    )
    several, single = (
        [step.key for step in plan(describe(load_study_file(write(tmp_path, text))), {}).steps]
        for text in (SEVERAL, one_by_one)
    )
    assert several == single


@given(st.lists(st.floats(0.0625, 2.0), min_size=1, max_size=4, unique=True))
def test_what_is_made_in_python_reads_back(widths: list[float]) -> None:
    pairs = [{"backbone": "simcnn", "dataset": "digits", "width": widths}]
    made = Study.model_validate({"name": "w", "pairs": pairs, "methods": ["standard"]})
    assert [pair.width for pair in made.pairs] == widths
    assert Study.model_validate(made.model_dump(by_alias=True, exclude_unset=True)).pairs == made.pairs


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[0.125, 0.25]", "[]", "FILE:4: pairs[0].width: is too short, give at least 1."),
        ("[0.125, 0.25]", "[0.5, 0.5]", "FILE:4: pairs[0].width[1]: 0.5 is given twice, remove one."),
        ("[0.125, 0.25]", "[0.5, -1]", "FILE:4: pairs[0].width[1]: should be greater than 0, not -1."),
        ("[0.125, 0.25]", "[0.5, 1e9]", "FILE:4: pairs[0].width[1]: "),
        ("simcnn, dataset", "simcmm, dataset", "FILE:4: pairs[0].backbone: 'simcmm' is no backbone here"),
        ("rescnn, dataset", "rescmm, dataset", "FILE:5: pairs[1].backbone: 'rescmm' is no backbone here"),
        ("width: 0.25}", "recipe: {lr: 0}}", "FILE:5: pairs[1].recipe.lr: must be positive, not 0"),
    ],
)
def test_what_is_wrong_is_told_once_where_it_is_written(tmp_path: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(UserError) as refused:
        load_study_file(write(tmp_path, SEVERAL.replace(old, new)))
    (line,) = str(refused.value).replace(str(tmp_path / "study.yaml"), "FILE").splitlines()
    assert line.startswith(told)
