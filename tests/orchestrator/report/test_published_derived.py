"""Published numbers of derived networks beside ours, on invented ones."""

from __future__ import annotations

import csv
from importlib.resources import files

import polars as pl
import pytest

from orchestrator.report.frames import DERIVED
from orchestrator.report.published import MISSING
from orchestrator.report.published_derived import (
    COLUMNS,
    PAPERS,
    plain_backbone,
    plain_dataset,
    published_derived_tables,
)

BACKBONE = "timm:deit_base_patch16_224.fb_in1k"


def networks(backbone: str = BACKBONE, dataset: str = "folder:data/ImageNet", size: int = 10, **changed: object):
    """Two class sets by three methods, at 0.6 of the FLOPs."""
    rows = [
        {"backbone": backbone, "dataset": dataset, "width": 1.0, "variant": "", "method": "standard", "settings": ""}
        | {"seed": 0, "key": f"{name}{draw}", "training": "t", "derivation": name, "compensate": "none"}
        | {
            "measure": "flops",
            "share": 0.6,
            "classes": list(range(draw, draw + size)),
            "base_accuracy": 0.96 + draw / 50,
        }
        | {"accuracy_before_finetuning": 0.9 + draw / 50, "accuracy": 0.95 + draw / 50, "kept_parameters": 0.6}
        | changed
        for name in ("nuwa", "masksearch", "masksearch objective=assembled")
        for draw in (0, 1)
    ]
    return pl.DataFrame([{name: row.get(name) for name in DERIVED} for row in rows], schema=DERIVED)


def rows(frame: pl.DataFrame, title: str) -> list[dict[str, str]]:
    (table,) = [table for table in published_derived_tables(frame) if title in table.title]
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def test_the_restricted_base_stands_first_and_ours_beside_theirs_at_the_same_budget() -> None:
    found = rows(networks(), "NuWa paper, DeiT-B:")
    assert {row["Classes"] for row in found} == {"10"}  # what the study has nothing of is not shown
    assert found[0]["Quantity"].endswith("restricted to the classes")
    assert (found[0]["Ours"], found[0]["Published"]) == ("97.00 ±1.41", MISSING)
    assert (found[1]["Quantity"], found[1]["Ours"], found[1]["Published"]) == (
        "Accuracy % over all classes",
        MISSING,
        "78.60",
    )
    own = [row for row in found if row["Ours"] != MISSING][1:]
    assert [(row["Method"], row["Budget"], row["Ours"], row["Published"], row["Difference"]) for row in own] == [
        ("nuwa", "flops 0.6", "91.00 ±1.41", "97.73", "-6.73"),
        ("nuwa", "flops 0.6", "96.00 ±1.41", "98.20", "-2.20"),
    ]


def test_another_budget_is_not_held_against_theirs() -> None:
    found = rows(networks(share=0.5), "NuWa paper, DeiT-B:")
    assert [row["Ours"] for row in found][1:] == [MISSING] * (len(found) - 1)


def test_single_weights_are_shown_beside_units_without_a_difference() -> None:
    frame = networks("vgg16", "cifar10", 2)
    (table,) = published_derived_tables(frame)
    assert "single weights, ours whole units" in table.note and "one class from all others" in table.note
    found = rows(frame, "SeaM paper, Binary:")
    assert {row["Method"] for row in found} == {"untouched", "base", "masksearch"}
    assert {row["Difference"] for row in found} == {""}
    assert [row["Published"] for row in found if row["Quantity"] == "Weights kept %"] == ["4.07"]


@pytest.mark.parametrize("changed", [{"width": 0.5}, {"backbone": "vgg11"}, {"dataset": "folder:imagenette"}])
def test_other_networks_and_data_have_no_table(changed: dict[str, object]) -> None:
    assert published_derived_tables(networks(**changed)) == []


def test_names_are_compared_without_library_folder_and_tag() -> None:
    assert plain_backbone("hf:facebook/deit-base-patch16-224") == plain_backbone(BACKBONE) == "deit_base_patch16_224"
    assert plain_dataset("parquet:/data/imagenet-1k/") == "imagenet" and plain_dataset("cifar10") == "cifar10"


def test_every_number_has_a_paper_and_a_place_of_its_own() -> None:
    text = (files("orchestrator.report") / "published_derived.csv").read_text(encoding="utf-8")
    found = list(csv.DictReader(text.splitlines()))
    assert {row["paper"] for row in found} == set(PAPERS)
    assert {row["metric"] for row in found} < set(COLUMNS)
    places = [tuple(row[name] for name in row if name != "value") for row in found]
    assert len(set(places)) == len(places)
    assert all(0 < float(row["value"]) < 100 for row in found)
    assert all(row["share"] or row["metric"] != "before" or "purified" in row["approach"] for row in found)
