"""Which classes a module serves: sub-tasks drawn from the classes of a data set (method.md 7)."""

from collections.abc import Iterable
from itertools import combinations
from math import comb
from random import Random
from typing import Literal

from nemo.errors import UserError

_MOST = 100_000  # sub-tasks of one size


def subtasks(
    num_classes: int, sizes: Iterable[int], samples: int | Literal["all", "nested"], seed: int = 0
) -> list[tuple[int, ...]]:
    """Lists the sub-tasks of a study, each a tuple of ascending classes.

    What is drawn for one size depends on nothing but that size, the number of classes and the seed, and more samples
    contain the fewer, so that a study can grow without losing what it has.

    Args:
        num_classes: Classes of the data set.
        sizes: Classes of a sub-task; each size is taken once, in the order given.
        samples: Distinct sub-tasks per size (all of them where there are not so many), `all`, or `nested`: the first
            classes only, one sub-task per size.
        seed: Of the draw.

    Raises:
        UserError: A size is below 2 or above the number of classes, or `samples` is not positive or asks for too many.
    """
    tasks: list[tuple[int, ...]] = []
    for size in dict.fromkeys(sizes):
        if not 2 <= size <= num_classes:
            raise UserError(
                f"subtasks.sizes: a sub-task of {size} of {num_classes} classes is impossible, "
                f"choose sizes from 2 to {num_classes}"
            )
        if samples == "nested":
            tasks.append(tuple(range(size)))
            continue
        available = comb(num_classes, size)
        wanted = available if samples == "all" else samples
        if wanted < 1:
            raise UserError(f"subtasks.samples: {samples} is not positive, choose a number, all or nested")
        if min(wanted, available) > _MOST:
            raise UserError(
                f"subtasks.samples: {min(wanted, available):,} sub-tasks of {size} of {num_classes} classes are "
                f"too many, choose at most {_MOST:,}"
            )
        if wanted >= available:
            tasks.extend(combinations(range(num_classes), size))
        else:
            ranks = _draw(Random(f"{seed}/{num_classes}/{size}"), available, wanted)
            tasks.extend(_combination(rank, num_classes, size) for rank in sorted(ranks))
    return tasks


def _draw(random: Random, population: int, samples: int) -> list[int]:
    """The first places of a shuffled `range(population)`; remembers only those that were moved."""
    moved: dict[int, int] = {}
    drawn = []
    for place in range(samples):
        other = random.randrange(place, population)
        drawn.append(moved.get(other, other))
        moved[other] = moved.get(place, place)
    return drawn


def _combination(rank: int, num_classes: int, size: int) -> tuple[int, ...]:
    """The combination at `rank` of `itertools.combinations(range(num_classes), size)`."""
    chosen: list[int] = []
    for label in range(num_classes):
        beginning_here = comb(num_classes - label - 1, size - len(chosen) - 1)
        if rank < beginning_here:
            chosen.append(label)
            if len(chosen) == size:
                break
        else:
            rank -= beginning_here
    return tuple(chosen)
