"""Networks from elsewhere by their names, freshly initialised."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from nemo.errors import UserError
from nemo.example import logits_of
from nemo.zoo.classifier import new_classifier
from nemo.zoo.failures import library, reason_and_line, unknown
from nemo.zoo.names import check_name, short, split
from nemo.zoo.own import make_own
from nemo.zoo.transformers_config import configured

_INCEPTION = {"aux_logits": False, "transform_input": True, "init_weights": True}
"""One output; and rescaled input, as the published weights want it."""


def build_foreign(name: str, num_classes: int, image_size: int | tuple[int, int]) -> nn.Module:
    """A freshly initialised network from elsewhere.

    Args:
        name: See `check_name`.
        num_classes: Outputs of the classifier.
        image_size: Height and width of the input in pixels, one number for square images.

    Returns:
        A network that maps images `[B, 3, H, W]` to logits `[B, num_classes]`, alone or as the field `logits`. Where a
        user's function makes one of more or fewer logits, its classifier is replaced.

    Raises:
        UserError: The library is not installed or doesn't know the name, or the network does not take such images or
            gives other logits.
    """
    check_name(name)
    label = f"hf:{short(name)}" if name.startswith("hf:{") else name
    if num_classes < 2:
        raise UserError(f"num_classes: {num_classes} leaves nothing to tell apart, give 2 or more.")
    size = (image_size, image_size) if isinstance(image_size, int) else (image_size[0], image_size[1])
    try:
        network = _build(*split(name), num_classes, size)
        outputs = _outputs(label, network, size)
        if outputs != num_classes and name.startswith("python:"):
            new_classifier(network, torch.zeros(2, 3, *size), num_classes)
            outputs = _outputs(label, network, size)
    except UserError:
        raise
    except Exception as error:
        remedy = "mend it or choose others" if name.startswith("python:") else "choose others"
        raise UserError(
            f"image_size: {label} takes no images of {size[0]}x{size[1]} ({reason_and_line(error)}), {remedy}."
        ) from error
    if outputs != num_classes:
        raise UserError(f"backbone: {label} gives {outputs} logits for {num_classes} classes, give another network.")
    return network


def torchvision_weights(rest: str) -> Any:
    """The enum of a torchvision network's published weights.

    Raises:
        UserError: There is no such network.
    """
    models = library("torchvision.models")
    known = models.list_models(module=models)
    if rest not in known:
        raise unknown("backbone", "torchvision", rest, known)
    return models.get_model_weights(rest)


def timm_architecture(rest: str) -> tuple[str, str]:
    """Architecture and tag of a timm name.

    Raises:
        UserError: timm is not installed, or has no such network or tag.
    """
    timm = library("timm")
    architecture, _, tag = rest.partition(".")
    if not timm.is_model(architecture):
        raise unknown("backbone", "timm", architecture, timm.list_models())
    tags = [each.partition(".")[2] for each in timm.list_pretrained(f"{architecture}.*")]
    if tag and tag not in tags:
        raise unknown("pretrained", f"timm:{architecture}", tag, tags)
    return architecture, tag


def _build(prefix: str, rest: str, num_classes: int, size: tuple[int, int]) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if prefix == "torchvision":
            return _torchvision(rest, num_classes, size)
        if prefix == "timm":
            return _timm(rest, num_classes, size)
    if prefix == "python":
        return make_own(rest, num_classes, size[0] if size[0] == size[1] else size)
    config, kind = configured(f"hf:{rest}", num_classes, size)
    network: nn.Module = kind(config)
    return network


def _torchvision(rest: str, num_classes: int, size: tuple[int, int]) -> nn.Module:
    torchvision_weights(rest)
    options: dict[str, Any] = {}
    if rest in ("googlenet", "inception_v3"):
        options = _INCEPTION
    elif rest.startswith("vit_"):
        if size[0] != size[1]:
            raise UserError(f"image_size: torchvision:{rest} takes square images, choose one number.")
        options = {"image_size": size[0]}
    elif rest == "maxvit_t":
        options = {"input_size": size}
    network: nn.Module = library("torchvision.models").get_model(rest, num_classes=num_classes, **options)
    return network


def _timm(rest: str, num_classes: int, size: tuple[int, int]) -> nn.Module:
    timm_architecture(rest)
    timm = library("timm")
    try:
        network: nn.Module = timm.create_model(rest, num_classes=num_classes, img_size=size)
    except TypeError as error:  # a convolutional network takes images of any size
        if "img_size" not in str(error):
            raise
        network = timm.create_model(rest, num_classes=num_classes)
    return network


@torch.no_grad()
def _outputs(label: str, network: nn.Module, size: tuple[int, int]) -> int:
    """How many logits a network gives for an image."""
    modes = {module: module.training for module in network.modules()}
    logits = logits_of(network.eval()(torch.zeros(2, 3, *size)))
    for module, training in modes.items():
        module.training = training
    if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != 2:
        raise UserError(f"backbone: {label} gives no logits [B, N], wrap it so that it gives these alone.")
    return logits.shape[1]
