"""How `nemo.surgery` cuts the blocks of a Transformer (method.md 6.4).

The exact form leaves the residual stream whole: a layer that lost outputs adds to those channels that it kept. The
papers' form cuts the stream itself to what the last layer of each branch kept, and the norms with it. Both are the
same indices, and differ in what the norm of the MLP sees and what of the stream goes on.
"""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from nemo.backbones.backbone import Backbone
from nemo.cutting import Cuts, Kept, cut, like, select_rows, slice_generator, slice_linear
from nemo.transformer import (
    Attention,
    Branch,
    DistilledHead,
    Mlp,
    Readout,
    TokenEmbedding,
    TokenUnit,
    TransformerBlock,
)


@cut.register
def _embedding(block: TokenEmbedding, kept: Kept, cuts: Cuts) -> tuple[nn.Module, Kept]:
    return deepcopy(block), Kept.all(block.special.shape[-1], block.special.device)


@cut.register
def _readout(block: Readout, kept: Kept, cuts: Cuts) -> tuple[nn.Module, Kept]:
    return deepcopy(block), kept


@cut.register
def _layer_norm(block: nn.LayerNorm, kept: Kept, cuts: Cuts) -> tuple[nn.Module, Kept]:
    return _slice_layer_norm(block, kept.index), kept


@cut.register
def _distilled_head(block: DistilledHead, kept: Kept, cuts: Cuts) -> tuple[nn.Module, Kept]:
    rows = Kept.all(block.out_features, block.classifier.weight.device)
    parts = (slice_linear(part, rows.index, kept.index) for part in (block.classifier, block.distilled))
    return DistilledHead(*parts), rows


@select_rows.register
def _select_rows(head: DistilledHead, rows: Tensor) -> nn.Module:
    return DistilledHead(select_rows(head.classifier, rows), select_rows(head.distilled, rows))  # type: ignore[arg-type]


@cut.register
def _block(block: TransformerBlock, kept: Kept, cuts: Cuts) -> tuple[nn.Module, Kept]:
    attention, mlp = block.attention.body, block.mlp.body
    assert isinstance(attention, Attention) and isinstance(mlp, Mlp)
    whole = Kept.all(kept.width, kept.index.device).index
    attended, added = _rows(attention.output, cuts), _rows(mlp.fc2, cuts)
    seen = attended if _narrows(attention.output, cuts) else whole
    leaving = added if _narrows(mlp.fc2, cuts) else whole
    between = torch.cat([kept.index, attended]).unique()  # the stream between the branches; unique() sorts
    smaller = TransformerBlock(
        _branch(block.attention, _attention(attention, kept.index, cuts), kept.index, kept.index, between, attended),
        _branch(block.mlp, _mlp(mlp, seen, cuts), between, seen, leaving, added),
    )
    return smaller.train(block.training), Kept(leaving, kept.width)


def _branch(
    whole: Branch, body: Attention | Mlp | None, stream: Tensor, seen: Tensor, leaving: Tensor, rows: Tensor
) -> Branch:
    """The branch from `stream` to `leaving`, with a norm that sees `seen` and a body that adds to `rows`."""
    reads = body is not None and (body.value if isinstance(body, Attention) else body.fc1) is not None
    assert whole.norm is not None
    return Branch(
        _slice_layer_norm(whole.norm, seen) if reads else None,
        body,
        whole.dropout.p,
        seen=_places(seen, stream) if reads else None,
        carried=_places(leaving, stream),
        rows=_places(rows, leaving),
    )


def _attention(whole: Attention, columns: Tensor, cuts: Cuts) -> Attention | None:
    assert whole.query is not None and whole.key is not None and whole.value is not None
    assert whole.key_heads is not None and whole.value_heads is not None
    output = _rows(whole.output, cuts)
    if not len(output):
        return None
    queries, keys, values = (_rows(unit, cuts) for unit in (whole.query, whole.key, whole.value))
    common = queries[torch.isin(queries, keys)]  # a zero on either side adds nothing to the product
    key_head, value_head = common // whole.key_heads.width, values // whole.value_heads.width
    keys_of = torch.bincount(key_head, minlength=whole.key_heads.count)
    values_of = torch.bincount(value_head, minlength=whole.value_heads.count)
    attends = (keys_of > 0) & (values_of > 0)
    products = common[attends[key_head]]
    # First the values of the heads that attend, then those of the heads that are a mean over the tokens.
    values = torch.cat([values[attends[value_head]], values[~attends[value_head]]])
    return Attention(
        _slice_unit(whole.query, products, columns, cuts) if len(products) else None,
        _slice_unit(whole.key, products, columns, cuts) if len(products) else None,
        _slice_unit(whole.value, values, columns, cuts) if len(values) else None,
        _slice_unit(whole.output, output, values, cuts),
        key_sizes=keys_of[attends].tolist(),
        value_sizes=values_of[attends].tolist(),
        uniform=int(values_of[~attends].sum()),
        scale=whole.scale,
        dropout=whole.dropout,
    ).to(columns.device)


def _mlp(whole: Mlp, columns: Tensor, cuts: Cuts) -> Mlp | None:
    assert whole.fc1 is not None
    output = _rows(whole.fc2, cuts)
    if not len(output):
        return None
    hidden = _rows(whole.fc1, cuts)
    return Mlp(
        _slice_unit(whole.fc1, hidden, columns, cuts) if len(hidden) else None,
        deepcopy(whole.activation),
        _slice_unit(whole.fc2, output, hidden, cuts),
    )


def _rows(unit: TokenUnit, cuts: Cuts) -> Tensor:
    """The outputs that a layer keeps, ascending."""
    own = cuts.get(unit)
    return Kept.all(unit.kernels, unit.weight.device).index if own is None else own.rows


def _narrows(unit: TokenUnit, cuts: Cuts) -> bool:
    own = cuts.get(unit)
    return own is not None and own.narrows


def _places(index: Tensor, among: Tensor) -> Tensor | None:
    """Where each of `index` lies in the ascending `among`, its length for what isn't there; None if they are equal."""
    if torch.equal(index, among):
        return None
    place = torch.searchsorted(among, index)
    found = among[place.clamp_max(len(among) - 1)] == index
    return torch.where(found, place, len(among))


def _slice_unit(unit: TokenUnit, rows: Tensor, columns: Tensor, cuts: Cuts) -> TokenUnit:
    """Keeps `rows`, which may be fewer than the module mask's; a folded mask value scales weights and bias."""
    smaller = TokenUnit(slice_linear(unit.linear, rows, columns), unit.role, maskable=unit.maskable)
    own = cuts.get(unit)
    if own is not None and own.fold is not None:
        scale = torch.ones(unit.kernels, dtype=own.fold.dtype, device=rows.device)
        scale[own.rows] = own.fold
        smaller.linear.weight.mul_(scale[rows, None])
        if unit.linear.bias is not None:
            smaller.linear.bias.mul_(scale[rows])
    if own is not None and own.keep_generator and unit.mask_generator is not None:
        smaller.mask_generator = slice_generator(unit.mask_generator, rows, columns)
    return smaller


def _slice_layer_norm(norm: nn.LayerNorm, index: Tensor) -> nn.LayerNorm:
    return like(norm, nn.LayerNorm(len(index), eps=norm.eps), weight=norm.weight[index], bias=norm.bias[index])


def applies_to(backbone: nn.Module) -> bool:
    """Whether a backbone has blocks that this file cuts: the two forms of surgery differ for these alone."""
    return isinstance(backbone, Backbone) and any(isinstance(block, TransformerBlock) for block in backbone.body)
