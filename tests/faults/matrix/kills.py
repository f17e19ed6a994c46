"""What is killed and when, and the matrix of both."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

Stage = Literal["starting", "training", "modularizing", "fan-out", "closing"]
STAGES: tuple[Stage, ...] = get_args(Stage)

Victim = Literal[
    "driver",
    "driver and its Ray head",
    "every process, temporary files too",
    "Ray's GCS",
    "Ray's raylet",
    "training process",
    "worker of two",
    "Tune trial of two workers",
    "Train controller",
    "task worker",
]
VICTIMS: tuple[Victim, ...] = get_args(Victim)

ENDS_THE_DRIVER: frozenset[Victim] = frozenset(VICTIMS[:5])
"""After these, the same command is given again; the others are to be got over by the run itself."""


@dataclass(frozen=True)
class Kill:
    """One cell of the matrix.

    Attributes:
        times: How often it is done, the next time as soon as the study has got on. Three times is one more than a
            training survives: all that run are killed, one fails at least, and `--retry-failed` has to make it good.
        workers: Of each training of the study.
    """

    victim: Victim
    stage: Stage
    times: int
    workers: int = 1


def _cells(victim: Victim, stages: Iterable[Stage], times: Iterable[int], workers: int = 1) -> list[Kill]:
    return [Kill(victim, stage, often, workers) for stage in stages for often in times]


CELLS: list[Kill] = [
    *_cells("driver", ("starting", "training", "fan-out"), (1, 2)),
    *_cells("driver", ("training",), (3,)),
    *_cells("driver", ("modularizing", "closing"), (1,)),
    *_cells("driver and its Ray head", ("training", "fan-out"), (1, 2)),
    *_cells("driver and its Ray head", ("starting", "modularizing", "closing"), (1,)),
    *_cells("every process, temporary files too", ("training", "fan-out"), (1, 2)),
    *_cells("every process, temporary files too", ("starting", "modularizing", "closing"), (1,)),
    *_cells("Ray's GCS", ("training", "fan-out"), (1,)),
    *_cells("Ray's raylet", ("training", "fan-out"), (1,)),
    *_cells("training process", ("training",), (1, 2, 3)),
    *_cells("task worker", ("modularizing",), (1,)),
    *_cells("task worker", ("fan-out",), (1, 2, 4)),
    *_cells("driver", ("training",), (1,), workers=2),
    *_cells("driver and its Ray head", ("training",), (1,), workers=2),
    *_cells("every process, temporary files too", ("training",), (1,), workers=2),
    *_cells("worker of two", ("training",), (1, 2), workers=2),
    *_cells("Tune trial of two workers", ("training",), (1,), workers=2),
    *_cells("Train controller", ("training",), (1,), workers=2),
]

CHEAP = 6
"""How much more often than others those are done that cost no start of a driver."""


def _often(cell: Kill, repeats: int) -> int:
    cheap = cell.workers == 1 and cell.victim not in ENDS_THE_DRIVER and cell.times != 3
    return repeats * (CHEAP if cheap else 1)


def histories(seed: int, repeats: int, at_most: int) -> list[list[Kill]]:
    """Deals every cell so often, cheap ones more often, into histories of one study each; chance decides the order.

    Args:
        seed: Of the chance.
        repeats: How often each cell is dealt.
        at_most: About how many kills one history has.

    Returns:
        Kills in the order of their stages. A study closes once, so at most the last one of a history is at its closing.
    """
    luck = random.Random(seed)
    dealt = []
    for workers in (1, 2):
        cells = [cell for cell in CELLS if cell.workers == workers for _ in range(_often(cell, repeats))]
        luck.shuffle(cells)
        hands: list[list[Kill]] = []
        for cell in sorted(cells, key=lambda cell: cell.stage != "closing"):
            taking = (hand for hand in hands if sum(kill.times for kill in hand) + cell.times <= at_most)
            hand = next(taking, None) if cell.stage != "closing" else None
            if hand is None:
                hands.append(hand := [])
            hand.append(cell)
        dealt += [sorted(hand, key=lambda kill: STAGES.index(kill.stage)) for hand in hands]
    return dealt


def name_of(number: int, kills: list[Kill]) -> str:
    """What a history is called while it runs."""
    return f"history {number}: " + ", ".join(f"{kill.victim} x{kill.times} ({kill.stage})" for kill in kills)
