"""Finds operations that would make the host wait for the device, on a machine without one."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "_unique", "unique", "is_nonzero", "equal")


class NoHostRead(TorchDispatchMode):
    """Fails on every operation whose result, or its shape, has to be read back: forward and backward."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        tensors = args[1] if name in ("index", "index_put_") else ()
        by_mask = any(index is not None and index.dtype == torch.bool for index in tensors)
        assert not by_mask and not any(name.startswith(waiting) for waiting in _WAITING), f"{name} waits for the device"
        return func(*args, **(kwargs or {}))
