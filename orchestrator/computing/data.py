"""The data sets of steps as workers share them: read once on each node, as arrays without a copy."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict, cast

import numpy as np
import torch

from nemo.datasets import read_dataset
from nemo.datasets.dataset import Dataset, Split
from nemo.datasets.pictures import Pictures
from nemo.datasets.tokenized import Tokenized
from nemo.errors import UserError
from orchestrator.plan.step import PRIORITY, Step
from orchestrator.storage.keys import canonical
from orchestrator.study.data import held_out, location
from orchestrator.study.study import Study

_ELSEWHERE = ("resources", "weights", "keep", PRIORITY)
"""What a step's `where` says of other things than its data."""

Stored = Pictures | Tokenized
"""What holds arrays of its own, or says where files lie."""

SplitArrays = tuple["np.ndarray[Any, Any] | Stored", "np.ndarray[Any, Any]"]
"""Images, or texts, and labels."""


KEPT = 2**30
"""Bytes of data that a driver keeps from its check of the files until workers take them."""


class DatasetArrays(TypedDict):
    """A data set as numpy arrays, which Ray's object store hands to the workers of a node without a copy.

    The fields of `Dataset`, with images and labels for each of its parts.
    """

    name: str
    classes: tuple[str, ...]
    train: SplitArrays
    test: SplitArrays
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    padding: int
    flip: bool
    fingerprint: str


warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # true, and nothing here writes into them


def dataset_arrays(where: Mapping[str, Any]) -> DatasetArrays:
    """Loads the data set that a step's `where` names.

    Raises:
        UserError: Its files are missing or damaged, or others than when the study was planned.
    """
    dataset, _ = read_dataset(
        where["dataset"],
        root=where["data_root"],
        image_size=where["image_size"],
        loading=where.get("loading"),
        keep_shape=where.get("keep_shape", False),
        **where["dataset_options"],
    )
    if dataset.fingerprint != where["fingerprint"]:
        raise UserError(
            f"dataset {where['dataset']}: its files are others than when the study started, put them back, or run the "
            "study again with --replace, to go on with these."
        )
    fields = {**vars(dataset), "train": _numpy(dataset.train), "test": _numpy(dataset.test)}
    return cast("DatasetArrays", fields)


def as_dataset(arrays: DatasetArrays) -> Dataset:
    """The data set of `dataset_arrays`, on the same memory."""
    train, test = (
        Split(images if isinstance(images, Stored) else torch.from_numpy(images), torch.from_numpy(labels))
        for images, labels in (arrays["train"], arrays["test"])
    )
    fields: dict[str, Any] = {**arrays, "train": train, "test": test}
    return Dataset(**fields)


def _numpy(part: Split) -> SplitArrays:
    return part.images if isinstance(part.images, Stored) else part.images.numpy(), part.labels.numpy()


def data_key(step: Step) -> str:
    """Identifies the data set of a step: steps with equal keys use the same one."""
    return canonical({name: value for name, value in step.where.items() if name not in _ELSEWHERE})


def load_once(study: Study, steps: Iterable[Step]) -> dict[str, DatasetArrays]:
    """Reads every data set of these steps once, so that damaged files are reported before anything starts.

    Returns:
        Those that workers of this machine need not read again, by `data_key`: as many as `KEPT` bytes hold.

    Raises:
        UserError: Some cannot be read; the message has all of them, each with its line in the study file.
    """
    pending, errors = {data_key(step): step.where for step in steps}, []
    kept: dict[str, DatasetArrays] = {}
    room = KEPT
    for position, pair in enumerate(study.pairs):
        place = location(study, pair).items()
        for key in [key for key, where in pending.items() if place <= where.items()]:
            try:
                dataset = dataset_arrays(pending.pop(key))
            except UserError as error:
                errors.append(f"{study.where('pairs', position, 'dataset')}: {error}")
                continue
            counts = np.bincount(dataset["train"][1], minlength=len(dataset["classes"]))
            refused, _ = held_out(study, pair, dataset["classes"], counts.tolist())
            if (size := _size(dataset)) <= room:
                kept[key] = dataset
                room -= size
            del dataset  # before the next is read
            errors += [f"{study.where('pairs', position, 'dataset')}: {text}" for text in refused]
    if errors:
        raise UserError("\n".join(errors))
    return kept


def _size(dataset: DatasetArrays) -> int:
    """Bytes of a data set in memory."""
    return sum(samples.nbytes + labels.nbytes for samples, labels in (dataset["train"], dataset["test"]))
