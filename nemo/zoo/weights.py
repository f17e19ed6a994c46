"""Pretrained weights: fetched once, kept by their content, and loaded into networks of another number of classes."""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nemo.errors import UserError
from nemo.example import Example
from nemo.graph.capture import Captured
from nemo.zoo.classifier import find_classifier, keep_rows
from nemo.zoo.failures import reason, reason_of_download
from nemo.zoo.names import check_name, is_published
from nemo.zoo.preparation import Preparation
from nemo.zoo.published import published

_WITHIN = ("state_dict", "model")  # where a training script keeps the state in its file
_WRAPPERS = ("module.", "_orig_mod.")  # what DDP and torch.compile put before every name
_COUNTER = "num_batches_tracked"  # no weight, and not in files of older versions of torch


@dataclass(frozen=True, kw_only=True)
class Weights(Preparation):
    """Weights that have been fetched, and how the images were prepared that they were trained on.

    Attributes:
        path: Their safetensors file.
        sha256: Of its content, in hex.
    """

    path: Path
    sha256: str


def fetch(name: str, pretrained: Literal[True] | str, into: Path) -> Weights:
    """Fetches weights and keeps them, classifier included, as one safetensors file named by its SHA-256.

    Args:
        name: The network's, see `check_name`.
        pretrained: True for the library's default; the name of a torchvision enum (`IMAGENET1K_V2`), a tag of timm, or
            `ID@REVISION` of the hub; or a file, see `nemo.zoo.names.FILES`.
        into: The folder where they are kept; made if it is missing.

    Raises:
        UserError: There are no such weights, they can't be fetched, or the file can't be read.
    """
    check_name(name)
    if not is_published(pretrained):
        return _kept(read_state(Path(str(pretrained))), Preparation(), into)
    try:
        state, preparation = published(name, None if pretrained is True else pretrained)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"pretrained: the weights of {name} can't be fetched ({reason_of_download(error)}), bring them as a file "
            "and give its path (.safetensors, .pth, .pt or .bin)."
        ) from error
    return _kept(state, preparation, into)


def read_state(path: Path) -> dict[str, Tensor]:
    """The state in a file of weights; reading it runs nothing that it holds.

    Raises:
        UserError: It is missing, damaged, or holds no state.
    """
    try:
        safe = path.suffix == ".safetensors"
        state: Any = load_file(path) if safe else torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise UserError(
            f"pretrained: {path} can't be read ({reason(error)}), save a network's state_dict()."
        ) from error
    for key in _WITHIN:
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not isinstance(state, Mapping) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"pretrained: {path} holds no state of a network, save its state_dict().")
    return dict(state)


def load(
    network: nn.Module,
    path: Path,
    example: Example,
    *,
    classifier: Sequence[int] | None = None,
    captured: Captured | None = None,
) -> None:
    """Gives a network pretrained weights, in place; all but the classifier have to match by name and shape.

    Args:
        network: Freshly initialised, see `build_foreign`; its classifier stays so unless it gets rows, and so does what
            a network of transformers has on top of its encoder where the weights lack it, which is warned of.
        path: A file of weights, see `Weights.path`.
        example: Inputs as the network takes them; its classifier is found on them.
        classifier: By class of the network the row of the weights' classifier that it keeps; None for a new one.
        captured: What `capture` gave for the network, where that has been done.

    Raises:
        UserError: The first tensor that is missing, not of the network, or of another shape; or see `find_classifier`
            and `keep_rows`.
    """
    name, layer = find_classifier(network, example, captured)
    own = network.state_dict()
    state = _unwrapped(read_state(path), own)
    counters = {key: value for key, value in own.items() if key.endswith(_COUNTER) and key not in state}
    head = {key: value for key, value in own.items() if key in (f"{name}.weight", f"{name}.bias")}
    body = {key: value for key, value in (state | counters).items() if key not in head}
    fresh = {key: value for key, value in own.items() if key not in body and _above(network, key)}
    wrong = _mismatch({key: value for key, value in own.items() if key not in head | fresh}, body)
    if wrong:
        raise UserError(f"pretrained: the weights {wrong}, give those of this backbone at this image_size.")
    if fresh.keys() - head.keys():
        names = ", ".join(sorted({key.rpartition(".")[0] for key in fresh.keys() - head.keys()}))
        warnings.warn(f"pretrained: the weights have no {names}, which start afresh.", stacklevel=2)
    if classifier is not None:
        keep_rows(name, layer, state, classifier)
    network.load_state_dict(body | fresh | head)


def _above(network: nn.Module, key: str) -> bool:
    """Whether a tensor is of what a network of transformers has on top of its encoder, which weights may lack.

    Those of a language model have no classifier, and what pools the tokens is often left out too.
    """
    encoder = getattr(network, "base_model_prefix", "")
    return bool(encoder) and (not key.startswith(f"{encoder}.") or key.startswith(f"{encoder}.pooler."))


def _mismatch(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str | None:
    for key, value in own.items():
        if key not in given:
            return f"have no {key}"
        if given[key].shape != value.shape:
            return f"have a {key} of {list(given[key].shape)} where the network's is of {list(value.shape)}"
    return next((f"have a {key} that the network has not" for key in given if key not in own), None)


def _unwrapped(state: dict[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    for prefix in (*_WRAPPERS, *_WRAPPERS):
        if all(key.startswith(prefix) for key in state) and not all(key.startswith(prefix) for key in own):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _kept(state: Mapping[str, Tensor], preparation: Preparation, into: Path) -> Weights:
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into) as folder:
        written = Path(folder, "state")
        save_file({key: value.detach().cpu().clone().contiguous() for key, value in state.items()}, written)
        with written.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        path = into / f"{sha256}.safetensors"
        os.replace(written, path)
    return Weights(path=path, sha256=sha256, **asdict(preparation))
