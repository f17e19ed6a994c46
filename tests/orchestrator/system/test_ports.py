"""Ports that nobody takes between our choice and Ray's use."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from nemo.errors import UserError
from orchestrator.system import ports
from orchestrator.system.ports import HOST, OWN, free_ports, usable_port


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


def test_pages_that_start_in_the_same_second_each_get_a_port() -> None:
    (default,) = free_ports(1)
    with ExitStack() as stack:
        found = [stack.enter_context(usable_port(None, default)) for _ in range(3)]  # none has a server yet
        assert found[0] == default and len(set(found)) == 3
        with pytest.raises(UserError, match=f"--port {default} is taken"):
            stack.enter_context(usable_port(default, 1))
        for port in found:
            stack.enter_context(socket.create_server((HOST, port)))  # a server can still have it
    with usable_port(default, 1) as again:
        assert again == default


def test_a_port_that_something_serves_is_taken() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with usable_port(None, port) as other:
            assert other != port
        with pytest.raises(UserError, match=f"--port {port} is taken"), usable_port(port, 1):
            pass
