"""Some of a data set's classes as a data set of their own: the option `only`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from nemo.datasets.description import Description, fingerprint
from nemo.datasets.naming import find_class
from nemo.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from nemo.datasets.source import Labels


def chosen_classes(name: str, classes: Sequence[str], only: Sequence[str] | None) -> list[int] | None:
    """The numbers of the classes that are asked for, in their order; None for all.

    Args:
        name: The data set's, for messages.
        classes: All of its.
        only: Those that are asked for; None for all.

    Raises:
        UserError: One does not exist.
    """
    if only is None:
        return None
    numbers = [find_class(wanted, classes) for wanted in only]
    unknown = [wanted for wanted, number in zip(only, numbers, strict=True) if number is None]
    if unknown:
        raise UserError(f"dataset {name}: only names {unknown[0]!r}, its classes are {', '.join(classes[:20])}.")
    return [number for number in numbers if number is not None]


def restricted(description: Description, chosen: Sequence[int] | None) -> Description:
    """The description of these classes alone; sizes stay those of all where the classes' numbers are not known."""
    if chosen is None:
        return description
    counts, test = (
        known and tuple(known[number] for number in chosen) for known in (description.counts, description.test_counts)
    )
    return replace(
        description,
        classes=tuple(description.classes[number] for number in chosen),
        counts=counts,
        test_counts=test,
        train_size=sum(counts) if counts else description.train_size,
        test_size=sum(test) if test else description.test_size,
        fingerprint=fingerprint(of=description.fingerprint, only=list(chosen)),
    )


def places_of(labels: Labels, chosen: Sequence[int]) -> tuple[np.ndarray, Labels]:
    """Where images of these classes are, and their labels: the classes' places among them."""
    import numpy as np

    place = np.full(max(int(labels.max(initial=0)), *chosen) + 1, -1, dtype=np.int64)
    place[list(chosen)] = np.arange(len(chosen))
    own = place[labels]
    (index,) = (own >= 0).nonzero()
    return index, own[index]
