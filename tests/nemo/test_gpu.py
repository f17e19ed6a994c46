"""What only a CUDA device can show (`make test-gpu`): a step never waits for it, and it computes what a CPU does."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
import torch

import nemo
from nemo.datasets.dataset import Dataset, Split
from nemo.evaluation import predict
from nemo.loader import Loader
from nemo.modularizing import measure, relevance

pytestmark = pytest.mark.gpu
RECIPE = nemo.Recipe(epochs=2, batch_size=32, lr=0.02)
CUDA = torch.device("cuda")


@pytest.fixture(scope="module")
def digits() -> Dataset:
    whole = nemo.load_dataset("digits")
    train = Split(whole.train.images[:150], whole.train.labels[:150])
    return dataclasses.replace(whole, train=train, test=Split(whole.test.images[:60], whole.test.labels[:60]))


@pytest.fixture
def waiting_is_an_error() -> Iterator[None]:
    yield
    torch.cuda.set_sync_debug_mode("default")


def trainer(
    digits: Dataset, device: torch.device, backbone: str = "vgg16", method: str = "nemo", **recipe: Any
) -> nemo.Trainer:
    width = 1.0 if backbone == "vit_s" else 0.0625
    network = nemo.build_network(backbone, method, 10, width=width)
    changed = dataclasses.replace(RECIPE, **recipe)
    return nemo.Trainer(network, digits, method, {}, changed, seed=0, device=device)


@pytest.mark.parametrize("backbone", ["vgg16", "resnet18", "vit_s"])
@pytest.mark.parametrize("method", ["standard", "mwt", "nemo"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.usefixtures("waiting_is_an_error")
def test_a_step_never_waits_for_the_device(digits: Dataset, backbone: str, method: str, precision: str) -> None:
    as_cut = 0.0 if method == "standard" else 0.5
    learner = trainer(digits, CUDA, backbone, method, precision=precision, as_cut=as_cut)
    first, *others = learner.loader.epoch(0)
    learner.step(first, progress=0.0)  # libraries may wait while they are loaded
    torch.cuda.set_sync_debug_mode("error")
    for batch in others:
        learner.step(batch, progress=0.0)


def test_a_training_learns_what_it_learns_on_a_cpu(digits: Dataset) -> None:
    losses = []
    for device in (torch.device("cpu"), CUDA):
        learner = trainer(digits, device, as_cut=0.5)
        learner.run_epoch()
        losses.append(learner.history[0]["train/loss"])
    assert losses[1] == pytest.approx(losses[0], rel=0.05)


def test_a_compiled_training_runs_or_is_told_why_it_is_not(digits: Dataset) -> None:
    learner = trainer(digits, CUDA, compile=None, epochs=10**6)  # so long that it pays
    learner.run_epoch()
    assert learner.state_dict()["compiled"] is learner.compiled


def test_an_interrupted_training_goes_on_as_it_would_have(digits: Dataset) -> None:
    whole, begun, resumed = (trainer(digits, CUDA, as_cut=0.5) for _ in range(3))
    whole.run_epoch()
    whole.run_epoch()
    begun.run_epoch()
    resumed.load_state_dict(begun.state_dict())
    resumed.run_epoch()
    ours, theirs = resumed.network.state_dict(), whole.network.state_dict()
    for name, value in theirs.items():  # a GPU's libraries may add in another order
        assert torch.allclose(ours[name].float(), value.float(), rtol=1e-2, atol=1e-3), name


def test_modules_are_those_of_a_cpu(digits: Dataset) -> None:
    network = nemo.build_network("vgg16", "nemo", 10, width=0.0625).eval()
    found = []
    for device in (torch.device("cpu"), CUDA):
        network.to(device)
        batches = Loader(digits.train, dataset=digits, batch_size=64, train=False, device=device).epoch()
        result = relevance(network, ((batch.images, batch.labels) for batch in batches), 10)
        logits = predict(network, digits.test, digits, device=device)
        assert logits.device.type == "cpu"
        found.append((torch.cat(result.counts, dim=1), measure(result, 0.9)["krr"], logits))
    (counts, krr, logits), (other_counts, other_krr, other_logits) = found
    assert (counts != other_counts).float().mean() < 0.01  # a mask at 0 may round either way
    assert other_krr == pytest.approx(krr, abs=0.01)
    assert torch.allclose(logits, other_logits, rtol=1e-2, atol=1e-2)
