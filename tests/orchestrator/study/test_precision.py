"""What bfloat16 costs on CPUs without its instructions is said beforehand, where something would run so."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.report.status import overview
from orchestrator.storage import store_at
from orchestrator.study.data import describe
from orchestrator.study.precision import precision_notes
from orchestrator.study.study import Study
from orchestrator.system.processor import computes_bfloat16

HALF = {"precision": "bfloat16"}


def study(**fields: Any) -> Study:
    text = "{name: half, pairs: [{backbone: simcnn, dataset: digits}], methods: {standard: {}, mwt: {}}}"
    return Study.model_validate(yaml.safe_load(text) | fields)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"recipe": HALF}, "and trainings would run so"),
        ({"methods": {"standard": {}, "mwt": {"recipe": HALF}}}, "and trainings would run so"),
        ({"recipe": HALF, "subtasks": {"sizes": [2], "finetune": HALF}}, "and trainings and fine-tunings would"),
        ({"recipe": HALF, "resources": {"training": {"gpus": 1}}}, ""),
        (
            {
                "recipe": HALF,
                "resources": {"training": {"gpus": 1}},
                "subtasks": {"sizes": [2], "finetune": HALF},
            },
            "and fine-tunings would run so",
        ),
        ({"subtasks": {"sizes": [2]}}, ""),
    ],
)
def test_what_would_be_slow_is_named(fields: dict[str, Any], named: str) -> None:
    told = "".join(precision_notes(study(**fields), computes=False))
    assert named in told and bool(told) == bool(named)
    assert precision_notes(study(**fields), computes=True) == []


def test_the_plan_says_so_on_this_machine(tmp_path: Path) -> None:
    notes = overview(describe(study(recipe=HALF)), store_at(tmp_path)).notes
    assert any(note.startswith("precision: bfloat16") for note in notes) == (computes_bfloat16() is False)


@pytest.mark.parametrize(
    ("text", "computes"),
    [
        ("processor : 0\nflags\t\t: fpu avx2 avx512_bf16 amx_tile\nflags\t\t: avx512_bf16\n", True),
        ("flags : fpu avx2 avx512f\n", False),
        ("flags : fpu avx512_bf16\nflags : fpu avx2\n", False),
        ("Features : fp asimd sve bf16 i8mm\n", True),
        ("processor : 0\n", None),
        (None, None),
    ],
)
def test_instructions_are_read_from_the_system(tmp_path: Path, text: str | None, computes: bool | None) -> None:
    if text is not None:
        (tmp_path / "cpuinfo").write_text(text)
    assert computes_bfloat16(tmp_path / "cpuinfo") is computes
