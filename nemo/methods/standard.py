"""The standard network: cross-entropy alone."""

from __future__ import annotations

from nemo.methods.method import Method

_OF_MODULES = (
    *("lr_mask", "warmup", "exclude_first_masked_layer", "variant"),
    *("gate", "saturation", "as_cut"),
)
METHOD = Method("standard", {}, source=None, ignores=_OF_MODULES)
