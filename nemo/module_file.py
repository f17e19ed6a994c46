"""A module as one safetensors file: its weights, what it kept, and how its network is built again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from nemo.blueprint import Blueprint
from nemo.deployed import Composed, Deployed, for_inference
from nemo.errors import UserError
from nemo.image_size import ImageSize, is_text

_FORMAT = "nemo.module 1"
_KEPT = "kept"


@dataclass(frozen=True)
class SavedModule:
    """A module and what is needed to build it again.

    Attributes:
        network: Images `[B, 3, H, W]` in 0..1, or texts `[B, T]` as `nemo.tokens` packs them, to logits `[B, n]`.
        classes: Their names, in the order of the logits.
        image_size: Height and width in pixels, one number of square images; or the tokens of the longest text of its
            data set, as a sequence of one.
        cuts: How each of its parts was cut, one of a module that was not composed.
        kept: Per part and site a bool `[K_l]`.
        paired: Whether it takes pairs of texts.
    """

    network: Deployed | Composed
    classes: Sequence[str]
    image_size: ImageSize
    cuts: Sequence[Blueprint]
    kept: Sequence[Sequence[Tensor]]
    paired: bool = False

    def to_bytes(self) -> bytes:
        """The file; the same module gives the same bytes."""
        tensors = {name: value.contiguous() for name, value in for_inference(self.network).state_dict().items()}
        for part, layers in enumerate(self.kept):
            tensors |= {f"{_KEPT}.{part}.{layer}": value.contiguous() for layer, value in enumerate(layers)}
        described = {
            "format": _FORMAT,
            "classes": list(self.classes),
            "image_size": self.image_size,
            "composed": isinstance(self.network, Composed),
            "cuts": [cut.document() for cut in self.cuts],
            **({"paired": True} if self.paired else {}),
        }
        # One entry: safetensors writes several in an order that chance decides.
        return save(tensors, {"module": json.dumps(described, sort_keys=True)})


def load_module(path: str | Path) -> SavedModule:
    """Reads a `module.safetensors`, or the one in a folder that `nemo reuse` or `nemo compose` wrote.

    Raises:
        UserError: It is missing, damaged or of another kind.
    """
    file = Path(path)
    file = file / "module.safetensors" if file.is_dir() else file
    try:
        with safe_open(str(file), framework="pt") as opened:
            described = json.loads((opened.metadata() or {}).get("module", "{}"))
            if described.get("format") != _FORMAT:
                raise UserError(f"{file}: is no module of this version, make it again with nemo reuse.")
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        return _built(described, tensors)
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"{file}: cannot be read ({reason}), make it again with nemo reuse.") from error


def _built(described: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> SavedModule:
    cuts = [Blueprint.of(document) for document in described["cuts"]]
    kept = [_layers(tensors, part) for part in range(len(cuts))]
    classes, size = described["classes"], described["image_size"]
    channels = None if is_text(size) else [1.0] * 3  # those of the file are loaded
    parts = [Deployed(cut.build(layers), channels, channels) for cut, layers in zip(cuts, kept, strict=True)]
    network: nn.Module = Composed(parts, len(classes), size) if described["composed"] else parts[0]
    network.load_state_dict({name: value for name, value in tensors.items() if not name.startswith(f"{_KEPT}.")})
    assert isinstance(network, Deployed | Composed)
    return SavedModule(network.eval(), classes, size, cuts, kept, described.get("paired", False))


def _layers(tensors: Mapping[str, Tensor], part: int) -> list[Tensor]:
    prefix = f"{_KEPT}.{part}."
    count = sum(name.startswith(prefix) for name in tensors)
    return [tensors[f"{prefix}{layer}"] for layer in range(count)]
