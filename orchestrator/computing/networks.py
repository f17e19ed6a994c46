"""The outputs of finished steps that other steps read: documents, networks and masks, from the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.fx import GraphModule

from nemo.backbones.foreign import Foreign
from nemo.backbones.vit_config import ROLES, short_name, with_config
from nemo.blueprint import Blueprint
from nemo.errors import UserError
from nemo.example import blank
from nemo.frozen import freeze
from nemo.graph.document import module_document
from nemo.graph.program import Program
from nemo.image_size import input_shape
from nemo.methods import METHODS
from nemo.modular import ModularNetwork
from nemo.networks import build_network
from nemo.recipe import Recipe
from nemo.zoo import names as zoo
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.results import Result
from orchestrator.plan.step import Step
from orchestrator.storage import layout
from orchestrator.storage.keys import canonical
from orchestrator.storage.layout import MODULES, NETWORK, PROGRAM
from orchestrator.study.data import content_of, location
from orchestrator.study.pair import Pair
from orchestrator.study.study import Study


def params_of(ledger: Ledger, key: str) -> Mapping[str, Any]:
    """The parameters of a finished step."""
    return finished(ledger, key)["params"]


def result_of(ledger: Ledger, key: str) -> Mapping[str, Any]:
    """The result of a finished step."""
    return finished(ledger, key)["result"]


def finished(ledger: Ledger, key: str) -> Result:
    """The ledger's document of a finished step.

    Raises:
        UserError: It does not exist any more.
    """
    result = ledger.get(key)
    if result is None:
        raise UserError(_missing_result(key))
    return result


@contextmanager
def artifact_of(ledger: Ledger, key: str, name: str) -> Iterator[Path]:
    """Yields a local file with an artifact of a finished step, after its checksum was verified.

    Raises:
        UserError: It is damaged or missing; the result that it belongs to is in quarantine.
    """
    with ledger.reading(key, name) as path:
        if path is None:
            raise UserError(_missing_result(key))
        yield path


def _missing_result(key: str) -> str:
    return f"ledger: the result {key} that a step builds on is damaged or missing, run the study with --retry-failed."


def modular_network(ledger: Ledger, key: str, program: bytes | None = None) -> ModularNetwork:
    """The network of a finished training, or of a finished search, in eval mode; see `network_of`."""
    return cast("ModularNetwork", network_of(params_of(ledger, key), state_of(ledger, key), program))


def program_of(ledger: Ledger, key: str) -> bytes | None:
    """What a relevance pass wrote of how its network is followed; None of our own, and of passes of before."""
    with ledger.reading(key, PROGRAM) as path:
        return None if path is None else path.read_bytes()


def state_of(ledger: Ledger, key: str) -> dict[str, Tensor]:
    """The weights of a training; for a search those of the network that it started from, which it does not change."""
    document = finished(ledger, key)
    starts_from = METHODS[document["params"]["method"]].starts_from
    if starts_from is None:
        with artifact_of(ledger, key, NETWORK) as path:
            return load_file(path)
    return searched_state(ledger, document["parents"][starts_from])


def searched_state(ledger: Ledger, key: str) -> dict[str, Tensor]:
    """The weights of a standard training by their names in a network that records activations."""
    return {f"network.{name}": tensor for name, tensor in state_of(ledger, key).items()}


def found_masks(ledger: Ledger, key: str) -> list[Tensor] | None:
    """Per layer bool `[N, K_l]`: the modules that a search found; None for a training, which needs a threshold."""
    if METHODS[params_of(ledger, key)["method"]].starts_from is None:
        return None
    with artifact_of(ledger, key, MODULES) as path:
        layers = load_file(path)
    return [layers[str(number)] for number in range(len(layers))]


def network_of(train: Mapping[str, Any], state: Mapping[str, Tensor], program: bytes | None = None) -> nn.Module:
    """A network that shares the memory of `state`, in eval mode; its weights are not initialised first.

    Args:
        train: Params of its training.
        state: Its weights.
        program: See `program_of`; without, a modular network from elsewhere is followed.
    """
    if zoo.is_foreign(train["backbone"]):
        shape = canonical({name: train[name] for name in _SHAPING if name in train})
        network = deepcopy(_skeleton(shape, gate_of(train), program))
    else:
        with torch.device("meta"):
            network = build(train)
    network.load_state_dict(state, assign=True)
    return network.eval()


_SHAPING = ("backbone", "config", "foreign", "method", "num_classes", "width", "image_size")
"""The parameters of a training that say what a network from elsewhere is, before its weights."""


@lru_cache(maxsize=4)
def _skeleton(shape: str, gate: str, program: bytes | None) -> nn.Module:
    """A network from elsewhere, made once for all trainings and sub-tasks of it that this process computes."""
    known = None if program is None else Program.read(program)
    return build({**json.loads(shape), "seed": 0, "recipe": {"gate": gate}}, program=known)


def backbone_of(train: Mapping[str, Any]) -> str:
    """The name by which a training's backbone is built."""
    if "config" not in train:
        return str(train["backbone"])
    if train["backbone"].startswith("hf:"):
        return "hf:" + json.dumps(train["config"])
    return with_config(train["config"])


def build(
    train: Mapping[str, Any],
    method: str | None = None,
    weights: str | None = None,
    program: Program | None = None,
) -> nn.Module:
    """The network of a training at its beginning, or that of another method.

    Args:
        train: The training's parameters.
        method: None for its own.
        weights: The file of pretrained weights that it starts from; None leaves them fresh, for others to be loaded.
        program: What was found by following it before.

    Raises:
        UserError: The file is not the one that the study was planned with.
    """
    own = train.get("foreign", {})
    if weights is not None and content_of(weights) != own["weights"]:
        raise UserError(f"pretrained: {weights} is another file than when the study was planned, put that one back.")
    foreign = Foreign(
        weights=None if weights is None else Path(weights),
        rows=own.get("rows"),
        sites=own.get("sites", ()),
        start=own.get("start", "published"),
        hidden=own.get("hidden"),
        program=program,
    )
    return build_network(
        backbone_of(train),
        method or train["method"],
        train["num_classes"],
        width=train["width"],
        image_size=train["image_size"],
        seed=train["seed"],
        roles=train.get("roles", ROLES),
        gate=gate_of(train),
        norm=train.get("norm", False),
        foreign=foreign,
    )


@contextmanager
def weights_of(step: Step, ledger: Ledger) -> Iterator[str | None]:
    """Yields the file of pretrained weights that a training starts from, as the study's storage keeps it; or None.

    Raises:
        UserError: It is missing or damaged.
    """
    sha256, given = step.params.get("foreign", {}).get("weights"), step.where.get("weights")
    if sha256 is None:
        yield None
        return
    name = layout.weights(sha256) if given is None else layout.weights(sha256, Path(given).suffix)
    with ledger.store.fetching(name) as path:
        if path is None and given is None:
            raise UserError(f"pretrained: {ledger.store.where(name)} is missing, run the study again to fetch it.")
        if path is not None and content_of(str(path)) != sha256:
            aside = ledger.store.set_aside(name, layout.QUARANTINE)
            raise UserError(f"pretrained: kept weights are damaged and now {aside}, run again with --retry-failed.")
        yield given if path is None else str(path)


def build_once(study: Study, steps: Iterable[Step], ledger: Ledger) -> None:
    """Builds each network of these trainings once that transformers makes, starts from weights or is frozen in part.

    So networks, weights and patterns that don't fit are reported before anything starts.

    Raises:
        UserError: Some don't; the message has all of them, each with the line of its pair in the study file.
    """
    seen, errors = set(), []
    for step in steps:
        only = step.params["recipe"].get("train_only") if step.kind == "train" else None
        of_transformers = step.kind == "train" and step.params["backbone"].startswith("hf:")
        if step.kind != "train" or not (only or of_transformers or "weights" in step.params.get("foreign", {})):
            continue
        shape = canonical([only, {name: step.params[name] for name in _SHAPING if name in step.params}])
        if shape in seen:
            continue
        seen.add(shape)
        try:
            with weights_of(step, ledger) as weights:
                network = build(step.params, weights=weights)
            if only:
                freeze(network, only, blank(input_shape(step.params["image_size"]), 1)[0])
        except UserError as error:
            place = next((number for number, pair in enumerate(study.pairs) if _trains(study, pair, step)), 0)
            errors.append(f"{study.where('pairs', place, 'backbone')}: {step.params['method']}: {error}")
    if errors:
        raise UserError("\n".join(dict.fromkeys(errors)))


def _trains(study: Study, pair: Pair, step: Step) -> bool:
    """Whether a training may be one of a pair's, or of its teacher."""
    names = [short_name(each.backbone) for each in (pair, pair.taught_by) if each is not None]
    if step.params["backbone"] not in names or not location(study, pair).items() <= step.where.items():
        return False
    weights = pair.weights if pair.fetches else pair.pretrained and content_of(str(pair.pretrained))
    only = study.recipe_for(pair, step.params["method"]).train_only
    theirs = step.params.get("foreign", {}).get("weights"), list(step.params["recipe"].get("train_only") or [])
    return theirs == (weights or None, list(only or []))


def blueprint_of(train: Mapping[str, Any], cut: Mapping[str, Any], module: nn.Module) -> Blueprint:
    """How a module was cut.

    Args:
        train: Params of the training.
        cut: Params of the step: `classes` and, where they are not those of a derived network, `head`, `mask_values` and
            `surgery`.
        module: On the CPU.
    """
    return Blueprint(
        backbone=backbone_of(train),
        method=train["method"],
        num_classes=train["num_classes"],
        width=train["width"],
        image_size=train["image_size"],
        classes=cut["classes"],
        head=cut.get("head", "slice"),
        mask_values=cut.get("mask_values", "drop"),
        surgery=cut.get("surgery", "exact"),
        roles=train.get("roles", ROLES),
        gate=gate_of(train),
        norm=train.get("norm", False),
        graph=module_document(module) if isinstance(module, GraphModule) else None,
    )


def gate_of(train: Mapping[str, Any]) -> str:
    """The gate of a training's mask generators; its parameters leave out the default, which is the published one."""
    return str(train["recipe"].get("gate", Recipe.gate))


def save_tensors(ledger: Ledger, key: str, name: str, tensors: Mapping[str, Tensor]) -> None:
    """Writes an artifact of a step."""
    with ledger.writing(key, name) as path:
        save_file({tensor: values.contiguous() for tensor, values in tensors.items()}, path)
