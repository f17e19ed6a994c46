"""From a network to a modular network: one mask generator per maskable layer (method.md 2)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Literal

from torch import Tensor, nn

from nemo.backbones.backbone import Backbone, init_convolutions
from nemo.backbones.vit_config import ROLES
from nemo.errors import UserError
from nemo.example import Example, map_example
from nemo.gates import GATES, Gate, IdentityGate
from nemo.layers import ConvMaskGenerator, ConvUnit
from nemo.modular import ModularNetwork
from nemo.transformer import NeuronMaskGenerator, TokenUnit

if TYPE_CHECKING:
    from nemo.graph.sites import SiteInfo

Start = Literal["published", "identity"]
"""How generators start: as published, which moves a trained network's logits far; or near masks of 1."""


def make_modular(
    net: nn.Module,
    roles: Collection[str] = ROLES,
    gate: str = "soft",
    *,
    example: Example | None = None,
    sites: Sequence[str] = (),
    start: Start = "published",
    hidden: int | None = None,
) -> ModularNetwork:
    """Gives every maskable layer of a copy of a network a freshly initialised mask generator.

    Weights are kept. One of our backbones says itself what is masked; where it has no BatchNorm (SimCNN, ResCNN) the
    masked layers get one, as published, and as the weights of such a network mean nothing under it, its convolutions
    start afresh (method.md 1.5 and 1.6). In any other network the sites are found, and nothing but masks is added.

    Args:
        net: One of our backbones, or any network; not changed.
        roles: Which linear layers of our Transformers' blocks are masked; says nothing about other layers.
        gate: A name of `nemo.gates.GATES`.
        example: Inputs of another network than ours, as it takes them; needed for these.
        sites: See `find_sites`; for other networks than ours.
        start: `published`, or `identity` for a network that is trained: masks start near 1, and the generators read
            normalised means.
        hidden: Width of the generators' hidden layer; None for the published one.

    Returns:
        A network whose forward returns `(logits, masks)`.

    Raises:
        UserError: A role or an option does not exist, no layer can be masked, or the network can't be followed.
    """
    if start not in ("published", "identity"):
        raise UserError(f"start: {start!r} is unknown, choose published or identity.")
    if start == "identity" and gate != "soft":
        raise UserError(f"start: identity has a gate of its own, leave gate: {gate} out.")
    if not isinstance(net, Backbone):
        return _any_network(net, GATES[gate], example, sites, start, hidden)
    if example is not None or sites or start != "published" or hidden is not None:
        raise UserError(
            "example, sites, start, hidden: are for other networks than this project's own, leave them out."
        )
    return _backbone(net, roles, gate)


def _any_network(
    net: nn.Module, gate: type[Gate], example: Example | None, sites: Sequence[str], start: Start, hidden: int | None
) -> ModularNetwork:
    from nemo.graph.sites import needed_sites

    found = needed_sites(net, example, sites)
    assert example is not None
    return at_sites(net, found, example, gate, start, hidden)


def at_sites(
    net: nn.Module,
    sites: Sequence[SiteInfo],
    example: Example,
    gate: type[Gate] | None,
    start: Start = "published",
    hidden: int | None = None,
) -> ModularNetwork:
    """Another network than ours that records at known sites: its masks, or without a gate its activations."""
    from nemo.graph.hooks import attach

    near = start == "identity"
    network, units = attach(
        net, sites, IdentityGate if near and gate is not None else gate, hidden, normalised=near and gate is not None
    )
    return ModularNetwork(network, units, map_example(Tensor.detach, example))


def _backbone(backbone: Backbone, roles: Collection[str], gate: str) -> ModularNetwork:
    unknown = sorted(set(roles) - set(ROLES))
    if unknown:
        raise UserError(f"roles: {unknown[0]!r} is unknown, choose among {', '.join(ROLES)}.")
    network = deepcopy(backbone)
    add_norms(network)
    for unit in network.modules():
        if isinstance(unit, ConvUnit) and unit.maskable:
            generator = ConvMaskGenerator(unit.conv.in_channels, unit.kernels, GATES[gate]())
            unit.mask_generator = generator.to(unit.conv.weight)
            unit.records = "masks"
        elif isinstance(unit, TokenUnit) and unit.maskable and unit.role in roles:
            neurons = NeuronMaskGenerator(unit.linear.in_features, unit.kernels, GATES[gate]())
            unit.mask_generator = neurons.to(unit.weight)
            unit.records = "masks"
    modular = ModularNetwork(network)
    if not modular.units:
        raise UserError(
            "backbone: no layer of this network can be masked, give it a ConvUnit after the first one, or a second "
            f"Transformer block with one of the roles {', '.join(ROLES)}."
        )
    return modular


def add_norms(network: Backbone) -> None:
    """Gives every maskable convolution without a norm a BatchNorm, in place; where there is one, all start afresh."""
    bare = [unit for unit in network.modules() if isinstance(unit, ConvUnit) and unit.maskable]
    bare = [unit for unit in bare if isinstance(unit.norm, nn.Identity)]
    for unit in bare:
        unit.norm = nn.BatchNorm2d(unit.kernels).to(unit.conv.weight)
    if bare:
        init_convolutions(network)
