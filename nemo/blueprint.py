"""How a module was cut, without its weights: what its network is built again from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nemo.backbones.vit_config import ROLES
from nemo.graph.document import build_module
from nemo.image_size import ImageSize
from nemo.networks import build_network
from nemo.surgery import Head, MaskValues, Surgery, extract_module


@dataclass(frozen=True)
class Blueprint:
    """The network that a module was cut out of, and the cut; as JSON, but for what it kept.

    Attributes:
        backbone: A name of the registry, or `vit:` and a configuration, of a network of `num_classes` classes.
        method: What it was trained with.
        classes: Numbers of the module's classes in that network.
        head, mask_values, surgery: See `extract_module`.
        gate: See `nemo.recipe.Recipe`; of a module that keeps its mask generators.
        norm: See `nemo.networks.build_network`.
        graph: Of a module of another network than ours: what it computes, see `nemo.graph.document`.
    """

    backbone: str
    method: str
    num_classes: int
    width: float
    image_size: ImageSize
    classes: Sequence[int]
    head: Head
    mask_values: MaskValues
    surgery: Surgery = "exact"
    roles: Sequence[str] = ROLES
    gate: str = "soft"
    norm: bool = False
    graph: Mapping[str, Any] | None = None

    def build(self, kept: Sequence[Tensor]) -> nn.Module:
        """The module with weights that mean nothing, in eval mode.

        Args:
            kept: Per site of the network a bool `[K_l]`: what the module keeps.
        """
        if self.graph is not None:
            return build_module(self.graph)
        with torch.random.fork_rng(devices=[]):
            network: Any = build_network(
                self.backbone,
                self.method,
                self.num_classes,
                width=self.width,
                image_size=self.image_size,
                roles=self.roles,
                gate=self.gate,
                norm=self.norm,
            )
            masks = [each.expand(self.num_classes, -1) for each in kept]
            means = [mask.float() for mask in masks] if self.mask_values == "fold_mean" else None
            return extract_module(network.eval(), masks, self.classes, self.mask_values, self.head, means, self.surgery)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        described = asdict(self)
        if self.graph is None:
            del described["graph"]
        return described

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Blueprint:
        """What `document` wrote."""
        return cls(**document)


def kept_by(module_masks: Sequence[Tensor], classes: Sequence[int]) -> list[Tensor]:
    """Per site a bool `[K_l]`: the union of the masks `[N, K_l]` of some classes."""
    return [(mask[list(classes)] > 0).any(0).cpu() for mask in module_masks]
