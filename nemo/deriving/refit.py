"""New weights, by least squares, for what follows a cut layer: what is left speaks for what is gone (method.md 9.5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn

from nemo.datasets.dataset import Dataset, some_of
from nemo.deriving.masked import Masked
from nemo.evaluation import BATCH
from nemo.graph.affine import CUT
from nemo.loader import Loader
from nemo.tokens import TokenReader, reader_of

IMAGES = 400
"""Training images whose activations are looked at, unless told else."""

_RIDGE = 1e-4  # of the mean square of an input: rows may be fewer than columns
_POSITIONS = 256  # of an image that count, evenly over its map


@torch.no_grad()
def refit(module: nn.Module, masked: Masked, subtask: Dataset, images: int = IMAGES, *, seed: int) -> list[str]:
    """Fits every Linear and 1x1 convolution of a module that lost inputs, in place, to the output of the whole one.

    All are fitted to what one pass of the untouched network shows. A layer with a bias gets a new one, too.

    Args:
        module: As `Masked.cut` gives it.
        masked: What it was cut from.
        subtask: Its classes' images; training images are drawn.
        images: How many, at most.
        seed: Of the draw.

    Returns:
        The layers that were fitted, as the whole network calls them; none of a module that follows no graph.
    """
    parts = list(_parts(module, masked))
    grams: dict[str, Tensor] = {}
    texts = reader_of(masked.network)
    hooks = [
        masked.network.get_submodule(name).register_forward_pre_hook(_adder(name, grams, texts)) for name, *_ in parts
    ]
    drawn = some_of(subtask.train, images, seed=seed)
    device = next(masked.network.parameters()).device
    try:
        for batch in Loader(drawn, dataset=subtask, batch_size=BATCH, train=False, device=device).epoch():
            masked.logits(batch.images)
    finally:
        for hook in hooks:
            hook.remove()
    for name, layer, rows, columns in parts:
        whole = masked.network.get_submodule(name)
        assert isinstance(whole, nn.Linear | nn.Conv2d)
        weight = whole.weight.detach().flatten(1).double().cpu()[rows]
        lost = torch.zeros(weight.shape[1] + 1, len(rows), dtype=torch.float64)  # the last row is that of the constant
        lost[:-1] = weight.T
        lost[columns] = 0
        if layer.bias is not None:
            own = 0 if whole.bias is None else whole.bias.detach().double().cpu()[rows]
            lost[-1] = own - layer.bias.detach().double().cpu()  # of units that are gone, and constant
        added = correction(grams[name], columns, lost, intercept=layer.bias is not None, ridge=_RIDGE)
        layer.weight += added[: len(columns)].T.reshape(layer.weight.shape).to(layer.weight)
        if layer.bias is not None:
            layer.bias += added[-1].to(layer.bias)
    return [name for name, *_ in parts]


def correction(gram: Tensor, kept: Tensor, lost: Tensor, *, intercept: bool, ridge: float = 0.0) -> Tensor:
    """What is added to the weights of the kept inputs, so that they give the least squares' answer for those lost.

    Args:
        gram: Σ h hᵀ over the rows h = [inputs, 1], `[e + 1, e + 1]`.
        kept: Numbers of the inputs that are left, `[k]`.
        lost: The weights that are lost, 0 where an input is kept, `[e + 1, outputs]`; the last row is a constant's.
        intercept: Whether there is a bias to fit.
        ridge: Presses what is added towards 0, as a share of the kept inputs' mean square; 0 is the pseudo-inverse.

    Returns:
        `[k, outputs]`, with an intercept `[k + 1, outputs]`, whose last row is added to the bias.
    """
    used = torch.cat([kept, torch.tensor([len(gram) - 1])]) if intercept else kept
    own, across = gram[used][:, used], gram[used] @ lost
    if ridge == 0:
        return torch.linalg.pinv(own, hermitian=True) @ across
    press = torch.full((len(used),), ridge * float(own.diagonal()[: len(kept)].mean()), dtype=gram.dtype)
    if intercept:
        press[-1] = 0
    return torch.linalg.lstsq(own + press.diag(), across, driver="gelsd").solution


def _parts(module: nn.Module, masked: Masked) -> Iterator[tuple[str, nn.Linear | nn.Conv2d, Tensor, Tensor]]:
    """Name in the whole network, layer of the module, and its rows and columns of the whole one's weight."""
    if not isinstance(module, fx.GraphModule):
        return
    for node in module.graph.nodes:
        if CUT not in node.meta:
            continue
        name, rows, columns = node.meta[CUT]
        layer, whole = module.get_submodule(str(node.target)), masked.network.get_submodule(name)
        pointwise = isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1) and layer.groups == 1
        if isinstance(layer, nn.Conv2d) and (not pointwise or layer.padding not in (0, (0, 0), "valid", "same")):
            continue
        if not isinstance(layer, nn.Linear | nn.Conv2d) or not isinstance(whole, nn.Linear | nn.Conv2d):
            continue
        if len(columns) < whole.weight.shape[1]:
            yield name, layer, rows, columns


def _adder(name: str, grams: dict[str, Tensor], texts: TokenReader | None) -> Callable[[nn.Module, Any], None]:
    def add(layer: nn.Module, inputs: Any) -> None:
        x: Tensor = inputs[0]
        if isinstance(layer, nn.Conv2d):
            x = x[:, :, :: layer.stride[0], :: layer.stride[1]].movedim(1, -1)
        x = x.reshape(len(x), -1, x.shape[-1])
        present = None if texts is None else texts.present
        if present is not None and x.shape[:2] == present.shape:
            x = x[present][:, None]  # padding is no part of a text
        elif x.shape[1] > _POSITIONS:
            x = x[:, torch.linspace(0, x.shape[1] - 1, _POSITIONS).round().long().to(x.device)]
        rows = x.flatten(0, 1).double()
        rows = torch.cat([rows, torch.ones_like(rows[:, :1])], dim=1)
        gram = (rows.T @ rows).cpu()
        grams[name] = grams[name] + gram if name in grams else gram

    return add
