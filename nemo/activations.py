"""From a backbone to a modular network without mask generators: its activations tell what is relevant."""

from __future__ import annotations

from copy import deepcopy

from nemo.backbones.backbone import Backbone
from nemo.errors import UserError
from nemo.modular import ModularNetwork
from nemo.sites import Site


def record_activations(backbone: Backbone) -> ModularNetwork:
    """Makes every block of a copy of `backbone` that ends in a ReLU record its mean activations.

    Convolutions, hidden linear layers, and residual blocks after their addition; the first convolution too. Nothing
    is added to the network and nothing started afresh.

    Returns:
        A network whose forward returns `(logits, activations)`; the given backbone is not changed.

    Raises:
        UserError: The network has no ReLU.
    """
    network = deepcopy(backbone)
    for site in network.modules():
        if isinstance(site, Site) and site.relu:
            site.records = "activations"
    modular = ModularNetwork(network)
    if not modular.units:
        raise UserError(
            "method: activations tell what is relevant only after a ReLU, and this network has none: choose a method "
            "with mask generators."
        )
    return modular
