"""What a study's driver has running, as it last said: read by people on any machine that sees the storage."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

from nemo.errors import UserError
from orchestrator.ledger.document import sealed, unsealed
from orchestrator.plan.step import NOUNS
from orchestrator.storage import Store
from orchestrator.storage.layout import ONGOING, measured, measuring

_SHOWN = 8
_SAYS_EVERY = 5.0


@dataclass(frozen=True)
class Ongoing:
    """A step that runs, or was handed to Ray.

    Attributes:
        done: Epochs of a training that are over; of a measurement, the modules that are cut.
        of: How many there will be; None where that is not told.
    """

    kind: str
    label: str
    done: int = 0
    of: int | None = None


def read_ongoing(store: Store) -> list[Ongoing]:
    """What runs, or ran when the driver died; nothing where no driver has said it."""
    known = unsealed(store.read(ONGOING) or b"") or {}
    try:
        return [Ongoing(str(each["kind"]), str(each["label"]), each["done"], each["of"]) for each in known["steps"]]
    except (KeyError, TypeError):
        return []


def record_ongoing(store: Store, steps: Sequence[Ongoing]) -> None:
    """Says what runs; only the study's driver does.

    Raises:
        Unwritable: The store cannot be written, or is full.
    """
    store.write(ONGOING, sealed({"steps": [asdict(each) for each in steps]})[1])


class MeasureProgress:
    """Says in the storage how far a worker is with the modules of one training, every few seconds and not before.

    Args:
        store: The study's; one that cannot be written now costs nothing.
        key: The training's.
        clock: Seconds that only ever grow.
    """

    def __init__(self, store: Store, key: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._key, self._clock = store, key, clock
        self._said, self._written = clock(), False

    def __call__(self, done: int, of: int) -> None:
        """So many modules of so many are measured; the last one takes back what was said."""
        if done == of:
            if self._written:
                self._store.delete_all(measuring(self._key))
        elif self._clock() - self._said >= _SAYS_EVERY:
            with suppress(UserError):
                self._store.write(measured(self._key), sealed({"done": done, "of": of})[1])
            self._said, self._written = self._clock(), True


def measured_so_far(store: Store, key: str) -> tuple[int, int | None]:
    """How many modules of a training are measured, and of how many; 0 and None where nobody has said it."""
    known = unsealed(store.read(measured(key)) or b"") or {}
    done, of = known.get("done"), known.get("of")
    return (done, of) if isinstance(done, int) and isinstance(of, int) else (0, None)


def ongoing_text(steps: Sequence[Ongoing]) -> str:
    """`Trained now: mwt rescnn/digits seed 0 (epoch 3 of 30). With Ray: 2 sub-tasks.`; empty where nothing runs."""
    trainings = [each for each in steps if each.kind == "train"]
    named = [f"{each.label} ({_reached(each)})" for each in trainings[:_SHOWN]]
    more = f" and {len(trainings) - _SHOWN} more" if len(trainings) > _SHOWN else ""
    parts = [f"Trained now: {', '.join(named)}{more}."] if named else []
    others = [each for each in steps if each.kind != "train"]
    counts = Counter(each.kind for each in others)
    told = [f"{number} {NOUNS[kind] if number > 1 else NOUNS[kind][:-1]}" for kind, number in counts.items()]
    told += [f"{each.label} ({each.done} of {each.of} modules)" for each in others if each.of][:_SHOWN]
    return " ".join([*parts, *([f"With Ray: {', '.join(told)}."] if told else [])])


def _reached(step: Ongoing) -> str:
    return f"epoch {step.done} of {step.of}" if step.done else "in its first epoch"
