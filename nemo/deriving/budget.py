"""How much of a network a module may keep, and which units it then keeps: the best that fit (method.md 9.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nemo.errors import UserError
from nemo.flops import count_flops, count_parameters

TOLERANCE = 0.02
"""By how much of itself a budget may be missed, either way; below it by more only where single units are that large."""
MEASURES = ("flops", "parameters")

_NEAR = 0.005  # the search ends here
_MOST = 24  # cuts of one search
_TRIED = 12  # units that are tried one by one, where the next one in the order is too large


@dataclass(frozen=True)
class Budget:
    """The share of the untouched network's FLOPs or parameters, with a row per class of the set, that is kept.

    Attributes:
        measure: `flops` or `parameters`.
        share: Above 0, at most 1.
    """

    measure: str
    share: float

    @classmethod
    def of(cls, given: Mapping[str, float]) -> Budget:
        """What a user wrote, such as `{"flops": 0.3}`.

        Raises:
            UserError: It is no such thing.
        """
        if len(given) != 1 or next(iter(given)) not in MEASURES:
            raise UserError(f"budget: {dict(given)!r} should be one of flops and parameters, such as {{'flops': 0.3}}.")
        ((measure, share),) = given.items()
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
            raise UserError(f"budget: {measure} should be the share to keep, above 0 and at most 1, not {share!r}.")
        return cls(measure, float(share))

    def count(self, module: nn.Module, image: tuple[int, int, int]) -> float:
        """FLOPs per image `[3, H, W]`, or parameters."""
        return count_flops(module, image) if self.measure == "flops" else float(count_parameters(module))


def uniform(scores: Sequence[Tensor]) -> list[Tensor]:
    """Scores by which every site loses the same share of its units: the place in its own order, from 0 to 1."""
    return [
        (each.argsort(stable=True, descending=True).argsort().neg().double() + len(each) - 0.5) / len(each)
        for each in scores
    ]


def best(scores: Sequence[Tensor], budget: Budget, count: Callable[[list[Tensor]], float]) -> list[Tensor]:
    """The units of the largest scores that meet a budget, at least one of every site.

    Units of all sites are one list, ordered by their scores, of equals the first one first. The search asks for the
    cost of its beginnings; as it is a search in a growing sequence, the kept units of a smaller budget are among those
    of a larger one.

    Args:
        scores: Per site `[K_l]`.
        budget: What is allowed.
        count: The cost of what masks keep, per site bool `[K_l]`, as a share of the whole; called some ten times.

    Returns:
        Per site bool `[K_l]`.

    Raises:
        UserError: One unit of every site costs more than the budget.
    """
    order, sizes = _order(scores), [len(each) for each in scores]
    total, least = len(order), len(sizes)

    def cost(chosen: Tensor) -> float:
        return count(_masks(chosen, sizes))

    limit = budget.share * (1 + TOLERANCE)
    low, below = least, cost(order[:least])
    if below > limit:
        raise UserError(
            f"budget: {budget.measure} {budget.share:g} can't be reached, with one unit of every layer that can be cut "
            f"{below:.3g} is left: choose at least {_up(below)}, or more sites."
        )
    high, above = total, 1.0
    if budget.share >= 1 or low == high:
        return _masks(order, sizes)
    for step in range(_MOST):
        if high - low <= 1 or abs(below - budget.share) <= _NEAR * budget.share:
            break
        guess = (budget.share - below) / max(above - below, 1e-12) if step % 3 < 2 else 0.5  # a line, then a half
        middle = min(max(low + round((high - low) * guess), low + 1), high - 1)
        found = cost(order[:middle])
        if found <= budget.share * (1 + _NEAR):
            low, below = middle, found
        else:
            high, above = middle, found
    chosen = order[:low]
    if below < budget.share * (1 - TOLERANCE):  # a unit is large: others, that come later, may fit
        for unit in order[low + 1 : low + 1 + _TRIED]:
            more = torch.cat([chosen, unit[None]])
            found = cost(more)
            if found <= limit:
                chosen, below = more, found
            if below >= budget.share * (1 - TOLERANCE):
                break
    return _masks(chosen, sizes)


def _order(scores: Sequence[Tensor]) -> Tensor:
    """The numbers of all units, best first; the best one of every site comes before all others: none may be empty."""
    flat = torch.cat([each.detach().double().cpu() for each in scores])
    start, first = 0, []
    for each in scores:
        first.append(start + int(each.argmax()))
        start += len(each)
    kept = torch.tensor(first)
    flat = flat.clone()
    flat[kept] = torch.inf
    return flat.argsort(descending=True, stable=True)


def _masks(chosen: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    flat = torch.zeros(sum(sizes), dtype=torch.bool)
    flat[chosen] = True
    return list(flat.split(list(sizes)))


def _up(share: float) -> str:
    """A share rounded up to three digits."""
    return f"{int(share * 1000 + 1) / 1000:.3f}"
