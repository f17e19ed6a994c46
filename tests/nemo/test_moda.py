"""MODA: its loss by hand, its modules on the digits, and what it refuses."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch.nn import functional as F

import nemo
from nemo.datasets.dataset import Dataset
from nemo.loader import Loader
from nemo.reuse import reuse_module

pytestmark = pytest.mark.heavy

SETTINGS = nemo.METHODS["moda"].settings


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return nemo.load_dataset("digits")


def terms(activations: list[torch.Tensor], labels: torch.Tensor) -> dict[str, tuple[float, torch.Tensor]]:
    return nemo.METHODS["moda"].terms(activations, labels, SETTINGS, nemo.Recipe())


def test_the_published_weights() -> None:
    assert SETTINGS == {"lambda_affinity": 1.0, "lambda_dispersion": 1.0, "lambda_compactness": 0.3}


def test_the_terms_agree_with_a_loop_over_pairs() -> None:
    torch.manual_seed(0)
    maps = [torch.relu(torch.randn(9, k, 4, 4, dtype=torch.float64)) for k in (5, 12)]
    layers = [*(each.abs().mean((2, 3)) for each in maps), torch.relu(torch.randn(9, 7, dtype=torch.float64))]
    labels = torch.tensor([0, 1, 2, 0, 1, 0, 4, 4, 2])
    affinity, dispersion, compactness = [], [], []
    for layer in layers:
        same, other = [], []
        for i, j in itertools.combinations(range(9), 2):
            cosine = F.cosine_similarity(layer[i], layer[j], dim=0)
            (same if labels[i] == labels[j] else other).append(cosine)
        affinity.append(1 - torch.stack(same).mean())
        dispersion.append(torch.stack(other).mean())
        compactness.append(layer.abs().mean())
    found = {name: (weight, value.item()) for name, (weight, value) in terms(layers, labels).items()}
    for name, expected in (("affinity", affinity), ("dispersion", dispersion), ("compactness", compactness)):
        assert found[name] == (SETTINGS[f"lambda_{name}"], pytest.approx(torch.stack(expected).mean().item()))


def test_the_loss_is_cross_entropy_and_the_weighted_terms(digits: Dataset) -> None:
    network = nemo.build_network("simcnn", "moda", 10, width=0.0625, seed=1)
    settings = {"lambda_affinity": 0.7, "lambda_dispersion": 1.3, "lambda_compactness": 0.2}
    trainer = nemo.Trainer(network, digits, "moda", settings, nemo.Recipe(batch_size=32), seed=1)
    trainer.model.eval()
    batch = next(iter(trainer.loader.epoch(0)))
    logits, activations = network(batch.images)
    cohesion, coupling = nemo.objectives.cohesion_coupling(activations, batch.labels)
    compactness = torch.stack([each.mean() for each in activations]).mean()
    expected = F.cross_entropy(logits, batch.labels) + 0.7 * cohesion + 1.3 * coupling + 0.2 * compactness
    torch.testing.assert_close(trainer.loss(batch, progress=0.0)[0], expected)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_dead_layers_and_batches_without_pairs_have_finite_gradients(digits: Dataset, precision: str) -> None:
    network = nemo.build_network("vgg16", "moda", 10, width=0.0625, seed=1)
    torch.nn.init.constant_(network.units[5].norm.bias, -100.0)  # dead at every position of every sample
    torch.nn.init.constant_(network.units[-1].linear.bias, -100.0)
    recipe = nemo.Recipe(batch_size=32, precision=precision)  # type: ignore[arg-type]
    trainer = nemo.Trainer(network, digits, "moda", {}, recipe, seed=1)
    batch = next(iter(trainer.loader.epoch(0)))
    for labels in (batch.labels, torch.zeros_like(batch.labels)):
        trainer.optimizer.zero_grad()
        alike = type(batch)(batch.images, labels, batch.size, batch.counts)
        loss, parts = trainer.loss(alike, progress=0.0)
        loss.backward()
        assert all(math.isfinite(value) for value in (loss.item(), *(part.item() for part in parts.values())))
        assert all(parameter.grad.isfinite().all() for parameter in network.parameters())
    activations = network(batch.images)[1]
    assert not activations[5].any()
    metrics = nemo.metrics.sample_metrics(nemo.metrics.batch_metrics(activations, batch.labels))
    assert metrics["dead_layers"] >= 2


def test_a_unit_is_relevant_where_any_of_its_activations_is_not_zero(digits: Dataset) -> None:
    network = nemo.build_network("resnet18", "moda", 10, width=0.0625, seed=2).eval()
    seen: list[torch.Tensor] = []
    for unit in network.units:
        unit.register_forward_hook(lambda module, args, out: seen.append((out != 0).flatten(2).any(2)))
    batch = next(iter(Loader(digits.test, dataset=digits, batch_size=100, train=False).epoch()))
    found = nemo.relevance(network, [(batch.images, batch.labels)], 10)
    for frequency, relevant in zip(found.frequencies, seen, strict=True):
        for label in range(10):
            expected = relevant[batch.labels == label].double().mean(0)
            torch.testing.assert_close(frequency[label], expected)


def test_modules_of_the_digits_know_their_classes_before_fine_tuning(digits: Dataset) -> None:
    network = nemo.build_network("vgg16", "moda", 10, width=0.125, seed=0)
    torch.manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, torch.nn.Linear):
            layer.reset_parameters()  # the published start needs tens of epochs to leave its plateau
    recipe = nemo.Recipe(epochs=6, batch_size=32, lr=0.02, warmup=1)
    trainer = nemo.Trainer(network, digits, "moda", {}, recipe, seed=0, evaluate=False)
    history = [trainer.run_epoch() for _ in range(recipe.epochs)]
    for name in ("affinity", "dispersion"):
        assert history[-1][f"train/{name}"] < 0.95 * history[0][f"train/{name}"]
    logits = nemo.predict(network, digits.test, digits)
    assert nemo.metrics.subtask_accuracy(logits, digits.test.labels, range(10)) >= 0.8
    batches = Loader(trainer.images, dataset=digits, batch_size=128, train=False).epoch()
    found = nemo.relevance(network, ((batch.images, batch.labels) for batch in batches), 10)
    masks = nemo.module_masks(found.frequencies, 0.9)
    figures = nemo.measure(found, 0.9, nemo.modular.unmasked_kernels(network))
    assert figures["krr"] == figures["krr_all"] < 0.95
    assert figures["cohesion"] > figures["coupling"]
    lost = []
    for classes in ([0, 1], [3, 5], [4, 7], [2, 6, 9]):
        module = reuse_module(
            network, masks, digits, classes, finetune=nemo.Finetune(epochs=0), seed=0, head="slice"
        ).figures
        assert module["accuracy"] == module["accuracy_before_finetuning"]
        assert module["krr"] == pytest.approx(nemo.metrics.union_rate(masks, classes))
        assert module["flops"] < nemo.count_flops(network)
        lost.append(nemo.metrics.subtask_accuracy(logits, digits.test.labels, classes) - module["accuracy"])
    assert sum(lost) / len(lost) < 0.05, lost
    with pytest.raises(nemo.UserError, match="mask_values: fold_mean needs mask generators"):
        reuse_module(network, masks, digits, [0, 1], finetune=nemo.Finetune(epochs=0), seed=0, mask_values="fold_mean")
