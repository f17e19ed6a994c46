"""Booleans as packed bits in `numpy.packbits` order: the first unit of each eight is the highest bit."""

import torch
from torch import Tensor
from torch.nn.functional import pad


def pack_bits(bits: Tensor) -> Tensor:
    """Packs bool `[n, K]` into uint8 `[n, ceil(K / 8)]`, padded with zero bits."""
    padded = pad(bits.to(torch.uint8), (0, -bits.shape[1] % 8)).unflatten(1, (-1, 8))
    return (padded << _shifts(bits.device)).sum(dim=2, dtype=torch.uint8)


def unpack_bits(packed: Tensor, units: int) -> Tensor:
    """Unpacks uint8 `[n, ceil(units / 8)]` into 0 and 1, uint8 `[n, units]`."""
    return ((packed[:, :, None] >> _shifts(packed.device)) & 1).flatten(1)[:, :units]


def _shifts(device: torch.device) -> Tensor:
    """7 to 0, made where they are needed: copying them to a device would wait for it."""
    return torch.arange(7, -1, -1, dtype=torch.uint8, device=device)
