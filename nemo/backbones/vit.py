"""Vision Transformers: the trained parts of transformers' models in our blocks (method.md 1.7 and 1.8)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from nemo.backbones.backbone import Backbone, scaled
from nemo.backbones.vit_config import read_config
from nemo.backbones.vit_fields import CLASSES
from nemo.layers import ConvUnit
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

_READOUT = {"deit": "two", "ijepa": "mean"}


def vit(name: str, num_classes: int, width: float, image_size: tuple[int, int]) -> Backbone:
    """A Transformer with a random start; `width` scales the heads' dimension, and with it hidden and MLP size."""
    return wrap(transformers_model(name, num_classes, width, image_size))


def transformers_model(name: str, num_classes: int, width: float, image_size: tuple[int, int]) -> Any:
    """The freshly initialised model of transformers that a backbone is made of."""
    import transformers

    fields = read_config(name)
    kind = fields.pop("model_type")
    heads, hidden = fields["num_attention_heads"], fields["hidden_size"]
    narrow = heads * scaled(hidden // heads, width)
    fields |= {
        "hidden_size": narrow,
        "intermediate_size": max(1, fields["intermediate_size"] * narrow // hidden),
        "image_size": image_size,
        "num_channels": 3,
        "num_labels": num_classes,
    }
    return getattr(transformers, CLASSES[kind])(transformers.AutoConfig.for_model(kind, **fields))


def wrap(model: Any) -> Backbone:
    """Puts the embeddings, norms and linear layers of a transformers model into our blocks; they are shared."""
    config = model.config
    encoder = getattr(model, model.base_model_prefix)
    readout = _READOUT.get(config.model_type, "first")
    blocks = [_block(layer, maskable=number > 0) for number, layer in enumerate(encoder.layers)]
    body = nn.Sequential(_embedding(encoder.embeddings), *blocks, encoder.layernorm, Readout(readout))
    head = DistilledHead(model.cls_classifier, model.distillation_classifier) if readout == "two" else model.classifier
    return Backbone(body, head)


def _embedding(embeddings: Any) -> TokenEmbedding:
    names = ("cls_token", "distillation_token")  # in this order
    positions = embeddings.position_embeddings.detach()
    special = [getattr(embeddings, name).detach() for name in names if hasattr(embeddings, name)]
    return TokenEmbedding(
        ConvUnit(embeddings.patch_embeddings.projection, relu=False, maskable=False),
        torch.cat([*special, positions[:, :0]], dim=1),
        positions,
        embeddings.dropout.p,
    )


def _block(layer: Any, maskable: bool) -> TransformerBlock:
    def unit(linear: nn.Linear, role: str) -> TokenUnit:
        return TokenUnit(linear, role, maskable=maskable)

    theirs, mlp = layer.attention, layer.mlp
    sizes = [theirs.head_dim] * theirs.num_attention_heads
    attention = Attention(
        unit(theirs.q_proj, "query"),
        unit(theirs.k_proj, "key"),
        unit(theirs.v_proj, "value"),
        unit(theirs.o_proj, "output"),
        key_sizes=sizes,
        value_sizes=sizes,
        scale=theirs.scaling,
        dropout=theirs.attention_dropout,
    )
    return TransformerBlock(
        Branch(layer.layernorm_before, attention, layer.dropout.p),
        Branch(
            layer.layernorm_after, Mlp(unit(mlp.fc1, "fc1"), mlp.activation_fn, unit(mlp.fc2, "fc2")), layer.dropout.p
        ),
    )
