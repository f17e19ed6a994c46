"""Reuse: a module on its sub-task, before and after fine-tuning."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

import nemo
from nemo.datasets.dataset import Dataset
from nemo.flops import count_flops
from nemo.recipe import RECALIBRATION
from nemo.reuse import fine_tune, reuse_module, subtask_dataset
from nemo.surgery import Head, Surgery

pytestmark = pytest.mark.heavy

CLASSES = (6, 1)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return nemo.load_dataset("digits", train_images=600, test_images=200)


@pytest.fixture(scope="module")
def modular(digits: Dataset) -> nemo.ModularNetwork:
    network = nemo.build_network("rescnn", "mwt", 10, width=0.125, seed=0)
    recipe = nemo.Recipe(epochs=4, batch_size=32, lr=0.03, warmup=4)
    trainer = nemo.Trainer(network, digits, "mwt", {}, recipe, seed=0, evaluate=False)
    while not trainer.done:
        trainer.run_epoch()
    return network  # type: ignore[return-value]


@pytest.fixture(scope="module")
def masks(modular: nemo.ModularNetwork) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(10, width, generator=generator) < 0.6 for width in modular.widths]


def test_labels_follow_the_given_order(digits: Dataset) -> None:
    subtask = subtask_dataset(digits, CLASSES)
    assert subtask.classes == (digits.classes[6], digits.classes[1])
    sixes = subtask.test.images[subtask.test.labels == 0]
    assert torch.equal(sixes, digits.test.images[digits.test.labels == 6])
    assert set(subtask.train.labels.tolist()) == {0, 1}


def test_a_module_learns_its_subtask_and_tells_what_it_kept(
    digits: Dataset, modular: nemo.ModularNetwork, masks: list[torch.Tensor]
) -> None:
    before = {name: value.clone() for name, value in modular.state_dict().items()}
    finetune = nemo.Finetune(epochs=8, batch_size=32, lr=0.03)
    modular.train()
    # Masks drawn by lot leave little of the network: behind its old logits, as published, not every seed learns.
    reuse = reuse_module(modular, masks, digits, CLASSES, finetune=finetune, seed=0, head="linear")
    figures = reuse.figures
    assert figures["accuracy"] >= 0.8
    assert figures["krr"] == pytest.approx(nemo.metrics.union_rate(masks, CLASSES))
    assert figures["krr"] < figures["krr_all"] < 1
    assert figures["flops"] == count_flops(reuse.module) < count_flops(modular)
    assert figures["weight_retention"] is None  # a Transformer's figure
    assert len(figures["history"]) == 8
    assert reuse.module(torch.rand(2, 3, 32, 32)).shape == (2, 2)
    assert all(torch.equal(value, before[name]) for name, value in modular.state_dict().items())
    assert modular.training
    again = reuse_module(modular, masks, digits, CLASSES, finetune=finetune, seed=0, head="linear").figures
    assert again["accuracy"] == figures["accuracy"]
    assert again["accuracy_before_finetuning"] == figures["accuracy_before_finetuning"]


def test_accuracy_before_finetuning_is_the_cuts_own(
    digits: Dataset, modular: nemo.ModularNetwork, masks: list[torch.Tensor]
) -> None:
    reuse = reuse_module(modular, masks, digits, CLASSES, finetune=nemo.Finetune(epochs=0), seed=0)
    logits = nemo.predict(nemo.extract_module(modular, masks, CLASSES), digits.test, digits)
    restricted = nemo.metrics.subtask_accuracy(logits, digits.test.labels, CLASSES)
    assert reuse.figures["accuracy_before_finetuning"] == pytest.approx(restricted)
    assert reuse.figures["history"] == []


def test_fine_tuning_trains_the_whole_module(
    digits: Dataset, modular: nemo.ModularNetwork, masks: list[torch.Tensor]
) -> None:
    module = nemo.extract_module(modular, masks, CLASSES, head="paper")
    before = [value.clone() for value in module.parameters()]
    fine_tune(module, subtask_dataset(digits, CLASSES), nemo.Finetune(epochs=1, batch_size=32), seed=0)
    moved = [not torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True)]
    assert sum(moved) > 0.9 * len(moved)


RETAINED = [
    # what follows the last block: the trained head of 10 logits and the new one, or one of 3 logits; a DeiT has two
    ("vit_s", "exact", "paper", lambda features: features * 10 + 10 + 10 * 3 + 3),
    ("vit_s", "exact", "linear", lambda features: features * 3 + 3),
    ("vit_s", "paper", "paper", lambda features: features * 3 + 3),
    ("deit_s", "exact", "slice", lambda features: 2 * (features * 3 + 3)),
    ("deit_s", "paper", "linear", lambda features: features * 3 + 3),
]


@pytest.mark.parametrize(("name", "surgery", "head", "classifier"), RETAINED)
def test_weight_retention_counts_linear_layers_by_hand(
    name: str, surgery: Surgery, head: Head, classifier: Callable[[int], int]
) -> None:
    """The sizes of method.md 6.4: p and o channels of the stream, c common queries and keys, v values, f and d."""
    digits = nemo.load_dataset("digits", image_size=16, train_images=60, test_images=60)
    modular = nemo.build_network(name, "nemo", 10, width=0.125, image_size=16, seed=0)
    generator = torch.Generator().manual_seed(0)
    masks = [torch.rand(10, width, generator=generator) < 0.2 for width in modular.widths]
    for mask in masks:
        mask[:, ::4] = True  # no head is lost
    classes, whole, hidden = (7, 2, 5), 48, 192
    previous = whole
    first = 4 * (whole * whole + whole) + 2 * whole * hidden + hidden + whole
    kept = first
    for block in range(11):
        unions = [mask[list(classes)].any(0) for mask in masks[6 * block : 6 * block + 6]]
        q, k, *sizes = unions
        c, (v, o, f, d) = int((q & k).sum()), (int(union.sum()) for union in sizes)
        seen, leaving = (o, d) if surgery == "paper" else (whole, whole)
        kept += 2 * (previous * c + c) + previous * v + v + v * o + o + seen * f + f + f * d + d
        previous = leaving
    standard = 12 * first + (2 if name == "deit_s" else 1) * (whole * 10 + 10)
    figures = reuse_module(
        modular, masks, digits, classes, finetune=nemo.Finetune(epochs=0), seed=0, head=head, surgery=surgery
    ).figures
    assert figures["weight_retention"] == (kept + classifier(previous)) / standard
    assert 0.1 < figures["weight_retention"] < 0.9


def test_head_none_has_nothing_to_fine_tune(
    digits: Dataset, modular: nemo.ModularNetwork, masks: list[torch.Tensor]
) -> None:
    with pytest.raises(nemo.UserError, match="head"):
        reuse_module(modular, masks, digits, CLASSES, finetune=nemo.Finetune(), seed=0, head="none")


def test_recalibration_comes_before_both_accuracies(
    digits: Dataset, modular: nemo.ModularNetwork, masks: list[torch.Tensor]
) -> None:
    finetune = nemo.Finetune(epochs=0)
    plain, anew, usual = (
        reuse_module(modular, masks, digits, CLASSES, finetune=finetune, seed=0, head="slice", recalibration=images)
        for images in (0, 200, RECALIBRATION)
    )
    figures = anew.figures
    assert figures["accuracy"] == figures["accuracy_before_finetuning"]  # nothing was tuned in between
    assert figures["krr"] == plain.figures["krr"]
    assert figures["accuracy_recalibrated"] == figures["accuracy"]
    assert plain.figures["accuracy_recalibrated"] == usual.figures["accuracy"] != plain.figures["accuracy"]
    state, other = plain.module.state_dict(), anew.module.state_dict()
    changed = {name for name in state if not torch.equal(state[name], other[name])}
    assert changed
    assert all("running" in name or "num_batches" in name for name in changed)
