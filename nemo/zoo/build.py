"""Networks from elsewhere by their names, freshly initialised."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from nemo.errors import UserError
from nemo.example import blank, logits_of
from nemo.image_size import ImageSize, input_shape, is_text, size_text
from nemo.tokens import PADDING, read_packed
from nemo.zoo.classifier import new_classifier
from nemo.zoo.failures import library, reason_and_line, unknown
from nemo.zoo.names import check_name, short, split
from nemo.zoo.own import make_own
from nemo.zoo.transformers_config import configured

_INCEPTION = {"aux_logits": False, "transform_input": True, "init_weights": True}
"""One output; and rescaled input, as the published weights want it."""


def build_foreign(name: str, num_classes: int, image_size: ImageSize) -> nn.Module:
    """A freshly initialised network from elsewhere.

    Args:
        name: See `check_name`.
        num_classes: Outputs of the classifier.
        image_size: Height and width of the input in pixels, one number for square images; or the tokens of the longest
            text, as a sequence of one.

    Returns:
        A network that maps images `[B, 3, H, W]`, or texts `[B, T]` as `nemo.tokens` packs them, to logits
        `[B, num_classes]`, alone or as the field `logits`. Where a user's function makes one of more or fewer logits,
        its classifier is replaced.

    Raises:
        UserError: The library is not installed or doesn't know the name, or the network does not take such images or
            gives other logits.
    """
    check_name(name)
    label = f"hf:{short(name)}" if name.startswith("hf:{") else name
    if num_classes < 2:
        raise UserError(f"num_classes: {num_classes} leaves nothing to tell apart, give 2 or more.")
    if is_text(image_size) and split(name)[0] in ("torchvision", "timm"):
        raise UserError(f"backbone: {name} classifies images, and the data set has texts, give hf:FOLDER.")
    example = blank(input_shape(image_size))
    try:
        network = _build(*split(name), num_classes, image_size)
        outputs = _outputs(label, network, example)
        if outputs != num_classes and name.startswith("python:"):
            new_classifier(network, example, num_classes)
            outputs = _outputs(label, network, example)
    except UserError:
        raise
    except Exception as error:
        remedy = "mend it or choose others" if name.startswith("python:") else "choose others"
        raise UserError(
            f"image_size: {label} takes no {'texts' if is_text(image_size) else 'images'} of {size_text(image_size)} "
            f"({reason_and_line(error)}), {remedy}."
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


def _build(prefix: str, rest: str, num_classes: int, image_size: ImageSize) -> nn.Module:
    shape = input_shape(image_size)
    if len(shape) == 1:
        return _of_texts(prefix, rest, num_classes, shape[0])
    size = (shape[1], shape[2])
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


def _of_texts(prefix: str, rest: str, num_classes: int, length: int) -> nn.Module:
    if prefix == "python":
        own = make_own(rest, num_classes, length)
        read_packed(own, PADDING, max(length, int(getattr(own, "longest", 512))), parts=True, unpacks=False)
        return own
    config, kind = configured(f"hf:{rest}", num_classes, (length,))
    ends = getattr(config, "eos_token_id", None)
    known = (getattr(config, "pad_token_id", None), ends if isinstance(ends, int) else None, 0)
    padding = next(each for each in known if each is not None)
    config.pad_token_id = padding  # some find a text's last token by it
    network: nn.Module = kind(config)
    longest = _positions(network, config)
    if length > longest:
        raise UserError(
            f"dataset_options.max_length: the network reads texts of up to {longest} tokens, and the data set has one "
            f"of {length}, give at most {longest}."
        )
    parts = getattr(config, "type_vocab_size", 0) or 0
    read_packed(network, padding, longest, parts=parts > 1)
    return network


def _positions(network: nn.Module, config: Any) -> int:
    """How many tokens a network can read; of tables of positions that begin behind that of padding, the rest."""
    longest = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None) or 512
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Embedding) and name.endswith("position_embeddings") and layer.padding_idx is not None:
            return min(longest, layer.num_embeddings - layer.padding_idx - 1)
    return int(longest)


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
def _outputs(label: str, network: nn.Module, example: Tensor) -> int:
    """How many logits a network gives for an input."""
    modes = {module: module.training for module in network.modules()}
    logits = logits_of(network.eval()(example))
    for module, training in modes.items():
        module.training = training
    if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != 2:
        raise UserError(f"backbone: {label} gives no logits [B, N], wrap it so that it gives these alone.")
    return logits.shape[1]
