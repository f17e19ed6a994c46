"""What this machine's CPUs can do, as far as it matters to a training."""

from __future__ import annotations

from pathlib import Path

_INFORMATION = Path("/proc/cpuinfo")
_BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16", "bf16", "svebf16"})
"""Flags of x86 and ARM; without any of them each product of bfloat16 is made of several of float32."""


def computes_bfloat16(information: Path = _INFORMATION) -> bool | None:
    """Whether the CPUs have instructions for bfloat16; None where nobody can tell, as on macOS.

    Torch knows it, too, and takes seconds to import.
    """
    try:
        lines = information.read_text().splitlines()
    except OSError:
        return None
    flags = [line.partition(":")[2].split() for line in lines if line.lower().startswith(("flags", "features"))]
    return all(_BFLOAT16.intersection(each) for each in flags) if flags else None
