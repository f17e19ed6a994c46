"""The method: networks that fall apart into per-class modules, in plain PyTorch.

    backbone = nemo.build_backbone("vgg16", num_classes=10)
    modular = nemo.make_modular(backbone)            # forward: (logits, masks)
    ...train, then...
    relevance = nemo.relevance(modular, batches, num_classes=10)
    masks = nemo.module_masks(relevance.frequencies, threshold=0.9)
    module = nemo.extract_module(modular, masks, classes=[3, 5])

Names are imported when they are first used, so that `import nemo` needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nemo import flops, masking, metrics, modularizing, objectives, subtasks, surgery
    from nemo.activations import record_activations
    from nemo.backbones import build_backbone
    from nemo.datasets import describe_dataset, load_dataset
    from nemo.deriving.derive import Derived, derive
    from nemo.errors import UserError
    from nemo.evaluation import evaluate, predict
    from nemo.flops import count_flops, count_parameters
    from nemo.graph.sites import FoundSites, SiteInfo, find_sites
    from nemo.masking import make_modular
    from nemo.methods import METHODS
    from nemo.modular import ModularNetwork
    from nemo.modularizing import Relevance, measure, measure_masks, module_masks, relevance
    from nemo.module_file import load_module
    from nemo.networks import build_network
    from nemo.recipe import Finetune, Recipe
    from nemo.reuse import reuse_module
    from nemo.surgery import extract_module
    from nemo.training import Trainer, TrainingDiverged

_HOMES = {
    "activations": ("record_activations",),
    "backbones": ("build_backbone",),
    "datasets": ("describe_dataset", "load_dataset"),
    "deriving.derive": ("Derived", "derive"),
    "errors": ("UserError",),
    "evaluation": ("evaluate", "predict"),
    "flops": ("count_flops", "count_parameters"),
    "graph.sites": ("FoundSites", "SiteInfo", "find_sites"),
    "masking": ("make_modular",),
    "methods": ("METHODS",),
    "modular": ("ModularNetwork",),
    "modularizing": ("Relevance", "measure", "measure_masks", "module_masks", "relevance"),
    "module_file": ("load_module",),
    "recipe": ("Finetune", "Recipe"),
    "reuse": ("reuse_module",),
    "surgery": ("extract_module",),
    "networks": ("build_network",),
    "training": ("Trainer", "TrainingDiverged"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}
_MODULES = (
    *("backbones", "baselines", "datasets", "distributed", "errors", "evaluation", "flops", "layers", "loader"),
    *("masking", "methods", "metrics", "modularizing", "objectives", "recipe", "reuse", "subtasks", "surgery"),
    "training",
)

__all__ = [
    "METHODS",
    "Derived",
    "Finetune",
    "FoundSites",
    "ModularNetwork",
    "Recipe",
    "Relevance",
    "SiteInfo",
    "Trainer",
    "TrainingDiverged",
    "UserError",
    "build_backbone",
    "build_network",
    "count_flops",
    "count_parameters",
    "derive",
    "describe_dataset",
    "evaluate",
    "extract_module",
    "find_sites",
    "flops",
    "load_dataset",
    "load_module",
    "make_modular",
    "masking",
    "measure",
    "measure_masks",
    "metrics",
    "modularizing",
    "module_masks",
    "objectives",
    "predict",
    "record_activations",
    "relevance",
    "reuse_module",
    "subtasks",
    "surgery",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"nemo.{_HOME[name]}"), name)
    if name in _MODULES:
        return import_module(f"nemo.{name}")
    raise AttributeError(f"module 'nemo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
