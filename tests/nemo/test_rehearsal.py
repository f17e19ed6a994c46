"""Rehearsal: images that go through exactly the network that will be cut, for sub-tasks of their class."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import nemo
from nemo.activations import record_activations
from nemo.layers import ConvUnit
from nemo.loader import Loader
from nemo.masking import make_modular
from nemo.rehearsal import Rehearsal
from nemo.surgery import extract_module
from tests.nemo.networks import calibrated, images, random_masks

N, WIDTHS = 4, (6, 8)
LABELS = torch.arange(64) % N


def told(share: float = 1.0, least: float = 0.1, most: float = 0.97) -> Rehearsal:
    """One whose class c finds the kernels c and c + 1 of every layer relevant, at any threshold, and no other."""
    rehearsal = Rehearsal(share, N)
    for width in WIDTHS:
        frequency = torch.full((N, width), least)
        for label in range(N):
            frequency[label, label : label + 2] = most
        rehearsal.frequencies.append(frequency)
    return rehearsal


def test_what_is_imposed_is_the_union_of_subtasks_that_the_class_belongs_to() -> None:
    torch.manual_seed(0)
    imposed = told().impose(LABELS)
    assert imposed is not None
    sizes = set()
    for row, label in enumerate(LABELS.tolist()):
        first, second = (layer[row] for layer in imposed)
        assert set(first.unique().tolist()) <= {0.0, 1.0}
        assert first[label : label + 2].all()
        assert torch.equal(first, second[:6])  # the same sub-task in every layer
        assert not first[N + 1 :].any()
        assert not second[N + 1 :].any()
        sizes.add(int(first.sum()))
    assert {2, N + 1} <= sizes  # from the class alone to all of them


def test_a_share_of_the_images_rehearses_the_same_ones_in_every_layer() -> None:
    torch.manual_seed(0)
    labels = torch.arange(4000) % N
    imposed = told(share=0.3).impose(labels)
    assert imposed is not None
    usual = [(layer == -1).all(1) for layer in imposed]
    assert torch.equal(*usual)
    assert torch.equal(usual[0], (imposed[0] == -1).any(1))
    assert 1 - float(usual[0].float().mean()) == pytest.approx(0.3, abs=0.05)


def test_a_layer_that_reaches_no_threshold_keeps_its_most_frequent_kernels() -> None:
    imposed = told(least=0.1, most=0.2).impose(LABELS)
    assert imposed is not None
    assert all(layer[row, label : label + 2].all() for layer in imposed for row, label in enumerate(LABELS.tolist()))


def test_frequencies_follow_the_masks_and_start_with_everything() -> None:
    rehearsal = Rehearsal(0.5, N)
    assert rehearsal.impose(LABELS) is None
    masks = [torch.zeros(64, width) for width in WIDTHS]
    masks[0][LABELS == 1, 3] = 0.2
    rehearsal.observe(masks, LABELS)
    assert float(rehearsal.frequencies[0][0, 0]) == pytest.approx(0.98**16)
    assert float(rehearsal.frequencies[0][1, 3]) == pytest.approx(1.0)
    only = LABELS[LABELS == 2]
    before = rehearsal.frequencies[0].clone()
    rehearsal.observe([mask[LABELS == 2] for mask in masks], only)
    assert torch.equal(rehearsal.frequencies[0][:2], before[:2])  # a class without an image is not forgotten
    for _ in range(60):
        rehearsal.observe(masks, LABELS)
    expected = torch.zeros(N, 6)
    expected[1, 3] = 1
    assert torch.allclose(rehearsal.frequencies[0], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("backbone", "source"),
    [
        ("rescnn", "masks"),
        ("resnet18", "masks"),
        pytest.param("vit_s", "masks", marks=pytest.mark.heavy),
        ("vgg16", "activations"),
    ],
)
def test_an_image_rehearses_in_exactly_the_network_that_is_cut(backbone: str, source: str) -> None:
    modular = calibrated(backbone, width=0.125, make=make_modular if source == "masks" else record_activations)
    masks = random_masks(modular, torch.Generator().manual_seed(3))
    classes, x = [3, 8], images(6)
    with torch.no_grad():
        usual, relevance = modular(x)
        imposed = [
            torch.cat([mask[classes].any(0).double().expand(4, -1), -torch.ones(2, mask.shape[1]).double()])
            for mask in masks
        ]
        mixed, own = modular(x, imposed)
        module = extract_module(modular, masks, classes)
        scale = float(usual.abs().max())
        assert torch.allclose(mixed[:4], module(x[:4]), atol=1e-9 * scale)
        assert torch.allclose(mixed[4:], usual[4:], atol=1e-9 * scale)
        assert not torch.allclose(mixed[:4], usual[:4], atol=1e-2 * scale)
        assert torch.allclose(own[0], relevance[0], atol=1e-9)  # the record is the network's own
        again, _ = modular(x)
    assert torch.equal(again, usual)  # nothing stays imposed


def test_it_learns_what_the_module_would_learn() -> None:
    modular = calibrated("resnet18", width=0.125)
    masks = random_masks(modular, torch.Generator().manual_seed(4))
    classes, x = [0, 5, 6], images(3).requires_grad_()
    labels = torch.tensor(classes)
    imposed = [mask[classes].any(0).double().expand(3, -1) for mask in masks]
    module = extract_module(modular, masks, classes)
    gradients = [
        torch.autograd.grad(torch.nn.functional.cross_entropy(logits, labels), x)[0]
        for logits in (modular(x, imposed)[0], module(x))
    ]
    assert torch.allclose(*gradients, atol=1e-9 * float(gradients[1].abs().max()))
    first = modular.units[0]
    assert isinstance(first, ConvUnit)
    torch.nn.functional.cross_entropy(modular(x, imposed)[0], labels).backward()
    assert first.conv.weight.grad is not None
    kept = imposed[0][0] > 0
    assert first.conv.weight.grad[kept].abs().sum() > 0
    assert (first.conv.weight.grad[~kept] == 0).all()
    assert all(p.grad is None or not p.grad.any() for name, p in modular.named_parameters() if "generator" in name)


def test_a_recipe_refuses_no_share() -> None:
    for wrong in (-0.1, 1.0):
        with pytest.raises(ValueError, match=r"^as_cut: must be at least 0 and below 1"):
            nemo.Recipe(as_cut=wrong)


@pytest.mark.heavy
def test_modules_of_a_network_that_rehearsed_answer_as_they_are_cut() -> None:
    """The point of it all, in small; `docs/modules-as-cut.md` has the numbers."""
    digits = nemo.load_dataset("digits", train_images=400)
    losses = {}
    for share in (0.0, 0.5):
        recipe = nemo.Recipe(epochs=8, batch_size=32, lr=0.03, warmup=3, as_cut=share)
        network = nemo.build_network("rescnn", "nemo", 10, width=0.125, seed=0)
        trainer = nemo.Trainer(network, digits, "nemo", {"alpha": 2.5}, recipe, seed=0, evaluate=False)
        while not trainer.done:
            trainer.run_epoch()
        batches = Loader(trainer.images, dataset=digits, batch_size=128, train=False).epoch()
        found = nemo.relevance(network, ((batch.images, batch.labels) for batch in batches), 10)
        finetune = dataclasses.replace(nemo.Finetune(), epochs=0)
        accuracies = [
            nemo.reuse_module(
                network,  # type: ignore[arg-type]
                nemo.module_masks(found.frequencies, 0.9),
                digits,
                classes,
                finetune=finetune,
                seed=0,
                head="slice",
            ).figures["accuracy_before_finetuning"]
            for classes in ([0, 1, 2, 3, 4], [5, 6, 7, 8, 9], list(range(10)))
        ]
        losses[share] = 1 - sum(accuracies) / len(accuracies)
    assert losses[0.5] < losses[0.0] / 2
