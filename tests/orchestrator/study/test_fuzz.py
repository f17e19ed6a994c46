"""Fuzzing the study parser: whatever a study holds, it is read or refused with a sentence, and nothing else."""

from __future__ import annotations

import contextlib
import copy
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nemo.errors import UserError
from orchestrator.study.data import check_data, describe
from orchestrator.study.file import load_study_file
from orchestrator.study.overrides import apply_overrides
from orchestrator.study.study import Study
from tests.orchestrator.study_examples import SWEPT

pytestmark = pytest.mark.heavy

WORDS = sorted(
    {
        *[
            "name",
            "pairs",
            "backbone",
            "dataset",
            "width",
            "methods",
            "mwt",
            "nemo",
            "standard",
            "recipe",
            "epochs",
            "lr",
            "sweep",
            "grid",
            "list",
            "search",
        ],
        *[
            "space",
            "trials",
            "objectives",
            "thresholds",
            "subtasks",
            "sizes",
            "samples",
            "classes",
            "from",
            "best",
            "finetune",
            "resources",
        ],
        *[
            "training",
            "workers",
            "tracking",
            "uri",
            "storage",
            "data_root",
            "teacher",
            "roles",
            "vit_s",
            "deit_s",
            "cnnsplitter",
            "digits",
        ],
    }
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(WORDS),
    st.sampled_from([0, 1, -1, 0.5, 2**63, 10**30, "all", "nested", "~nobody/x", "folder:.", "folder:/", "parquet:/x"]),
    st.dates(),
    st.binary(max_size=4),
)  # fmt: skip
NAMES = st.one_of(st.sampled_from(WORDS), st.text(max_size=4), st.integers(0, 9), st.none())
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)


def places(data: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in nested lists and mappings, the whole first."""
    yield place
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for name, value in items:
        yield from places(value, (*place, name))


@st.composite
def changed(draw: st.DrawFn, good: Any) -> Any:
    """Something good with a few values replaced, removed or added."""
    data = copy.deepcopy(good)
    for _ in range(draw(st.integers(1, 3))):
        *holder, last = ("root", *draw(st.sampled_from([*places(data)])))
        inside: Any = {"root": data}
        for part in holder:
            inside = inside[part]
        if draw(st.integers(0, 4)) == 0 and last != "root":
            del inside[last]
        elif draw(st.integers(0, 4)) == 0 and isinstance(inside[last], dict):
            inside[last][draw(NAMES)] = draw(VALUES)
        else:
            inside[last] = draw(VALUES)
        data = inside["root"] if last == "root" else data
    return data


GOOD = [yaml.safe_load(SWEPT), *(yaml.safe_load(path.read_text()) for path in sorted(Path("studies").glob("digits-*")))]


def assert_read_or_refused(study: Path) -> None:
    try:
        read = load_study_file(study)
        check_data(describe(read))
    except UserError as error:
        assert str(error) and all(line.partition(": ")[2] for line in str(error).splitlines()), error
    else:
        assert isinstance(read, Study)
        assert Study.model_validate(yaml.safe_load(read.text)).model_dump() == read.model_dump()


@settings(max_examples=150)
@given(st.one_of([changed(good) for good in GOOD]))
def test_studies_with_other_values(data: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "study.yaml"
        study.write_text(yaml.dump(data, allow_unicode=True), encoding="utf-8", errors="surrogatepass")
        assert_read_or_refused(study)


@settings(max_examples=100)
@given(VALUES)
def test_studies_of_anything(data: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "study.yaml"
        study.write_text(yaml.dump(data), encoding="utf-8", errors="surrogatepass")
        assert_read_or_refused(study)


@settings(max_examples=100)
@given(st.lists(st.one_of(st.text(max_size=12), st.builds("{}={}".format, st.sampled_from(
    ["name", "seeds", "recipe.lr", "pairs.0.width", "pairs.9.width", "a.b.c", "sweep.mwt.grid", "methods", "", "."]
), st.one_of(st.text(max_size=8), st.sampled_from(["!!bool x", "!!timestamp y", "&a [*a]", "2026-99-99", "{a: 1}"])))),
    max_size=3))  # fmt: skip
def test_overrides(texts: list[str]) -> None:
    with contextlib.suppress(UserError):
        data, applied = apply_overrides(yaml.safe_load(SWEPT), texts)
        assert isinstance(data, dict) and len(applied) == len(texts)
