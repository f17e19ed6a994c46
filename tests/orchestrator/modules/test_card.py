"""What a card says of figures that are no success."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.modules.card import slower_than_standard
from orchestrator.modules.record import Latency


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [
        ({"module": 0.91, "standard": 0.82}, "0.910 against 0.820 ms"),
        ({"module": 0.5, "standard": 0.82}, None),
        ({"module": 0.5}, None),
    ],
)
def test_a_module_that_is_slower_than_the_standard_network(milliseconds: dict[str, float], said: str | None) -> None:
    record: Any = SimpleNamespace(latency=Latency("a CPU", 1, 1, 50, milliseconds), derived=False)
    sentence = slower_than_standard(record)
    assert (sentence is None) if said is None else (sentence is not None and said in sentence)


def test_a_derived_network_is_compared_with_the_untouched_one() -> None:
    record: Any = SimpleNamespace(latency=Latency("a CPU", 1, 1, 50, {"module": 0.9, "base": 0.8}), derived=True)
    assert (slower_than_standard(record) or "").startswith("It takes longer than the untouched network (0.900 against")
