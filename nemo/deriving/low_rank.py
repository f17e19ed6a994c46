"""Attention of fewer dimensions: heads in the basis in which few of them say most (method.md 9.9)."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from nemo.deriving.heads import Part, attention_heads
from nemo.example import Example

MULTIPLE = 8
"""Dimensions of a head come in multiples of it, where there are so many: processors read them so."""


@torch.no_grad()
def low_rank_attention(net: nn.Module, example: Example, removed: float) -> tuple[nn.Module, dict[str, Tensor]]:
    """A copy of a network whose heads lack their least dimensions, all those of an attention as many.

    Nothing is trained, and no image looked at: one result serves every class set.

    Args:
        net: See `attention_heads`.
        example: Inputs as it takes them.
        removed: The share of the FLOPs that will be removed of the network, by which `energy` is chosen.

    Returns:
        The copy, of the same shape: what is gone is 0 in its weights. And by layer, which of its rows are left.

    Raises:
        UserError: See `attention_heads`.
    """
    thin = deepcopy(net)
    kept: dict[str, Tensor] = {}
    for heads in attention_heads(net, example):
        query, key, value = (_rows(thin, part) for part in (heads.query, heads.key, heads.value))
        asked, answered, meeting = factors(query.mT, key.mT)
        said, read, telling = factors(value.mT, _columns(thin, heads.output))
        for part, weights, values in (
            (heads.query, asked, meeting),
            (heads.key, answered, meeting),
            (heads.value, said, telling),
        ):
            left = dimensions(values, energy(removed))
            weights[..., left:] = 0
            _put_rows(thin, part, weights.mT)
            rows = kept.setdefault(part.layer, torch.ones(_linear(thin, part).out_features, dtype=torch.bool))
            rows[part.places[:, left:].flatten()] = False
        read[..., left:] = 0
        _put_columns(thin, heads.output, read)
    return thin, kept


def energy(removed: float) -> float:
    """The share of the squared singular values that is kept, where so much of the FLOPs is removed (NuWa)."""
    return -0.41 * removed**3 + 0.14 * removed**2 - 0.03 * removed + 1


def dimensions(values: Tensor, share: float) -> int:
    """How many singular values `[H, d]` of every head are kept: the fewest with that share of their squares.

    Over the heads, the mean share counts. Then down to a multiple of 8, one at least; heads of less stay whole.
    """
    squares = values.square()
    shares = (squares.cumsum(1) / squares.sum(1, keepdim=True)).mean(0)
    least = min(int((shares < share - 1e-12).sum()) + 1, values.shape[1])
    return min(max(least // MULTIPLE * MULTIPLE, MULTIPLE), values.shape[1])


def factors(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Two sides whose product is `left @ right^T`, each dimension as loud in one as in the other, the loudest first.

    Args:
        left: `[H, a, d]`.
        right: `[H, b, d]`.

    Returns:
        `[H, a, d]`, `[H, b, d]` and the singular values of the product, `[H, d]`.
    """
    if min(left.shape[1], right.shape[1]) < left.shape[2]:  # fewer inputs than dimensions: no square triangles
        u, values, v = torch.linalg.svd(left @ right.mT, full_matrices=False)
        lack = left.shape[2] - values.shape[1]
        u, values = nn.functional.pad(u, (0, lack)), nn.functional.pad(values, (0, lack))
        return u * values.sqrt()[:, None], nn.functional.pad(v.mT, (0, lack)) * values.sqrt()[:, None], values
    (q, r), (other_q, other_r) = torch.linalg.qr(left), torch.linalg.qr(right)
    u, values, v = torch.linalg.svd(r @ other_r.mT)
    root = values.sqrt()[:, None]
    return q @ u * root, other_q @ v.mT * root, values


def _linear(net: nn.Module, part: Part) -> nn.Linear:
    layer = net.get_submodule(part.layer)
    assert isinstance(layer, nn.Linear)
    return layer


def _rows(net: nn.Module, part: Part) -> Tensor:
    """Weights and biases of heads: `[H, d, inputs + 1]`, in double precision."""
    layer = _linear(net, part)
    bias = torch.zeros(len(layer.weight)) if layer.bias is None else layer.bias
    weights = torch.cat([layer.weight.double().cpu(), bias.double().cpu()[:, None]], dim=1)
    return weights[part.places]


def _columns(net: nn.Module, part: Part) -> Tensor:
    """What a layer reads of heads: `[H, outputs, d]`."""
    return _linear(net, part).weight.double().cpu()[:, part.places].movedim(1, 0)


def _put_rows(net: nn.Module, part: Part, weights: Tensor) -> None:
    layer = _linear(net, part)
    layer.weight[part.places.flatten()] = weights[..., :-1].flatten(0, 1).to(layer.weight)
    if layer.bias is not None:
        layer.bias[part.places.flatten()] = weights[..., -1].flatten().to(layer.bias)


def _put_columns(net: nn.Module, part: Part, weights: Tensor) -> None:
    layer = _linear(net, part)
    layer.weight[:, part.places.flatten()] = weights.movedim(0, 1).flatten(1).to(layer.weight)
