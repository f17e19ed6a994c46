"""Which rows of a classifier answer for the classes of a set; or a classifier fitted to them (method.md 9.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nemo.datasets.dataset import Dataset
from nemo.errors import UserError
from nemo.evaluation import BATCH
from nemo.example import Example, call, logits_of
from nemo.loader import Loader
from nemo.modes import eval_mode
from nemo.zoo.classifier import find_classifier, new_classifier

Rows = Mapping[int, int] | Literal["fit"] | None
"""By class of the data set the row of the network's classifier; `fit` for a new classifier; None for `fit` where the
network has another number of logits than the data set has classes, and else for the classes' own numbers."""

_DECAY = 1e-3  # of a fitted classifier's weights, on features of variance 1
_STEPS = 200


def outputs_of(net: nn.Module, example: Example) -> int:
    """Number of a network's logits.

    Raises:
        UserError: It gives no logits `[B, N]`.
    """
    with eval_mode(net), torch.no_grad():
        logits = logits_of(call(net, example))
    if not isinstance(logits, Tensor) or logits.dim() != 2:
        raise UserError("network: its output is no tensor of logits [B, N], wrap it so that it gives these alone.")
    return logits.shape[1]


def chosen_rows(rows: Rows, classes: Sequence[int], dataset: Dataset, outputs: int) -> list[int] | None:
    """The classifier's rows for some classes; None where one is to be fitted.

    Raises:
        UserError: A class has no row, or one that is not there or another class's.
    """
    if rows == "fit" or (rows is None and outputs != dataset.num_classes):
        return None
    if isinstance(rows, str):
        raise UserError(f"rows: {rows!r} should be fit, or a row for every class, such as {{3: 281}}.")
    if rows is None:
        return list(classes)
    missing = [label for label in classes if label not in rows]
    if missing:
        raise UserError(f"rows: class {missing[0]} ({dataset.classes[missing[0]]}) has none, give one for each class.")
    found = [int(rows[label]) for label in classes]
    wrong = [row for row in found if not 0 <= row < outputs]
    if wrong:
        raise UserError(f"rows: the network knows classes 0 to {outputs - 1}, choose among these and not {wrong[0]}.")
    if len(set(found)) < len(found):
        raise UserError(f"rows: {found} names a row twice, give each class one of its own.")
    return found


def fitted(
    net: nn.Module, example: Example, subtask: Dataset, device: torch.device | str = "cpu", *, as_built: bool = False
) -> nn.Module:
    """A copy of a network with a classifier for the classes of a sub-task, all else as it is.

    The classifier is the multinomial logistic regression of the training images' features, by L-BFGS on all of them:
    the same images give the same one.

    Args:
        net: Not changed.
        example: Inputs as it takes them.
        subtask: Its training images are looked at.
        device: Where.
        as_built: Whether a classifier without a bias stays without one; else it gets one, for it tells more.

    Raises:
        UserError: The network's logits do not come from one linear layer.
    """
    copy = deepcopy(net)
    new_classifier(copy, example, subtask.num_classes)
    layer = find_classifier(copy, example)[1]
    copy.to(device)
    features, labels = _features(copy, layer, subtask, device)
    if layer.bias is None and not as_built:
        layer.bias = nn.Parameter(torch.zeros_like(layer.weight[:, 0]))
    weight, bias = _regression(features, labels, subtask.num_classes, intercept=layer.bias is not None)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if layer.bias is not None:
            layer.bias.copy_(bias)
    return copy


@torch.no_grad()
def _features(
    network: nn.Module, layer: nn.Linear, subtask: Dataset, device: torch.device | str
) -> tuple[Tensor, Tensor]:
    seen: list[Tensor] = []
    labels = []
    hook = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].double().cpu()))
    try:
        with eval_mode(network):
            for batch in Loader(subtask.train, dataset=subtask, batch_size=BATCH, train=False, device=device).epoch():
                network(batch.images)
                labels.append(batch.labels.cpu())
    finally:
        hook.remove()
    return torch.cat(seen), torch.cat(labels)


def _regression(features: Tensor, labels: Tensor, classes: int, *, intercept: bool) -> tuple[Tensor, Tensor]:
    """Weight `[n, F]` and bias `[n]`, fitted on features of variance 1, and of mean 0 where there is a bias."""
    mean, spread = features.mean(0) * intercept, features.std(0).clamp_min(1e-6)
    x = (features - mean) / spread
    weight = torch.zeros(classes, x.shape[1], dtype=x.dtype, requires_grad=True)
    bias = torch.zeros(classes, dtype=x.dtype, requires_grad=intercept)
    optimizer = torch.optim.LBFGS(
        [weight, bias] if intercept else [weight], max_iter=_STEPS, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(F.linear(x, weight, bias), labels) + _DECAY * weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    own = weight.detach() / spread
    return own, bias.detach() - own @ mean
