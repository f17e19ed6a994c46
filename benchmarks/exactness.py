"""How far a network that Torch-Pruning made smaller is from the network with the same units masked, beside our cut.

Torch-Pruning removes coupled channels together, so the masks here do: of every group of layers that it couples, all of
which can be masked, half of the units go, the same ones in each; other groups stay whole. In double precision and eval
mode, with statistics of the norms taken under the masks; errors are relative to the largest logit. It is no dependency
of this project: `pip install torch-pruning`, or a folder of it in PYTHONPATH.

    .venv/bin/python benchmarks/exactness.py torchvision:resnet18 timm:convnext_atto
"""

from __future__ import annotations

import argparse
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.nemo.any_network.cutting import Prepared, compare, distance, prepare, settle

NETWORKS = [
    *("torchvision:resnet18", "torchvision:mobilenet_v2", "torchvision:mobilenet_v3_small", "torchvision:densenet121"),
    *("torchvision:efficientnet_b0", "torchvision:shufflenet_v2_x1_0", "torchvision:convnext_tiny"),
    *("torchvision:regnet_y_400mf", "timm:vit_tiny_patch16_224", "timm:repvgg_a0"),
    *("transformers:vit", "transformers:bert"),
]


def coupled(tp: Any, network: nn.Module, example: Any, names: set[str]) -> tuple[Any, dict[str, list[int]]]:
    """Its graph of the network, and by layer which of its units go."""
    inputs = example if isinstance(example, Tensor | dict) else tuple(example)
    graph = tp.DependencyGraph().build_dependency(network, example_inputs=inputs)
    layers = {layer: name for name, layer in network.named_modules()}
    draw = torch.Generator().manual_seed(1)
    gone: dict[str, list[int]] = {}
    for name in names:
        layer = network.get_submodule(name)
        if name in gone or not isinstance(layer, nn.Conv2d | nn.Linear):
            continue
        width = layer.out_channels if isinstance(layer, nn.Conv2d) else layer.out_features
        prune = tp.prune_conv_out_channels if isinstance(layer, nn.Conv2d) else tp.prune_linear_out_channels
        chosen = torch.randperm(width, generator=draw)[: width // 2].sort().values.tolist()
        group = graph.get_pruning_group(layer, prune, idxs=chosen)
        computing = {
            layers[dependency.target.module]: list(indices)
            for dependency, indices in group
            if dependency.handler in (tp.prune_conv_out_channels, tp.prune_linear_out_channels)
            and getattr(dependency.target.module, "groups", 1) == 1
        }
        if set(computing) <= names - set(gone) and all(sorted(each) == chosen for each in computing.values()):
            gone |= dict.fromkeys(computing, chosen)
    return graph, gone


def measure(tp: Any, name: str) -> str:
    """A row of the table."""
    prepared = prepare(name)
    names = {site.info.layer: site.kernels for site in prepared.sites}
    try:
        _, gone = coupled(tp, prepared.network, prepared.example, set(names))
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return f"| `{name}` | | | it fails: {reason[:60]} | |"
    masks = [torch.ones(site.kernels, dtype=torch.float64) for site in prepared.sites]
    for site, mask in zip(prepared.sites, masks, strict=True):
        mask[gone.get(site.info.layer, [])] = 0
    ours = compare(prepared, masks)
    theirs = error_of(tp, prepared, masks, gone)
    return f"| `{name}` | {len(gone)} of {len(names)} | {ours.moved:.2f} | {theirs} | {ours.error:.0e} |"


@torch.no_grad()
def error_of(tp: Any, prepared: Prepared, masks: list[Tensor], gone: dict[str, list[int]]) -> str:
    """The error of the network that it makes smaller."""
    whole = settle(prepared, masks)
    own = prepared.network.state_dict()
    prepared.network.load_state_dict(
        {name: value for name, value in prepared.masked.state_dict().items() if name in own}
    )
    try:
        with torch.enable_grad():
            graph = tp.DependencyGraph().build_dependency(prepared.network, example_inputs=prepared.example)
        done: set[str] = set()
        for name, units in gone.items():
            layer = prepared.network.get_submodule(name)
            width = layer.out_channels if isinstance(layer, nn.Conv2d) else layer.out_features
            if name in done or width != len(masks[[site.info.layer for site in prepared.sites].index(name)]):
                continue  # it went with another one
            prune = tp.prune_conv_out_channels if isinstance(layer, nn.Conv2d) else tp.prune_linear_out_channels
            graph.get_pruning_group(layer, prune, idxs=units).prune()
            done.add(name)
        return f"{distance(prepared, whole, prepared.network):.0e}"
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return f"it fails: {reason[:60]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=NETWORKS, help="of tests/nemo/any_network/networks.py")
    options = parser.parse_args()
    try:
        import torch_pruning as tp
    except ImportError:
        parser.error("torch_pruning is not installed: pip install torch-pruning")
    warnings.simplefilter("ignore")
    print(f"Torch-Pruning {version('torch-pruning')}, torch {torch.__version__}\n")
    print(
        "| network | layers cut | the masks moved the logits by | Torch-Pruning's error | ours |\n|---|---|---|---|---|"
    )
    for name in options.networks:
        print(measure(tp, name), flush=True)


if __name__ == "__main__":
    main()
