"""The registry of backbones: name -> builder (method.md 1)."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from nemo.errors import UserError

if TYPE_CHECKING:
    from nemo.backbones.backbone import Backbone


@dataclass(frozen=True)
class Entry:
    """What is known of a backbone without importing torch.

    Attributes:
        file: The file here whose function of the backbone's name builds it.
        smallest_image: Smallest height and width of the input in pixels.
        relu: Whether its sites end in a ReLU, so that activations tell what is relevant.
    """

    file: str
    smallest_image: int = 4
    relu: bool = True


BACKBONES: dict[str, Entry] = {
    "vgg16": Entry("vgg", smallest_image=32),
    "resnet18": Entry("resnet"),
    "resnet34": Entry("resnet"),
    "resnet50": Entry("resnet"),
    "simcnn": Entry("simcnn", smallest_image=32),
    "rescnn": Entry("rescnn", smallest_image=32),
}
BACKBONE_NAMES: tuple[str, ...] = tuple(BACKBONES)


def check_backbone(name: str, width: float = 1.0, image_size: int = 32) -> None:
    """Refuses what cannot be built, without importing torch.

    Raises:
        UserError: The name is unknown, the width is not positive, or the image is too small for the backbone.
    """
    if name not in BACKBONES:
        raise UserError(f"backbone: {name!r} is unknown, choose one of {', '.join(BACKBONE_NAMES)}.")
    if not 0 < width <= 8:
        raise UserError(f"width: {width} is not a usable multiplier, choose one above 0 and at most 8.")
    smallest = BACKBONES[name].smallest_image
    if image_size < smallest:
        raise UserError(
            f"image_size: {name} halves its input too often for {image_size}x{image_size} images, "
            f"choose image_size {smallest} or more, or a ResNet."
        )


def build_backbone(name: str, num_classes: int, width: float = 1.0, image_size: int = 32) -> Backbone:
    """Builds a freshly initialised standard network (method.md 1).

    Args:
        name: One of `BACKBONE_NAMES`.
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
    builder = getattr(import_module(f"nemo.backbones.{BACKBONES[name].file}"), name)
    network: Backbone = builder(num_classes, width, image_size)
    return network
