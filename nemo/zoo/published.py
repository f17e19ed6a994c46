"""Weights that a library publishes for a network, fetched by that library's own code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from nemo.errors import UserError
from nemo.zoo.build import timm_architecture, torchvision_weights
from nemo.zoo.failures import library, unknown
from nemo.zoo.names import split
from nemo.zoo.preparation import Preparation, of_timm, of_torchvision, of_transformers
from nemo.zoo.transformers_config import configured, split_revision, stored_fields

Published = tuple[dict[str, Tensor], Preparation]
"""A network's state with the classifier that it was trained with, and how its images were prepared."""


def published(name: str, wanted: str | None) -> Published:
    """Weights of a network's library, from the network or from what the library has fetched before.

    Args:
        name: The network's.
        wanted: Which of its weights; None for the default.

    Raises:
        UserError: There are no such weights.
        Exception: What the library raises where it cannot fetch them.
    """
    prefix, rest = split(name)
    if prefix == "torchvision":
        return _torchvision(rest, wanted or "DEFAULT")
    if prefix == "timm":
        return _timm(rest, wanted)
    if prefix == "python" or (rest.startswith("{") and wanted is None):
        raise UserError(
            f"pretrained: nobody publishes weights of {name}, give a file (.safetensors, .pth, .pt or .bin)."
        )
    return _transformers(wanted or rest)


def usual_preparation(name: str) -> Preparation:
    """How the images are prepared that a network's library publishes its weights for, as far as is known here.

    Args:
        name: The network's.

    Raises:
        UserError: Its library is not installed or does not know it.
    """
    prefix, rest = split(name)
    if prefix == "torchvision":
        return of_torchvision(torchvision_weights(rest).DEFAULT.transforms())
    if prefix == "timm":
        timm_architecture(rest)
        timm = library("timm")
        described = timm.get_pretrained_cfg(rest)
        return Preparation() if described is None else of_timm(timm.data.resolve_data_config(described.to_dict()))
    if prefix == "hf" and Path(rest).is_dir():
        return of_transformers(stored_fields(rest, "preprocessor_config.json", optional=True))
    return Preparation()


def _torchvision(rest: str, wanted: str) -> Published:
    known = torchvision_weights(rest).__members__
    if wanted.rpartition(".")[2] not in known:
        raise unknown("pretrained", f"torchvision:{rest}", wanted, known)
    weights = known[wanted.rpartition(".")[2]]
    # Its own loading unpickles whatever the file holds: so it is fetched, and checked to hold tensors alone, before.
    torch.hub.load_state_dict_from_url(weights.url, check_hash=True, weights_only=True, progress=False)
    network = library("torchvision.models").get_model(rest, weights=weights, progress=False)
    return network.state_dict(), of_torchvision(weights.transforms())


def _timm(rest: str, wanted: str | None) -> Published:
    timm = library("timm")
    if wanted is not None:
        rest = f"hf-hub:{wanted}" if "/" in wanted else f"{rest.partition('.')[0]}.{wanted}"
    if not rest.startswith("hf-hub:"):
        timm_architecture(rest)
    network = timm.create_model(rest, pretrained=True)
    return network.state_dict(), of_timm(timm.data.resolve_model_data_config(network))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what transformers prints of weights that are missing: `load` says it of those that are used."""
    logging = library("transformers.utils.logging")
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _transformers(rest: str) -> Published:
    identity, revision = split_revision(rest)
    fields = stored_fields(rest, "config.json")
    config, kind = configured(f"hf:{rest}", fields.get("num_labels") or len(fields.get("id2label") or (0, 1)))
    # A class of transformers itself: an "auto" one could run code that lies beside the weights.
    with _quiet():
        network, told = kind.from_pretrained(
            identity, config=config, revision=revision, weights_only=True, output_loading_info=True
        )
    state = {key: value for key, value in network.state_dict().items() if key not in told["missing_keys"]}
    return state, of_transformers(stored_fields(rest, "preprocessor_config.json", optional=True))
