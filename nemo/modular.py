"""A modular network: a backbone that also tells how relevant each of its kernels is to each sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from nemo.backbones.backbone import Backbone
from nemo.layers import ConvUnit, Residual
from nemo.sites import RelevanceSource, Site
from nemo.transformer import TokenUnit


class ModularNetwork(nn.Module):
    """A backbone with recording sites, made by `make_modular` or `record_activations`.

    Everything after it, from the objectives to surgery, knows relevance vectors alone, and not where they come from.

    Attributes:
        network: The backbone.
        units: The sites that record, in the order in which they compute.
    """

    def __init__(self, network: Backbone) -> None:
        super().__init__()
        self.network = network
        self.units: tuple[Site, ...] = tuple(
            site for site in _in_order(network) if isinstance(site, Site) and site.records is not None
        )

    @property
    def source(self) -> RelevanceSource | None:
        """Where the relevance vectors come from; None if nothing records."""
        return self.units[0].records if self.units else None

    @property
    def widths(self) -> list[int]:
        """K_l of every recording site, in the order of the relevance vectors."""
        return [unit.kernels for unit in self.units]

    def forward(self, x: Tensor, imposed: Sequence[Tensor] | None = None) -> tuple[Tensor, list[Tensor]]:
        """Maps images `[B, 3, H, W]` to logits `[B, N]` and relevance vectors, a list of `[B, K_l]`.

        These are the sample masks in [0, 1], or the mean activations, at least 0; relevant is what is above 0. They are
        the network's own, whatever is imposed.

        Args:
            x: The images.
            imposed: Per site what the images keep if they go through as modules, `[B, K_l]`, see `Site.imposed`; in
                training they are normalised by their own statistics alone, and the running ones stay as they are.
        """
        if imposed is not None:
            self._impose(imposed, rehearsing=True)
        logits: Tensor = self.network(x)
        if imposed is not None:
            self._impose([None] * len(self.units), rehearsing=False)
        return logits, [unit.take_relevance() for unit in self.units]

    def _impose(self, kept: Sequence[Tensor | None], *, rehearsing: bool) -> None:
        for unit, own in zip(self.units, kept, strict=True):
            unit.imposed = own
        for block in self.network.modules():
            if isinstance(block, ConvUnit):
                block.rehearsing = rehearsing


def unmasked_kernels(modular: ModularNetwork) -> int:
    """Kernels that every module keeps: those of the layers that no module mask cuts (method.md B21)."""
    cut: set[nn.Module] = set(modular.units)
    for unit in modular.units:
        if isinstance(unit, Residual):
            cut.update(unit.ends)
    kinds = (ConvUnit, TokenUnit)
    return sum(unit.kernels for unit in modular.modules() if isinstance(unit, kinds) and unit not in cut)


def _in_order(module: nn.Module) -> Iterator[nn.Module]:
    """All modules, what a block is made of before the block itself."""
    for child in module.children():
        yield from _in_order(child)
    yield module
