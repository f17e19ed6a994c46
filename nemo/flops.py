"""FLOPs per image, or text, by fvcore, which counts one multiply-add as one (method.md 1.2)."""

from __future__ import annotations

import logging
import math
import warnings
from copy import deepcopy
from typing import Any, Literal

import torch
from torch import nn

from nemo.errors import UserError
from nemo.example import blank


def count_flops(
    module: nn.Module, input_shape: tuple[int, ...] = (3, 32, 32), mode: Literal["eval", "train"] = "eval"
) -> float:
    """Counts the operations for one image, or one text of a length.

    Args:
        module: Any network; a copy is measured, so neither its mode nor its BatchNorm statistics move.
        input_shape: Channels, height and width of one image; or the tokens of a text, as a tuple of one.
        mode: "eval" is what inference costs; "train" charges BatchNorm 5 operations an element and not 2, which is
            how the papers' figures came about.

    Returns:
        FLOPs per image (1 multiply-add = 1 FLOP).

    Raises:
        UserError: The mode is unknown.
    """
    if mode not in ("eval", "train"):
        raise UserError(f"mode: {mode!r} is unknown, choose eval or train.")
    logging.getLogger("fvcore").setLevel(logging.ERROR)
    copy = deepcopy(module).train(mode == "train")
    # a cut whose logits are the same for all images has no parameters left
    weight = next(copy.parameters(), torch.empty(0))
    pair = blank(input_shape, device=weight.device, dtype=weight.dtype)  # 2: BatchNorm on 1x1 maps needs two
    with torch.no_grad(), torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of importing fvcore, too
        from fvcore.nn import FlopCountAnalysis

        analysis = FlopCountAnalysis(copy, pair).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        analysis.set_op_handle("aten::scaled_dot_product_attention", _attention)
        return float(analysis.total()) / len(pair)


def _attention(inputs: list[Any], outputs: list[Any]) -> int:
    """Both products of attention, of query and key and with the values, which fvcore doesn't know of."""
    from fvcore.nn.jit_handles import get_shape

    (*batch, queries, width), (*_, keys, value_width) = get_shape(inputs[0]), get_shape(inputs[2])
    return int(math.prod(batch)) * queries * keys * (width + value_width)


def count_parameters(module: nn.Module) -> int:
    """Number of trainable values."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_linear_parameters(network: nn.Module) -> int:
    """Number of weights and biases of the linear layers, which the weight retention rate counts (method.md 6.4)."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    # a mask generator may be its layer's child, and counts for itself
    return sum(parameter.numel() for layer in layers for parameter in layer.parameters(recurse=False))
