"""A trained network, frozen and in eval mode, at whose sites masks are imposed and out of which modules are cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from nemo.backbones.backbone import Backbone
from nemo.deriving.replay import Heard, Replay
from nemo.deriving.streams import inner_sites
from nemo.example import Example, call, logits_of, map_example
from nemo.graph.capture import Captured, capture
from nemo.graph.hooks import attach_open
from nemo.graph.sites import SiteInfo, one_at_least, sites_of
from nemo.modular import ModularNetwork
from nemo.surgery import extract_module
from nemo.tokens import reader_of

_INSIDE = "network"


class _Whole(nn.Module):
    """One of our backbones as a network like any other: followed by its graph, whatever it is made of."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Any:
        return self.network(x)


class Masked:
    """A copy of a network that knows its sites and learns nothing.

    Attributes:
        network: The copy; its parameters want no gradient.
        sites: Where it is masked, in the order in which it computes; a mask of all ones leaves it as it is, to the bit.
        captured: The computation of the network without masks, by the names of `network`.
        outputs: Number of its logits, N.
        reads_texts: Whether its inputs are texts.
        length: Tokens of the texts that it was followed on; 1 of images.
    """

    def __init__(self, net: nn.Module, example: Example, sites: Sequence[str] = (), device: Any = "cpu") -> None:
        """Follows a network and finds its sites.

        Args:
            net: Any that `nemo.find_sites` takes, or one of our backbones; not changed.
            example: Inputs as it takes them.
            sites: See `nemo.find_sites`; empty for those of which nothing is added to others', see `inner_sites`.
            device: Where it computes.

        Raises:
            UserError: It can't be followed, or has no site.
        """
        captured = capture(net, example)
        found: Sequence[SiteInfo] = one_at_least(sites_of(net, captured, sites))
        found = found if sites else inner_sites(captured, found)
        self._prefix = f"{_INSIDE}." if isinstance(net, Backbone) else ""
        whole = _Whole(net) if isinstance(net, Backbone) else net
        infos = [_within(info, self._prefix) for info in found]
        self.captured: Captured = captured if whole is net else capture(whole, example)
        self.network, self.sites = attach_open(whole, infos)
        self.network = self.network.to(device).eval().requires_grad_(False)
        self._modular = ModularNetwork(self.network, self.sites, map_example(Tensor.detach, example))
        self._replay = Replay(self.captured, self.network, infos)
        self.outputs = self.captured.width(self.captured.output)
        self.reads_texts = reader_of(net) is not None
        self.length = example.shape[1] if self.reads_texts and isinstance(example, Tensor) else 1

    @property
    def widths(self) -> list[int]:
        """K_l of every site."""
        return [site.kernels for site in self.sites]

    @property
    def hidden(self) -> list[int]:
        """The numbers of the sites that are the hidden layer of an MLP: linear, with an activation behind."""
        infos = [site.info for site in self.sites]
        linear = [isinstance(self.network.get_submodule(info.layer), nn.Linear) for info in infos]
        return [number for number, info in enumerate(infos) if linear[number] and info.activation is not None]

    @property
    def names(self) -> list[str]:
        """The layer of every site, as the given network calls it."""
        return [site.info.layer.removeprefix(self._prefix) for site in self.sites]

    def logits(self, images: Tensor, masks: Sequence[Tensor] | None = None) -> Tensor:
        """The logits `[B, N]` of the network under masks, through which gradients flow.

        Args:
            images: `[B, 3, H, W]`, normalised.
            masks: Per site `[K_l]`, of 0 and 1; None for all ones.
        """
        if masks is None:
            logits: Tensor = logits_of(call(self.network, images))
            return logits
        return self._replay(images, masks)

    @torch.no_grad()
    def listen(self, images: Tensor, masks: Sequence[Tensor], heard: Heard) -> None:
        """Tells of every site, by its number, what it puts out under masks behind its activation: `[B, ..., K_l]`.

        Where a text is over it puts out 0.
        """
        present = images >= 0 if self.reads_texts else None

        def of_texts(number: int, output: Tensor) -> None:
            alike = present is not None and output.dim() == 3 and output.shape[:2] == present.shape
            heard(number, output * present[..., None] if present is not None and alike else output)

        self._replay(images, masks, heard if present is None else of_texts)

    def cut(self, masks: Sequence[Tensor], rows: Sequence[int], *, check: bool = True) -> nn.Module:
        """The module that computes what the network computes under masks, with the classifier's rows (method.md 6).

        Args:
            masks: Per site bool `[K_l]`.
            rows: Of the classifier, in the order of the module's logits.
            check: See `extract_module`.

        Raises:
            UserError: See `extract_module`.
        """
        every = [mask.cpu().expand(self.outputs, -1) for mask in masks]
        return extract_module(self._modular, every, rows, head="slice", check=check)


def ones(masked: Masked) -> list[Tensor]:
    """Per site a bool `[K_l]` that keeps all."""
    return [torch.ones(width, dtype=torch.bool) for width in masked.widths]


def _within(info: SiteInfo, prefix: str) -> SiteInfo:
    return replace(info, layer=prefix + info.layer, norm=None if info.norm is None else prefix + info.norm)
