"""Sites on the layers of any network, by hooks: its own classes, forward and state keys stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from nemo.gates import Gate
from nemo.graph.sites import ACTIVATIONS, CONVOLUTIONS, SiteInfo
from nemo.layers import ConvMaskGenerator
from nemo.sites import Site
from nemo.tokens import TokenReader, reader_of, token_mean
from nemo.transformer import NeuronMaskGenerator

_SPREAD = 0.1  # of the generators' outputs around their bias, as a share of the published one
NAME = "mask"  # of the site among the children of its layer
SILENT = 0.1
"""A unit that is never exactly 0, as behind a GELU, is relevant to a sample where its mean absolute value is more than
this share of the mean over its site's units: a threshold of the site's own, since no norm need fix its scale."""
_EXACT = frozenset(["relu", "relu6", "hardtanh"])  # what doesn't speak is 0 behind these


class HookedSite(Site):
    """The relevance of one layer's units, of which it is a child: sample masks, or how loud its activation is.

    Masks are computed from the layer's input and applied to its output; without a generator nothing is applied.

    Attributes:
        info: The layer.
        mask_generator: What computes the masks; None where activations are read.
        last: Whether the units are the last axis of the output, and not the second.
        constant: `[K_l]`: what takes the place of every sample's mask; None for as usual.
        combined: Whether the sample masks go on being computed, and are multiplied by the constant.
        texts: Of a network that reads texts: what tells where a text is, for means over its tokens alone.
    """

    constant: Tensor | None

    def __init__(
        self, info: SiteInfo, generator: ConvMaskGenerator | NeuronMaskGenerator | None, *, last: bool
    ) -> None:
        super().__init__(relu=False)
        self.info, self.last = info, last
        self.mask_generator = generator
        self.combined = False
        self.records = "activations" if generator is None else "masks"
        self.register_buffer("constant", None, persistent=False)
        self._mask: Tensor | None = None
        self.texts: tuple[TokenReader, ...] = ()  # a tuple: it is the network's child, and no site's

    @property
    def present(self) -> Tensor | None:
        """Where the texts are that go through, see `TokenReader`."""
        return self.texts[0].present if self.texts else None

    @property
    def kernels(self) -> int:
        return self.info.kernels

    def before(self, layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        """The hook on the layer: computes the masks of its input."""
        if self.mask_generator is not None and (self.constant is None or self.combined):
            x: Tensor = inputs[0]
            if isinstance(self.mask_generator, NeuronMaskGenerator):
                self._mask = self.mask_generator(x, self.present)
            else:
                self._mask = self.mask_generator(_two_dimensional(x))

    def behind(self, layer: nn.Module, inputs: object, y: Tensor) -> Tensor:
        """The hook on the layer, or the norm behind it: applies the masks to its output, or listens to it."""
        mask, self._mask = self._mask, None
        if self.constant is not None:
            mask = self.constant[None] if mask is None else mask * self.constant
        elif mask is not None:
            mask = self.record_mask(mask)
        else:
            self._relevance, mask = self._loudness(y), self.imposed
        if mask is None:
            return y.clone()  # what follows may write into it, and its gradient needs what was heard
        mask = mask.to(y.dtype)
        positions = (1,) * (y.dim() - 2)
        shape = (-1, *positions, self.kernels) if self.last else (-1, self.kernels, *positions)
        return y * mask.view(shape)

    def heard(self, y: Tensor) -> Tensor:
        """The absolute activation behind the site, or its output where there is none: `[B, ..., K_l]`."""
        activation = self.info.activation
        y = y if activation is None else ACTIVATIONS[activation](y)
        return (y if self.last else y.movedim(1, -1)).abs()

    def _loudness(self, y: Tensor) -> Tensor:
        """The relevance vectors `[B, K_l]` of activations: their means over the positions, above what is silent."""
        dtype = torch.promote_types(y.dtype, torch.float32)
        heard = self.heard(y)
        present = self.present
        if present is None:
            mean = heard.flatten(1, -2).mean(1, dtype=dtype)
        else:
            mean = token_mean(heard.to(dtype), present)
        if self.info.activation in _EXACT:
            return mean
        return (mean - SILENT * mean.detach().mean(1, keepdim=True)).relu()


def attach(
    net: nn.Module,
    sites: Sequence[SiteInfo],
    gate: type[Gate] | None,
    hidden: int | None = None,
    *,
    normalised: bool = False,
) -> tuple[nn.Module, list[HookedSite]]:
    """A copy of a network with a freshly initialised generator, or an ear, at every site, in their order.

    Args:
        net: Not changed.
        sites: As `find_sites` gives them.
        gate: Of every generator; None for sites that read activations and have no weights.
        hidden: See `make_modular`.
        normalised: Whether the generators read normalised means and start near x = 1, for every sample alike.
    """
    network = deepcopy(net)
    modules = dict(network.named_modules())
    reader = reader_of(network)
    made = []
    for info in sites:
        layer = modules[info.layer]
        site = HookedSite(
            info,
            None if gate is None else _generator(info, layer, gate, hidden, normalised=normalised),
            last=not isinstance(layer, CONVOLUTIONS),
        )
        site.texts = () if reader is None else (reader,)
        layer.add_module(NAME, site)
        layer.register_forward_pre_hook(site.before)
        modules[info.norm or info.layer].register_forward_hook(site.behind)
        made.append(site)
    return network, made


def _generator(
    info: SiteInfo, layer: nn.Module, gate: type[Gate], hidden: int | None, *, normalised: bool
) -> ConvMaskGenerator | NeuronMaskGenerator:
    kind = ConvMaskGenerator if isinstance(layer, CONVOLUTIONS) else NeuronMaskGenerator
    generator = kind(info.features, info.kernels, gate(), hidden)
    if normalised:
        generator.norm = nn.LayerNorm(info.features)
        with torch.no_grad():
            generator.expand.weight.mul_(_SPREAD)
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return generator.to(weight)


def attach_open(net: nn.Module, sites: Sequence[SiteInfo]) -> tuple[nn.Module, list[HookedSite]]:
    """A copy of a network with sites that keep every unit: what a network without generators is cut at."""
    network, made = attach(net, sites, None)
    for site in made:
        weight = network.get_submodule(site.info.layer).weight
        assert isinstance(weight, Tensor)
        site.constant = torch.ones(site.kernels, dtype=weight.dtype, device=weight.device)
    return network, made


def _two_dimensional(x: Tensor) -> Tensor:
    """What a convolution sees as `[B, C, H, W]`."""
    return x.unsqueeze(-1) if x.dim() == 3 else x.flatten(3) if x.dim() == 5 else x
