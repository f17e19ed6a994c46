"""The attacks by which it is measured which defects of its network a module inherits (method.md 9.8); no torch."""

from __future__ import annotations

from typing import Literal, get_args

Attack = Literal["fgsm", "pgd"]
ATTACKS: tuple[Attack, ...] = get_args(Attack)
"""`fgsm`, one step along the sign of the gradient; `pgd`, several smaller ones from a random start."""

EPSILON = 8 / 255
"""How far a channel of a pixel may move, of values in 0..1 (Madry et al. 2018, for CIFAR-10)."""
STEP, STEPS = 2 / 255, 10
"""Of `pgd`."""
