"""Free TCP ports: those that are still free when Ray binds them, seconds later, and one for a page."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Iterator

from nemo.errors import UserError

HOST = "127.0.0.1"
"""This machine, for itself only."""

OWN = range(20_000, 32_000)
"""Above the ports of Ray's workers, and below the kernel's ephemeral ports."""


def free_ports(count: int) -> list[int]:
    """Finds so many ports that nothing listens on.

    They are drawn at random from thousands, so that two studies seldom choose the same one.

    Raises:
        OSError: There are too few.
    """
    ports: list[int] = []
    with contextlib.ExitStack() as stack:
        for port in random.SystemRandom().sample(OWN, len(OWN)):
            probe = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("", port))
                ports.append(port)
            if len(ports) == count:
                return ports
    raise OSError(f"fewer than {count} ports of {OWN.start}-{OWN.stop - 1} are free")


@contextlib.contextmanager
def usable_port(wanted: int | None, default: int) -> Iterator[int]:
    """The port that a page is served at: the wanted one, or the default or any free one where none is wanted.

    A server takes its port seconds after it was found free, and another page that starts in the same second would find
    it free too. So while the block runs the UDP port of that number, which no page uses, is held for it.

    Raises:
        UserError: The wanted one is taken.
    """
    with contextlib.ExitStack() as stack:
        port = wanted or default
        if not (_is_free(port) and _reserved(port, stack)):
            if wanted is not None:
                raise UserError(f"--port {wanted} is taken by another program; give another or leave it out")
            port = next(each for each in iter(_any_port, None) if _reserved(each, stack))
        yield port


def _any_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _reserved(port: int, stack: contextlib.ExitStack) -> bool:
    """Whether no other page has a port, which is then held until the stack is left."""
    held = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
    try:
        held.bind((HOST, port))
    except OSError:
        return False
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As a server does: a port whose last connections are still closing counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
