"""The network of a method on a backbone, as a training begins with it."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import nn

from nemo.activations import record_activations
from nemo.backbones import build_backbone
from nemo.backbones.backbone import Backbone
from nemo.backbones.foreign import Foreign
from nemo.backbones.vit_config import ROLES
from nemo.errors import UserError
from nemo.example import noise
from nemo.gates import GATES
from nemo.image_size import ImageSize
from nemo.masking import add_norms, at_sites, make_modular
from nemo.methods import METHODS, Method


def build_network(
    backbone: str,
    method: str,
    num_classes: int,
    *,
    width: float = 1.0,
    image_size: ImageSize = 32,
    seed: int = 0,
    roles: Collection[str] = ROLES,
    gate: str = "soft",
    norm: bool = False,
    foreign: Foreign | None = None,
) -> nn.Module:
    """Builds the network of a method, initialised from `seed`; the caller's random state is left alone.

    Args:
        backbone: See `build_backbone`.
        method: A name of `METHODS`.
        num_classes: N.
        width: Multiplier of every hidden width.
        image_size: Height and width in pixels, one number for square images.
        seed: Of the weights.
        roles: See `make_modular`.
        gate: See `make_modular`.
        norm: Whether networks without mask generators get the norms that `make_modular` adds to SimCNN and ResCNN, so
            that they differ from modular ones by the masks alone; the published ones have none.
        foreign: Of a network from elsewhere: its weights, and how it is masked.

    Raises:
        UserError: The backbone cannot be built, or the method does not apply to it.
    """
    entry = METHODS[method]
    if entry.backbones and backbone not in entry.backbones:
        raise UserError(f"backbone: {method} knows no {backbone}, choose {' or '.join(entry.backbones)}.")
    with torch.random.fork_rng(devices=[]):  # weights are drawn on the CPU
        torch.default_generator.manual_seed(seed)
        network = build_backbone(backbone, num_classes, width, image_size)
        if not isinstance(network, Backbone):
            return _from_elsewhere(network, entry, image_size, gate, foreign or Foreign())
        if entry.source == "masks":
            return make_modular(network, roles, gate)
        if norm:
            add_norms(network)
        if entry.source == "activations":
            return record_activations(network, kernels_only=entry.kernels_only)
        return network


def _from_elsewhere(
    network: nn.Module, method: Method, image_size: ImageSize, gate: str, foreign: Foreign
) -> nn.Module:
    from nemo.zoo.weights import load

    example = noise(image_size)
    if foreign.weights is not None:
        load(network, foreign.weights, example, classifier=foreign.rows)
    if method.source is None:
        return network
    known = foreign.program
    if known is not None:
        masks = GATES[gate] if method.source == "masks" else None
        modular = at_sites(network, known.sites, example, masks, foreign.start, foreign.hidden)
        modular.followed[False] = known.captured
        return modular
    if method.source == "activations":
        return record_activations(network, kernels_only=method.kernels_only, example=example, sites=foreign.sites)
    options = {"sites": foreign.sites, "start": foreign.start, "hidden": foreign.hidden}
    return make_modular(network, gate=gate, example=example, **options)  # type: ignore[arg-type]
