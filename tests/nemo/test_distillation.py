"""Learning from a teacher: the loss of method.md 3.4, in the one training loop."""

from __future__ import annotations

import copy
import dataclasses
import math

import pytest
import torch
from torch import nn

import nemo
from nemo.datasets.dataset import Dataset, Split
from nemo.distillation import Distillation
from nemo.transformer import DistilledHead

pytestmark = pytest.mark.heavy

RECIPE = nemo.Recipe(epochs=2, batch_size=32, lr=0.02)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    whole = nemo.load_dataset("digits", image_size=16)
    train = Split(whole.train.images[:75], whole.train.labels[:75])
    return dataclasses.replace(whole, train=train, test=Split(whole.test.images[:40], whole.test.labels[:40]))


def teacher() -> nn.Module:
    return nemo.build_network("resnet18", "standard", 10, width=0.0625, image_size=16, seed=5)


def trainer(digits: Dataset, method: str = "mwt", *, taught: bool = True) -> nemo.Trainer:
    network = nemo.build_network("deit_s", method, 10, width=0.0625, image_size=16, seed=0)
    return nemo.Trainer(network, digits, method, {}, RECIPE, seed=0, teacher=teacher() if taught else None)


class Fixed(nn.Module):
    """A teacher of fixed logits."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.logits


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_the_loss_is_that_of_a_hand_computation(temperature: float) -> None:
    one, two, taught = [[2.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [3.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]]
    labels = [0, 1]

    def softmax(row: list[float], t: float = 1.0) -> list[float]:
        total = sum(math.exp(value / t) for value in row)
        return [math.exp(value / t) / total for value in row]

    def divergence(rows: list[list[float]]) -> float:
        return sum(
            temperature**2 * sum(p * math.log(p / q) for p, q in zip(softmax(t, temperature), softmax(z, temperature)))  # noqa: B905
            for t, z in zip(taught, rows, strict=True)
        )

    cross_entropy = -sum(math.log(softmax(row)[label]) for row, label in zip(one, labels, strict=True))
    head = DistilledHead(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    head.classifier.weight.data = head.distilled.weight.data = torch.eye(2)
    distillation = Distillation(head, Fixed(torch.tensor(taught)), temperature=temperature)
    logits = head(torch.tensor([one, two]).transpose(0, 1))
    losses = distillation.losses(torch.zeros(2, 3, 4, 4), logits, torch.tensor(labels))
    assert losses["loss_ce"].item() == pytest.approx(cross_entropy, rel=1e-5)
    assert losses["loss_kl"].item() == pytest.approx((divergence(one) + divergence(two)) / 2, rel=1e-5)
    assert distillation.weights == {"loss_ce": 0.5, "loss_kl": 0.5}
    torch.testing.assert_close(logits, (torch.tensor(one) + torch.tensor(two)) / 2)


def test_one_training_step_learns_from_labels_and_teacher(digits: Dataset) -> None:
    one = trainer(digits, "standard")
    batch = next(iter(one.loader.epoch(0)))
    loss, parts = one.loss(batch, progress=0.0)
    loss.backward()
    torch.testing.assert_close(loss.detach(), (parts["loss_ce"] + parts["loss_kl"]) / 2)
    with torch.no_grad():
        taught = teacher().eval()(batch.images).softmax(1)
        features = one.network.body(batch.images)
        heads = one.network.head.classifier(features[:, 0]), one.network.head.distilled(features[:, 1])
    expected = nn.functional.cross_entropy(heads[0], batch.labels) / 2
    for logits in heads:
        expected += nn.functional.kl_div(logits.log_softmax(1), taught, reduction="batchmean") / 4
    torch.testing.assert_close(loss.detach(), expected)
    assert all(parameter.grad is not None for parameter in one.network.parameters())
    assert all(parameter.grad is None for parameter in one.learning.teacher.parameters())  # type: ignore[union-attr]


@pytest.mark.parametrize("method", ["standard", "mwt", "nemo"])
def test_history_and_resuming_with_a_teacher(digits: Dataset, method: str) -> None:
    whole = trainer(digits, method)
    first = whole.run_epoch()
    state = {name: value.clone() for name, value in whole.learning.teacher.state_dict().items()}  # type: ignore[union-attr]
    resumed = trainer(digits, method)
    resumed.load_state_dict(copy.deepcopy(whole.state_dict()))
    assert not any("teacher" in name for name in whole.state_dict()["network"])
    last, again = whole.run_epoch(), resumed.run_epoch()
    assert {k: v for k, v in last.items() if k not in ("time", "seconds")} == {
        k: v for k, v in again.items() if k not in ("time", "seconds")
    }
    taught = whole.learning.teacher  # type: ignore[union-attr]
    assert not taught.training
    assert all(torch.equal(value, state[name]) for name, value in taught.state_dict().items())
    for split in ("train", "test"):
        learned = (first[f"{split}/loss_ce"] + first[f"{split}/loss_kl"]) / 2
        assert first[f"{split}/loss_kl"] > 0
        assert first[f"{split}/loss"] >= learned - 1e-6
        if method == "standard":
            assert first[f"{split}/loss"] == pytest.approx(learned)


def test_without_a_teacher_both_heads_learn_from_the_labels(digits: Dataset) -> None:
    one = trainer(digits, "mwt", taught=False)
    entry = one.run_epoch()
    assert "train/loss_kl" not in entry
    assert all(parameter.grad is not None for parameter in one.network.parameters())


def test_the_first_layer_of_a_transformer_is_not_left_out(digits: Dataset) -> None:
    one = trainer(digits, "nemo", taught=False)
    one.model.eval()
    batch = next(iter(one.loader.epoch(0)))
    _, masks = one.network(batch.images)
    every = nemo.objectives.contrastive(masks, batch.labels, 0.2)
    torch.testing.assert_close(one.loss(batch, progress=0.0)[1]["contrastive"], every.detach())


def test_a_network_with_one_head_takes_no_teacher(digits: Dataset) -> None:
    network = nemo.build_network("vit_s", "standard", 10, width=0.0625, image_size=16)
    with pytest.raises(nemo.UserError, match="teacher: only a network with a head for it"):
        nemo.Trainer(network, digits, "standard", {}, RECIPE, seed=0, teacher=teacher())


@pytest.mark.parametrize("name", ["vit_s", "deit_s"])
def test_from_training_to_a_fine_tuned_module(digits: Dataset, name: str) -> None:
    network = nemo.build_network(name, "mwt", 10, width=0.0625, image_size=16)
    given = teacher() if name == "deit_s" else None
    nemo.Trainer(network, digits, "mwt", {}, RECIPE, seed=0, teacher=given).run_epoch()
    assert isinstance(network, nemo.ModularNetwork)
    found = nemo.relevance(network, [(torch.rand(40, 3, 16, 16), torch.arange(40) % 10)], num_classes=10)
    masks = nemo.module_masks(found.frequencies, 0.9)
    finetune = nemo.Finetune(epochs=1, batch_size=16, optimizer="adamw", lr=5e-4)
    flops = [nemo.count_flops(network, (3, 16, 16))]
    for surgery in ("exact", "paper"):
        reuse = nemo.reuse_module(network, masks, digits, (4, 1), finetune=finetune, seed=0, surgery=surgery)  # type: ignore[arg-type]
        assert reuse.module(torch.rand(2, 3, 16, 16)).shape == (2, 2)
        flops.append(reuse.figures["flops"])
    assert flops[0] > flops[1] > flops[2]


def test_bfloat16_trains_a_network_and_its_module(digits: Dataset) -> None:
    recipe = dataclasses.replace(RECIPE, precision="bfloat16", channels_last=True, epochs=1)
    network = nemo.build_network("deit_s", "mwt", 10, width=0.0625, image_size=16)
    entry = nemo.Trainer(network, digits, "mwt", {}, recipe, seed=0, teacher=teacher()).run_epoch()
    assert isinstance(network, nemo.ModularNetwork)
    masks = [torch.rand(10, k) < 0.3 for k in network.widths]
    module = nemo.extract_module(network, masks, [1, 2])
    entry |= nemo.Trainer(module, digits, "standard", {}, recipe, seed=0).run_epoch()
    assert all(math.isfinite(value) for value in entry.values())
