"""Transformer backbones: transformers' own numbers in our blocks, the published sizes, and refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import nemo
from nemo.backbones import check_backbone
from nemo.backbones.vit import transformers_model, wrap
from nemo.backbones.vit_config import ROLES, read_config, with_config
from nemo.backbones.vit_fields import ACTIVATIONS, CLASSES, FIELDS
from nemo.modular import unmasked_kernels
from nemo.transformer import NeuronMaskGenerator, TokenUnit
from tests.nemo.transformers import IMAGE, NAMES

pytestmark = pytest.mark.heavy

# parameters, those of linear layers, MFLOPs, heads; both: L, K, generators (method.md 1.1, 1.2 and 6.4)
PUBLISHED = {"vit_s": (21_342_346, 21_278_986, 1423.43, 12), "deit_s": (21_346_964, 21_282_836, 1445.92, 6)}
WIDTHS = [384, 384, 384, 384, 1536, 384] * 11


@pytest.mark.parametrize("name", NAMES)
def test_the_published_sizes(name: str) -> None:
    parameters, linear, mflops, heads = PUBLISHED[name]
    standard = nemo.build_backbone(name, 10)
    assert nemo.count_parameters(standard) == parameters
    assert nemo.flops.count_linear_parameters(standard) == linear
    assert round(nemo.count_flops(standard) / 1e6, 2) == mflops
    assert standard.body[1].attention.body.key_heads.count == heads
    with torch.device("meta"):
        modular = nemo.make_modular(nemo.build_backbone(name, 10))
    generators = [m for m in modular.modules() if isinstance(m, NeuronMaskGenerator)]
    assert sum(nemo.count_parameters(m) for m in generators) == 53_602_560
    assert modular.widths == WIDTHS
    assert sum(modular.widths) == 38_016
    assert unmasked_kernels(modular) == 384 + 3_456  # the patch projection and the first block


def config_file(folder: Path, **fields: object) -> str:
    small = {"hidden_size": 24, "num_attention_heads": 3, "intermediate_size": 40, "num_hidden_layers": 2}
    (folder / "config.json").write_text(json.dumps({"patch_size": 8, "image_size": 224, **small, **fields}))
    return f"vit:{folder}"


@pytest.mark.parametrize("kind", ["vit", "deit", "vit_msn", "ijepa"])
@pytest.mark.parametrize("width", [1.0, 0.5])
@torch.no_grad()
def test_logits_are_those_of_transformers(tmp_path: Path, kind: str, width: float) -> None:
    name = config_file(tmp_path, model_type=kind, qkv_bias=False, hidden_act="relu", id2label={"0": "cat"})
    model = transformers_model(name, 7, width, IMAGE).eval()
    for parameter in model.parameters():
        parameter.normal_()
    x = torch.rand(3, 3, IMAGE, IMAGE)
    expected = model(x).logits
    assert expected.std(0).max() > 0.1
    torch.testing.assert_close(wrap(model).eval()(x), expected, rtol=1e-5, atol=1e-5)
    assert model.config.hidden_size == 24 * width
    assert model.config.intermediate_size == 40 * width


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_the_published_configurations_give_transformers_logits(name: str) -> None:
    torch.manual_seed(0)
    model = transformers_model(name, 10, 0.125, 32).eval()
    x = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(wrap(model).eval()(x), model(x).logits, rtol=1e-5, atol=1e-5)
    assert model.config.layer_norm_eps == 1e-12
    base = getattr(model, model.base_model_prefix)
    assert base.layers[3].mlp.fc2.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert (base.embeddings.position_embeddings.abs().max() == 0) == (name == "deit_s")


@pytest.mark.parametrize("name", NAMES)
def test_width_scales_the_heads_and_the_image_is_free(name: str) -> None:
    modular = nemo.make_modular(nemo.build_backbone(name, 3, 0.125, 48))
    logits, masks = modular(torch.rand(2, 3, 48, 48))
    assert logits.shape == (2, 3)
    assert modular.widths == [48, 48, 48, 48, 192, 48] * 11
    assert [mask.shape for mask in masks] == [(2, k) for k in modular.widths]
    assert all(((mask >= 0) & (mask <= 1)).all() for mask in masks)  # tanh rounds to 1


def test_masks_come_block_by_block_and_role_by_role() -> None:
    modular = nemo.make_modular(nemo.build_backbone("deit_s", 10, 0.125, IMAGE))
    assert [unit.role for unit in modular.units if isinstance(unit, TokenUnit)] == list(ROLES) * 11
    first = modular.network.body[1]
    assert not any(unit in set(first.modules()) for unit in modular.units)


def test_roles_can_be_switched_off() -> None:
    backbone = nemo.build_backbone("vit_s", 10, 0.125, IMAGE)
    without = nemo.make_modular(backbone, roles=("output", "fc1", "fc2"))
    assert without.widths == [48, 192, 48] * 11
    assert nemo.build_network("vit_s", "mwt", 10, width=0.125, image_size=IMAGE, roles=["fc1"]).widths == [192] * 11
    with pytest.raises(nemo.UserError, match="roles: 'dense' is unknown, choose among query, key"):
        nemo.make_modular(backbone, roles=["dense"])


def test_neuron_generator_is_that_of_the_paper() -> None:
    torch.manual_seed(0)
    generator = NeuronMaskGenerator(300, 400)
    assert nemo.count_parameters(generator) == 300 * 400 + 400 + 400 * 400 + 400
    assert generator.squeeze.weight.std().item() == pytest.approx((2 / 300) ** 0.5, rel=0.05)
    assert torch.equal(generator.squeeze.bias, torch.ones(400))
    assert torch.equal(generator.expand.bias, torch.ones(400))
    assert NeuronMaskGenerator(2, 3073).squeeze.out_features == 1536
    unit = TokenUnit(nn.Linear(300, 400), "fc1")
    unit.mask_generator = generator
    x = torch.rand(2, 5, 300)
    mask = torch.relu(torch.tanh(generator.expand(torch.relu(generator.squeeze(x.mean(1))))))
    torch.testing.assert_close(unit(x), unit.linear(x) * mask[:, None])


def test_refusals_name_the_file_and_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "broken.json").write_text("{")
    for name, image_size, match in (
        ("vit_s", 30, "image_size: vit_s cuts images into patches of 4x4 pixels, choose a multiple of 4, not 30"),
        ("vit_s", (32, 30), "image_size: vit_s cuts .* choose a multiple of 4, not 32x30"),
        (f"vit:{tmp_path}/none.json", 32, "none.json cannot be read"),
        (f"vit:{tmp_path}/broken.json", 32, "broken.json cannot be read"),
        (f"vit:{tmp_path}/list.json", 32, "holds no JSON object"),
    ):
        with pytest.raises(nemo.UserError, match=match):
            check_backbone(name, 1.0, image_size)
    for fields, match in (
        ({"model_type": "swin"}, "model_type 'swin', give one of vit, deit"),
        ({"patch_size": "4"}, "patch_size '4', give a whole number"),
        ({"patch_size": True}, "patch_size True, give a whole number"),
        ({"num_attention_heads": 5}, "splits a hidden_size of 24 into 5 heads"),
        ({"hidden_size": 99_999, "num_attention_heads": 1}, "describes a network of 80,[0-9,]+ weights, choose sizes"),
        ({"hidden_act": "sigmoid"}, "hidden_act 'sigmoid', give one of gelu, "),
        ({"layer_norm_eps": "small"}, "layer_norm_eps 'small', give a number from 1e-12 to 1"),
        ({"hidden_dropout_prob": float("nan")}, "hidden_dropout_prob nan, give a number of at least 0 and below 1"),
        ({"qkv_bias": [1]}, r"qkv_bias \[1\], give true or false"),
    ):
        with pytest.raises(nemo.UserError, match=match):
            check_backbone(config_file(tmp_path, **fields))


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model-00001-of-00002.bin", "tf_model.h5"])
def test_weights_beside_a_configuration_are_not_ignored(tmp_path: Path, weights: str) -> None:
    name = config_file(tmp_path)
    (tmp_path / weights).touch()
    with pytest.raises(nemo.UserError, match=f"holds the trained weights {weights}: give hf:"):
        check_backbone(name)
    check_backbone(f"{name}/config.json")  # the file alone: its shape is meant, not its weights


RATES = st.floats(0, 1, exclude_max=True)
ACCEPTED = {
    "model_type": st.sampled_from([*CLASSES]),
    "num_hidden_layers": st.integers(1, 3),
    "num_attention_heads": st.sampled_from([1, 2, 3]),
    "hidden_size": st.sampled_from([6, 12, 30]),
    "intermediate_size": st.integers(1, 40),
    "patch_size": st.sampled_from([1, 2, 4, 8, 16]),
    "hidden_act": st.sampled_from(ACTIVATIONS),
    "hidden_dropout_prob": RATES,
    "attention_probs_dropout_prob": RATES,
    "layer_norm_eps": st.floats(1e-12, 1),
    "initializer_range": st.floats(0, 1, exclude_min=True),
    "qkv_bias": st.booleans(),
}


@settings(max_examples=40)
@given(st.fixed_dictionaries({}, optional=ACCEPTED), st.sampled_from([0.3, 1.0]))
def test_what_is_accepted_can_be_built(fields: dict[str, object], width: float) -> None:
    assert ACCEPTED.keys() == FIELDS.keys()
    small = {"num_hidden_layers": 1, "hidden_size": 12, "num_attention_heads": 3, "intermediate_size": 8}
    network = nemo.build_backbone(with_config({**small, **fields}), 3, width, IMAGE).eval()
    with torch.no_grad():
        assert network(torch.rand(2, 3, IMAGE, IMAGE)).isfinite().all()


def test_every_activation_is_0_at_0() -> None:
    from transformers.activations import ACT2FN

    assert all(ACT2FN[name](torch.zeros(3)).eq(0).all() for name in ACTIVATIONS)


def test_what_a_configuration_says_to_transformers_itself_is_not_heard(tmp_path: Path) -> None:
    """`attn_implementation` may name code on a hub, which transformers would fetch and run."""
    said = {"attn_implementation": "kernels-community/flash-attn", "auto_map": {"AutoModel": "theirs.Model"}}
    name = config_file(tmp_path, **said)
    assert not said.keys() & read_config(name).keys()
    nemo.build_backbone(name, 10)
