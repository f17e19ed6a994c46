"""One training step: the numbers that it has always given, no wait for a device, and the same when compiled."""

from __future__ import annotations

import dataclasses
import math
import shutil
from typing import Any

import pytest
import torch
from torch import nn

import nemo
from nemo import training
from nemo.backbones.backbone import Backbone
from nemo.compiling import disagreement, usable
from nemo.datasets.dataset import Dataset, Split
from nemo.gates import GATES, AnnealedGate
from nemo.layers import ConvUnit, LinearUnit
from nemo.masking import make_modular
from tests.nemo.host_reads import NoHostRead

pytestmark = pytest.mark.heavy

TRAINED = [name for name, each in nemo.METHODS.items() if each.starts_from is None]
RECIPE = nemo.Recipe(epochs=2, batch_size=32, lr=0.02)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    whole = nemo.load_dataset("digits")
    train = Split(whole.train.images[:150], whole.train.labels[:150])
    return dataclasses.replace(whole, train=train, test=Split(whole.test.images[:60], whole.test.labels[:60]))


GOLDEN: dict[tuple[str, str], dict[str, float]] = {
    ("vgg16", "standard"): {"train/loss_ce": 2.30288, "train/loss": 2.30288},
    ("vgg16", "mwt"): {
        "train/loss_ce": 2.30288,
        "train/cohesion": 0.01009,
        "train/coupling": 0.98806,
        "train/loss": 3.79002,
    },
    ("vgg16", "nemo"): {"train/loss_ce": 2.30287, "train/contrastive": 2.07112, "train/loss": 4.58111},
    ("vgg16", "moda"): {
        "train/loss_ce": 2.30287,
        "train/affinity": 0.09351,
        "train/dispersion": 0.88945,
        "train/compactness": 0.34846,
        "train/loss": 3.39037,
    },
    ("resnet18", "mwt"): {
        "train/loss_ce": 2.35688,
        "train/cohesion": 0.00572,
        "train/coupling": 0.99351,
        "train/loss": 3.85,
    },
    ("resnet18", "nemo"): {"train/loss_ce": 2.35984, "train/contrastive": 2.08591, "train/loss": 4.7312},
    ("vit_s", "mwt"): {
        "train/loss_ce": 2.32665,
        "train/cohesion": 0.00378,
        "train/coupling": 0.99517,
        "train/loss": 3.8213,
    },
    ("vit_s", "nemo"): {"train/loss_ce": 2.32681, "train/contrastive": 2.08801, "train/loss": 4.83242},
}


@pytest.mark.parametrize(("backbone", "method"), GOLDEN, ids="-".join)
def test_golden_losses(digits: Dataset, backbone: str, method: str) -> None:
    """A change here changes what everybody's trainings learn: raise the method's version, or don't."""
    network = nemo.build_network(backbone, method, 10, width=0.0625)
    settings = {"alpha": 1.2} if method == "nemo" else {}  # of CNNs the default
    trainer = nemo.Trainer(network, digits, method, settings, RECIPE, seed=0)
    entry, expected = trainer.run_epoch(), GOLDEN[backbone, method]
    assert {name: entry[name] for name in expected} == pytest.approx(expected, rel=1e-3, abs=2e-5)


@pytest.mark.parametrize("method", TRAINED)
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_step_never_waits_for_the_device(digits: Dataset, method: str, optimizer: str) -> None:
    network = nemo.build_network("vgg16", method, 10, width=0.03125)
    recipe = dataclasses.replace(RECIPE, optimizer=optimizer)
    trainer = nemo.Trainer(network, digits, method, {}, recipe, seed=0)
    for batch in trainer.loader.epoch(0):  # the last one is smaller
        with NoHostRead():
            trainer.step(batch, progress=0.0)


@pytest.mark.parametrize("gate", GATES)
def test_neither_does_one_that_rehearses(digits: Dataset, gate: str) -> None:
    network = nemo.build_network("vgg16", "nemo", 10, width=0.03125, gate=gate)
    recipe = dataclasses.replace(RECIPE, gate=gate, saturation=0.1, as_cut=0.5)  # type: ignore[arg-type]
    trainer = nemo.Trainer(network, digits, "nemo", {}, recipe, seed=0)
    assert trainer.rehearsal is not None
    trainer.rehearsal.observe(trainer.network)
    for batch in trainer.loader.epoch(0):
        with NoHostRead():
            trainer.step(batch, progress=0.0)


def small_network(dropout: float = 0.5) -> nn.Module:
    """Two masked convolutions and a hidden layer: little to compile."""
    torch.manual_seed(0)
    layers = [
        ConvUnit(nn.Conv2d(3, 8, 3, padding=1, stride=4), norm=nn.BatchNorm2d(8), maskable=False),
        ConvUnit(nn.Conv2d(8, 12, 3, padding=1, stride=2), norm=nn.BatchNorm2d(12)),
        ConvUnit(nn.Conv2d(12, 16, 3, padding=1, stride=2), norm=nn.BatchNorm2d(16)),
        *(nn.Flatten(), LinearUnit(nn.Linear(64, 20)), nn.Dropout(dropout)),
    ]
    return make_modular(Backbone(nn.Sequential(*layers), nn.Linear(20, 10)))


compiles = pytest.mark.skipif(
    not any(map(shutil.which, ("c++", "g++", "clang++"))), reason="torch.compile needs a C++ compiler"
)


@compiles
@pytest.mark.parametrize(
    ("precision", "as_cut"),
    [
        ("float32", 0.5),
        pytest.param("float32", 0.0, marks=pytest.mark.slow),
        pytest.param("bfloat16", 0.0, marks=pytest.mark.slow),
    ],
)
def test_a_compiled_training_learns_the_same(
    digits: Dataset, precision: str, as_cut: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[bool] = []  # whether the gradients that were compared were those of a step that rehearses

    def compared(*arguments: Any) -> str | None:
        judged.append(trainer.rehearsal is not None and bool(trainer.rehearsal.frequencies))
        return disagreement(*arguments)

    monkeypatch.setattr(training, "disagreement", compared)
    histories = []
    for wanted in (False, True):
        recipe = dataclasses.replace(RECIPE, compile=wanted, precision=precision, as_cut=as_cut)
        trainer = nemo.Trainer(small_network(), digits, "nemo", {}, recipe, seed=0)
        while not trainer.done:
            trainer.run_epoch()
        assert trainer.compiled == wanted
        histories.append([{k: v for k, v in row.items() if k not in ("time", "seconds")} for row in trainer.history])
    assert judged == ([False, True] if as_cut else [False])  # either form once
    for right in (trainer.state_dict()["compiled"], False):  # what was judged once is not judged again
        resumed = nemo.Trainer(small_network(), digits, "nemo", {}, recipe, seed=0)
        resumed.load_state_dict({**trainer.state_dict(), "compiled": right})
        assert (resumed.compiled, resumed.state_dict()["compiled"]) == (right, right)
    tolerance = 1e-4 if precision == "float32" else 0.05
    for plain, fast in zip(*histories, strict=True):
        losses = {name: value for name, value in plain.items() if "loss" in name or "contrastive" in name}
        assert {name: fast[name] for name in losses} == pytest.approx(losses, rel=tolerance)


@compiles
def test_only_long_trainings_are_compiled_by_themselves(digits: Dataset) -> None:
    for epochs, expected in ((200, False), (10**9, True)):
        recipe = dataclasses.replace(RECIPE, epochs=epochs)
        assert nemo.Trainer(small_network(), digits, "mwt", {}, recipe, seed=0).compiled == expected


def test_a_form_with_other_gradients_is_found_out_and_nothing_else_moves() -> None:
    network = small_network().train()
    images, labels = torch.rand(16, 3, 32, 32), torch.arange(16) % 10

    def loss(factor: float = 1.0) -> torch.Tensor:
        return nn.functional.cross_entropy(network(images)[0], labels) * factor

    def broken() -> torch.Tensor:
        raise RuntimeError("no kernel\nfor this device")

    before = {name: value.clone() for name, value in network.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    assert disagreement(loss, lambda: loss(1 + 1e-4), network, "float32") is None
    assert "gradients are 0.5 of their size" in (disagreement(loss, lambda: loss(1.5), network, "float32") or "")
    assert disagreement(loss, lambda: loss(math.nan), network, "float32") is not None
    assert disagreement(lambda: loss(math.nan), loss, network, "float32") is None  # the losses tell of that
    assert disagreement(loss, broken, network, "float32") == "RuntimeError: no kernel"
    with pytest.raises(RuntimeError):
        disagreement(broken, loss, network, "float32")
    network.zero_grad(set_to_none=True)
    assert torch.equal(torch.rand(2), expected)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())


def test_what_does_not_work_is_refused_only_where_it_was_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(nemo.UserError, match=r"recipe.compile: torch.compile does not work .* \(no compiler\)"):
        usable(True, "no compiler")
    assert not usable(None, "no compiler")
    assert "This training is not compiled: no compiler" in caplog.text


def test_a_batch_larger_than_the_images_is_a_whole_one(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "compiled", lambda function: function)
    recipe = dataclasses.replace(RECIPE, batch_size=500, compile=True)
    trainer = nemo.Trainer(small_network(), digits, "nemo", {}, recipe, seed=0)
    trainer.run_epoch()
    assert trainer.state_dict()["compiled"] is True


def test_a_network_without_masks_has_nothing_to_rehearse(digits: Dataset) -> None:
    network = nemo.build_network("simcnn", "standard", 10, width=0.0625)
    trainer = nemo.Trainer(network, digits, "standard", {}, dataclasses.replace(RECIPE, as_cut=0.5), seed=0)
    assert trainer.rehearsal is None


def test_a_gate_is_annealed_by_its_own_training_alone(digits: Dataset) -> None:
    network = nemo.build_network("simcnn", "nemo", 10, width=0.0625, gate="annealed")
    gates = [layer for layer in network.modules() if isinstance(layer, AnnealedGate)]
    for gate, sharpness in (("soft", 30.0), ("annealed", 30.0**0.5)):  # of a module that keeps it, say; half-way
        recipe = dataclasses.replace(RECIPE, gate=gate)  # type: ignore[arg-type]
        nemo.Trainer(network, digits, "nemo", {}, recipe, seed=0).run_epoch()
        assert [each.sharpness for each in gates] == pytest.approx([sharpness] * len(gates))
