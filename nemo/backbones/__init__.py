"""The registry of backbones: name -> builder (method.md 1)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from nemo.backbones.vit_config import PREFIX, check_config, is_transformer
from nemo.errors import UserError

if TYPE_CHECKING:
    from nemo.backbones.backbone import Backbone

_MODULES: dict[str, str] = {
    "vgg16": "vgg",
    "resnet18": "resnet",
    "resnet34": "resnet",
    "resnet50": "resnet",
    "simcnn": "simcnn",
    "rescnn": "rescnn",
    "vit_s": "vit",
    "deit_s": "vit",
}
BACKBONE_NAMES: tuple[str, ...] = tuple(_MODULES)
_SMALLEST_IMAGE = {"vgg16": 32, "simcnn": 32, "rescnn": 32}


def check_backbone(name: str, width: float = 1.0, image_size: int = 32) -> None:
    """Refuses what cannot be built, without importing torch.

    Raises:
        UserError: The name is unknown, the width is not positive, the image is too small for the backbone or not made
            of whole patches, or the configuration of a Transformer can't be used.
    """
    if name not in _MODULES and not name.startswith(PREFIX):
        raise UserError(f"backbone: {name!r} is unknown, choose one of {', '.join(BACKBONE_NAMES)} or {PREFIX}CONFIG.")
    if not 0 < width <= 8:
        raise UserError(f"width: {width} is not a usable multiplier, choose one above 0 and at most 8.")
    smallest = _SMALLEST_IMAGE.get(name, 4)
    if image_size < smallest:
        raise UserError(
            f"image_size: {name} halves its input too often for {image_size}x{image_size} images, "
            f"choose image_size {smallest} or more, or a ResNet."
        )
    if is_transformer(name):
        check_config(name, image_size)


def build_backbone(name: str, num_classes: int, width: float = 1.0, image_size: int = 32) -> Backbone:
    """Builds a freshly initialised standard network (method.md 1).

    Args:
        name: One of `BACKBONE_NAMES`; or `vit:` and the path of a transformers configuration (a JSON file, or a folder
            with a `config.json`).
        num_classes: Outputs of the classifier.
        width: Multiplier of every hidden width; 1.0 is the published network.
        image_size: Height and width of the input in pixels.

    Returns:
        A network whose forward maps images `[B, 3, H, W]` to logits `[B, num_classes]`.

    Raises:
        UserError: See `check_backbone`; or fewer than two classes.
    """
    check_backbone(name, width, image_size)
    if num_classes < 2:
        raise UserError(f"num_classes: {num_classes} leaves nothing to tell apart, give 2 or more.")
    if is_transformer(name):
        from nemo.backbones.vit import vit

        return vit(name, num_classes, width, image_size)
    builder = getattr(import_module(f"nemo.backbones.{_MODULES[name]}"), name)
    network: Backbone = builder(num_classes, width, image_size)
    return network
