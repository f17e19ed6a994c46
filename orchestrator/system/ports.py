"""Free TCP ports that are still free when Ray binds them, seconds after they were chosen."""

from __future__ import annotations

import contextlib
import random
import socket

OWN = range(20_000, 32_000)
"""Above the ports of Ray's workers, and below those that the kernel gives to whoever connects or asks for any."""


def free_ports(count: int) -> list[int]:
    """So many ports that nothing listens on.

    Any two studies choose at random: of thousands of ports, they seldom want the same one.

    Raises:
        OSError: There are too few.
    """
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        for port in random.SystemRandom().sample(OWN, len(OWN)):
            taken = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                taken.bind(("", port))
                found.append(port)
            if len(found) == count:
                return found
    raise OSError(f"fewer than {count} ports of {OWN.start}-{OWN.stop - 1} are free")
