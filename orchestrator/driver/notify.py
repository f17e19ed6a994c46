"""Messages about a running study, through apprise: sent beside it, and never a reason for it to fail."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING

from nemo.errors import UserError
from orchestrator.driver.limits import LimitReached
from orchestrator.plan.frontier import Outcome
from orchestrator.study.notify import Occasion
from orchestrator.study.study import Study
from orchestrator.system.credentials import masked
from orchestrator.system.signals import Interrupted

if TYPE_CHECKING:
    from apprise import Apprise

_log = logging.getLogger(__name__)

PATIENCE = 30.0
"""Seconds that a run waits at its end for messages that are still being sent."""

_ENDS: dict[Outcome, str] = {
    "finished": "finished: every step has its result",
    "failed": "ended, and nothing is left but what failed; nemo run with --retry-failed tries it again",
    "unfinished": "stopped",
}


class Notifier:
    """Tells people of a study's run on the occasions that the study names; of one that names nobody it tells nobody.

    Messages are sent one after the other by a thread of its own. One that cannot be sent is told in a line.

    Args:
        study: The study.

    Raises:
        UserError: apprise is not installed, or a variable holds no address that it knows.
    """

    def __init__(self, study: Study) -> None:
        wanted = study.notify
        self._name = study.name
        self._on = frozenset[Occasion]() if wanted is None else frozenset(wanted.on)
        self._told: set[Occasion] = set()
        self._targets: dict[str, Apprise] = {}
        self._waiting: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        for position, name in enumerate([] if wanted is None else wanted.to):
            self._targets[name] = _target(name, study.where("notify", "to", position))

    def tell(self, occasion: Occasion, text: str) -> None:
        """Sends a message, soon; of failures the first alone."""
        if occasion not in self._on or (occasion == "failure" and occasion in self._told):
            return
        self._told.add(occasion)
        self._waiting.put(lambda: self._send(occasion, masked(text)))

    @contextmanager
    def of_run(self, outcome: Callable[[], Outcome]) -> Iterator[None]:
        """Sends what is told while the block runs, and at its end how it ended; Ctrl-C, which a person does, is not.

        Args:
            outcome: What became of the study, asked at the end of the block.
        """
        if not self._targets:
            yield
            return
        thread = threading.Thread(target=self._run, name="notifications", daemon=True)
        thread.start()
        try:
            yield
            self.tell("end", _ENDS[outcome()])
        except LimitReached as limit:
            self.tell("limit", f"stopped by {limit}; {limit.carries_on}: nemo run")
            raise
        except Interrupted as end:
            if end.exit_code != 130:
                self.tell("end", f"stopped by {end}; nemo run carries on")
            raise
        except Exception as error:
            self.tell("end", f"stopped: {error}")
            raise
        finally:
            self._waiting.put(None)
            thread.join(PATIENCE)

    def _run(self) -> None:
        while (send := self._waiting.get()) is not None:
            send()

    def _send(self, occasion: Occasion, text: str) -> None:
        for name, target in self._targets.items():
            try:
                sent = bool(target.notify(text, title=f"nemo: {self._name}"))
            except Exception:  # a plug-in's; it may quote the address
                sent = False
            if not sent:
                _log.warning("notify: %s could not be told of the %s; the study is none the worse", name, occasion)


def _target(name: str, place: str) -> Apprise:
    try:
        from apprise import Apprise
    except ImportError:
        raise UserError(
            f"{place}: messages are sent by apprise, which is not installed; pip install 'nemo-orchestrator[notify]', "
            "or drop notify."
        ) from None
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it may quote an address
    addresses = os.environ.get(name.removeprefix("$"), "").split()
    if not addresses:
        raise UserError(f"{place}: {name} is not set in the environment, set it to an address of apprise.")
    target = Apprise()
    for number, address in enumerate(addresses, 1):
        if not target.add(address):
            which = f"address {number} in {name}" if len(addresses) > 1 else f"what {name} holds"
            raise UserError(
                f"{place}: {which} is no address that apprise knows, such as mailto://USER:PASSWORD@HOST or json://HOST."
            )
    return target
