"""Files of networks that these tests make."""

from __future__ import annotations

import json
from pathlib import Path

from transformers import ViTConfig, ViTForImageClassification


def vit_folder(folder: Path) -> Path:
    """A folder as save_pretrained writes it: a ViT of seven classes on images of 16 x 16."""
    labels = {number: f"class_{number}" for number in range(7)}
    config = ViTConfig(
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=16,
        patch_size=4,
        id2label=labels,
        label2id={name: number for number, name in labels.items()},
    )
    ViTForImageClassification(config).save_pretrained(folder)
    described = {
        "image_processor_type": "ViTImageProcessor",
        "image_mean": [0.5, 0.4, 0.3],
        "image_std": [0.2, 0.2, 0.1],
        "size": {"height": 16, "width": 16},
        "resample": 3,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(described))
    return folder


def own_file(folder: Path, source: str) -> Path:
    """A file of a user's own."""
    path = folder / "nets.py"
    path.write_text(source)
    return path
