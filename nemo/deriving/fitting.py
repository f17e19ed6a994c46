"""Which units a network keeps under a budget: the best that fit (method.md 9.3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from nemo.deployed import for_inference
from nemo.deriving.budget import TIME, TOLERANCE, Budget
from nemo.errors import UserError
from nemo.example import blank
from nemo.flops import count_flops, count_parameters
from nemo.latency import latencies
from nemo.methods.method import Settings

_NEAR = 0.005  # the search ends here
_MOST = 24  # cuts of one search
_RUNS = 30  # of a network whose time is taken
_TRIED = 12  # units that are tried one by one, where the next one in the order is too large


class Spending:
    """What modules cost of what a budget measures, as a share of the untouched network's.

    Attributes:
        budget: The budget; one of time as a share of what the untouched network took here.
    """

    def __init__(self, base: nn.Module, budget: Budget, image: tuple[int, ...]) -> None:
        """Takes the untouched network with the rows of the classes, and what an image `[3, H, W]` is."""
        self._image, self._measure = image, budget.measure
        self._base = for_inference(base) if budget.measure == TIME else base
        self._whole = 1.0 if budget.measure == TIME else self._counted(base)
        self.budget = budget.against(self._times(self._base)["base"]) if budget.measure == TIME else budget

    def share(self, module: nn.Module) -> float:
        """Of a module; a time is measured in turns with the untouched network's, on the CPU, by one thread."""
        if self._measure != TIME:
            return self._counted(module) / self._whole
        times = self._times(for_inference(module))
        return times["module"] / times["base"]

    def _counted(self, module: nn.Module) -> float:
        return count_flops(module, self._image) if self._measure == "flops" else float(count_parameters(module))

    def _times(self, module: nn.Module) -> dict[str, float]:
        image = blank(self._image, 1)
        return latencies({"module": module, "base": self._base}, image, runs=_RUNS)


def uniform(scores: Sequence[Tensor]) -> list[Tensor]:
    """Scores by which every site loses the same share of its units: the place in its own order, from 0 to 1."""
    return [
        (each.argsort(stable=True, descending=True).argsort().neg().double() + len(each) - 0.5) / len(each)
        for each in scores
    ]


def spread(scores: list[Tensor], settings: Settings) -> list[Tensor]:
    """Scores `[K_l]` per site as one row each, comparable between sites as the setting `spread` says."""
    if settings["spread"] == "uniform":
        return [each[None] for each in uniform(scores)]
    return [(each / each.mean().clamp_min(1e-30))[None] for each in scores]


def best(scores: Sequence[Tensor], budget: Budget, count: Callable[[list[Tensor]], float]) -> list[Tensor]:
    """The units of the largest scores that meet a budget, at least one of every site.

    Units of all sites are one list, ordered by their scores, of equals the first one first. The search asks for the
    cost of its beginnings; as it is a search in a growing sequence, the kept units of a smaller budget are among those
    of a larger one.

    Args:
        scores: Per site `[K_l]`; infinite of units that are kept whatever the budget.
        budget: What is allowed.
        count: The cost of what masks keep, per site bool `[K_l]`, as a share of the whole; called some ten times.

    Returns:
        Per site bool `[K_l]`.

    Raises:
        UserError: One unit of every site, and what is kept in any case, costs more than the budget.
    """
    (order, least), sizes = _order(scores), [len(each) for each in scores]
    total = len(order)

    def cost(chosen: Tensor) -> float:
        return count(_masks(chosen, sizes))

    limit = budget.share * (1 + TOLERANCE)
    low, below = least, cost(order[:least])
    if below > limit:
        raise UserError(
            f"budget: {budget.measure} {budget.share * budget.whole:g} can't be reached, with one unit of every layer "
            f"that is cut {below * budget.whole:.3g} is left: choose at least {_up(below * budget.whole)}, more sites, "
            "or another method."
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


def _order(scores: Sequence[Tensor]) -> tuple[Tensor, int]:
    """The numbers of all units, best first, and how many have to stay, which come first: the best one of every site."""
    flat = torch.cat([each.detach().double().cpu() for each in scores])
    start, first = 0, []
    for each in scores:
        first.append(start + int(each.argmax()))
        start += len(each)
    kept = torch.tensor(first)
    flat = flat.clone()
    flat[kept] = torch.inf
    return flat.argsort(descending=True, stable=True), int(flat.isinf().sum())


def _masks(chosen: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    flat = torch.zeros(sum(sizes), dtype=torch.bool)
    flat[chosen] = True
    return list(flat.split(list(sizes)))


def _up(share: float) -> str:
    """A share rounded up to three digits."""
    return f"{int(share * 1000 + 1) / 1000:.3f}"
