"""What people ask of a running study: files in its storage, at which its driver looks every few seconds."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from orchestrator.ledger.document import sealed, unsealed
from orchestrator.storage import Store
from orchestrator.storage.layout import ANSWER, CONTROL, HANDED, PAUSED


def clear(store: Store) -> None:
    """Forgets what an earlier driver was asked; the next one does it, for it was not asked."""
    for name in store.below(CONTROL):
        store.delete(f"{CONTROL}/{name}")


def pause(store: Store) -> None:
    """Asks the driver to submit nothing more.

    Raises:
        Unwritable: The store cannot be written, or is full.
    """
    store.write(PAUSED, sealed({"since": datetime.now(UTC).isoformat(timespec="seconds")})[1])


def resume(store: Store) -> None:
    """Lets the driver go on; also where it is not paused."""
    store.delete(PAUSED)


def paused_since(store: Store) -> str | None:
    """Since when a study is paused; None where it is not."""
    data = store.read(PAUSED)
    return None if data is None else str((unsealed(data) or {}).get("since", "an unknown time"))


@dataclass(frozen=True)
class Answer:
    """What a driver says to a study that was handed over.

    Attributes:
        adds: What there is to do beside what was.
        refused: Why it was not taken up; empty if it was.
    """

    adds: str = ""
    refused: str = ""


def hand_over(store: Store, text: str) -> bool:
    """Hands a changed study over to its driver; False where another one waits still.

    Raises:
        Unwritable: The store cannot be written, or is full.
    """
    store.delete(ANSWER)
    return store.create(HANDED, text.encode())


def handed_text(store: Store) -> str | None:
    """The changed study that waits for the driver; None where none does."""
    data = store.read(HANDED)
    return None if data is None else data.decode(errors="replace")


def withdraw(store: Store, text: str | None = None) -> None:
    """Takes back what waits for the driver; only this text, if one is given."""
    if text is None or store.read(HANDED) == text.encode():
        store.delete(HANDED)


def answer(store: Store, text: str, said: Answer) -> None:
    """Answers to a study that was handed over, which then waits no more; only the driver does.

    Raises:
        Unwritable: The store cannot be written, or is full.
    """
    store.write(ANSWER, sealed({"of": _mark(text), **asdict(said)})[1])
    withdraw(store, text)


def answer_to(store: Store, text: str) -> Answer | None:
    """The driver's answer to this text; None before there is one."""
    known = unsealed(store.read(ANSWER) or b"") or {}
    if known.get("of") != _mark(text):
        return None
    return Answer(str(known.get("adds", "")), str(known.get("refused", "")))


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
