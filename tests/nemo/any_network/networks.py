"""The networks that are cut in these tests: name -> how to make it, and an example of its inputs."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from nemo.example import Example
from tests.nemo.any_network.own import OWN

Made = tuple[nn.Module, Example]

_TORCHVISION: dict[str, dict[str, Any]] = {
    "resnet18": {},
    "resnet50": {},
    "mobilenet_v2": {},
    "mobilenet_v3_small": {},
    "efficientnet_b0": {},
    "densenet121": {},
    "convnext_tiny": {},
    "shufflenet_v2_x1_0": {},
    "regnet_y_400mf": {},
    "resnext50_32x4d": {},
    "swin_t": {},
    "vit_b_16": {"image_size": 64},
    "googlenet": {"init_weights": False, "aux_logits": False},
    "squeezenet1_1": {},
    "mnasnet0_5": {},
    "maxvit_t": {"input_size": (224, 224)},
}
_TIMM: dict[str, dict[str, Any]] = {
    "resnet10t": {},
    "vit_tiny_patch16_224": {"img_size": 64},
    "deit_tiny_distilled_patch16_224": {"img_size": 64},
    "convnext_atto": {},
    "regnety_002": {},
    "ghostnet_050": {},
    "mixer_s32_224": {},
    "mobilevit_xxs": {},
    "efficientnet_lite0": {},
    "tf_efficientnet_b0": {},
    "repvgg_a0": {},
    "poolformer_s12": {},
    "mobilenetv4_conv_small": {},
    "resnetv2_50": {},
    "hrnet_w18_small": {},
    "levit_128s": {},
    "res2net50_14w_8s": {},
    "dla34": {},
    "coatnet_nano_rw_224": {"img_size": 64},
    "edgenext_xx_small": {},
    "mobileone_s0": {},
    "fastvit_t8": {},
    "efficientformer_l1": {},
    "maxvit_tiny_tf_224": {"img_size": 64},
    "swinv2_cr_tiny_224": {},
    "xcit_nano_12_p16_224": {},
    "inception_v3": {"aux_logits": False},
    "vovnet39a": {},
    "cspresnet50": {},
    "selecsls42": {},
    "pvt_v2_b0": {},
    "eva02_tiny_patch14_224": {"img_size": 56},
    "cait_xxs24_224": {"img_size": 64},
    "dpn48b": {},
    "skresnet18": {},
    "gernet_s": {},
    "volo_d1_224": {"img_size": 64},
    "nest_tiny": {},
    "tnt_s_patch16_224": {},
    "visformer_tiny": {},
    "twins_svt_small": {"img_size": 64},
    "rexnet_100": {},
    "hardcorenas_a": {},
    "resnest14d": {},
    "ese_vovnet19b_dw": {},
    "tresnet_m": {},
    "focalnet_tiny_srf": {},
    "mvitv2_tiny": {},
    "repvit_m0_9": {},
    "tiny_vit_5m_224": {},
    "mobilenetv3_small_050": {},
}
_SIZES = {
    **dict.fromkeys(
        ["levit_128s", "efficientformer_l1", "mixer_s32_224", "nest_tiny", "tnt_s_patch16_224", "maxvit_t"], 224
    ),
    **dict.fromkeys(
        ["swinv2_cr_tiny_224", "xcit_nano_12_p16_224", "visformer_tiny", "mvitv2_tiny", "tiny_vit_5m_224"], 224
    ),
    **dict.fromkeys(["focalnet_tiny_srf", "repvit_m0_9"], 96),
    "inception_v3": 128,
    "selecsls42": 96,
    "eva02_tiny_patch14_224": 56,
}
_TEXT = {
    "num_labels": 4,
    "vocab_size": 500,
    "hidden_size": 96,
    "num_attention_heads": 3,
    "intermediate_size": 192,
    "num_hidden_layers": 3,
}
_IMAGES = {
    "num_labels": 10,
    "hidden_size": 96,
    "num_attention_heads": 3,
    "intermediate_size": 192,
    "num_hidden_layers": 3,
    "image_size": 64,
    "patch_size": 16,
}
_TRANSFORMERS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("Bert", _TEXT),
    "bert_eager": ("Bert", {**_TEXT, "attn_implementation": "eager"}),
    "distilbert": (
        "DistilBert",
        {"num_labels": 4, "vocab_size": 500, "dim": 96, "n_heads": 3, "hidden_dim": 192, "n_layers": 3},
    ),
    "roberta": ("Roberta", {**_TEXT, "max_position_embeddings": 64}),
    "electra": ("Electra", {**_TEXT, "embedding_size": 48}),
    "mpnet": ("MPNet", _TEXT),
    "deberta_v2": (
        "DebertaV2",
        {**_TEXT, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 16},
    ),
    "vit": ("ViT", _IMAGES),
    "vit_eager": ("ViT", {**_IMAGES, "attn_implementation": "eager"}),
    "deit": ("DeiT", _IMAGES),
    "beit": ("Beit", {**_IMAGES, "use_relative_position_bias": True}),
    "dinov2": ("Dinov2", _IMAGES),
    "swin": (
        "Swin",
        {
            "num_labels": 10,
            "image_size": 64,
            "patch_size": 4,
            "embed_dim": 24,
            "depths": [2, 2],
            "num_heads": [2, 4],
            "window_size": 4,
        },
    ),
    "convnextv2": ("ConvNextV2", {"num_labels": 10, "hidden_sizes": [16, 32, 48, 64], "depths": [1, 1, 2, 1]}),
    "resnet": (
        "ResNet",
        {"num_labels": 10, "hidden_sizes": [32, 64, 96, 128], "depths": [1, 2, 1, 1], "embedding_size": 16},
    ),
    "segformer": ("Segformer", {"num_labels": 10}),
    "mobilevit": ("MobileViT", {"num_labels": 10, "image_size": 64}),
    "regnet": (
        "RegNet",
        {"num_labels": 10, "hidden_sizes": [16, 32, 48, 64], "depths": [1, 1, 1, 1], "groups_width": 8},
    ),
}
_OF_TEXT = frozenset(["bert", "bert_eager", "distilbert", "roberta", "electra", "mpnet", "deberta_v2"])

QUICK = (
    *(
        "torchvision:shufflenet_v2_x1_0",
        "torchvision:squeezenet1_1",
    ),
    *(
        "transformers:bert",
        "transformers:vit_eager",
        "transformers:swin",
        "transformers:convnextv2",
        "transformers:resnet",
    ),
    *("own:densely", "own:channels", "own:unet", "own:lstm", "own:encoder", "own:groups", "own:volume", "own:signal"),
    *("own:standardised", "own:levels"),
)
"""One of every family that takes a second or two."""


def _images(size: int, channels: int = 3) -> Tensor:
    return torch.rand(3, channels, size, size, generator=torch.Generator().manual_seed(5))


def _torchvision(name: str) -> Made:
    models = import_module("torchvision.models")
    return getattr(models, name)(num_classes=10, **_TORCHVISION[name]), _images(_SIZES.get(name, 64))


def _timm(name: str) -> Made:
    return import_module("timm").create_model(name, num_classes=10, **_TIMM[name]), _images(_SIZES.get(name, 64))


def _transformers(name: str) -> Made:
    library = import_module("transformers")
    family, fields = _TRANSFORMERS[name]
    task = "ForSequenceClassification" if name in _OF_TEXT else "ForImageClassification"
    network = getattr(library, f"{family}{task}")(getattr(library, f"{family}Config")(**fields))
    if name not in _OF_TEXT:
        return network, {"pixel_values": _images(64)}
    ids = torch.randint(5, 500, (3, 20), generator=torch.Generator().manual_seed(5))
    mask = torch.ones_like(ids)
    mask[0, 15:] = 0
    return network, {"input_ids": ids, "attention_mask": mask}


NETWORKS: dict[str, Callable[[], Made]] = {
    **{f"torchvision:{name}": lambda name=name: _torchvision(name) for name in _TORCHVISION},  # type: ignore[misc]
    **{f"timm:{name}": lambda name=name: _timm(name) for name in _TIMM},  # type: ignore[misc]
    **{f"transformers:{name}": lambda name=name: _transformers(name) for name in _TRANSFORMERS},  # type: ignore[misc]
    **{f"own:{name}": make for name, make in OWN.items()},
}


@torch.no_grad()
def alive(network: nn.Module, example: Example) -> nn.Module:
    """In place, in double precision: statistics of its own inputs, and values where a start has zeros, so that what is
    cut would be missed. Returns the network in eval mode."""
    from nemo.example import call, map_example

    network.double().train()
    draw = torch.Generator().manual_seed(0)
    doubled = map_example(lambda x: x.double() if x.is_floating_point() else x, example)
    norms = [layer for layer in network.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    norms = [layer for layer in norms if layer.track_running_stats]
    for _ in range(3 if norms else 0):
        call(network, doubled)
    for layer in norms:
        layer.running_mean.add_(0.1 * torch.rand(layer.running_mean.shape, generator=draw))  # type: ignore[union-attr]
        layer.running_var.mul_(1 + 0.2 * torch.rand(layer.running_var.shape, generator=draw))  # type: ignore[union-attr]
    for name, parameter in network.named_parameters():
        noise = torch.randn(parameter.shape, generator=draw, dtype=torch.float64)
        if parameter.numel() and float(parameter.abs().max()) < 1e-3:
            parameter.add_(0.1 * noise)
        elif "gamma" in name or "layer_scale" in name or "lambda" in name:
            parameter.copy_(0.5 + 0.1 * noise.abs())
        elif parameter.dim() == 1:
            parameter.add_(0.1 * noise)
    return network.eval()
