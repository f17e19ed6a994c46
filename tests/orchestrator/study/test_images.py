"""What a study says of its images: their size, how they are loaded, and what training does to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nemo.errors import UserError
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.planner import plan
from orchestrator.plan.step import Step
from orchestrator.study.data import describe
from orchestrator.study.file import load_study_file
from tests.orchestrator.study_examples import study, write
from tests.pictures import write_photographs

HEAD = "name: small\npairs:\n  - {backbone: vgg16, dataset: digits, FIELD}\nmethods: [standard]\n"


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photographs(tmp_path_factory.mktemp("data") / "photos", 4, 2)


def steps(folder: Path, photographs: Path, recipe: dict[str, Any] | None = None, **fields: Any) -> list[Step]:
    pair = {"backbone": "resnet18", "dataset": f"folder:{photographs}", "image_size": 32, **fields}
    wanted = study(pairs=[pair], recipe=recipe or {}, methods=["mwt"], subtasks={"classes": [[0, 1]]})
    return plan(describe(wanted), Ledger(folder / "none", readonly=True)).steps


def keys(*given: Any, **fields: Any) -> list[str]:
    return [step.key for step in steps(*given, **fields)]


def test_a_square_has_one_key_however_it_is_written(tmp_path: Path, photographs: Path) -> None:
    assert keys(tmp_path, photographs) == keys(tmp_path, photographs, image_size=[32, 32])
    first = steps(tmp_path, photographs, image_size=[48, 64])[0]
    assert list(first.params["image_size"]) == first.where["image_size"] == [48, 64]
    assert first.key != keys(tmp_path, photographs, image_size=[64, 48])[0]


def test_older_words_for_augment_have_the_same_keys(tmp_path: Path, photographs: Path) -> None:
    crop = keys(tmp_path, photographs)
    assert crop == keys(tmp_path, photographs, {"augment": True}) == keys(tmp_path, photographs, {"augment": "crop"})
    none = keys(tmp_path, photographs, {"augment": False})
    assert none == keys(tmp_path, photographs, {"augment": "none"}) and not set(none) & set(crop)


def test_imagenets_augmentation_keeps_shapes_in_every_step(tmp_path: Path, photographs: Path) -> None:
    found = steps(tmp_path, photographs, {"augment": "imagenet"})
    assert {step.kind for step in found} == {"train", "modularize", "measure", "reuse"}
    assert all(step.where["keep_shape"] for step in found)
    assert not any("keep_shape" in step.where for step in steps(tmp_path, photographs, {"augment": "trivial"}))


def test_loading_changes_no_key(tmp_path: Path, photographs: Path) -> None:
    assert keys(tmp_path, photographs) == keys(tmp_path, photographs, loading="stream")
    assert steps(tmp_path, photographs, loading="stream")[0].where["loading"] == "stream"


def test_what_was_chosen_is_told(photographs: Path) -> None:
    pair = {"backbone": "resnet18", "dataset": f"folder:{photographs}", "image_size": 32, "loading": "stream"}
    (note,) = describe(study(pairs=[pair])).notes
    assert note == f"dataset folder:{photographs}: its 18 images are streamed, as loading says."


def test_interpolation_and_crop_are_options_with_keys_of_their_own(tmp_path: Path, photographs: Path) -> None:
    plain = keys(tmp_path, photographs)
    for options in ({"interpolation": "bicubic"}, {"crop": 0.9}, {"crop": 40}):
        assert not set(plain) & set(keys(tmp_path, photographs, dataset_options=options))
    for options, told in (
        ({"interpolation": "cubic"}, "interpolation must be one of nearest, bilinear, bicubic, lanczos, not 'cubic'"),
        ({"crop": 1.5}, "crop must be the share of an image's shorter side that is kept, from 0.1 to 1, or the pixels"),
        (
            {"crop": 24},
            "crop resizes the shorter side to 24 pixels, and image_size cuts 32x32 out of it; give",
        ),
    ):
        with pytest.raises(UserError, match=told):
            keys(tmp_path, photographs, dataset_options=options)


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("image_size: 0", "image_size: must be a whole number of pixels, 1 or more, or [height, width] of such, not 0"),
        ("image_size: [32]", "image_size: must be a whole number of pixels, 1 or more, or [height, width] of such"),
        ("image_size: [32, 48.5]", "image_size: must be a whole number of pixels"),
        ("image_size: [32, true]", "image_size: must be a whole number of pixels"),
        ("image_size: [48, 16]", "image_size: vgg16 halves its input too often for 48x16 images, choose image_size 32"),
        ("loading: disk", "loading: should be 'memory' or 'stream', not 'disk'."),
        ("loading: stream", "loading: stream is for parquet: and folder: data sets, and digits is none; remove it."),
        (
            "recipe: {augment: mixup}",
            "recipe.augment: should be 'none', 'crop', 'imagenet', 'trivial', True or False, not 'mixup'",
        ),
        ("finetune: {augment: yes-please}", "finetune.augment: should be 'none', 'crop', 'imagenet'"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, field: str, told: str) -> None:
    with pytest.raises(UserError) as refused:
        load_study_file(write(tmp_path, HEAD.replace("FIELD", field)), [])
    assert f":3: pairs[0].{told}" in str(refused.value)
