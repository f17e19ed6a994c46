"""`nemo init` writes a study that is planned as it stands, of any data, and replaces nothing."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from nemo.errors import UserError
from orchestrator.begin.affordable import HOURS, affordable, cpu_hours
from orchestrator.begin.draft import Wanted, draft
from orchestrator.begin.examples import SHIPPED, example_names
from orchestrator.begin.files import SCHEMA_NAME
from orchestrator.cli import main
from orchestrator.study.file import load_study_file, study_with_data
from orchestrator.study.schema import SCHEMA_FILE, study_schema
from orchestrator.study.yaml_source import parse_yaml
from tests import pictures, texts, tiny

VALIDATOR = Draft202012Validator(study_schema())
Init = Callable[..., tuple[str, str]]


@pytest.fixture
def init(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Init:
    """Runs `nemo init` in an empty folder, and returns what it says and what it refuses."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["nemo", "init", *words])
        with pytest.raises(SystemExit):
            main()
        shown = capsys.readouterr()
        return shown.out, shown.err

    return run


def checked(path: Path) -> dict[str, Any]:
    """The study in a file, which the loader and the schema take, with a word on every line."""
    text = path.read_text()
    first, *lines = text.splitlines()
    assert first == f"# yaml-language-server: $schema={SCHEMA_NAME}"
    assert (path.parent / SCHEMA_NAME).read_text() == SCHEMA_FILE.read_text()
    assert all("# " in line for line in lines)
    study_with_data(path)
    data: dict[str, Any] = parse_yaml(text, path.name)[1]
    VALIDATOR.validate(data)
    return data


def test_images_in_folders(init: Init, tmp_path: Path) -> None:
    pictures.write_folder(tmp_path / "photos", train=20, test=5)
    said, refused = init("--data", "folder:photos")
    assert refused == ""
    assert said.splitlines() == [
        "Read folder:photos: 3 classes, cross (20), disc (20), square (20); 60 training and 15 test images, read at "
        "48x48 pixels (--image-size N reads them at another size).",
        f"Wrote photos.yaml, {SCHEMA_NAME}.",
        "Next: nemo plan photos.yaml   (what it would run)   and then   nemo run photos.yaml",
    ]
    study = checked(tmp_path / "photos.yaml")
    assert study["pairs"] == [{"backbone": "rescnn", "dataset": "folder:photos", "width": 0.25, "norm": True}]
    assert study["recipe"]["batch_size"] == 16 and study["recipe"]["epochs"] == 200
    assert study["subtasks"]["sizes"] == [2] and study["subtasks"]["samples"] == 3


@pytest.mark.slow
def test_many_images_want_fewer_epochs_and_larger_batches(init: Init, tmp_path: Path) -> None:
    init("--data", "cifar10", "--name", "first", "--backbone", "vgg16")
    study = checked(tmp_path / "first.yaml")
    assert (study["recipe"]["epochs"], study["recipe"]["batch_size"]) == (30, 128)
    assert study["subtasks"]["sizes"] == [2, 3, 5]


@pytest.mark.slow
def test_large_images_are_given_a_size(init: Init, tmp_path: Path) -> None:
    pictures.write_folder(tmp_path / "photos", train=4, test=2, size=300)
    init("--data", "folder:photos")
    assert checked(tmp_path / "photos.yaml")["pairs"][0]["image_size"] == 64
    init("--data", "folder:photos", "--name", "other", "--backbone", "torchvision:mobilenet_v2")
    study = checked(tmp_path / "other.yaml")
    assert study["pairs"] == [{"backbone": "torchvision:mobilenet_v2", "dataset": "folder:photos", "image_size": 224}]
    assert study["recipe"]["augment"] == "imagenet"


def test_without_a_gpu_the_draft_is_what_cpus_can_train(
    init: Init, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures.write_folder(tmp_path / "photos", train=150, test=2, size=96)
    monkeypatch.setattr("orchestrator.begin.draft.gpus", lambda: [])
    said, refused = init("--data", "folder:photos")
    assert refused == "" and "read at 64x64 pixels" in said
    assert "This machine has no GPU: the trainings take it about " in said
    (pair,) = checked(tmp_path / "photos.yaml")["pairs"]
    assert (pair["backbone"], pair["width"], pair["image_size"]) == ("resnet18", 0.5, 64)
    lines = (tmp_path / "photos.yaml").read_text().splitlines()
    assert all("on CPUs many times the time" in line for line in lines if "image_size:" in line or "width:" in line)
    said, _ = init("--data", "folder:photos", "--image-size", "96", "--name", "asked")
    (pair,) = checked(tmp_path / "asked.yaml")["pairs"]
    assert (pair["width"], pair["image_size"]) == (0.25, 96)  # what was asked for is kept
    monkeypatch.setattr("orchestrator.begin.draft.gpus", lambda: ["H200"])
    said, _ = init("--data", "folder:photos", "--name", "fast")
    (pair,) = checked(tmp_path / "fast.yaml")["pairs"]
    assert (pair["width"], "image_size" in pair, "no GPU" in said) == (0.5, False, False)


@given(st.tuples(st.integers(8, 400), st.integers(8, 400)), st.integers(1, 10**6), st.integers(1, 200))
def test_what_is_affordable_is_within_the_hours_or_the_least(size: tuple[int, int], images: int, epochs: int) -> None:
    chosen = affordable(size, images, epochs)
    least = min(cpu_hours(0.25, side * side, images, epochs) for side in (32, *size))
    assert chosen.hours <= HOURS or chosen.hours <= least * 400**2 / 32**2
    assert chosen.image_size is None or chosen.image_size < min(size)
    kept = cpu_hours(0.5, size[0] * size[1], images, epochs)
    assert chosen.hours <= kept and ((chosen.width, chosen.image_size) == (0.5, None)) >= (kept <= HOURS)


def test_a_network_that_is_trained_already(init: Init, tmp_path: Path) -> None:
    pictures.write_folder(tmp_path / "photos", train=20, test=5)
    init("--data", "folder:photos", "--backbone", "torchvision:resnet18", "--pretrained", "--image-size", "64")
    study = checked(tmp_path / "photos.yaml")
    assert study["pairs"][0] | {"pretrained": True, "start": "identity", "image_size": 64} == study["pairs"][0]
    assert study["methods"]["nemo"] == {"recipe": {"train_only": ["generators", "head"]}}
    assert study["recipe"]["lr"] == 0.01


@pytest.mark.slow
def test_a_transformer_is_trained_as_such(init: Init, tmp_path: Path) -> None:
    init("--data", "digits", "--backbone", "vit_s")
    study = checked(tmp_path / "digits.yaml")
    assert study["recipe"]["optimizer"] == study["subtasks"]["finetune"]["optimizer"] == "adamw"


def test_texts(init: Init, tmp_path: Path) -> None:
    texts.write_network(tmp_path / "minilm")
    texts.write_texts(tmp_path / "intents")
    said, refused = init("--data", "text:intents", "--backbone", "hf:minilm")
    assert refused == "" and "texts of up to" in said and "--pretrained" not in said
    (tmp_path / "minilm" / "model.safetensors").write_bytes(b"")
    assert (
        "hf:minilm has weights, which --pretrained starts from."
        in init("--data", "text:intents", "--backbone", "hf:minilm")[0]
    )
    study = checked(tmp_path / "intents.yaml")
    assert study["recipe"]["lr_mask"] == 0.001 and study["recipe"]["max_grad_norm"] == 1.0
    assert "--backbone: texts need a network of transformers" in init("--data", "text:intents")[1]


def test_a_class_with_one_image_leaves_nothing_to_hold_out(init: Init, tmp_path: Path) -> None:
    root = pictures.write_folder(tmp_path / "photos", train=3, test=2)
    for image in sorted((root / "train" / "disc").iterdir())[1:]:
        image.unlink()
    init("--data", "folder:photos")
    assert "validation" not in checked(tmp_path / "photos.yaml")["recipe"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", "init: give the data that a study shall be about, as in --data folder:photos, or one of"),
        ("--data folder:none", "--data: dataset folder:none: there is no folder none; correct the path."),
        ("--data digits --backbone resnet81", "--backbone: 'resnet81' is no backbone here; did you mean 'resnet18'?"),
        ("--data digits --name a/b", "--name: 'a/b' names a folder"),
        ("--data digits --backbone rescnn --image-size 16", "--image-size: rescnn halves its input too often"),
        ("--data digits --backbone resnet18 --pretrained", "--pretrained or --weights: is for networks from elsewhere"),
        ("--data here", "--data: here is a folder, say of what: folder:here of images"),
        ("--example quickstrat", "--example: there is no example 'quickstrat'; did you mean quickstart? They are"),
        ("--example quickstart --backbone vgg16", "--example: brings a study as it is, leave --backbone"),
        ("here/file --example quickstart", "here/file/quickstart.yaml: cannot be written (File exists), choose"),
    ],
)
def test_what_is_refused(init: Init, tmp_path: Path, words: str, told: str) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "file").write_text("")
    said, refused = init(*words.split())
    assert refused.startswith(f"nemo: {told}")
    assert "Wrote" not in said and [path.name for path in tmp_path.iterdir()] == ["here"]


def test_a_file_of_somebody_is_replaced_with_force_alone(init: Init, tmp_path: Path) -> None:
    (tmp_path / "quickstart.yaml").write_text("mine")
    assert "quickstart.yaml: is there already, add --force" in init("--example", "quickstart")[1]
    assert (tmp_path / "quickstart.yaml").read_text() == "mine"
    assert init("--example", "quickstart", "--force")[1] == ""
    assert init("--example", "quickstart")[1] == ""  # the same again is no loss


def test_the_examples_are_the_studies_of_the_repository() -> None:
    assert SHIPPED.resolve() == Path(__file__).parents[3] / "studies"
    assert {"quickstart", "digits-transformers", "mwt-table2"} <= set(example_names())


QUICK = ("quickstart", "digits-transformers")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in example_names()]
)
def test_an_example_needs_nothing_of_the_repository(init: Init, tmp_path: Path, name: str) -> None:
    said, refused = init("mine", "--example", name)
    assert refused == "" and f"Next: nemo plan mine/{name}.yaml" in said
    path = tmp_path / "mine" / f"{name}.yaml"
    text = path.read_text()
    assert "studies/" not in text
    assert not re.search(r"(?<!nemo's )docs/", text)
    load_study_file(path)  # from the folder that nemo was called in


@pytest.mark.slow
@pytest.mark.ray
def test_a_drafted_study_runs(tmp_path: Path) -> None:
    root = pictures.write_folder(tmp_path / "photos", train=20, test=5)
    path = tmp_path / "photos.yaml"
    path.write_text(draft(Wanted(f"folder:{root}")).text)
    few = ["recipe.epochs=2", "recipe.warmup=1", "subtasks.finetune.epochs=1", "subtasks.samples=1"]
    words = [word for text in few for word in ("--set", text)]
    ended = tiny.nemo("run", path, "--storage", tmp_path / "runs", *words)
    assert ended.returncode == 0, ended.stderr
    assert "Sub-tasks at threshold 0.9" in ended.stdout


def test_a_name_that_is_none_becomes_one(tmp_path: Path) -> None:
    root = pictures.write_folder(tmp_path / "my photos (2)", train=4, test=2)
    assert draft(Wanted(f"folder:{root}")).name == "my-photos-2"
    with pytest.raises(UserError, match="--data: dataset folder:"):
        draft(Wanted(f"folder:{tmp_path / 'none'}"))
