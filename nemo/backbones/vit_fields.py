"""The fields of a Transformer's configuration that count, and what their values may be.

The rest of a model's `config.json` is for others, and some of it would make transformers fetch and run code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

LARGEST = 100_000

CLASSES = {
    "vit": "ViTForImageClassification",
    "deit": "DeiTForImageClassificationWithTeacher",
    "vit_msn": "ViTMSNForImageClassification",
    "ijepa": "IJepaForImageClassification",
}
"""Model type -> the class of transformers that has its trained parts."""

ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "mish", "quick_gelu", "relu", "silu", "swish", "tanh")
"""Those that are 0 at 0, or a neuron that is switched off would still speak."""


@dataclass(frozen=True)
class Field:
    """One field: what its value must be, in words and as a test."""

    wanted: str
    accepts: Callable[[Any], bool]


def _one_of(*choices: str) -> Field:
    return Field(f"one of {', '.join(choices)}", lambda value: value in choices)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_SIZE = Field(f"a whole number from 1 to {LARGEST:,}", lambda value: type(value) is int and 0 < value <= LARGEST)
_SHARE = Field("a number of at least 0 and below 1", lambda value: _is_number(value) and 0 <= value < 1)
_SCALE = Field("a number above 0 and at most 1", lambda value: _is_number(value) and 0 < value <= 1)
_EPS = Field("a number from 1e-12 to 1", lambda value: _is_number(value) and 1e-12 <= value <= 1)

FIELDS: Mapping[str, Field] = {
    "model_type": _one_of(*CLASSES),
    "hidden_size": _SIZE,
    "intermediate_size": _SIZE,
    "num_hidden_layers": _SIZE,
    "num_attention_heads": _SIZE,
    "patch_size": _SIZE,
    "hidden_act": _one_of(*ACTIVATIONS),
    "hidden_dropout_prob": _SHARE,
    "attention_probs_dropout_prob": _SHARE,
    "layer_norm_eps": _EPS,
    "initializer_range": _SCALE,
    "qkv_bias": Field("true or false", lambda value: isinstance(value, bool)),
}
