"""Free TCP ports: those that are still free when Ray binds them, seconds later, and one for a page."""

from __future__ import annotations

import contextlib
import random
import socket

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


def usable_port(wanted: int | None, default: int) -> int:
    """The port that a page is served at: the wanted one, or the default or any free one where none is wanted.

    Raises:
        UserError: The wanted one is taken.
    """
    if _is_free(wanted or default):
        return wanted or default
    if wanted is not None:
        raise UserError(f"--port {wanted} is taken by another program; give another or leave it out")
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As a server does: a port whose last connections are still closing counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
