from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nemo.backbones import has_attention
from nemo.errors import UserError
from nemo.zoo.names import check_name, is_foreign, short


def test_a_prefix_makes_a_name_foreign() -> None:
    foreign = ("torchvision:resnet50", "timm:convnext_atto.d2_in1k", "hf:google/vit-base@main", "python:my.nets:make")
    assert all(is_foreign(name) for name in foreign)
    assert not any(is_foreign(name) for name in ("resnet18", "vit:config.json", "timm", "http://x"))
    for name in foreign:
        check_name(name)


def test_transformers_are_known_by_their_names_or_configurations() -> None:
    bert, distilbert = '{"model_type": "bert", "num_attention_heads": 2}', '{"model_type": "distilbert", "n_heads": 2}'
    have = [
        "vit_s",
        "vit:config.json",
        f"hf:{bert}",
        f"hf:{distilbert}",
        "timm:deit_tiny_patch16_224",
        "torchvision:vit_b_16",
    ]
    have_not = ["resnet18", 'hf:{"model_type": "resnet"}', "timm:convnext_atto.d2_in1k", "python:my.nets:make"]
    assert [has_attention(name) for name in have + have_not] == [True] * len(have) + [False] * len(have_not)


def test_labels_are_short(tmp_path: Path) -> None:
    names = {
        "torchvision:resnet50": "resnet50",
        "timm:convnext_atto.d2_in1k": "convnext_atto.d2_in1k",
        f"hf:{tmp_path}/tiny/": "tiny",
        "hf:google/vit-base@v1.0": "vit-base",
        'hf:{"model_type": "vit"}': "vit",
        "python:my.nets:make": "make",
        "python:nets.py:make": "make",
    }
    assert {name: short(name) for name in names} == names


@pytest.mark.parametrize(
    "name",
    [
        "nets:make",
        "torchvision:",
        "torchvision:a b",
        "timm:a/b",
        "hf:",
        "hf:no/such/folder",
        "python:make",
        "python:a:b:c",
    ],
)
def test_what_names_no_network_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"^backbone: .*, write .*such as"):
        check_name(name)


def test_folders_and_files_have_to_be_here(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no config.json"):
        check_name(f"hf:{tmp_path}")
    with pytest.raises(UserError, match=r"no file away/nets\.py"):
        check_name("python:away/nets.py:make")


def test_names_need_no_torch() -> None:
    code = "import sys, nemo.zoo.names; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
