"""A study file that fits a data set, with a word on every line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nemo.backbones import BACKBONES
from nemo.backbones.vit_config import is_transformer
from nemo.datasets import is_of_texts
from nemo.datasets.description import Description
from nemo.errors import UserError
from nemo.image_size import height_width
from nemo.zoo.names import is_foreign, is_published
from orchestrator.begin.affordable import affordable
from orchestrator.begin.files import SCHEMA_NAME
from orchestrator.begin.fitting import Line, default_backbone, fitting
from orchestrator.study.data import DescribedStudy
from orchestrator.study.file import study_of_options
from orchestrator.study.problems import Place
from orchestrator.study.reading import Reading
from orchestrator.study.schema import with_schema_line
from orchestrator.study.yaml_source import dump_yaml, parse_yaml
from orchestrator.system.environment import gpus

_OPTIONS: dict[Place, str] = {
    ("name",): "--name",
    ("pairs", 0, "dataset"): "--data",
    ("pairs", 0, "backbone"): "--backbone",
    ("pairs", 0, "pretrained"): "--pretrained or --weights",
    ("pairs", 0, "image_size"): "--image-size",
    ("pairs", 0, "dataset_options", "tokenizer"): "--backbone",
}
_STAND_IN = "resnet18"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_COLUMN = 44
_TOLD_FROM = 0.1
"""CPU hours from which a price is worth a sentence."""


@dataclass(frozen=True)
class Wanted:
    """What a study shall be about.

    Attributes:
        data: The data set, as a study names it.
        backbone: The network; None takes one that fits.
        pretrained: What the network starts from: a name, a file, or True for its library's own weights.
        image_size: Pixels of a side; None takes the images' own, or 64 where these are large.
        name: The study's; None takes the data set's.
    """

    data: str
    backbone: str | None = None
    pretrained: bool | str | None = None
    image_size: int | None = None
    name: str | None = None


@dataclass(frozen=True)
class Draft:
    """A study that was written for a data set.

    Attributes:
        name: The study's, and its file's.
        text: The file.
        read: What was read of the data, a sentence each.
    """

    name: str
    text: str
    read: list[str]


def draft(wanted: Wanted) -> Draft:
    """Reads a data set and writes a study of it, which is planned as it stands.

    Raises:
        UserError: The data set or the network is none, or they do not fit, named by the option that gave them.
    """
    if ":" not in wanted.data and Path(wanted.data).is_dir():
        raise UserError(
            f"--data: {wanted.data} is a folder, say of what: folder:{wanted.data} of images with a sub-folder per "
            f"class, parquet:{wanted.data} or text:{wanted.data}."
        )
    if is_of_texts(wanted.data) and (wanted.backbone is None or not wanted.backbone.startswith(("hf:", "python:"))):
        raise UserError("--backbone: texts need a network of transformers, give the folder of one, as in hf:minilm.")
    pair, read = _described(wanted)
    description = read.of(read.study.pairs[0])
    price: list[str] = []
    if wanted.backbone is None:
        pair["backbone"], pair["width"] = default_backbone(description)
        if pair["backbone"] == _STAND_IN and not gpus():
            pair, read, price = _on_cpus(wanted, pair, read)
            description = read.of(read.study.pairs[0])
    name = wanted.name or _name(description.name)
    text = _text(name, pair, description)
    described = study_of_options(parse_yaml(text, f"{name}.yaml")[1], _OPTIONS, ())
    told = [Reading(wanted.data, description, {}).sentence, *described.notes, *_weights_beside(wanted), *price]
    return Draft(name, with_schema_line(text, SCHEMA_NAME), told)


def _on_cpus(
    wanted: Wanted, pair: dict[str, Any], read: DescribedStudy
) -> tuple[dict[str, Any], DescribedStudy, list[str]]:
    """The pair at a size and width that this machine can train without a GPU, its data, and the price as a sentence."""
    description = read.of(read.study.pairs[0])
    size, images = height_width(description.image_size), description.train_size
    recipe = fitting(pair["backbone"], wanted.data, description, pretrained=False).recipe
    epochs = next(value for name, value, _ in recipe if name == "epochs")
    sizes = {} if wanted.image_size is None else {"sizes": ()}  # a size that was asked for is kept
    chosen = affordable(size, images, epochs, **sizes)
    if chosen.image_size is not None:
        smaller, read = _described(replace(wanted, image_size=chosen.image_size))
        pair |= smaller | {"backbone": pair["backbone"]}
    pair["width"] = chosen.width
    if chosen.hours < _TOLD_FROM:
        return pair, read, []
    told = f"This machine has no GPU: the trainings take it about {chosen.hours:.1f} CPU hours, as far as FLOPs tell"
    return pair, read, [f"{told}; image_size, width and epochs are what to change."]


def _weights_beside(wanted: Wanted) -> list[str]:
    """The sentence about a folder with a network's weights that are not asked for."""
    folder = Path((wanted.backbone or "").removeprefix("hf:"))
    there = str(wanted.backbone).startswith("hf:") and any((folder / name).is_file() for name in _WEIGHTS)
    return [f"{wanted.backbone} has weights, which --pretrained starts from."] * (there and not wanted.pretrained)


def _described(wanted: Wanted) -> tuple[dict[str, Any], DescribedStudy]:
    """The pair, and what is known of its data; large images get a size that a first study can be trained with."""
    pair: dict[str, Any] = {"backbone": wanted.backbone or _STAND_IN, "dataset": wanted.data}
    pair |= {"pretrained": wanted.pretrained} if wanted.pretrained else {}
    pair |= {"image_size": wanted.image_size} if wanted.image_size else {}
    study = {"name": wanted.name or "draft", "pairs": [pair], "methods": ["standard"]}
    try:
        return pair, study_of_options(study, _OPTIONS, ())
    except UserError:
        if wanted.image_size is not None or is_of_texts(wanted.data):
            raise
        pair["image_size"] = 224 if wanted.pretrained or is_foreign(pair["backbone"]) else 64
        try:
            return pair, study_of_options(study, _OPTIONS, ())
        except UserError:
            del pair["image_size"]
        study_of_options(study, _OPTIONS, ())  # it was not the size: say what it is
        raise


def _name(label: str) -> str:
    """A data set's short name as that of a study."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", label).strip("-._")[:64]
    return name or "study"


def _text(name: str, pair: dict[str, Any], description: Description) -> str:
    fit = fitting(pair["backbone"], pair["dataset"], description, pretrained=bool(pair.get("pretrained")))
    nemo: Any = {"recipe": {"train_only": ["generators", "head"]}} if fit.train_only else {}
    said = "NeMo, trained to fall apart into modules"
    said = "NeMo; the weights stay, its masks and the classifier learn" if fit.train_only else said
    graphics = bool(gpus())
    lines = [
        f"# {_heading(pair, description)}\n",
        *_lines(
            [
                ("name", name, "its folder below runs/, and its experiment in MLflow"),
                ("pairs", _Open, "networks, each with a data set; a second one may follow"),
            ]
        ),
        *_pair(pair, description),
        *_lines(
            [
                ("methods", _Open, "ways of training, side by side"),
                ("  standard", {}, "ordinary training: the baseline"),
                ("  nemo", nemo, said),
                *([] if fit.train_only else [("  # mwt", {}, "take the # away for MwT too, the older method")]),
                ("seeds", [0], "[0, 1, 2] trains everything three times, and shows what is chance"),
                ("recipe", _Open, "how networks are trained"),
                *_within(fit.recipe),
                ("thresholds", [0.9], "a kernel is in a class's module if 90 % of its images use it"),
                ("subtasks", _Open, "the modules that are cut out, each a network for some classes"),
                ("  sizes", fit.sizes, "numbers of classes"),
                ("  samples", fit.samples, "modules of each size, their classes drawn"),
                ("  controls", ["random", "magnitude"], "rivals of the same size beside each: is a module worth it?"),
                ("  finetune", _Open, "how a module is trained further, for its classes alone"),
                *_within(fit.finetune, deep=2),
                *(_resources() if graphics else []),
            ]
        ),
    ]
    return "".join(lines)


class _Open:
    """In the place of a value: what is below it follows."""


def _heading(pair: dict[str, Any], description: Description) -> str:
    return (
        f"{pair['backbone']} on {pair['dataset']}: {len(description.classes)} classes, {description.train_size:,} "
        "training samples. Written by nemo init, to be changed."
    )


def _pair(pair: dict[str, Any], description: Description) -> Iterator[str]:
    slow = "" if gpus() or "width" not in pair else ", on CPUs many times the time"
    said = {
        "backbone": "the network; torchvision:NAME, timm:NAME, hf:FOLDER and your own go, too",
        "dataset": f"{len(description.classes)} classes; the path is from the folder in which nemo is run",
        "width": f"a share of every hidden width; 1.0 is the whole network{slow}",
        "norm": "the baseline gets the norms that the modular form needs, too",
        "pretrained": "the weights to start from; mean, deviation and image size are theirs"
        if is_published(pair.get("pretrained"))
        else "the weights to start from; mean and deviation are the data set's (dataset_options)",
        "image_size": f"pixels of a side that images are resized to; more costs time and tells more{slow}",
        "start": "mask generators start near masks of 1, so that nothing is lost at first",
    }
    fields = dict(pair)
    if pair.get("pretrained"):
        fields["start"] = "identity"
    elif not is_foreign(pair["backbone"]) and not is_transformer(pair["backbone"]):
        fields.setdefault("width", 1.0)
    if pair["backbone"] in BACKBONES and not BACKBONES[pair["backbone"]].norms:
        fields["norm"] = True
    order = [name for name in said if name in fields]
    for position, name in enumerate(order):
        yield from _lines([(f"  {'  ' if position else '- '}{name}", fields[name], said[name])])


def _within(lines: list[Line], deep: int = 1) -> list[Line]:
    return [(f"{'  ' * deep}{name}", value, said) for name, value, said in lines]


def _resources() -> list[Line]:
    return [
        ("resources", _Open, "what a step may use of this machine"),
        ("  training", {"cpus": min(4, os.cpu_count() or 1), "gpus": 1}, "of a training"),
        ("  subtask", {"cpus": 1, "gpus": 0.25}, "of a module: four share a GPU"),
    ]


def _lines(lines: list[Line]) -> Iterator[str]:
    for name, value, said in lines:
        shown = f"{name}:" if value is _Open else f"{name}: {_value(value)}"
        yield f"{shown:<{_COLUMN}}  # {said}\n"


def _value(value: Any) -> str:
    """A value as YAML on one line."""
    return dump_yaml(value, default_flow_style=True, width=10_000, allow_unicode=True).removesuffix("...\n").strip()


def next_command(path: Path) -> str:
    """What to type next."""
    return f"Next: nemo plan {path}   (what it would run)   and then   nemo run {path}"
