"""Ports that nobody takes between our choice and Ray's use."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from orchestrator.system import ports
from orchestrator.system.ports import OWN, free_ports


def test_they_are_free_different_and_our_own() -> None:
    found = free_ports(50)
    assert len(set(found)) == 50
    assert set(found) <= set(OWN)
    for port in found:
        with socket.socket() as taken:
            taken.bind(("", port))


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> Iterator[range]:
    """Four ports, of which two are taken."""
    start = min(free_ports(1)[0], OWN.stop - 4)
    monkeypatch.setattr(ports, "OWN", range(start, start + 4))
    with ExitStack() as stack:
        for port in (start, start + 2):
            stack.enter_context(socket.create_server(("", port)))
        yield ports.OWN


def test_taken_ones_are_passed_over(narrow: range) -> None:
    assert sorted(free_ports(2)) == [narrow[1], narrow[3]]
    with pytest.raises(OSError, match=f"fewer than 3 ports of {narrow.start}-{narrow[3]} are free"):
        free_ports(3)
