"""Classifies images with module.onnx; needs numpy and onnxruntime, and nothing of the project that made it."""

from pathlib import Path

import numpy as np
import onnxruntime

CLASSES = ["3", "5"]
module = onnxruntime.InferenceSession(Path(__file__).with_name("module.onnx"), providers=["CPUExecutionProvider"])
images = np.random.default_rng(0).random((2, 3, 32, 32), dtype=np.float32)  # yours: RGB in 0..1, any number
(logits,) = module.run(["logits"], {"images": images})
for row in logits:
    print(CLASSES[int(row.argmax())], *row.tolist())
