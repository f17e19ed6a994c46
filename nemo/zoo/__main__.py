"""Fetches pretrained weights: `python -m nemo.zoo NAME FOLDER [WEIGHTS]` prints what a study says of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from nemo.errors import UserError
from nemo.image_size import INTERPOLATIONS
from nemo.zoo.weights import fetch

_USAGE = "python -m nemo.zoo NAME FOLDER [WEIGHTS], such as python -m nemo.zoo torchvision:resnet50 weights"


def main(arguments: list[str]) -> str:
    """The lines of a pair, after the weights were fetched.

    Raises:
        UserError: They can't be fetched.
    """
    if not 2 <= len(arguments) <= 3:
        raise UserError(f"usage: {_USAGE}")
    name, folder, *which = arguments
    weights = fetch(name, which[0] if which else True, Path(folder))
    lines = [f"backbone: {name}", f"pretrained: {weights.path}"]
    if weights.image_size is not None:
        size = list(weights.image_size) if isinstance(weights.image_size, tuple) else weights.image_size
        lines.append(f"image_size: {size}  # that of their training; any other may do")
    own: dict[str, Any] = {name: list(value) for name in ("mean", "std") if (value := getattr(weights, name))}
    if weights.interpolation in INTERPOLATIONS:
        own["interpolation"] = weights.interpolation
    if weights.crop is not None:
        own["crop"] = weights.crop
    given = ", ".join(f"{field}: {value}" for field, value in own.items())
    return "\n".join([*lines, *([f"dataset_options: {{{given}}}"] if given else [])])


if __name__ == "__main__":
    try:
        print(main(sys.argv[1:]))
    except UserError as error:
        sys.exit(str(error))
