"""Making the rivals of a module at equal size, which `nemo.control` describes.

A module's accuracy alone says nothing of its masks: as many other units, fine-tuned alike, may do as well. So each
control keeps exactly as many units of every site as the module does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from nemo.control import CONTROLS, PRUNED, Control
from nemo.datasets.dataset import Dataset
from nemo.errors import UserError
from nemo.evaluation import BATCH
from nemo.graph.hooks import HookedSite, attach_open
from nemo.layers import LinearUnit, Residual
from nemo.loader import Loader
from nemo.modes import eval_mode
from nemo.modular import ModularNetwork
from nemo.sites import Site
from nemo.tokens import token_mean


def control_masks(
    control: Control,
    network: ModularNetwork,
    module_masks: Sequence[Tensor],
    classes: Sequence[int],
    subtask: Dataset,
    *,
    seed: int,
    device: torch.device | str = "cpu",
) -> list[Tensor]:
    """Which units a control keeps of a network, in the form of module masks.

    Args:
        control: `fresh` keeps the module's own.
        network: What it is cut from: for `magnitude` and `activation` the `as_sites_of` the standard network.
        module_masks: The module's, per site `[N, K_l]`.
        classes: The sub-task's.
        subtask: Its images, whose training images `activation` looks at.
        seed: Of the study; the draw of `random` differs between sub-tasks, and not between runs.
        device: Where to run `activation`.

    Returns:
        Per site a bool `[N, K_l]` with equal rows, of which as many are set as any of the classes' module masks keep.

    Raises:
        UserError: The control does not exist.
    """
    kept = [(mask[list(classes)] > 0).any(0) for mask in module_masks]
    counts = [int(each.sum()) for each in kept]
    scores: list[Tensor]
    if control == "fresh":
        chosen = kept
    else:
        if control == "random":
            draw = np.random.SeedSequence((seed, *classes)).generate_state(1)[0]
            generator = torch.Generator().manual_seed(int(draw))
            scores = [torch.rand(len(each), generator=generator) for each in kept]
        elif control == "magnitude":
            scores = [weight_norms(unit, network.network) for unit in network.units]
        elif control == "activation":
            scores = _activities(network, subtask, device)
        else:
            raise UserError(f"controls: {control!r} is unknown, choose among {', '.join(CONTROLS)}.")
        chosen = [_largest(each.cpu(), count) for each, count in zip(scores, counts, strict=True)]
    return [each.expand(len(mask), -1) for each, mask in zip(chosen, module_masks, strict=True)]


def cut_from(control: Control, modular: ModularNetwork, standard: nn.Module | None) -> ModularNetwork:
    """The network that a control is cut from.

    Raises:
        UserError: It is the standard network, and there is none.
    """
    if control not in PRUNED:
        return modular
    if standard is None:
        raise UserError(f"controls: {control} is cut from a trained standard network, pass it.")
    return as_sites_of(modular, standard)


def as_sites_of(modular: ModularNetwork, standard: nn.Module) -> ModularNetwork:
    """A copy of a standard network that is cut at the sites of a modular one; it is never run as a modular network.

    Raises:
        UserError: The two are not of one backbone and width.
    """
    if modular.example is not None:
        infos = [unit.info for unit in modular.units if isinstance(unit, HookedSite)]
        network, units = attach_open(standard, infos)
        pruned = ModularNetwork(network, units, modular.example)
        if False in modular.followed:  # beside constant masks nothing of the generators is left
            pruned.followed[False] = modular.followed[False]
        return pruned
    network = deepcopy(standard)
    blocks = dict(network.named_modules())
    for name, site in modular.network.named_modules():
        if site in modular.units:
            block = blocks.get(name)
            if not isinstance(block, Site) or block.kernels != cast("Site", site).kernels:
                raise UserError("controls: the standard network is not of the modular one's shape, train it alike.")
            block.records = cast("Site", site).records
    return ModularNetwork(network)


@torch.no_grad()
def start_afresh(module: nn.Module, *, seed: int) -> None:
    """Draws all weights of a module anew, in place: convolutions as backbones do, other layers by torch's own rule."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
            elif layer.__class__.__module__.startswith("torch.nn") and hasattr(layer, "reset_parameters"):
                cast("nn.Linear", layer).reset_parameters()
            else:  # a Transformer's positions and special tokens
                for parameter in layer.parameters(recurse=False):
                    nn.init.trunc_normal_(parameter, std=0.02)


def _heard(site: Site, network: nn.Module) -> nn.Module:
    """The module whose output is a site's."""
    return network.get_submodule(site.info.norm or site.info.layer) if isinstance(site, HookedSite) else site


def _largest(scores: Tensor, count: int) -> Tensor:
    """Bool `[K]`: the `count` largest, the first of equals."""
    kept = torch.zeros(len(scores), dtype=torch.bool)
    kept[scores.argsort(descending=True, stable=True)[:count]] = True
    return kept


def weight_norms(site: Site, network: nn.Module) -> Tensor:
    """The L2 norm of the weights that compute each unit, `[K]`; of a sum that of all that feeds it."""
    if isinstance(site, HookedSite):
        return cast("Tensor", network.get_submodule(site.info.layer).weight).detach().flatten(1).double().norm(dim=1)
    feeding = site.ends if isinstance(site, Residual) else [site]
    weights = [cast("Tensor", each.linear.weight if isinstance(each, LinearUnit) else each.weight) for each in feeding]
    squares = [weight.detach().flatten(1).double().square().sum(1) for weight in weights]
    return torch.stack(squares).sum(0).sqrt()


@torch.no_grad()
def _activities(network: ModularNetwork, subtask: Dataset, device: torch.device | str) -> list[Tensor]:
    """Per site the mean absolute output of each unit over the sub-task's training images, `[K]`."""
    backbone = network.network.to(device)
    with eval_mode(backbone), listening(network.units, backbone) as sums:
        for batch in Loader(subtask.train, dataset=subtask, batch_size=BATCH, train=False, device=device).epoch():
            backbone(batch.images)
    return [sums[unit] for unit in network.units]


@contextmanager
def listening(sites: Sequence[Site], network: nn.Module) -> Iterator[dict[Site, Tensor]]:
    """Adds up what the sites put out while it is open: images count alike, for all have as many positions.

    Of another network than ours it is what the activation behind a site makes of it, where there is one.
    """
    sums: dict[Site, Tensor] = {}

    def adder(site: Site) -> Callable[[nn.Module, object, Tensor], None]:
        def add(_: nn.Module, __: object, output: Tensor) -> None:
            if isinstance(site, HookedSite):
                units = site.heard(output)
                if site.present is not None:
                    units = token_mean(units, site.present)  # padding is no part of a text
            else:
                units = (output if output.dim() < 4 else output.movedim(1, -1)).abs()
            total = units.double().sum(tuple(range(units.dim() - 1)))  # of [..., K_l]
            sums[site] = sums[site] + total if site in sums else total

        return add

    hooks = [_heard(site, network).register_forward_hook(adder(site)) for site in sites]
    try:
        yield sums
    finally:
        for hook in hooks:
            hook.remove()
