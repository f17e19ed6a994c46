"""Configurations of Transformer backbones, as plain fields; read and checked without torch."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nemo.backbones.vit_fields import FIELDS
from nemo.documents import read_document
from nemo.errors import UserError
from nemo.image_size import ImageSize, brief_size, height_width
from nemo.zoo import names as zoo

PREFIX = "vit:"
ROLES = ("query", "key", "value", "output", "fc1", "fc2")
"""What a linear layer does in its block, in the order of the masks."""

_SMALL = {
    "hidden_size": 384,
    "intermediate_size": 1536,
    "num_hidden_layers": 12,
    "patch_size": 4,
    "layer_norm_eps": 1e-12,
}
_PUBLISHED = {
    "vit_s": {"model_type": "vit", "num_attention_heads": 12, **_SMALL},  # method.md 1.7
    "deit_s": {"model_type": "deit", "num_attention_heads": 6, **_SMALL},  # method.md 1.8
}
_WEIGHTS = {".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack"}
"""How the names of files with a model's trained weights end."""

_MOST_WEIGHTS = 2_000_000_000
"""More need 32 GB for weights, gradients and momentum alone, and are no networks for images of this size."""
_DEFAULTS = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}


def is_transformer(name: str) -> bool:
    """Whether a backbone of this name is built from a configuration."""
    return name in _PUBLISHED or name.startswith(PREFIX)


def with_config(fields: Mapping[str, Any]) -> str:
    """The name of the backbone of a configuration that is at hand: `read_config` reads it back."""
    return PREFIX + json.dumps(fields)


def short_name(name: str) -> str:
    """A backbone's name for people: of `vit:models/tiny/config.json` it is `vit:tiny`."""
    if name.startswith("hf:"):
        return f"hf:{zoo.short(name)}"
    if not name.startswith(PREFIX):
        return name
    path = Path(name.removeprefix(PREFIX))
    return PREFIX + (path.parent.name if path.name == "config.json" else path.stem)


def read_config(name: str) -> dict[str, Any]:
    """The fields of a backbone's configuration.

    Args:
        name: `vit_s`, `deit_s`; `vit:` and the path of a JSON file or of a folder with a `config.json`; or `vit:` and
            the JSON object itself.

    Raises:
        UserError: The file cannot be read, or is no configuration of a network that we know the parts of; or the folder
            holds trained weights.
    """
    if name in _PUBLISHED:
        return dict(_PUBLISHED[name])
    given = name.removeprefix(PREFIX)
    path, text = Path("the configuration"), given
    try:
        if not given.startswith("{"):
            path = Path(os.path.expanduser(given))
            if path.is_dir():
                _check_weights(path)
                path = path / "config.json"
            text = read_document(path)
        fields = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"backbone: {path} cannot be read as JSON ({error}), give a model's config.json.") from error
    if not isinstance(fields, dict):
        raise UserError(f"backbone: {path} holds no JSON object, give a model's config.json.")
    known = {name: value for name, value in fields.items() if name in FIELDS}
    fields = {"model_type": "vit", "patch_size": 16, **_DEFAULTS, **known}
    for field, value in fields.items():
        if not FIELDS[field].accepts(value):
            raise UserError(f"backbone: {path} has the {field} {value!r:.60}, give {FIELDS[field].wanted}.")
    if fields["hidden_size"] % fields["num_attention_heads"]:
        raise UserError(
            f"backbone: {path} splits a hidden_size of {fields['hidden_size']} into "
            f"{fields['num_attention_heads']} heads, choose a multiple."
        )
    hidden = fields["hidden_size"]
    weights = fields["num_hidden_layers"] * (4 * hidden * hidden + 2 * hidden * fields["intermediate_size"])
    if weights > _MOST_WEIGHTS:
        raise UserError(
            f"backbone: {path} describes a network of {weights:,} weights, choose sizes that make at most "
            f"{_MOST_WEIGHTS:,}."
        )
    return fields


def _check_weights(folder: Path) -> None:
    """Refuses a folder with trained weights, which a random start would ignore without a word.

    Raises:
        UserError: There are some.
    """
    weights = sorted(each.name for each in folder.iterdir() if each.suffix in _WEIGHTS)
    if weights:
        raise UserError(
            f"backbone: {folder} holds the trained weights {weights[0]}: give hf:{folder} with pretrained: true "
            f"to start from them, or {PREFIX}{folder / 'config.json'} for a random start."
        )


def check_config(name: str, image_size: ImageSize) -> None:
    """Refuses a Transformer backbone that can't be built.

    Raises:
        UserError: See `read_config`; or the patches do not fill the image.
    """
    patch = read_config(name)["patch_size"]
    if any(side % patch for side in height_width(image_size)):
        raise UserError(
            f"image_size: {name} cuts images into patches of {patch}x{patch} pixels, "
            f"choose a multiple of {patch}, not {brief_size(image_size)}."
        )
