"""Packed bits are numpy's."""

import numpy
import torch
from hypothesis import given
from hypothesis import strategies as st

from nemo.bits import pack_bits, unpack_bits


@given(st.integers(0, 5), st.integers(1, 40), st.integers(0, 2**20))
def test_order_is_that_of_packbits_and_nothing_is_lost(rows, units, seed):
    bits = torch.rand(rows, units, generator=torch.Generator().manual_seed(seed)) > 0.5
    packed = pack_bits(bits)
    assert packed.dtype == torch.uint8
    assert (packed.numpy() == numpy.packbits(bits.numpy(), axis=1)).all()
    assert torch.equal(unpack_bits(packed, units).bool(), bits)
