from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from nemo.errors import UserError
from nemo.example import logits_of
from nemo.zoo.build import build_foreign
from nemo.zoo.transformers_config import with_config
from tests.nemo.zoo.files import own_file, vit_folder


def shape(network: nn.Module, height: int, width: int) -> torch.Size:
    return logits_of(network.eval()(torch.zeros(3, 3, height, width))).shape


@pytest.mark.parametrize("name", ["torchvision:mobilenet_v3_small", "timm:efficientnet_lite0"])
def test_a_library_builds_its_networks_for_images_of_any_shape(name: str) -> None:
    assert shape(build_foreign(name, 4, (48, 64)), 48, 64) == (3, 4)


@pytest.mark.heavy
def test_a_library_s_networks_with_traps() -> None:
    for name, size in [("torchvision:googlenet", 64), ("torchvision:vit_b_16", 32), ("timm:vit_tiny_patch16_224", 32)]:
        network = build_foreign(name, 3, size)
        assert network.training
        assert shape(network, size, size) == (3, 3)


def test_a_folder_of_transformers(tmp_path: Path) -> None:
    name = f"hf:{vit_folder(tmp_path)}"
    assert shape(build_foreign(name, 5, (16, 24)), 16, 24) == (3, 5)
    described = with_config(name)
    assert "class_0" not in described
    (tmp_path / "config.json").unlink()
    assert shape(build_foreign(described, 4, 16), 16, 16) == (3, 4)


def test_a_configuration_that_leaves_the_size_out() -> None:
    fields = '{"model_type": "deit", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}'
    assert shape(build_foreign(f"hf:{fields}", 4, (32, 48)), 32, 48) == (3, 4)


OWN = """
from dataclasses import dataclass
from torch import nn
import neighbour

@dataclass
class Layers:
    width: int = 4

def make(num_classes):
    layers = nn.Conv2d(3, Layers().width, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, num_classes)
    return nn.Sequential(*layers)

def sized(num_classes, *, image_size):
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * image_size ** 2, num_classes))

def fixed():
    return make(1000)

def wrong(num_classes):
    return nn.Sequential(make(9), nn.Softmax(1))

def fails(num_classes):
    return 1 // 0

def nothing(num_classes):
    pass

def images(num_classes):
    return nn.Conv2d(3, num_classes, 1)

def small(num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(75, num_classes))
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "neighbour.py").write_text("")
    monkeypatch.chdir(tmp_path)
    return own_file(tmp_path, OWN)


@pytest.mark.parametrize("function", ["make", "sized", "fixed"])
def test_a_function_of_a_file(own: Path, function: str) -> None:
    assert shape(build_foreign(f"python:{own.name}:{function}", 6, 8), 8, 8) == (3, 6)


def test_a_function_of_a_module(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(own.parent)
    assert shape(build_foreign(f"python:{own.stem}:make", 6, 8), 8, 8) == (3, 6)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("mak", r"nets\.py has no 'mak', choose one such as make"),
        ("fails", r"ZeroDivisionError.*nets\.py line \d+\), mend it"),
        ("nothing", "returns no torch.nn.Module but NoneType"),
        ("wrong", "output of softmax and not of one Linear"),
        ("small", r"^image_size: .* takes no images of 8x8 \(RuntimeError.*\), mend it or choose others"),
        ("images", r"gives no logits \[B, N\]"),
    ],
)
def test_a_function_that_makes_no_classifier_is_refused(own: Path, function: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as refused:
        build_foreign(f"python:{own.name}:{function}", 6, 8)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("torchvision:resnet51", 32, "torchvision has no 'resnet51', choose one such as resnet"),
        ("timm:convnext_att", 32, "timm has no 'convnext_att', choose one such as convnext_att"),
        ("timm:convnext_atto.d3_in1k", 32, "has no 'd3_in1k', choose one such as d2_in1k"),
        ("torchvision:vit_b_16", (32, 48), "^image_size: .* takes square images"),
        ("torchvision:alexnet", 16, "^image_size: .* takes no images of 16x16"),
        ("python:no_such_nets:make", 32, "needs the module no_such_nets, install it or put it"),
        ('hf:{"model_type": "vitt"}', 32, "transformers has no 'vitt', choose one such as vit"),
        ('hf:{"model_type": "bert"}', 32, "classifies no images by a bert"),
        ('hf:{"model_type": "vit", "num_hidden_layers": "x"}', 32, "is of no vit"),
        ('hf:{"hidden_size": 3}', 32, "configuration of .* cannot be read"),
    ],
)
def test_what_cannot_be_built_is_refused(name: str, size: int, message: str) -> None:
    with pytest.raises(UserError, match=message) as refused:
        build_foreign(name, 6, size)
    assert "\n" not in str(refused.value)


def test_one_class_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="num_classes"):
        build_foreign("torchvision:resnet18", 1, 32)


def test_a_library_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(UserError, match=r'timm is not installed, run pip install "nemo-orchestrator\[timm\]"'):
        build_foreign("timm:resnet18", 6, 32)


def test_the_hub_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"there is no network here.*give hf: and a folder"):
        build_foreign("hf:somebody/vit-that-is-not-here", 6, 32)
