"""Classifies images with module.pt2; needs torch, and nothing of the project that made it."""

from pathlib import Path

import torch

CLASSES = ["3", "5"]
module = torch.export.load(Path(__file__).with_name("module.pt2")).module()
images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))  # yours: RGB in 0..1, any number
with torch.inference_mode():
    logits = module(images)
for row in logits:
    print(CLASSES[int(row.argmax())], *row.tolist())
