"""Class sets with names: in the study, or in a file beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from nemo.errors import UserError
from orchestrator.jobs.shipment import pack
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.planner import plan
from orchestrator.report.groups import group_names, group_tables
from orchestrator.study.data import DescribedStudy, check_data, describe
from orchestrator.study.file import load_study_file
from orchestrator.study.groups import read_groups
from tests import tiny
from tests.orchestrator.study_examples import of_kind, study

GROUPS = {"round": ["0", 6, "8"], "straight": [1, 4, 7]}


def described(subtasks: dict[str, Any]) -> DescribedStudy:
    found = describe(study(subtasks=subtasks))
    check_data(found)
    return found


def test_a_file_is_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "my groups.json").write_text(json.dumps(GROUPS))
    nothing = Ledger(tmp_path / "none", readonly=True)
    inline, filed = (
        of_kind(plan(described({"groups": groups}), nothing), "reuse")
        for groups in (GROUPS, str(tmp_path / "my groups.json"))
    )
    assert [step.key for step in inline] == [step.key for step in filed]
    assert [step.params["classes"] for step in inline] == [[0, 6, 8], [1, 4, 7]]
    assert [step.label.split()[1] for step in inline] == ["round", "straight"]
    alone = of_kind(plan(described({"classes": [[8, 6, 0]]}), nothing), "reuse")
    assert [step.key for step in alone] == [inline[0].key]  # a name is no part of what is computed


@pytest.mark.parametrize(
    ("groups", "told"),
    [
        ({"round": ["0", "zero"]}, r"subtasks\.groups\.round\[1\]: 'zero' is unknown, digits has 10 classes"),
        ({"round": [0, "0"]}, r"subtasks\.groups\.round\[1\]: '0' is the class '0' once more"),
    ],
)
def test_what_the_data_do_not_have_is_told(groups: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        described({"groups": groups})


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, r"tiny\.yaml:\d+: subtasks\.groups: .*groups\.json cannot be read \(No such file"),
        (b"[1, 2]", r"groups\.json should give names, and a list of two or more classes for each; correct it"),
        (b'{"round": [1]}', r"groups\.json: 'round' should name two or more classes, each once; correct it"),
        (b'{"round": [1, 1]}', r"groups\.json: 'round' should name two or more classes, each once; correct it"),
        (b'{"round": 1}', r"groups\.json: 'round' should be a list of classes; correct it"),
        (b'{"round": [1, 2], "round": [3, 4]}', r"groups\.json names 'round' twice; rename one"),
        (b'{"caf\xe9": [1, 2]}', r"groups\.json is no YAML or JSON in UTF-8"),
        (b"{", r"groups\.json is no YAML or JSON in UTF-8"),
    ],
)
def test_a_file_that_holds_no_groups_is_told(tmp_path: Path, content: bytes | None, told: str) -> None:
    if content is not None:
        (tmp_path / "groups.json").write_bytes(content)
    file = tiny.write_study(tmp_path, subtasks={"groups": str(tmp_path / "groups.json")})
    with pytest.raises(UserError, match=told) as refused:
        load_study_file(file)
    assert "\n" not in str(refused.value)


def test_names_of_a_file_are_what_they_look_like(tmp_path: Path) -> None:
    (tmp_path / "groups.yaml").write_text('talk: [yes, no, 007, 3, "4", 2026-01-01]\n')
    assert read_groups(str(tmp_path / "groups.yaml")) == {"talk": ["yes", "no", "007", 3, "4", "2026-01-01"]}


def test_names_in_the_study_are_read_as_all_others_are(tmp_path: Path) -> None:
    file = tiny.write_study(tmp_path, subtasks=None)
    file.write_text(file.read_text() + "subtasks: {groups: {round: [007, 8]}}\n")
    with pytest.raises(UserError, match=r"groups\.round\[0\]: '007' is the number 7 in YAML, put it in quotes"):
        load_study_file(file)


def test_the_file_travels_with_a_submitted_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "groups.json").write_text(json.dumps(GROUPS))
    file = tiny.write_study(tmp_path, subtasks={"groups": "groups.json"})
    assert json.loads(pack(file, load_study_file(file)).files["groups.json"]) == GROUPS
    above = tiny.write_study(tmp_path, subtasks={"groups": str(tmp_path / "groups.json")})
    with pytest.raises(UserError, match=r"subtasks\.groups: .* is shipped by its path from the working folder"):
        pack(above, load_study_file(above))


def test_the_report_has_a_row_for_each() -> None:
    names = group_names(described({"groups": GROUPS}), study(subtasks={"groups": GROUPS}).subtasks)
    rates = ["standard_accuracy", "modular_accuracy", "accuracy_before_finetuning", "accuracy", "krr"]
    cut = [([0, 6, 8], 0, 0.9), ([8, 6, 0], 1, 0.7), ([1, 4, 7], 0, 0.6), ([1, 2, 3], 0, 0.1)]
    rows = [
        {
            **{"backbone": "vgg16", "dataset": "digits", "width": 1.0, "variant": "", "method": "mwt", "settings": ""},
            **{"classes": classes, "threshold": 0.9, "seed": seed, "flops_reduction": 0.5},
            **dict.fromkeys(rates, accuracy),
        }
        for classes, seed, accuracy in cut
    ]
    (table,) = group_tables(pl.DataFrame(rows), names)
    assert table.title == "Groups at threshold 0.9: vgg16 on digits"
    assert [row[:3] for row in table.rows] == [("round", "mwt", "2"), ("straight", "mwt", "1")]
    assert table.rows[0][6] == "80.00 ±14.14"
    assert group_tables(pl.DataFrame(rows), {}) == []
