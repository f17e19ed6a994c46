"""The classifier of a network: the one linear layer whose output is the logits, found on its graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, fx, nn

from nemo.errors import UserError
from nemo.example import Example
from nemo.graph.capture import Captured, capture
from nemo.graph.nodes import operation

_WITHOUT_EFFECT = frozenset(["alias", "clone", "contiguous", "detach", "dropout", "to", "_to_copy"])


def find_classifier(network: nn.Module, example: Example, captured: Captured | None = None) -> tuple[str, nn.Linear]:
    """Name and layer of the classifier.

    Args:
        network: Any that `torch.export` can follow; not changed.
        example: Inputs as it takes them.
        captured: What `capture` gave for the network, where that has been done.

    Raises:
        UserError: The logits do not come from one linear layer, or its weight is used elsewhere, too.
    """
    captured = captured or capture(network, example)
    node = captured.output
    while operation(node) in _WITHOUT_EFFECT and isinstance(node.args[0], fx.Node):
        node = node.args[0]
    weight = node.args[1] if operation(node) == "linear" else None
    if not isinstance(weight, fx.Node) or weight.name not in captured.names:
        raise UserError(
            f"backbone: its logits are the output of {operation(node)} and not of one Linear layer, so its classifier "
            "can't be replaced, wrap it so that they are."
        )
    name = captured.layer(weight)
    layer = dict(network.named_modules()).get(name)
    if weight.name in captured.shared or len(weight.users) > 1 or not isinstance(layer, nn.Linear):
        raise UserError(f"backbone: its classifier {name} is no Linear layer with a weight of its own, give it one.")
    return name, layer


def new_classifier(network: nn.Module, example: Example, num_classes: int) -> None:
    """Puts a freshly initialised `nn.Linear` of `num_classes` outputs in the classifier's place.

    Raises:
        UserError: See `find_classifier`.
    """
    name, old = find_classifier(network, example)
    parent, _, own = name.rpartition(".")
    fresh = nn.Linear(old.in_features, num_classes, bias=old.bias is not None).to(old.weight)
    setattr(network.get_submodule(parent), own, fresh)


@torch.no_grad()
def keep_rows(name: str, layer: nn.Linear, state: Mapping[str, Tensor], rows: Sequence[int]) -> None:
    """Gives a classifier rows of a trained one, in place.

    Args:
        name: The classifier's.
        layer: The classifier, with as many outputs as there are rows.
        state: A network's state that holds a classifier of this name, `[M, features]`.
        rows: By class of the network the row among the M.

    Raises:
        UserError: There is no such classifier in the state, or no such row.
    """
    own = {f"{name}.{key}": value for key, value in layer.named_parameters()}
    if any(key not in state or state[key].shape[1:] != value.shape[1:] for key, value in own.items()):
        raise UserError(f"classes_of: the weights hold no classifier {name} that fits, leave classes_of out.")
    known = len(state[f"{name}.weight"])
    wrong = [row for row in rows if not 0 <= row < known]
    if wrong:
        raise UserError(
            f"classes_of: the weights know classes 0 to {known - 1}, choose one of these and not {wrong[0]}."
        )
    if len(rows) != layer.out_features:
        raise UserError(f"classes_of: gives rows for {len(rows)} of {layer.out_features} classes, give one for each.")
    for key, value in own.items():
        value.copy_(state[key][list(rows)])
