"""The registry of backbones: name -> builder (method.md 1)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from nemo.backbones.vit_config import PREFIX, check_config, is_transformer, read_config
from nemo.errors import UserError
from nemo.image_size import ImageSize, height_width, input_shape, is_text, plain_size, size_text
from nemo.zoo import names as zoo

if TYPE_CHECKING:
    from torch import nn

    from nemo.backbones.backbone import Backbone


@dataclass(frozen=True)
class Entry:
    """What is known of a backbone without importing torch.

    Attributes:
        file: The file here whose function of the backbone's name builds it.
        smallest_image: Smallest height and width of the input in pixels.
        relu: Whether activations of its sites tell what is relevant: our own have to end in a ReLU.
        norms: Whether it has norms of its own: without, making it modular adds BatchNorms (method.md 1.5 and 1.6).
        teacher: The backbone that it is distilled from where a study does not say (method.md 3.4); None learns from the
            labels alone.
    """

    file: str
    smallest_image: int = 4
    relu: bool = True
    norms: bool = True
    teacher: str | None = None


BACKBONES: dict[str, Entry] = {
    "vgg16": Entry("vgg", smallest_image=32),
    "resnet18": Entry("resnet"),
    "resnet34": Entry("resnet"),
    "resnet50": Entry("resnet"),
    "simcnn": Entry("simcnn", smallest_image=32, norms=False),
    "rescnn": Entry("rescnn", smallest_image=32, norms=False),
    "vit_s": Entry("vit", relu=False),
    "deit_s": Entry("vit", relu=False, teacher="resnet18"),
}
FOREIGN = Entry("", smallest_image=1)
"""What is known of a network from elsewhere; its sites are found on its graph, and all have activations to read."""

BACKBONE_NAMES: tuple[str, ...] = tuple(BACKBONES)


def backbone_entry(name: str) -> Entry:
    """What is known of a backbone of this name; any `vit:CONFIG` is like the Transformer of the table of its kind.

    Raises:
        UserError: The configuration can't be used.
    """
    if zoo.is_foreign(name):
        return FOREIGN
    if name.startswith(PREFIX):
        name = "deit_s" if read_config(name)["model_type"] == "deit" else "vit_s"
    return BACKBONES[name]


def has_attention(name: str) -> bool:
    """Whether a backbone of this name is a Transformer, as far as the name tells."""
    return zoo.has_attention(name) if zoo.is_foreign(name) else is_transformer(name)


def check_backbone(name: str, width: float = 1.0, image_size: ImageSize = 32) -> None:
    """Refuses what cannot be built, without importing torch.

    Raises:
        UserError: The name is unknown, the width is not positive, the image is too small for the backbone or not made
            of whole patches, or the configuration of a Transformer can't be used.
    """
    if zoo.is_foreign(name):
        zoo.check_name(name)
        if width != 1:
            raise UserError(f"width: {name} is as wide as it is made, leave width out.")
        return
    if name not in BACKBONES and not name.startswith(PREFIX):
        raise UserError(
            f"backbone: {name!r} is unknown, choose one of {', '.join(BACKBONE_NAMES)}, {PREFIX}CONFIG, "
            "torchvision:NAME, timm:NAME, hf:FOLDER or python:FILE.py:FUNCTION."
        )
    if is_text(image_size):
        raise UserError(f"backbone: {name} classifies images, and the data set has texts, give hf:FOLDER.")
    if not 0 < width <= 8:
        raise UserError(f"width: {width} is not a usable multiplier, choose one above 0 and at most 8.")
    smallest = backbone_entry(name).smallest_image
    if min(height_width(image_size)) < smallest:
        raise UserError(
            f"image_size: {name} halves its input too often for {size_text(image_size)} images, "
            f"choose image_size {smallest} or more, or a ResNet."
        )
    if is_transformer(name):
        check_config(name, image_size)


def build_backbone(
    name: str,
    num_classes: int,
    width: float = 1.0,
    image_size: ImageSize = 32,
    *,
    pretrained: bool | str = False,
) -> nn.Module:
    """Builds a standard network (method.md 1), freshly initialised but for what is pretrained.

    Args:
        name: One of `BACKBONE_NAMES`; or `vit:` and the path of a transformers configuration (a JSON file, or a folder
            with a `config.json`); or a network from elsewhere, see `nemo.zoo.names`.
        num_classes: Outputs of the classifier.
        width: Multiplier of every hidden width; 1.0 is the published network.
        image_size: Height and width of the input in pixels, one number for square images.
        pretrained: Of a network from elsewhere: True for its library's weights, their name, or a file of weights; the
            classifier is a new one. What is fetched is kept in `$NEMO_DATA/weights`, else in `~/.cache/nemo/weights`.

    Returns:
        A network whose forward maps images `[B, 3, H, W]` to logits `[B, num_classes]`.

    Raises:
        UserError: See `check_backbone`; or fewer than two classes.
    """
    if zoo.is_foreign(name):
        from nemo.zoo.build import build_foreign

        check_backbone(name, width)
        foreign = build_foreign(name, num_classes, plain_size(image_size))
        if pretrained:
            _give_weights(foreign, name, pretrained, image_size)
        return foreign
    if pretrained:
        raise UserError(f"pretrained: there are no weights of {name}, leave it out.")
    check_backbone(name, width, image_size)
    if num_classes < 2:
        raise UserError(f"num_classes: {num_classes} leaves nothing to tell apart, give 2 or more.")
    file = import_module(f"nemo.backbones.{backbone_entry(name).file}")
    if is_transformer(name):
        transformer: Backbone = file.vit(name, num_classes, width, height_width(image_size))
        return transformer
    builder = getattr(file, name)
    network: Backbone = builder(num_classes, width, height_width(image_size))
    return network


def _give_weights(network: nn.Module, name: str, pretrained: bool | str, image_size: ImageSize) -> None:
    from nemo.example import blank
    from nemo.zoo.weights import fetch, load

    folder = Path(os.environ.get("NEMO_DATA") or "~/.cache/nemo").expanduser() / "weights"
    load(network, fetch(name, pretrained, folder).path, blank(input_shape(image_size)))  # type: ignore[arg-type]
