"""From a backbone to a modular network: one mask generator per maskable layer (method.md 2)."""

from __future__ import annotations

from collections.abc import Collection
from copy import deepcopy

from torch import nn

from nemo.backbones.backbone import Backbone, init_convolutions
from nemo.backbones.vit_config import ROLES
from nemo.errors import UserError
from nemo.gates import GATES
from nemo.layers import ConvMaskGenerator, ConvUnit
from nemo.modular import ModularNetwork
from nemo.transformer import NeuronMaskGenerator, TokenUnit


def make_modular(backbone: Backbone, roles: Collection[str] = ROLES, gate: str = "soft") -> ModularNetwork:
    """Gives every maskable layer of a copy of `backbone` a freshly initialised mask generator.

    Weights are kept. Where the backbone has no BatchNorm (SimCNN, ResCNN) the masked layers get one, as published;
    as the weights of such a network mean nothing under it, its convolutions start afresh (method.md 1.5 and 1.6).

    Args:
        backbone: Not changed.
        roles: Which linear layers of a Transformer's blocks are masked; says nothing about convolutions.
        gate: A name of `nemo.gates.GATES`.

    Returns:
        A network whose forward returns `(logits, masks)`.

    Raises:
        UserError: A role does not exist, or no layer can be masked: the first of a backbone never is.
    """
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
