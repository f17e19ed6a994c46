"""Rehearsal: images that go through exactly the network that will be cut, for sub-tasks of their class."""

from __future__ import annotations

import dataclasses
from statistics import fmean

import pytest
import torch

import nemo
from nemo.activations import record_activations
from nemo.datasets.dataset import Dataset, Split
from nemo.distributed import Workers
from nemo.layers import ConvUnit
from nemo.loader import Loader
from nemo.masking import make_modular
from nemo.rehearsal import Rehearsal
from nemo.surgery import extract_module
from tests.nemo.networks import calibrated, images, random_masks

N, WIDTHS = 4, (6, 8)


def rehearsing(classes: int = N, count: int = 16, **frequencies: float) -> Rehearsal:
    """One whose class c finds the kernels c and c + 1 of every layer relevant, at any threshold, and no other."""
    labels = torch.arange(4 * classes) % classes
    split = Split(labels[:, None, None, None].expand(-1, 3, 8, 8).to(torch.uint8).contiguous(), labels)
    names = tuple(map(str, range(classes)))
    dataset = Dataset("invented", names, split, split, (0.0,) * 3, (1 / 255,) * 3, 0, False, "")
    loader = Loader(split, dataset=dataset, batch_size=8, train=True)
    rehearsal = Rehearsal(split, dataset, count, loader, Workers())
    for width in WIDTHS:
        frequency = torch.full((classes, max(width, classes + 1)), frequencies.get("least", 0.1))
        for label in range(classes):
            frequency[label, label : label + 2] = frequencies.get("most", 0.97)
        rehearsal.frequencies.append(frequency)
    return rehearsal


def test_a_step_rehearses_one_subtask_with_images_of_its_classes() -> None:
    torch.manual_seed(0)
    rehearsal, sizes = rehearsing(), set()
    for _ in range(60):
        drawn = rehearsal.draw()
        first, second = drawn.kept
        assert len(drawn.images) == len(drawn.labels) == len(first) == len(second) == 16
        assert (drawn.images.mean((1, 2, 3)).round() == drawn.labels).all()  # every image with its own class
        assert (first == first[0]).all()
        assert torch.equal(first, second[:, :6])  # the same sub-task in every layer
        assert not second[:, N + 1 :].any()
        for label in drawn.labels.tolist():
            assert first[0, label : label + 2].all()
        sizes.add(int(first[0].sum()))
    assert {3, N + 1} <= sizes  # two neighbours to all of them


def test_small_subtasks_are_met_among_a_hundred_classes() -> None:
    torch.manual_seed(0)
    rehearsal = rehearsing(classes=100, count=400)
    members = torch.tensor([len(rehearsal.draw().labels.unique()) for _ in range(200)])
    assert (members <= 5).float().mean() > 0.2
    assert (members >= 40).float().mean() > 0.1
    assert members.min() == 2


def test_a_class_without_an_image_is_never_drawn() -> None:
    torch.manual_seed(0)
    rehearsal = rehearsing()
    rehearsal._sizes[1] = 0
    assert not any((rehearsal.draw().labels == 1).any() for _ in range(30))


def test_a_layer_that_reaches_no_threshold_keeps_its_most_frequent_kernels() -> None:
    torch.manual_seed(0)
    drawn = rehearsing(least=0.1, most=0.2).draw()
    for layer in drawn.kept:
        assert all(layer[0, label : label + 2].all() for label in drawn.labels.tolist())


def test_what_rehearses_is_what_modularizing_finds() -> None:
    digits = nemo.load_dataset("digits", train_images=150)
    network = nemo.build_network("resnet18", "nemo", 10, width=0.0625, seed=0)
    recipe = nemo.Recipe(epochs=2, batch_size=32, as_cut=0.5, as_cut_from=0.5)
    trainer = nemo.Trainer(network, digits, "nemo", {}, recipe, seed=0, evaluate=False)
    assert trainer.rehearsal is not None
    trainer.run_epoch()
    assert trainer.rehearsal.frequencies == []  # before its time
    batches = list(Loader(trainer.images, dataset=digits, batch_size=128, train=False).epoch())
    found = nemo.relevance(network, ((batch.images, batch.labels) for batch in batches), 10)
    assert "train/rehearsal" in trainer.run_epoch()
    for ours, theirs in zip(trainer.rehearsal.frequencies, found.frequencies, strict=True):
        assert torch.allclose(ours.double(), theirs, atol=1e-6)


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
        cut, own = modular(x, [mask[classes].any(0).double().expand(6, -1) for mask in masks])
        module = extract_module(modular, masks, classes)
        scale = float(usual.abs().max())
        assert torch.allclose(cut, module(x), atol=1e-9 * scale)
        assert not torch.allclose(cut, usual, atol=1e-2 * scale)
        assert torch.allclose(own[0], relevance[0], atol=1e-9)  # the record is the network's own
        again, _ = modular(x)
    assert torch.equal(again, usual)  # nothing stays imposed


@pytest.mark.parametrize("backbone", ["vgg16", "resnet18"])
def test_in_training_it_is_normalised_by_itself_and_leaves_the_running_statistics_alone(backbone: str) -> None:
    modular = calibrated(backbone, width=0.125).train()
    for layer in modular.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    masks = random_masks(modular, torch.Generator().manual_seed(3))
    classes, x = [3, 8], images(10)
    module, before = extract_module(modular, masks, classes), [buffer.clone() for buffer in modular.buffers()]
    with torch.no_grad():
        cut, _ = modular(x, [mask[classes].any(0).double().expand(10, -1) for mask in masks])
        expected = module(x)
    assert torch.allclose(cut, expected, atol=1e-9 * float(expected.abs().max()))
    assert all(torch.equal(*both) for both in zip(modular.buffers(), before, strict=True))


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


def test_a_recipe_refuses_what_is_no_share() -> None:
    for field in ("as_cut", "as_cut_from"):
        for wrong in (-0.1, 1.0):
            with pytest.raises(ValueError, match=rf"^{field}: must be at least 0 and below 1"):
                nemo.Recipe(**{field: wrong})  # type: ignore[arg-type]


def test_networks_of_before_are_not_trained_any_more() -> None:
    digits = nemo.load_dataset("digits", train_images=50)
    recipe = nemo.Recipe(epochs=1, as_cut=0.5, as_cut_from=0.0)
    with pytest.raises(nemo.UserError, match=r"^recipe\.as_cut_from: 0 names networks of before"):
        nemo.Trainer(nemo.build_network("simcnn", "mwt", 10), digits, "mwt", {}, recipe, seed=0)


@pytest.mark.slow
def test_a_plain_cnn_learns_to_answer_both_ways() -> None:
    """The network that rehearsing within the batch destroyed (docs/modules-as-cut.md), measured on held-out images."""
    digits = nemo.load_dataset("digits")
    whole, kept, cut = {}, {}, {}
    for share in (0.0, 0.5):
        recipe = nemo.Recipe(
            epochs=25, batch_size=32, lr=0.03, warmup=5, as_cut=share, validation=0.1, channels_last=True
        )
        network = nemo.build_network("vgg16", "nemo", 10, width=0.125, seed=0)
        trainer = nemo.Trainer(network, digits, "nemo", {"alpha": 2.5}, recipe, seed=0)
        while not trainer.done:
            trainer.run_epoch()
        whole[share] = trainer.history[-1]["validation/accuracy"]
        batches = Loader(trainer.images, dataset=digits, batch_size=128, train=False).epoch()
        found = nemo.relevance(network, ((batch.images, batch.labels) for batch in batches), 10)
        masks = nemo.module_masks(found.frequencies, 0.9)
        kept[share] = sum(float(mask.sum()) for mask in masks) / sum(mask.numel() for mask in masks)
        seen = dataclasses.replace(digits, train=trainer.images, test=trainer.validation or trainer.images)
        tasks = [[0, 1], [3, 8], [4, 9], [0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
        untuned = dataclasses.replace(nemo.Finetune(), epochs=0)
        modules = [
            nemo.reuse_module(network, masks, seen, task, finetune=untuned, seed=0, head="slice", recalibration=500)  # type: ignore[arg-type]
            for task in tasks
        ]
        cut[share] = fmean(module.figures["accuracy"] for module in modules)
    assert whole[0.5] >= whole[0.0] - 0.03 > 0.85
    assert kept[0.5] <= kept[0.0] + 0.05
    assert cut[0.5] >= 0.95 > cut[0.0]
    assert trainer.rehearsal is not None
    rehearsed = nemo.module_masks(trainer.rehearsal.frequencies, 0.9)
    both, either = (
        sum(float(join(a > 0, b > 0).sum()) for a, b in zip(rehearsed, masks, strict=True))
        for join in (torch.logical_and, torch.logical_or)
    )
    assert both >= 0.95 * either
