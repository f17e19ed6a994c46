"""Gates: masks between 0 and 1, gradients that are what the gate says, and networks that train and are cut."""

from __future__ import annotations

from typing import get_args, get_type_hints

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import nemo
from nemo.gates import GATES, AnnealedGate, HardConcreteGate, StraightThroughGate
from nemo.layers import ConvUnit
from nemo.masking import make_modular
from nemo.objectives import saturation
from nemo.surgery import extract_module
from tests.nemo.networks import calibrated, constant_masks, images, random_masks

CLASSES = [7, 2]


def test_a_recipe_knows_every_gate() -> None:
    assert set(get_args(get_type_hints(nemo.Recipe)["gate"])) == set(GATES)
    for gate in GATES:
        nemo.Recipe(gate=gate)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^gate: must be one of soft"):
        nemo.Recipe(gate="ajar")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^compile: "):
        nemo.Recipe(gate="annealed", compile=True)


@pytest.mark.parametrize("name", GATES)
@given(values=st.lists(st.floats(-50, 50), min_size=1, max_size=20), training=st.booleans())
def test_masks_lie_between_0_and_1(name: str, values: list[float], training: bool) -> None:
    x = torch.tensor([values], requires_grad=True)
    mask = GATES[name]().train(training)(x)
    assert ((mask >= 0) & (mask <= 1)).all()
    mask.sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=20))
def test_straight_through_is_a_step_with_the_slope_of_a_line(values: list[float]) -> None:
    x = torch.tensor([values], requires_grad=True)
    mask = StraightThroughGate()(x)
    assert torch.equal(mask, (x > 0).float())
    mask.sum().backward()
    inside = (x > -1) & (x < 1)
    assert x.grad is not None
    assert torch.equal(x.grad[inside], torch.full_like(x[inside], 0.5))
    assert (x.grad[x.abs() > 1] == 0).all()


def test_an_annealed_gate_goes_from_the_published_one_to_a_step() -> None:
    gate, x = AnnealedGate(), torch.tensor([[-0.5, 0.0, 0.1, 2.0]])
    step = gate(x)
    gate.anneal(0.0)
    assert torch.equal(gate(x), GATES["soft"]()(x))
    gate.anneal(1.0)
    assert torch.equal(gate(x), step)
    assert torch.allclose(step, (x > 0).float(), atol=0.006)


def test_hard_concrete_is_noisy_in_training_alone_and_reaches_both_ends() -> None:
    gate, x = HardConcreteGate(), torch.linspace(-4, 4, 9)[None]
    assert not torch.equal(gate(x), gate(x))
    gate.eval()
    assert torch.equal(gate(x), gate(x))
    assert gate(x)[0, 0] == 0
    assert gate(x)[0, -1] == 1
    assert gate(torch.zeros(1, 1)) == pytest.approx(0.5)


def test_saturation_is_0_at_both_ends_and_1_in_the_middle() -> None:
    assert saturation([torch.tensor([[0.0, 1.0]]), torch.ones(1, 7)]) == 0
    assert saturation([torch.full((2, 3), 0.5)]) == 1
    assert saturation([torch.full((2, 3), 0.5), torch.zeros(2, 9)]) == pytest.approx(0.5)  # layers count alike


@pytest.mark.parametrize("name", GATES)
@pytest.mark.parametrize("backbone", ["resnet18", pytest.param("vit_s", marks=pytest.mark.heavy)])
def test_a_generator_that_is_kept_keeps_its_gate(name: str, backbone: str) -> None:
    modular = calibrated(backbone, width=0.125, make=lambda each: make_modular(each, gate=name))
    masks = random_masks(modular, torch.Generator().manual_seed(1))
    x = images(4)
    module = extract_module(modular, masks, CLASSES, "keep_generator")
    with constant_masks(modular, masks, CLASSES, keep_values=True), torch.no_grad():
        expected = modular(x)[0]
    with torch.no_grad():
        assert torch.allclose(module(x), expected, atol=1e-9 * float(expected.abs().max()))


def test_a_cut_equals_the_network_whose_gates_are_open_or_shut_alike_for_all() -> None:
    modular = calibrated("vgg16", width=0.125, make=lambda each: make_modular(each, gate="straight_through"))
    generator = torch.Generator().manual_seed(2)
    kept = []
    for unit in modular.units:
        assert isinstance(unit, ConvUnit)
        assert unit.mask_generator is not None
        open_ = torch.rand(unit.kernels, generator=generator) < 0.6
        open_[0] = True
        with torch.no_grad():
            unit.mask_generator.expand.weight.zero_()
            unit.mask_generator.expand.bias.copy_(open_.float() - 0.5)
        kept.append(open_.expand(10, -1))
    x = images(8)
    with torch.no_grad():
        expected, masks = modular(x)
        assert all(torch.equal(mask.bool(), keep[:8]) for mask, keep in zip(masks, kept, strict=True))
        module = extract_module(modular, kept, CLASSES)
        assert torch.allclose(module(x), expected, atol=1e-9 * float(expected.abs().max()))


@pytest.mark.heavy
@pytest.mark.parametrize("name", GATES)
def test_every_gate_trains(name: str) -> None:
    digits = nemo.load_dataset("digits", train_images=200, test_images=60)
    recipe = nemo.Recipe(epochs=2, batch_size=32, lr=0.02, gate=name, saturation=0.1)  # type: ignore[arg-type]
    network = nemo.build_network("resnet18", "nemo", 10, width=0.0625, seed=0, gate=name)
    before = [unit.mask_generator.squeeze.weight.clone() for unit in network.units]  # type: ignore[union-attr]
    trainer = nemo.Trainer(network, digits, "nemo", {}, recipe, seed=0)
    while not trainer.done:
        trainer.run_epoch()
    assert 0 <= trainer.history[-1]["train/saturation"] <= 1
    after = [unit.mask_generator.squeeze.weight for unit in network.units]  # type: ignore[union-attr]
    assert all(not torch.equal(*pair) for pair in zip(before, after, strict=True))
