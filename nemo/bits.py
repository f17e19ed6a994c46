"""Booleans as packed bits in `numpy.packbits` order: the first unit of each eight is the highest bit."""

import torch
from torch import Tensor
from torch.nn.functional import pad

_SHIFTS = tuple(range(7, -1, -1))


def pack_bits(bits: Tensor) -> Tensor:
    """Packs bool `[n, K]` into uint8 `[n, ceil(K / 8)]`, padded with zero bits."""
    padded = pad(bits.to(torch.uint8), (0, -bits.shape[1] % 8)).unflatten(1, (-1, 8))
    return (padded << torch.tensor(_SHIFTS, dtype=torch.uint8, device=bits.device)).sum(dim=2, dtype=torch.uint8)


def unpack_bits(packed: Tensor, units: int) -> Tensor:
    """Unpacks uint8 `[n, ceil(units / 8)]` into 0 and 1, uint8 `[n, units]`."""
    shifts = torch.tensor(_SHIFTS, dtype=torch.uint8, device=packed.device)
    return ((packed[:, :, None] >> shifts) & 1).flatten(1)[:, :units]
