"""What the tests of cuts share: a network with masks, one cut of it, and how far it is from the whole."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.flop_counter import FlopCounterMode

from nemo.example import Example, call, logits_of, map_example
from nemo.gates import Gate
from nemo.graph.cut import Cutter, others
from nemo.graph.hooks import HookedSite, attach
from nemo.graph.program import Program
from nemo.graph.sites import find_sites
from tests.nemo.any_network.networks import NETWORKS, alive


@dataclass(frozen=True)
class Difference:
    """How a cut compares, all as shares of the largest logit.

    Attributes:
        error: Between the module and the whole network with constant masks.
        moved: Between that and the network without masks.
        spread: Of its logits over the inputs.
        flops: What the module saves of the network's.
    """

    error: float
    moved: float
    spread: float
    flops: float


@dataclass(frozen=True)
class Prepared:
    """A network in double precision whose logits its inputs move, with a site at every layer that can have one."""

    network: nn.Module
    example: Example
    masked: nn.Module
    sites: list[HookedSite]
    cutter: Cutter


def prepare(name: str, *, combined: bool = False) -> Prepared:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network, example = NETWORKS[name]()
    alive(network, example)
    example = map_example(lambda x: x.double() if x.is_floating_point() else x, example)
    masked, sites = attach(network, find_sites(network, example).sites, Gate)
    masked.double().eval()
    followed = Cutter(masked, sites, example, combined=combined).captured
    kept = Program.read(Program(tuple(site.info for site in sites), followed).to_bytes())  # as studies keep it
    assert kept.sites == tuple(site.info for site in sites)
    cutter = Cutter(masked, sites, example, combined=combined, captured=kept.captured)
    return Prepared(network, example, masked, sites, cutter)


def draw(prepared: Prepared, kind: str, seed: int = 1) -> list[Tensor]:
    """Masks `[K_l]`: `half` of the units; a third of the layers `dead`; `one` unit of each; `all`; `valued`."""
    generator = torch.Generator().manual_seed(seed)
    masks = []
    for site in prepared.sites:
        mask = (torch.rand(site.kernels, generator=generator) < 0.5).double()
        mask[torch.randint(site.kernels, (1,), generator=generator)] = 1
        if kind == "dead" and torch.rand((), generator=generator) < 0.3:
            mask.zero_()
        if kind == "one":
            mask = torch.zeros(site.kernels, dtype=torch.float64)
            mask[torch.randint(site.kernels, (1,), generator=generator)] = 1
        if kind == "all":
            mask.fill_(1)
        if kind == "valued":
            mask *= 0.5 + torch.rand(site.kernels, generator=generator)
        masks.append(mask)
    return masks


@torch.no_grad()
def settle(prepared: Prepared, masks: list[Tensor]) -> nn.Module:
    """Takes the statistics of every norm under these masks, for else little would come through.

    Returns:
        The whole network with them, of the same statistics.
    """
    whole = prepared.cutter._masked(masks)
    norms = {name: layer for name, layer in whole.named_modules() if isinstance(layer, _BatchNorm)}
    norms = {name: layer for name, layer in norms.items() if layer.track_running_stats}
    momenta = {name: norm.momentum for name, norm in norms.items()}
    for norm in norms.values():
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    if norms:
        call(whole, others(prepared.example, 8))
    for name, norm in norms.items():
        norm.eval()
        norm.momentum = momenta[name]
        assert norm.running_var is not None
        norm.running_var.clamp_(
            min=1e-3
        )  # of dead channels it is 0, and the next layers see rounding a million times as large
        own = prepared.masked.get_submodule(name)
        assert isinstance(own, _BatchNorm) and own.running_mean is not None and own.running_var is not None
        own.running_mean.copy_(norm.running_mean)  # type: ignore[arg-type]
        own.running_var.copy_(norm.running_var)  # type: ignore[arg-type]
    return whole


def distance(prepared: Prepared, whole: nn.Module, other: nn.Module) -> float:
    """Between the logits of two networks, as a share of the first one's largest."""
    inputs = others(prepared.example)
    want, have = logits_of(call(whole, inputs)), logits_of(call(other, inputs))
    return float((have - want).abs().max()) / float(want.abs().max())


@torch.no_grad()
def compare(prepared: Prepared, masks: list[Tensor]) -> Difference:
    """Cuts, see `settle`."""
    whole = settle(prepared, masks)
    module = prepared.cutter.cut(masks, [0], "none", check=False)
    inputs = others(prepared.example)
    want = logits_of(call(whole, inputs))
    return Difference(
        error=distance(prepared, whole, module),
        moved=distance(prepared, whole, prepared.network),
        spread=float(want.std(0).max()) / float(want.abs().max()),
        flops=1 - count(module, inputs) / count(prepared.network, inputs),
    )


def count(network: nn.Module, example: Example) -> int:
    fast = torch.backends.mha.get_fastpath_enabled()
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in trainable:  # the counter stumbles on views of them
        parameter.requires_grad_(False)
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            call(network, example)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for parameter in trainable:
            parameter.requires_grad_(True)
    return counter.get_total_flops()
