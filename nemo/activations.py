"""From a backbone to a modular network without mask generators: its activations tell what is relevant."""

from __future__ import annotations

from copy import deepcopy

from nemo.backbones.backbone import Backbone
from nemo.errors import UserError
from nemo.layers import ConvUnit
from nemo.modular import ModularNetwork
from nemo.sites import Site


def record_activations(backbone: Backbone, *, kernels_only: bool = False) -> ModularNetwork:
    """Makes every block of a copy of `backbone` that ends in a ReLU record its mean activations.

    Convolutions, hidden linear layers, and residual blocks after their addition; the first convolution too. Nothing
    is added to the network and nothing started afresh.

    Args:
        backbone: Not changed.
        kernels_only: Leave out what is not a convolution: hidden linear layers and residual additions.

    Returns:
        A network whose forward returns `(logits, activations)`.

    Raises:
        UserError: The network has no ReLU.
    """
    network = deepcopy(backbone)
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
