"""What a study's driver has running, as it last said: read by people on any machine that sees the storage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from orchestrator.ledger.document import sealed, unsealed
from orchestrator.plan.step import NOUNS
from orchestrator.storage import Store
from orchestrator.storage.layout import ONGOING

_SHOWN = 8


@dataclass(frozen=True)
class Ongoing:
    """A step that runs, or was handed to Ray.

    Attributes:
        done: Epochs of a training that are over; of a measurement, the classes.
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


def ongoing_text(steps: Sequence[Ongoing]) -> str:
    """`Trained now: mwt rescnn/digits seed 0 (epoch 3 of 30). With Ray: 2 sub-tasks.`; empty where nothing runs."""
    trainings = [each for each in steps if each.kind == "train"]
    named = [f"{each.label} ({_reached(each)})" for each in trainings[:_SHOWN]]
    more = f" and {len(trainings) - _SHOWN} more" if len(trainings) > _SHOWN else ""
    parts = [f"Trained now: {', '.join(named)}{more}."] if named else []
    others = [each for each in steps if each.kind != "train"]
    counts = Counter(each.kind for each in others)
    told = [f"{number} {NOUNS[kind] if number > 1 else NOUNS[kind][:-1]}" for kind, number in counts.items()]
    told += [f"{each.label} ({each.done} of {each.of} classes)" for each in others if each.of][:_SHOWN]
    return " ".join([*parts, *([f"With Ray: {', '.join(told)}."] if told else [])])


def _reached(step: Ongoing) -> str:
    return f"epoch {step.done} of {step.of}" if step.done else "in its first epoch"
