"""The proof of surgery for Transformers: exact, heads and layers that are gone among them (method.md 6.4)."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import nemo
from nemo.backbones.backbone import Backbone
from nemo.masking import ModularNetwork
from nemo.transformer import Attention, DistilledHead, TokenUnit, TransformerBlock
from tests.nemo.networks import constant_masks
from tests.nemo.transformers import CLASSES, NAMES, images, lively, random_masks, units

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module", params=NAMES)
def modular(request: pytest.FixtureRequest) -> ModularNetwork:
    return lively(request.param)


@pytest.mark.filterwarnings("error")
@torch.no_grad()
def test_a_module_equals_the_constant_mask_model(modular: ModularNetwork) -> None:
    x = images(3)
    whole = modular(x)[0]
    generator = torch.Generator().manual_seed(1)
    seen = dict.fromkeys(("lost heads", "uniform heads", "no heads", "ragged heads", "dead branch", "constant"), 0)
    for _ in range(12):
        masks = random_masks(modular, generator)
        with constant_masks(modular, masks, CLASSES):
            expected = modular(x)[0]
        module = nemo.extract_module(modular, masks, CLASSES)
        torch.testing.assert_close(module(x), expected, rtol=0, atol=1e-10)
        assert (expected - whole).abs().max() > 0.1  # the cut is a cut
        assert expected.std(0).max() > 0.01  # and the signal survives it
        with constant_masks(modular, masks, CLASSES, keep_values=True):
            expected = modular(x)[0]
        state = torch.get_rng_state()
        module = nemo.extract_module(modular, masks, CLASSES, "keep_generator")
        assert torch.equal(torch.get_rng_state(), state)
        torch.testing.assert_close(module(x), expected, rtol=0, atol=1e-10)
        _count(seen, module)
    assert all(seen.values()), seen  # every case was among them


def _count(seen: dict[str, int], module: Backbone) -> None:
    full = module.body[1].attention.body.key_heads.count
    for block in (block for block in module.body if isinstance(block, TransformerBlock)):
        attention = block.attention.body
        seen["dead branch"] += attention is None or block.mlp.body is None
        if isinstance(attention, Attention):
            heads = attention.key_heads
            seen["lost heads"] += heads is not None and heads.count < full
            seen["ragged heads"] += heads is not None and heads.filled is not None
            seen["uniform heads"] += attention.uniform > 0
            seen["no heads"] += attention.value is not None and heads is None
            seen["constant"] += attention.value is None


def test_gradients_are_those_of_the_constant_mask_model(modular: ModularNetwork) -> None:
    x = images(2).requires_grad_()
    masks = random_masks(modular, torch.Generator().manual_seed(2))
    with constant_masks(modular, masks, CLASSES):
        (expected,) = torch.autograd.grad(modular(x)[0].square().sum(), x)
    (ours,) = torch.autograd.grad(nemo.extract_module(modular, masks, CLASSES)(x).square().sum(), x)
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-9)


@torch.no_grad()
def test_float32_stays_within_the_promise(modular: ModularNetwork) -> None:
    single = copy.deepcopy(modular).float()
    x = images(3).float()
    masks = [torch.rand(10, k) < 0.3 for k in single.widths]
    with constant_masks(single, masks, CLASSES):
        expected = single(x)[0]
    torch.testing.assert_close(nemo.extract_module(single, masks, CLASSES)(x), expected, rtol=1e-4, atol=1e-4)


def standard(modular: ModularNetwork) -> Backbone:
    network = copy.deepcopy(modular.network)
    for unit in units(network):
        unit.mask_generator, unit.records = None, None
    return network


@pytest.mark.parametrize("surgery", ["exact", "paper"])
@torch.no_grad()
def test_an_all_ones_mask_gives_the_original_network(modular: ModularNetwork, surgery: nemo.surgery.Surgery) -> None:
    x = images(2)
    ones = [torch.ones(10, k, dtype=torch.bool) for k in modular.widths]
    module = nemo.extract_module(modular, ones, [0], surgery=surgery)
    torch.testing.assert_close(module(x), standard(modular)(x), rtol=1e-12, atol=1e-12)
    assert nemo.count_parameters(module) == nemo.count_parameters(standard(modular))
    assert nemo.count_flops(module, (3, 16, 16)) == nemo.count_flops(standard(modular), (3, 16, 16))


def _only(modular: ModularNetwork, keep: Callable[[TokenUnit], Tensor | None]) -> list[Tensor]:
    """Masks that keep everything but what `keep` tells for a layer."""
    masks = []
    for unit in modular.units:
        assert isinstance(unit, TokenUnit)
        kept = keep(unit)
        masks.append((torch.ones(unit.kernels, dtype=torch.bool) if kept is None else kept).expand(10, -1))
    return masks


@torch.no_grad()
def test_a_head_without_values_shrinks_the_attention(modular: ModularNetwork) -> None:
    """The flops of one head's projections and products are gone, to the last one."""
    tokens, hidden = modular.network.body[0].positions.shape[1:]
    heads = modular.network.body[1].attention.body.key_heads
    x, shape = images(2), (3, 16, 16)

    def first_head_lost(unit: TokenUnit) -> Tensor | None:
        return torch.arange(unit.kernels) >= heads.width if unit.role == "value" else None

    masks = _only(modular, first_head_lost)
    module = nemo.extract_module(modular, masks, CLASSES)
    saved = nemo.count_flops(standard(modular), shape) - nemo.count_flops(module, shape)
    assert saved == 11 * heads.width * tokens * (4 * hidden + 2 * tokens)
    with constant_masks(modular, masks, CLASSES):
        torch.testing.assert_close(module(x), modular(x)[0], rtol=0, atol=1e-10)

    def first_head_uniform(unit: TokenUnit) -> Tensor | None:
        return torch.arange(unit.kernels) >= heads.width if unit.role == "query" else None

    masks = _only(modular, first_head_uniform)
    module = nemo.extract_module(modular, masks, CLASSES)
    saved = nemo.count_flops(standard(modular), shape) - nemo.count_flops(module, shape)
    assert saved == 11 * heads.width * tokens * (2 * hidden + 2 * tokens)  # values and output stay
    with constant_masks(modular, masks, CLASSES):
        expected = modular(x)[0]
    torch.testing.assert_close(module(x), expected, rtol=0, atol=1e-10)
    assert (expected - nemo.extract_module(modular, _only(modular, lambda unit: None), [0])(x)).abs().max() > 1e-3


@torch.no_grad()
def test_a_network_that_lost_every_branch_is_its_first_block() -> None:
    modular = lively("vit_s")
    x = images(2)
    masks = _only(modular, lambda unit: torch.zeros(unit.kernels, dtype=torch.bool))
    module = nemo.extract_module(modular, masks, [0])
    body = modular.network.body
    torch.testing.assert_close(module(x), modular.network.head(body[-2](body[1](body[0](x)))[:, 0]))
    assert sum(nemo.count_parameters(block) for block in module.body[2:13]) == 0


@torch.no_grad()
def test_roles_that_are_off_keep_everything() -> None:
    torch.manual_seed(0)
    backbone = standard(lively("deit_s"))
    modular = nemo.make_modular(backbone, roles=("query", "fc2")).eval()
    masks = [torch.rand(10, k) < 0.3 for k in modular.widths]
    x = images(2)
    with constant_masks(modular, masks, CLASSES):
        expected = modular(x)[0]
    torch.testing.assert_close(nemo.extract_module(modular, masks, CLASSES)(x), expected, rtol=0, atol=1e-10)


@torch.no_grad()
def test_fold_mean_is_exact_when_the_mask_is_constant(modular: ModularNetwork) -> None:
    x = images(2)
    generator = torch.Generator().manual_seed(3)
    masks = random_masks(modular, generator)
    constants = [torch.rand(1, k, generator=generator, dtype=torch.float64).expand(10, k) for k in modular.widths]

    def fixed(values: Tensor) -> Callable[..., Tensor]:
        return lambda module, args, out: values.expand_as(out)

    handles = [
        unit.mask_generator.register_forward_hook(fixed(mask[CLASSES].any(0) * constant[0]))  # type: ignore[union-attr]
        for unit, mask, constant in zip(modular.units, masks, constants, strict=True)
    ]
    expected = modular(x)[0]
    for handle in handles:
        handle.remove()
    module = nemo.extract_module(modular, masks, CLASSES, "fold_mean", mean_masks=constants)
    torch.testing.assert_close(module(x), expected, rtol=0, atol=1e-10)


@torch.no_grad()
def test_heads_of_the_exact_form(modular: ModularNetwork) -> None:
    x = images(2)
    masks = random_masks(modular, torch.Generator().manual_seed(5))
    whole = nemo.extract_module(modular, masks, CLASSES)(x)
    assert whole.shape == (2, 10)
    sliced = nemo.extract_module(modular, masks, CLASSES, head="slice")
    torch.testing.assert_close(sliced(x), whole[:, CLASSES])
    assert isinstance(sliced.head, type(modular.network.head))  # a DeiT keeps both
    paper = nemo.extract_module(modular, masks, CLASSES, head="paper")
    assert isinstance(paper.head, nn.Sequential)
    torch.testing.assert_close(paper(x), paper.head[2](torch.relu(whole)))
    features = nemo.extract_module(modular, masks, CLASSES).body(x)
    linear = nemo.extract_module(modular, masks, CLASSES, head="linear")
    seen = features[:, 0] if features.ndim == 3 else features  # of a DeiT the class token alone
    torch.testing.assert_close(linear(x), linear.head[-1](seen))


def published(modular: ModularNetwork, masks: list[Tensor], x: Tensor) -> Tensor:
    """What is left of the final tokens in the papers' form, written down step by step from method.md 6.4 B."""
    body = modular.network.body
    stream = body[1](body[0](x))
    full = stream.shape[-1]
    previous = torch.arange(full)
    unions = iter([mask[CLASSES].any(0).nonzero().flatten() for mask in masks])

    def linear(unit: TokenUnit, x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        return F.linear(x, unit.linear.weight[rows][:, columns], unit.linear.bias[rows])

    def norm(layer: nn.LayerNorm, x: Tensor, index: Tensor) -> Tensor:
        return F.layer_norm(x, (len(index),), layer.weight[index], layer.bias[index], layer.eps)

    def scattered(x: Tensor, index: Tensor, width: int) -> Tensor:
        return x.new_zeros(*x.shape[:-1], width).index_copy(-1, index, x)

    for block in body[2:13]:
        q, k, v, o, f, d = (next(unions) for _ in range(6))
        both = torch.tensor(sorted(set(q.tolist()) & set(k.tolist())), dtype=torch.long)
        attention, mlp = block.attention.body, block.mlp.body
        z = norm(block.attention.norm, stream, previous)

        def heads(x: Tensor, count: int = attention.key_heads.count) -> Tensor:
            return x.unflatten(-1, (count, -1)).transpose(1, 2)

        query, key = (
            heads(scattered(linear(unit, z, both, previous), both, full)) for unit in (attention.query, attention.key)
        )
        value = heads(scattered(linear(attention.value, z, v, previous), v, full))
        weights = (query @ key.transpose(2, 3) / (full / attention.key_heads.count) ** 0.5).softmax(-1)
        context = (weights @ value).transpose(1, 2).flatten(2)[..., v]
        t = scattered(linear(attention.output, context, o, v), o, full) + scattered(stream, previous, full)
        hidden = mlp.activation(linear(mlp.fc1, norm(block.mlp.norm, t[..., o], o), f, o))
        stream = linear(mlp.fc2, hidden, d, f) + t[..., d]
        previous = d
    return norm(body[-2], stream, previous)


@torch.no_grad()
def test_the_papers_form(modular: ModularNetwork) -> None:
    x = images(2)
    generator = torch.Generator().manual_seed(7)
    for _ in range(3):
        masks = random_masks(modular, generator, empty=False)
        expected = published(modular, masks, x)
        module = nemo.extract_module(modular, masks, CLASSES, surgery="paper")
        tokens = expected
        torch.testing.assert_close(module.body[:-1](x), tokens, rtol=0, atol=1e-10)
        new = nemo.extract_module(modular, masks, CLASSES, head="paper", surgery="paper")
        linear = new.head[-1]
        torch.testing.assert_close(new(x), linear(torch.relu(tokens[:, 0])), rtol=0, atol=1e-10)
        assert linear.in_features == int(masks[-1][CLASSES].any(0).sum())
        new = nemo.extract_module(modular, masks, CLASSES, head="linear", surgery="paper")
        torch.testing.assert_close(new(x), new.head[-1](tokens[:, 0]), rtol=0, atol=1e-10)
        sliced = nemo.extract_module(modular, masks, CLASSES, head="slice", surgery="paper")
        torch.testing.assert_close(sliced(x), module(x)[:, CLASSES])
        assert isinstance(sliced.head, DistilledHead | nn.Linear)


def test_the_given_network_is_never_changed_and_a_module_can_be_trained(modular: ModularNetwork) -> None:
    before = copy.deepcopy(modular.state_dict())
    masks = random_masks(modular, torch.Generator().manual_seed(6))
    for options in (
        {"mask_values": "drop", "head": "slice"},
        {"mask_values": "keep_generator", "head": "paper"},
        {"mask_values": "fold_mean", "mean_masks": [mask.double() for mask in masks]},
        {"head": "paper", "surgery": "paper"},
    ):
        chosen = random_masks(modular, torch.Generator().manual_seed(8), empty="surgery" not in options)
        module = nemo.extract_module(modular, chosen, CLASSES, **options).train()  # type: ignore[arg-type]
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        module(images(4)).square().sum().backward()
        optimizer.step()
        grads = [parameter.grad for parameter in module.parameters()]
        assert all(grad is not None and grad.isfinite().all() for grad in grads)
    assert not modular.training
    assert all(torch.equal(value, before[name]) for name, value in modular.state_dict().items())


def test_refusals_name_the_field() -> None:
    modular = lively("vit_s")
    masks = [torch.ones(10, k, dtype=torch.bool) for k in modular.widths]
    empty = [*masks[:3], torch.zeros_like(masks[3]), *masks[4:]]
    for bad, match in (
        (lambda: nemo.extract_module(modular, empty, [0], surgery="paper"), "module_masks: layer 3 keeps no unit"),
        (lambda: nemo.extract_module(modular, masks, [0], "keep_generator", surgery="paper"), "mask_values: keep_gen"),
        (lambda: nemo.extract_module(modular, masks, [0], surgery="narrow"), "surgery: 'narrow' is unknown"),  # type: ignore[arg-type]
    ):
        with pytest.raises(nemo.UserError, match=match):
            bad()
