"""The programs that a saved module comes with: how to run it with torch alone, and with onnxruntime alone."""

from __future__ import annotations

from collections.abc import Sequence

from nemo.export import input_names
from nemo.image_size import ImageSize, height_width, is_text

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


TEXT_TORCH = '''\
"""Classifies texts with module.pt2; needs torch and tokenizers, and nothing of the project that made it."""

from pathlib import Path

import torch
from tokenizers import Tokenizer

CLASSES = {classes}
folder = Path(__file__).parent
tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
module = torch.export.load(folder / "module.pt2").module()
texts = {texts}  # yours, any number
encoded = tokenizer.encode_batch(texts)
inputs = [torch.tensor([getattr(each, name) for each in encoded]) for name in {fields}]
with torch.inference_mode():
    logits = module(*inputs)
for row in logits:
    print(CLASSES[int(row.argmax())], *row.tolist())
'''

TEXT_ONNX = '''\
"""Classifies texts with module.onnx; needs numpy, onnxruntime and tokenizers, nothing of the project that made it."""

from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

CLASSES = {classes}
folder = Path(__file__).parent
tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
module = onnxruntime.InferenceSession(folder / "module.onnx", providers=["CPUExecutionProvider"])
texts = {texts}  # yours, any number
encoded = tokenizer.encode_batch(texts)
names = {names}
inputs = {{name: np.array([getattr(each, field) for each in encoded], dtype=np.int64) for name, field in names.items()}}
(logits,) = module.run(["logits"], inputs)
for row in logits:
    print(CLASSES[int(row.argmax())], *row.tolist())
'''

_FIELDS = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
"""What a tokenizer calls a network's inputs."""


def examples(classes: Sequence[str], image_size: ImageSize, *, paired: bool = False) -> dict[str, str]:
    """File name -> program."""
    class_list = repr(list(classes))
    if is_text(image_size):
        names = {name: _FIELDS[name] for name in input_names(image_size, paired=paired)}
        texts = (
            [("what is this", "and this one"), ("a first", "a second")] if paired else ["what is this", "and this one"]
        )
        return {
            "example.py": TEXT_TORCH.format(classes=class_list, texts=texts, fields=list(names.values())),
            "example_onnx.py": TEXT_ONNX.format(classes=class_list, texts=texts, names=names),
        }
    size = "{}, {}".format(*height_width(image_size))
    return {
        "example.py": TORCH.format(classes=class_list, size=size),
        "example_onnx.py": ONNX.format(classes=class_list, size=size),
    }
