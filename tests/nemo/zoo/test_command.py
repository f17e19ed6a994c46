"""What `python -m nemo.zoo` prints is what a study says of the weights: read back, it is options of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from nemo.datasets.options import COMMON, check_options
from nemo.zoo import __main__ as command
from nemo.zoo.preparation import Preparation
from nemo.zoo.weights import Weights


@pytest.mark.parametrize(
    ("name", "own", "options"),
    [
        ("torchvision:resnet50", {"interpolation": "bilinear", "crop": 224 / 232}, {"crop": 224 / 232}),
        ("timm:convnext_atto", {"interpolation": "bicubic", "crop": 1.0}, {"interpolation": "bicubic", "crop": 1.0}),
        ("hf:google/vit", {"interpolation": "box"}, {}),
    ],
)
def test_the_lines_of_a_pair(
    monkeypatch: pytest.MonkeyPatch, name: str, own: dict[str, Any], options: dict[str, Any]
) -> None:
    described = Preparation(mean=(0.5,) * 3, std=(0.25,) * 3, image_size=(224, 256), **own)
    monkeypatch.setattr(command, "fetch", lambda *_: Weights(path=Path("w.pth"), sha256="0" * 64, **vars(described)))
    pair = yaml.safe_load(command.main([name, "folder"]))
    given = pair.pop("dataset_options")
    assert pair == {"backbone": name, "pretrained": "w.pth", "image_size": [224, 256]}
    assert given == {"mean": [0.5] * 3, "std": [0.25] * 3, "interpolation": "bilinear", **options} or not options
    assert ("crop" in given) == ("crop" in options) and given.get("interpolation") != "box"
    check_options("folder:x", given, COMMON)
