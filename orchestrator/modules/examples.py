"""The programs that a saved module comes with: how to run it with torch alone, and with onnxruntime alone."""

from __future__ import annotations

from collections.abc import Sequence

from nemo.image_size import ImageSize, height_width

TORCH = '''\
"""Classifies images with module.pt2; needs torch, and nothing of the project that made it."""

from pathlib import Path

import torch

CLASSES = {classes}
module = torch.export.load(Path(__file__).with_name("module.pt2")).module()
images = torch.rand(2, 3, {size}, generator=torch.Generator().manual_seed(0))  # yours: RGB in 0..1, any number
with torch.inference_mode():
    logits = module(images)
for row in logits:
    print(CLASSES[int(row.argmax())], *row.tolist())
'''

ONNX = '''\
"""Classifies images with module.onnx; needs numpy and onnxruntime, and nothing of the project that made it."""

from pathlib import Path

import numpy as np
import onnxruntime

CLASSES = {classes}
module = onnxruntime.InferenceSession(Path(__file__).with_name("module.onnx"), providers=["CPUExecutionProvider"])
images = np.random.default_rng(0).random((2, 3, {size}), dtype=np.float32)  # yours: RGB in 0..1, any number
(logits,) = module.run(["logits"], {{"images": images}})
for row in logits:
    print(CLASSES[int(row.argmax())], *row.tolist())
'''


def examples(classes: Sequence[str], image_size: ImageSize) -> dict[str, str]:
    """File name -> program."""
    class_list = repr(list(classes))
    size = "{}, {}".format(*height_width(image_size))
    return {
        "example.py": TORCH.format(classes=class_list, size=size),
        "example_onnx.py": ONNX.format(classes=class_list, size=size),
    }
