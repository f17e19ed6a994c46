"""Small networks of a trained one that reads texts: every method, and padding that counts for nothing."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import nn

import nemo
from nemo.datasets import load_dataset
from nemo.datasets.dataset import Dataset, Split
from nemo.datasets.tokenized import Tokenized
from nemo.deriving.cost import Cost
from nemo.deriving.masked import Masked, ones
from nemo.deriving.refit import refit
from nemo.networks import build_network
from nemo.recipe import Recipe
from nemo.tokens import PADDING, example_texts
from nemo.training import Trainer
from tests import texts

Trained = tuple[nn.Module, Dataset]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("texts")
    net = texts.write_network(folder / "net")
    data = load_dataset(f"text:{texts.write_texts(folder / 'data', train=240, test=60)}", tokenizer=str(net))
    network = build_network(f"hf:{net}", "standard", 3, image_size=data.image_size)
    recipe = Recipe(epochs=10, batch_size=16, lr=0.01, optimizer="adamw", lr_warmup=0.5)
    trainer = Trainer(network, data, "standard", {}, recipe, seed=0)
    while not trainer.done:
        trainer.run_epoch()
    assert trainer.figures["test/accuracy"] > 0.95
    return network.eval(), data


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("masksearch", {"steps": 60, "batch_size": 32}),
        ("activation", {}),
        ("magnitude", {}),
        ("nuwa", {"steps": 20, "batch_size": 32}),
        ("moefication", {"units": 4}),
    ],
)
def test_every_method_derives_of_texts(trained: Trained, method: str, settings: dict[str, object]) -> None:
    network, data = trained
    made = nemo.derive(
        *(network, data, [0, 2]),
        budget={"flops": 0.85},
        method=method,
        settings=settings,  # type: ignore[arg-type]
        compensate="refit",
        controls=["random"],
    )
    assert 0.7 < made.kept["flops"] <= 0.85 * 1.02
    assert made.accuracy["base"] > 0.9 and made.accuracy["network"] > 0.7
    with torch.no_grad():
        wide = torch.cat([example_texts(9), torch.full((2, 6), PADDING)], 1)
        torch.testing.assert_close(made.network(wide), made.network(example_texts(9)), rtol=1e-4, atol=1e-5)


class _Padded(Tokenized):
    """Texts whose batches are padded further than any needs."""

    def __getitem__(self, index: torch.Tensor | slice) -> Tokenized:
        own = super().__getitem__(index)
        return _Padded(own.flat, own.starts, own.longest, own.places, paired=own.paired)

    def batch(self, positions: torch.Tensor, width: int | None = None) -> torch.Tensor:
        found = super().batch(positions, width)
        return torch.cat([found, torch.full((len(found), 5), PADDING)], 1)


def padded(data: Dataset) -> Dataset:
    own = data.train.images
    assert isinstance(own, Tokenized)
    return replace(data, train=Split(_Padded(own.flat, own.starts, own.longest, own.places), data.train.labels))


@pytest.mark.parametrize("method", ["activation", "nuwa", "moefication"])
def test_scores_do_not_hear_padding(trained: Trained, method: str) -> None:
    network, data = trained
    settings: dict[str, object] = {"steps": 3, "augment": "no"} if method == "nuwa" else {}
    found = [
        nemo.derive(
            *(deepcopy(network).double(), each, [0, 2]),
            budget={"flops": 0.8},
            method=method,
            settings=settings,  # type: ignore[arg-type]
            controls=[],
            example=example_texts(8),
        ).scores
        for each in (data, padded(data))
    ]
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_a_fit_does_not_hear_padding(trained: Trained) -> None:
    network, data = deepcopy(trained[0]).double(), trained[1]
    masked = Masked(network, example_texts(8))
    masks = [torch.arange(width) % 3 > 0 for width in masked.widths]
    modules = [masked.cut(masks, [0, 2]).eval() for _ in range(2)]
    assert refit(modules[0], masked, data, seed=0) == refit(modules[1], masked, padded(data), seed=0) != []
    plain = masked.cut(masks, [0, 2]).eval()
    with torch.no_grad():
        one, other, unfitted = (module(example_texts(9, 4)) for module in (*modules, plain))
    torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-8)
    assert not torch.allclose(one, unfitted, rtol=1e-2)


def test_what_masks_cost_is_that_of_the_example(trained: Trained) -> None:
    masked = Masked(trained[0], example_texts(8))
    cost = Cost(masked, "flops")
    assert cost.share([mask.float() for mask in ones(masked)]) == pytest.approx(1)
    half = [torch.arange(width).remainder(2).float() for width in masked.widths]
    modelled = float(cost.share(half))
    counted = nemo.count_flops(masked.cut([mask > 0 for mask in half], [0, 1, 2]), (8,))
    whole = nemo.count_flops(masked.cut(ones(masked), [0, 1, 2]), (8,))
    assert modelled == pytest.approx(counted / whole, abs=0.12)
