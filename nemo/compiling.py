"""Which trainings are compiled by torch.compile, and how: a compiled training learns the same, up to rounding."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from functools import cache
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor, nn

from nemo.errors import UserError
from nemo.modes import eval_mode

P = ParamSpec("P")
R = TypeVar("R")

_CPU_FLOPS = 5e14
"""Forward FLOPs of a training from which it is compiled on a CPU: hours of a few cores, minutes of compiling."""

_AGREE = {"float32": 0.05, "bfloat16": 0.25}
"""Relative distance up to which two gradients are equal but for rounding, which deep networks amplify."""

_GPU_STEPS = 10_000
"""Steps from which it is compiled on a GPU, where launching a step's operations takes longer than computing them."""


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The function, compiled at its first call for the shapes that it meets there.

    Dropout draws what it would draw without: it is left to torch's own random numbers.
    """
    return torch.compile(function, dynamic=False, options={"fallback_random": True})


def chosen(wanted: bool | None, network: nn.Module, image: Tensor, epochs: int, images: int, steps: int) -> bool:
    """Whether a training is compiled; depends on what it is, and never on how fast the machine happens to be.

    Args:
        wanted: See `Recipe.compile`.
        network: What is trained; run once on the image where its FLOPs have to tell.
        image: `[3, H, W]`, on the training's device.
        epochs: Of the training.
        images: Per epoch.
        steps: Per epoch.

    Raises:
        UserError: It is wanted, and torch.compile does not work on this machine.
    """
    if wanted is False or (wanted is None and not _pays(network, image, epochs, images, steps)):
        return False
    return usable(wanted, _broken(image.device))


def usable(wanted: bool | None, reason: str | None) -> bool:
    """Whether to compile, when this speaks against it or nothing does.

    Raises:
        UserError: Something speaks against it, and it is wanted.
    """
    if reason is None:
        return True
    if wanted:
        raise UserError(f"recipe.compile: torch.compile does not work on this machine ({reason}), leave compile out.")
    logging.getLogger(__name__).warning("This training is not compiled: %s.", reason)
    return False


def disagreement(
    plain: Callable[[], Tensor], compiled: Callable[[], Tensor], network: nn.Module, precision: str
) -> str | None:
    """Why the compiled form of a loss must not be used: its gradients are others, which no exception would tell.

    torch 2.15 compiles some backward passes wrongly on a CPU. Costs a step of either form; the network's buffers and
    the random state are left as they were, its gradients are gone.

    Returns:
        The reason in short; None where the gradients agree, or the plain ones are no numbers: a training that diverges
        is told by its losses.
    """
    kept = [buffer.clone() for buffer in network.buffers()]
    device = next(network.parameters()).device
    both = []
    for loss in (plain, compiled):
        network.zero_grad(set_to_none=True)
        try:
            with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
                loss().backward()
        except Exception as error:
            if loss is plain:
                raise
            network.zero_grad(set_to_none=True)
            return _in_short(error)
        finally:
            for buffer, value in zip(network.buffers(), kept, strict=True):
                buffer.copy_(value)
        gradients = [p.new_zeros(()) if p.grad is None else p.grad for p in network.parameters()]
        both.append([gradient.expand_as(p) for p, gradient in zip(network.parameters(), gradients, strict=True)])
    network.zero_grad(set_to_none=True)
    expected, actual = both
    apart = math.hypot(*(float((a - b).norm()) for a, b in zip(expected, actual, strict=True)))
    size = math.hypot(*(float(a.norm()) for a in expected))
    if not math.isfinite(size) or apart <= _AGREE[precision] * size:
        return None
    return f"its gradients are {apart / max(size, 1e-30):.2g} of their size away from what they are uncompiled"


def _pays(network: nn.Module, image: Tensor, epochs: int, images: int, steps: int) -> bool:
    if image.device.type != "cpu":
        return epochs * steps >= _GPU_STEPS
    return epochs * images * _flops(network, image) >= _CPU_FLOPS


def _flops(network: nn.Module, image: Tensor) -> float:
    """FLOPs of one image's forward pass, of convolutions and products alone."""
    from torch.utils.flop_counter import FlopCounterMode

    weight = next(network.parameters())
    with eval_mode(network), torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(image[None].to(weight.dtype) if image.is_floating_point() else image[None])
    return float(counter.get_total_flops())


@cache
def _broken(device: torch.device) -> str | None:
    """Why torch.compile fails on a device, in short; None where it works."""
    try:
        torch.compile(lambda x: x.sin() + 1)(torch.ones(2, device=device))
    except Exception as error:  # whatever it is: a compiler is missing, too old, or can't write its cache
        return _in_short(error)
    return None


def _in_short(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"[:200]
