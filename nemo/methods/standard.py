"""The standard network: cross-entropy alone."""

from __future__ import annotations

from nemo.methods.method import Method

METHOD = Method("standard", {}, source=None, ignores=("lr_mask", "warmup", "exclude_first_masked_layer", "variant"))
