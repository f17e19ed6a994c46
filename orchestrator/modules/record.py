"""The record of a saved module: `module.json`, from which the card and the tables are made."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from nemo.errors import UserError
from orchestrator.modules.folder import MARK

FORMAT = "nemo.record 1"
_FORMER = "nemo.module 1"  # the format of module.safetensors, whose name this one had before


@dataclass(frozen=True)
class Origin:
    """Where a module, or a part of a composed one, was cut out.

    Attributes:
        study: Name of the study.
        run: Key of the training, the tag `nemo.key` of its run in MLflow.
        label: The training in words.
        step: Key of the sub-task: the same key is the same module.
        seed: Of the training, and of the draw of its validation images.
        threshold: None of modules that a search found.
        classes: Names, in the order of the module's logits.
        numbers: Their numbers in the data set.
        krr: Share of the maskable kernels that it kept.
        accuracy: On the test images of its classes, after fine-tuning.
        finetune: See `nemo.recipe.Finetune`.
        validation: The share of the training images that the training held out, with which `nemo.training` draws them
            again; None in records of before this was recorded.
        budget, compensate, attention: Of a network that was derived of a trained one by the method; None of all
            others. Its KRR is the share of the units that it kept.
    """

    study: str
    run: str
    label: str
    step: str
    backbone: str
    width: float
    method: str
    settings: Mapping[str, Any]
    seed: int
    threshold: float | None
    mask_values: str
    head: str
    surgery: str
    classes: Sequence[str]
    numbers: Sequence[int]
    krr: float
    accuracy: float
    finetune: Mapping[str, Any]
    validation: float | None = None
    budget: Mapping[str, float] | None = None
    compensate: str | None = None
    attention: str | None = None


@dataclass(frozen=True)
class Data:
    """A data set that a module has learned from; `where` is how `computing.data.dataset_arrays` finds it."""

    name: str
    options: Mapping[str, Any]
    mean: Sequence[float]
    std: Sequence[float]
    where: Mapping[str, Any]


@dataclass(frozen=True)
class Latency:
    """Median milliseconds for one image, of networks that took turns on one machine.

    Attributes:
        machine: Its CPU.
        milliseconds: `module`, `modular` and `standard`, of a derived one `module` and `base`, or the parts' numbers;
            in PyTorch without compiling.
    """

    machine: str
    threads: int
    batch: int
    runs: int
    milliseconds: Mapping[str, float]


@dataclass(frozen=True)
class ModuleRecord:
    """Everything that is known of a saved module.

    Attributes:
        classes: Names, in the order of the logits.
        image_size: Height and width in pixels, one number of square images.
        origins: One, or one for each part of a composed module.
        data: The data sets of their classes.
        figures: See `nemo.reuse.Reuse` and `nemo.composing.Composition`, without the history; of a derived network
            those of its step.
        whole: The same figures of the whole networks: `modular` and `standard`, or `base`.
        agreement: Form -> the largest difference of its logits from the network's here, over the largest logit.
        files: Name -> SHA-256.
        controls: Rivals of its size, see `nemo.control`: name -> accuracy, and accuracy before fine-tuning.
        command: What made it.
        made_with: Commit and packages.
        paired: Whether it takes pairs of texts.
    """

    classes: Sequence[str]
    image_size: int | Sequence[int]
    seed: int
    origins: Sequence[Origin]
    data: Sequence[Data]
    finetune: Mapping[str, Any]
    figures: Mapping[str, Any]
    whole: Mapping[str, Mapping[str, Any]]
    latency: Latency
    command: str
    made_with: Mapping[str, Any]
    agreement: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    controls: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    paired: bool = False
    format: str = FORMAT

    @property
    def composed(self) -> bool:
        """Whether it is several modules in one."""
        return len(self.origins) > 1

    @property
    def derived(self) -> bool:
        """Whether it was derived of a network that was trained before, and not cut out of a modular one."""
        return "base" in self.whole

    def to_json(self) -> str:
        """The text of `module.json`."""
        return json.dumps(asdict(self), indent=1, allow_nan=False) + "\n"


def read_record(folder: Path) -> ModuleRecord:
    """The record in a folder that `nemo reuse` or `nemo compose` wrote.

    Raises:
        UserError: There is no such folder, or its record is damaged or of another version.
    """
    try:
        document = json.loads((folder / MARK).read_bytes())
        if document["format"] not in (FORMAT, _FORMER):
            raise KeyError("format")
        known = {name.name for name in fields(ModuleRecord)}
        parts = {
            "origins": [Origin(**each) for each in document["origins"]],
            "data": [Data(**each) for each in document["data"]],
            "latency": Latency(**document["latency"]),
        }
        return ModuleRecord(**{name: value for name, value in {**document, **parts}.items() if name in known})
    except OSError as error:
        raise UserError(
            f"{folder}: holds no module ({error.strerror}: {MARK}), give a folder that nemo reuse wrote."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder / MARK}: is damaged or of another version, make it again with nemo reuse.") from error
