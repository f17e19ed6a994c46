"""From a network to a modular network without mask generators: its activations tell what is relevant."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

from torch import nn

from nemo.backbones.backbone import Backbone
from nemo.errors import UserError
from nemo.example import Example
from nemo.layers import ConvUnit
from nemo.masking import at_sites
from nemo.modular import ModularNetwork
from nemo.sites import Site


def record_activations(
    net: nn.Module, *, kernels_only: bool = False, example: Example | None = None, sites: Sequence[str] = ()
) -> ModularNetwork:
    """Makes every site of a copy of a network record its mean activations.

    Of one of our backbones these are the blocks that end in a ReLU: convolutions, hidden linear layers, and residual
    blocks after their addition; the first convolution too. Of any other network they are found, and the activation
    behind each is read, or its output where there is none; where these are never exactly 0, what is silent counts as 0,
    see `nemo.graph.hooks.SILENT`. Nothing is added to the network and nothing started afresh.

    Args:
        net: One of our backbones, or any network; not changed.
        kernels_only: Leave out what is not a convolution: linear layers and residual additions.
        example: Inputs of another network than ours, as it takes them; needed for these.
        sites: See `find_sites`; for other networks than ours.

    Returns:
        A network whose forward returns `(logits, activations)`.

    Raises:
        UserError: The backbone has no ReLU; or another network can't be followed or has no such layer.
    """
    if not isinstance(net, Backbone):
        return _any_network(net, example, sites, kernels_only=kernels_only)
    if example is not None or sites:
        raise UserError("example, sites: are for other networks than this project's own, leave them out.")
    network = deepcopy(net)
    for site in network.modules():
        if isinstance(site, ConvUnit if kernels_only else Site) and site.relu:
            site.records = "activations"
    modular = ModularNetwork(network)
    if not modular.units:
        raise UserError(
            "method: activations tell what is relevant only after a ReLU, and this network has none: choose a method "
            "with mask generators."
        )
    return modular


def _any_network(
    net: nn.Module, example: Example | None, sites: Sequence[str], *, kernels_only: bool
) -> ModularNetwork:
    from nemo.graph.sites import CONVOLUTIONS, needed_sites

    found = needed_sites(net, example, sites)
    assert example is not None
    if kernels_only:
        found = tuple(info for info in found if isinstance(net.get_submodule(info.layer), CONVOLUTIONS))
    return at_sites(net, found, example, None)
