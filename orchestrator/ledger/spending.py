"""What a study has spent over all of its runs: kept by the driver while it runs, for its limits and for people."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from orchestrator.ledger.document import sealed, unsealed
from orchestrator.storage import Store
from orchestrator.storage.layout import SPENT
from orchestrator.study.limits import Limits


@dataclass(frozen=True)
class Spent:
    """Hours in which a driver ran, and hours of the CPUs and GPUs that steps held, finished or not."""

    hours: float = 0.0
    cpu_hours: float = 0.0
    gpu_hours: float = 0.0

    def plus(self, seconds: float, cpus: float, gpus: float) -> Spent:
        """The same after so many more seconds, in which steps hold so many CPUs and GPUs."""
        hours = seconds / 3600
        return Spent(self.hours + hours, self.cpu_hours + hours * cpus, self.gpu_hours + hours * gpus)

    def of(self, limits: Limits) -> dict[str, float]:
        """What is spent of each limit that there may be, by its field."""
        cost = limits.prices.of(self.cpu_hours, self.gpu_hours)
        return {"hours": self.hours, "gpu_hours": self.gpu_hours, "cost": cost}


def read_spent(store: Store) -> Spent:
    """What a study has spent so far; nothing where that was not kept, or is damaged."""
    known = unsealed(store.read(SPENT) or b"") or {}
    try:
        return Spent(*(float(known[name]) for name in ("hours", "cpu_hours", "gpu_hours")))
    except (KeyError, TypeError, ValueError):
        return Spent()


def record_spent(store: Store, spent: Spent) -> None:
    """Keeps what a study has spent; only its driver does.

    Raises:
        Unwritable: The store cannot be written, or is full.
    """
    store.write(SPENT, sealed(asdict(spent))[1])


def reached(limits: Limits, spent: Spent) -> str:
    """The first limit that is reached, as `limits.hours (8.00 of 8 hours are spent)`; empty where none is."""
    for name, amount in spent.of(limits).items():
        limit = getattr(limits, name)
        if limit is not None and amount >= limit:
            return f"limits.{name} ({_of(name, amount, limit)} are spent)"
    return ""


def spending_text(limits: Limits, spent: Spent) -> str:
    """`2.10 of 8 hours, 12.00 of 100 GPU hours`: what is spent of each limit; empty where there is none."""
    limited = {name: amount for name, amount in spent.of(limits).items() if getattr(limits, name) is not None}
    texts = [_of(name, amount, getattr(limits, name)) for name, amount in limited.items()]
    if limits.prices.given and limits.cost is None:
        texts.append(f"a cost of {amount_text(spent.of(limits)['cost'])}")
    return ", ".join(texts)


def amount_text(amount: float) -> str:
    """Two decimals; of less than a tenth, two digits."""
    return f"{amount:.2f}" if amount >= 0.1 else f"{amount:.2g}"


def _of(name: str, amount: float, limit: float) -> str:
    if name == "cost":
        return f"{amount_text(amount)} of a cost of {limit:g}"
    return f"{amount_text(amount)} of {limit:g} {'hours' if name == 'hours' else 'GPU hours'}"
