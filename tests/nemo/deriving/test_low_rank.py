"""Heads of fewer dimensions: written-down values, exact cuts, and what has no such form."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import nemo
from nemo.datasets.dataset import Dataset
from nemo.deriving.heads import attention_heads
from nemo.deriving.low_rank import dimensions, energy, factors, low_rank_attention
from nemo.deriving.masked import Masked, ones
from nemo.errors import UserError
from tests.nemo.deriving.networks import SIZE, filled

EXAMPLE = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


class Attention(nn.Module):
    """Four heads of 16 over 32 channels, with a Linear layer for each of queries, keys and values, or one for all."""

    def __init__(self, *, fused: bool, kind: str = "plain") -> None:
        super().__init__()
        self.fused, self.kind = fused, kind
        if fused:
            self.qkv = nn.Linear(32, 3 * 64)
        else:
            self.q, self.k, self.v = nn.Linear(32, 64), nn.Linear(32, 64, bias=False), nn.Linear(32, 64)
        self.out = nn.Linear(64, 32)
        self.norm = nn.LayerNorm(16)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, _ = x.shape
        if self.fused:
            q, k, v = self.qkv(x).reshape(batch, tokens, 3, 4, 16).permute(2, 0, 3, 1, 4).unbind(0)
        else:
            q, k, v = (each(x).view(batch, tokens, 4, 16).transpose(1, 2) for each in (self.q, self.k, self.v))
        if self.kind == "normed queries":
            q = self.norm(q)
        if self.kind == "own code":
            said = (q @ k.mT / 4).softmax(-1) @ v
        else:
            said = F.scaled_dot_product_attention(q, k, v)
        said = said.transpose(1, 2).reshape(batch, tokens, 64)
        more = v.mean((1, 2, 3))[:, None, None] if self.kind == "values read twice" else 0
        return self.out(said) + more


class Vision(nn.Module):
    """Patches of 4 x 4 pixels through two blocks of attention and an MLP."""

    def __init__(self, *, fused: bool = True, kind: str = "plain") -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 32, 4, 4)
        self.norms = nn.ModuleList(nn.LayerNorm(32) for _ in range(4))
        self.attentions = nn.ModuleList(Attention(fused=fused, kind=kind) for _ in range(2))
        self.fc1 = nn.ModuleList(nn.Linear(32, 256) for _ in range(2))
        self.fc2 = nn.ModuleList(nn.Linear(256, 32) for _ in range(2))
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        for block in range(2):
            x = x + self.attentions[block](self.norms[2 * block](x))
            x = x + self.fc2[block](F.gelu(self.fc1[block](self.norms[2 * block + 1](x))))
        return self.head(x.mean(1))


def vision(**options: Any) -> Vision:
    torch.manual_seed(3)
    return Vision(**options).eval()


def hat(weight: Tensor, bias: Tensor) -> Tensor:
    """`[1, inputs + 1, d]`."""
    return torch.cat([weight, bias[:, None]], dim=1).mT[None]


def eye(rows: int, columns: int) -> Tensor:
    return torch.eye(rows, columns, dtype=torch.float64)


def test_queries_and_keys_as_written_down() -> None:
    query = hat(filled((3, 5), 0.1) + eye(3, 5), filled(3, 0.3))
    key = hat(filled((3, 5), 1.9) + 0.5 * eye(3, 5).flip(1), filled(3, 0.8))
    asked, answered, values = factors(query, key)
    assert values[0].tolist() == pytest.approx([2.218666, 0.825842, 0.365299], abs=1e-6)
    shares = values[0].square().cumsum(0) / values[0].square().sum()
    assert shares.tolist() == pytest.approx([0.857883, 0.976744, 1.0], abs=1e-6)
    whole = query @ key.mT
    assert torch.allclose(asked @ answered.mT, whole)
    thin = asked[..., :2] @ answered[..., :2].mT
    assert float((whole - thin).square().sum()) == pytest.approx(0.133444, abs=1e-6)
    x = torch.cat([filled((4, 5), 0.9), torch.ones(4, 1, dtype=torch.float64)], dim=1)
    for product, row in (
        (whole, [0.888820, 0.291913, 1.075743, 0.204605]),
        (thin, [0.892851, 0.287153, 1.077882, 0.202613]),
    ):
        assert (x @ product[0] @ x.T / 3**0.5)[0].tolist() == pytest.approx(row, abs=1e-6)


def test_values_and_what_reads_them_as_written_down() -> None:
    value = hat(filled((3, 5), 0.4) + eye(3, 5), filled(3, 0.6))
    _, _, values = factors(value, (filled((5, 3), 1.2) + eye(5, 3))[None])
    assert values[0].tolist() == pytest.approx([2.960339, 1.334891, 0.692678], abs=1e-6)


def test_how_many_dimensions_stay() -> None:
    found = [energy(share) for share in (0.2, 0.4, 0.5, 0.6, 0.8)]
    assert found == pytest.approx([0.996320, 0.984160, 0.968750, 0.943840, 0.855680], abs=1e-6)
    falling = torch.tensor([[10.0] * 9 + [0.1] * 23, [10.0] * 20 + [0.1] * 12])
    assert dimensions(falling, 0.95) == 16  # of 20, down to a multiple of 8
    assert dimensions(falling, 0.1) == 8 and dimensions(falling, 1.0) == 32
    assert dimensions(torch.tensor([[9.0, 0.1, 0.1, 0.1]]), 0.5) == 4


@pytest.mark.parametrize("swapped", [True, False])
def test_a_head_of_more_dimensions_than_inputs_is_turned_too(swapped: bool) -> None:
    left, right = torch.randn(2, 3, 8, dtype=torch.float64), torch.randn(2, 9, 8, dtype=torch.float64)
    one, other, values = factors(*((left, right) if swapped else (right, left)))
    assert torch.allclose(one @ other.mT, left @ right.mT if swapped else right @ left.mT) and values.shape == (2, 8)


@pytest.mark.parametrize("fused", [True, False])
def test_turned_heads_say_the_same_and_cut_ones_what_those_of_zeros_say(fused: bool) -> None:
    net, example = vision(fused=fused).double(), EXAMPLE.double()
    whole, kept = low_rank_attention(net, example, 0.0)
    assert all(bool(rows.all()) for rows in kept.values())
    assert torch.allclose(whole(example), net(example), rtol=0, atol=1e-12)
    assert not torch.equal(next(iter(whole.attentions[0].parameters())), next(iter(net.attentions[0].parameters())))
    thin, kept = low_rank_attention(net, example, 0.7)
    assert {int(rows.sum()) for rows in kept.values()} == ({96} if fused else {32})
    assert float((thin(example) - net(example)).detach().abs().max()) > 1e-4
    masked = Masked(thin, example)
    module = masked.cut([kept.get(name, each) for name, each in zip(masked.names, ones(masked), strict=True)], [7, 3])
    assert torch.allclose(module(example), thin(example)[:, [7, 3]], rtol=0, atol=1e-12)
    fewer = sum(each.numel() for each in module.parameters()) / sum(each.numel() for each in net.parameters())
    assert fewer < 0.9


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("normed queries", "the queries of attentions.0 are not what a Linear layer says"),
        ("own code", "the network computes its attention without scaled_dot_product_attention"),
        ("values read twice", "more than the heads of attentions.0 reads what they read"),
    ],
)
def test_what_can_not_be_turned_is_refused_by_name(kind: str, says: str) -> None:
    with pytest.raises(UserError, match=f"attention: svd can't be done, {says}; choose keep."):
        attention_heads(vision(kind=kind), EXAMPLE)


@pytest.mark.heavy
@pytest.mark.parametrize(("method", "settings"), [("activation", {}), ("nuwa", {"steps": 5})])
def test_a_network_is_derived_with_thin_heads(method: str, settings: dict[str, Any], small_digits: Dataset) -> None:
    options: dict[str, Any] = {"budget": {"flops": 0.6}, "method": method, "settings": settings, "seed": 1}
    made = nemo.derive(vision(), small_digits, [5, 2], attention="svd", controls=["random"], **options)
    assert made.kept["flops"] == pytest.approx(0.6, rel=0.05)
    heads = {name: int(mask.sum()) for name, mask in zip(made.sites, made.masks, strict=True) if "qkv" in name}
    assert set(heads.values()) <= {96, 4 * (16 + 16 + 8), 4 * (8 + 8 + 16)}  # whole dimensions of every head
    assert set(made.accuracy) == {"base", "network", "random"}
    with pytest.raises(UserError, match=r"sites: attentions\.0\.qkv is none of them, which attention: svd cuts"):
        nemo.derive(vision(), small_digits, [5, 2], attention="svd", sites=["fc1*"], controls=[], **options)
