"""What every maskable layer has in common: a generator, and the sample mask of its last forward pass."""

from __future__ import annotations

from torch import Tensor, nn


class Unit(nn.Module):
    """A layer with outputs that a sample mask can switch off.

    Attributes:
        mask_generator: None in a standard network and in the layers that are never masked.
        maskable: False for the layers that no module loses anything of.
        record_mask: Whether `take_mask` is going to be called after each forward.
    """

    def __init__(self, *, maskable: bool) -> None:
        super().__init__()
        self.mask_generator: nn.Module | None = None
        self.maskable = maskable
        self.record_mask = False
        self._mask: Tensor | None = None

    @property
    def kernels(self) -> int:
        """Number of outputs, K_l."""
        raise NotImplementedError

    @property
    def weight(self) -> Tensor:
        """The layer's own weight, whose rows are the outputs."""
        raise NotImplementedError

    def take_mask(self) -> Tensor:
        """Hands over the last sample mask `[B, K_l]` and forgets it, so that no graph outlives its step."""
        mask, self._mask = self._mask, None
        if mask is None:
            raise RuntimeError("take_mask() needs a forward pass of a recording unit before it")
        return mask
