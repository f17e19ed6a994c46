"""What was read of a data set, told in one way wherever it is told: by `nemo init`, `nemo plan` and the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nemo.datasets import image_memory, is_of_texts
from nemo.datasets.splitting import quotas
from nemo.errors import UserError
from nemo.image_size import size_text
from orchestrator.study.pair import Pair
from orchestrator.study.study import Study

if TYPE_CHECKING:
    from nemo.datasets.description import Description

SHOWN = 8
"""Classes, and the like, that are named where there are more."""


@dataclass(frozen=True)
class Reading:
    """What is known of a data set before it is loaded, and what a study makes of it.

    Attributes:
        dataset: As the study names it.
        description: What was read.
        options: Those that it was read with.
        validation: The shares of the training samples that trainings hold out, ascending; 0 where some hold out none.
        prepared: Options that the pretrained weights brought.
        memory: Bytes of all images in memory; None of texts, of what is streamed, and where that is not known.
    """

    dataset: str
    description: Description
    options: Mapping[str, Any]
    validation: tuple[float, ...] = ()
    prepared: frozenset[str] = frozenset()
    memory: int | None = None

    @property
    def samples(self) -> str:
        """`images` or `texts`."""
        return "texts" if is_of_texts(self.dataset) else "images"

    @property
    def sentence(self) -> str:
        """The classes, the first with their training samples, and how many there are of which size."""
        found = self.description
        each = [f"{name} ({count})" for name, count in zip(found.classes, found.counts or (), strict=False)]
        texts = is_of_texts(self.dataset)
        # images may be of many sizes
        another = " pixels (--image-size N reads them at another size)"
        sample, size = ("texts of up to", "") if texts else ("images, read at", another)
        return (
            f"Read {self.dataset}: {len(found.classes)} classes, {first_of(each or found.classes)}; "
            f"{found.train_size:,} training and {found.test_size:,} test {sample} {size_text(found.image_size)}{size}."
        )

    def held_out(self, share: float) -> tuple[int, ...] | None:
        """Training samples of each class that a share holds out for validation; None where that is not known."""
        counts = self.description.counts
        if share == 0 or counts is None or min(counts) < 2:
            return (0,) * len(self.description.classes) if share == 0 else None
        return tuple(quotas(np.asarray(counts, dtype=np.int64), round(share * sum(counts))).tolist())

    @property
    def rows(self) -> list[tuple[str, str]]:
        """What was read, a line each: what it is, and the text."""
        found = self.description
        rows = [
            ("Classes", f"{len(found.classes):,}: {first_of(found.classes)}"),
            ("Training", self._samples(found.train_size, found.counts)),
            ("Validation", self._validation),
            ("Test", self._samples(found.test_size, found.test_counts)),
            ("Size", f"up to {size_text(found.image_size)}" if self._of_texts else self._pixels),
            ("Left out", "; ".join(self.left_out)),
            ("Normalised", self.normalised),
            ("In memory", "" if self.memory is None else f"{bytes_text(self.memory)}, once on each node"),
        ]
        return [(name, text) for name, text in rows if text]

    @property
    def _of_texts(self) -> bool:
        return is_of_texts(self.dataset)

    @property
    def _pixels(self) -> str:
        return f"{size_text(self.description.image_size)} pixels"

    def _samples(self, number: int, counts: Sequence[int] | None) -> str:
        if not number:  # of results from before data were recorded
            return ""
        if counts is not None:
            return f"{number:,} {self.samples}, {range_text(counts)} of each class"
        atmost = "at most " if "only" in self.options else ""  # what its classes have of them is not known
        return f"{atmost}{number:,} {self.samples}; how many of each class is known once they are loaded"

    @property
    def _validation(self) -> str:
        told = []
        for share in self.validation:
            counts = self.held_out(share)
            if share == 0:
                told.append("none")
            elif counts is None:
                told.append(f"a share of {share:g} of the training {self.samples}")
            else:
                told.append(f"{sum(counts):,} of the training {self.samples}, {range_text(counts)} of each class")
        return ", or ".join(told) + (", as the recipes say" if len(told) > 1 else "")

    @property
    def left_out(self) -> list[str]:
        """What the options leave out, and what lies there and is not read, each with its reason."""
        told = [
            f"all but the first {self.options[name]:,} {part} {self.samples} ({name})"
            for part in ("training", "test")
            if (name := f"{part.removesuffix('ing')}_{self.samples}") in self.options
        ]
        told += ["all classes but these (only)"] if "only" in self.options else []
        head = f"dataset {self.dataset}: "
        return told + [note.removeprefix(head).rstrip(".") for note in self.description.notes]

    @property
    def normalisation(self) -> dict[str, Any] | None:
        """`mean`, `std` and `from` of each channel, null where they are computed; None of texts."""
        if self._of_texts:
            return None
        of = {name: self._origin(name) for name in ("mean", "std")}
        return {
            **{name: None if value is None else list(value) for name, value in self._channels().items()},
            "from": of["mean"] if of["mean"] == of["std"] else f"mean: {of['mean']}; deviation: {of['std']}",
        }

    @property
    def normalised(self) -> str:
        """The normalisation in words; empty of texts."""
        known = self.normalisation
        if known is None:
            return ""
        told = []
        for word, name in (("mean", "mean"), ("deviation", "std")):
            values = known[name]
            told += [] if values is None else [f"{word} {', '.join(f'{value:.4g}' for value in values)}"]
        return f"{', '.join(told)} ({known['from']})" if told else f"by mean and deviation {known['from']}"

    def _channels(self) -> dict[str, tuple[float, float, float] | None]:
        return {"mean": self.description.mean, "std": self.description.std}

    def _origin(self, name: str) -> str:
        if name in self.prepared:
            return "of the pretrained weights"
        if name in self.options:
            return "dataset_options"
        if self._channels()[name] is not None:
            return "usual for this data set"
        return "of the training images, computed when they are loaded"

    @property
    def classes(self) -> list[dict[str, Any]]:
        """Each class: `name`, and its samples for `train`, `validation` and `test`, null where not known.

        Training samples are those that are left where the most are held out.
        """
        found = self.description
        held = self.held_out(max(self.validation, default=0.0))
        rows = []
        for number, name in enumerate(found.classes):
            of_each = (found.counts, held, found.test_counts)
            train, out, test = (None if known is None else known[number] for known in of_each)
            kept = None if train is None or out is None else train - out
            rows.append({"name": name, "train": kept, "validation": out, "test": test})
        return rows

    @property
    def document(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        found = self.description
        return {
            "dataset": self.dataset,
            "name": found.name,
            "samples": self.samples,
            "size": found.image_size if isinstance(found.image_size, int) else list(found.image_size),
            "train": found.train_size or None,
            "test": found.test_size or None,
            "validation_shares": list(self.validation),
            "left_out": self.left_out,
            "normalisation": self.normalisation,
            "memory_bytes": self.memory,
            "fingerprint": found.fingerprint,
            "classes": self.classes,
        }


def readings(study: Study, data: Mapping[str, Description]) -> list[Reading]:
    """What was read of each data set of a study, in its order; those that are not known are left out.

    Args:
        study: What is wanted of them.
        data: `Pair.data` -> description.
    """
    pairs: dict[str, list[Pair]] = {}
    for pair in study.pairs:
        if pair.data in data:
            pairs.setdefault(pair.data, []).append(pair)
    return [_reading(study, own, data[name]) for name, own in pairs.items()]


def _reading(study: Study, pairs: Sequence[Pair], description: Description) -> Reading:
    first = pairs[0]
    recipes = [study.recipe_for(pair, method) for pair in pairs for method in study.methods]
    shares = tuple(sorted({recipe.validation for recipe in recipes}))
    kept = any(recipe.augment == "imagenet" for recipe in recipes)
    memory = None
    try:
        if description.train_size:
            options = first.read_options
            memory = image_memory(
                description,
                first.dataset,
                image_size=first.image_size,
                loading=first.loading,
                keep_shape=kept,
                **options,
            )
    except (UserError, OSError):  # its files are elsewhere, or the memory too small; whoever loads them is told so
        pass
    return Reading(first.dataset, description, first.read_options, shares, first.prepared, memory)


def unknown(study: Study, data: Mapping[str, Description]) -> list[str]:
    """A line for each data set that nothing is known of."""
    missing = dict.fromkeys(pair.dataset for pair in study.pairs if pair.data not in data)
    return [f"dataset {name}: is not here, and what it has is not known." for name in missing]


def first_of(names: Sequence[str], most: int = SHOWN) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def range_text(counts: Iterable[int]) -> str:
    """`20`, or `18 to 22`."""
    low, high = min(found := list(counts)), max(found)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def bytes_text(number: float) -> str:
    """`5.3 MB`."""
    for unit, size in (("GB", 2**30), ("MB", 2**20)):
        if number >= size:
            return f"{number / size:,.1f} {unit}"
    return f"{number / 2**10:,.1f} KB"
