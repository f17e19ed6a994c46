"""A modular network: a backbone that also tells how relevant each of its kernels is to each sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from nemo.example import Example, call, logits_of
from nemo.layers import ConvUnit, Residual
from nemo.sites import RelevanceSource, Site
from nemo.transformer import TokenUnit


class Followed(dict[bool, Any]):
    """What `nemo.graph.capture` found of a network with constant masks, without and with generators.

    It holds no weights: copies of the network share it.
    """

    def __deepcopy__(self, memo: dict[int, object]) -> Followed:
        return self


class ModularNetwork(nn.Module):
    """A network with recording sites, made by `make_modular` or `record_activations`.

    Everything after it, from the objectives to surgery, knows relevance vectors alone, and not where they come from.

    Attributes:
        network: One of our backbones, or any other.
        units: The sites that record, in the order in which they compute.
        example: Inputs of another network than ours, as it takes them; by these it is cut.
        followed: What was found out for cutting it.
    """

    def __init__(self, network: nn.Module, units: Sequence[Site] | None = None, example: Example | None = None) -> None:
        """Takes the recording sites of one of our backbones, or those of another network."""
        super().__init__()
        self.network = network
        recording = (site for site in _in_order(network) if isinstance(site, Site) and site.records is not None)
        self.units: tuple[Site, ...] = tuple(recording if units is None else units)
        self.example = example
        self.followed = Followed()

    def named_modules(
        self, memo: set[nn.Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Module]]:
        """All modules; of another network than ours its generators come last, in the order of their masks.

        It registers its layers in an order of its own, in which `modules()` would give them.
        """
        found = list(super().named_modules(memo, prefix, remove_duplicate))
        if self.example is None:
            yield from found
            return
        inside = [module for unit in self.units for module in unit.modules()]
        places = {module: place for place, module in enumerate(inside)}
        yield from sorted(found, key=lambda each: places.get(each[1], -1))

    @property
    def source(self) -> RelevanceSource | None:
        """Where the relevance vectors come from; None if nothing records."""
        return self.units[0].records if self.units else None

    @property
    def widths(self) -> list[int]:
        """K_l of every recording site, in the order of the relevance vectors."""
        return [unit.kernels for unit in self.units]

    def forward(self, x: Example, imposed: Sequence[Tensor] | None = None) -> tuple[Tensor, list[Tensor]]:
        """Maps images `[B, 3, H, W]`, or what else it takes, to logits `[B, N]` and relevance vectors, each `[B, K_l]`.

        These are the sample masks in [0, 1], or the mean activations, at least 0; relevant is what is above 0. They are
        the network's own, whatever is imposed.

        Args:
            x: The images, or several inputs by place or by name.
            imposed: Per site what the images keep if they go through as modules, `[B, K_l]`, see `Site.imposed`; in
                training they are normalised by their own statistics alone, and the running ones stay as they are.
        """
        if imposed is not None:
            self._impose(imposed, rehearsing=True)
        logits: Tensor = logits_of(call(self.network, x))
        if imposed is not None:
            self._impose([None] * len(self.units), rehearsing=False)
        return logits, [unit.take_relevance() for unit in self.units]

    def _impose(self, kept: Sequence[Tensor | None], *, rehearsing: bool) -> None:
        for unit, own in zip(self.units, kept, strict=True):
            unit.imposed = own
        for block in self.network.modules():
            if isinstance(block, ConvUnit):
                block.rehearsing = rehearsing
            elif self.example is not None and isinstance(block, _BatchNorm):
                _keep_statistics(block, kept=rehearsing)


def unmasked_kernels(modular: ModularNetwork) -> int:
    """Kernels that every module keeps: those of the layers that no module mask cuts (method.md B21).

    Of another network than ours those of its convolutions without groups.
    """
    cut: set[nn.Module] = set(modular.units)
    for unit in modular.units:
        if isinstance(unit, Residual):
            cut.update(unit.ends)
    if modular.example is not None:
        layers = (layer for layer in modular.network.modules() if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d))
        return sum(layer.out_channels for layer in layers if layer.groups == 1 and not hasattr(layer, "mask"))
    kinds = (ConvUnit, TokenUnit)
    return sum(unit.kernels for unit in modular.modules() if isinstance(unit, kinds) and unit not in cut)


def _keep_statistics(norm: _BatchNorm, *, kept: bool) -> None:
    """Lets a norm of another network normalise by its images alone for a while: its running statistics stay."""
    if kept:
        norm._own_momentum, norm.momentum = norm.momentum, 0.0  # type: ignore[assignment]
    else:
        norm.momentum = norm._own_momentum  # type: ignore[assignment]


def _in_order(module: nn.Module) -> Iterator[nn.Module]:
    """All modules, what a block is made of before the block itself."""
    for child in module.children():
        yield from _in_order(child)
    yield module
