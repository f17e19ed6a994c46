"""The training loop: reproducible, resumable, and honest about a loss that is not a number."""

from __future__ import annotations

import dataclasses
import io
import math

import pytest
import torch

import nemo
from nemo.datasets.dataset import Dataset, Split

pytestmark = pytest.mark.heavy

RECIPE = nemo.Recipe(epochs=3, batch_size=32, lr=0.02, validation=0.2, warmup=1)


def small(dataset: Dataset, images: int = 150) -> Dataset:
    train = Split(dataset.train.images[:images], dataset.train.labels[:images])
    return dataclasses.replace(dataset, train=train, test=Split(dataset.test.images[:60], dataset.test.labels[:60]))


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return small(nemo.load_dataset("digits"))


def trainer(dataset: Dataset, method: str = "mwt", seed: int = 0, **changes: object) -> nemo.Trainer:
    recipe = dataclasses.replace(RECIPE, **changes)  # type: ignore[arg-type]
    network = nemo.build_network("vgg16", method, 10, width=0.0625, image_size=32, seed=seed, gate=recipe.gate)
    return nemo.Trainer(network, dataset, method, {}, recipe, seed=seed)


def run(trainer: nemo.Trainer) -> list[dict[str, float]]:
    while not trainer.done:
        trainer.run_epoch()
    return trainer.history


def numbers(history: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{k: v for k, v in entry.items() if k not in ("time", "seconds")} for entry in history]


@pytest.mark.parametrize("method", [name for name, each in nemo.METHODS.items() if each.starts_from is None])
def test_history_of_every_method(digits: Dataset, method: str) -> None:
    history = run(trainer(digits, method))
    assert [entry["epoch"] for entry in history] == [0, 1, 2]
    assert history[0]["lr"] == pytest.approx(0.02)
    assert history[1]["lr"] == pytest.approx(0.01 * (1 + math.cos(math.pi / 3)))
    terms = set(nemo.METHODS[method].reports)
    assert bool(terms) == (method != "standard")
    for split in ("validation", "test"):
        assert 0 <= history[-1][f"{split}/accuracy"] <= 1
        assert (f"{split}/sample_krr" in history[-1]) == (method != "standard")
    for split in ("train", "validation", "test"):
        assert {f"{split}/{name}" for name in terms | {"loss", "loss_ce", "accuracy"}} <= history[-1].keys()
    assert history[-1]["train/loss"] >= history[-1]["train/loss_ce"]


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(digits: Dataset) -> None:
    first, again, other = (numbers(run(trainer(digits, seed=seed))) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    "changes", [{}, {"as_cut": 0.5}, {"gate": "annealed", "saturation": 0.5}, {"gate": "hard_concrete", "as_cut": 0.5}]
)
def test_an_interrupted_training_goes_on_bit_for_bit(digits: Dataset, changes: dict[str, object]) -> None:
    whole = trainer(digits, "nemo", **changes)
    run(whole)
    broken = trainer(digits, "nemo", **changes)
    broken.run_epoch()
    file = io.BytesIO()
    torch.save(broken.state_dict(), file)
    file.seek(0)
    resumed = trainer(digits, "nemo", seed=0, **changes)
    torch.rand(7)  # whatever else drew random numbers in between
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert resumed.epoch == 1
    run(resumed)
    assert numbers(resumed.history) == numbers(whole.history)
    ours, theirs = resumed.network.state_dict(), whole.network.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_the_callers_random_state_is_left_alone(digits: Dataset) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    trainer(digits).run_epoch()
    assert torch.equal(torch.rand(3), expected)


def test_a_loss_that_is_not_a_number_is_named(digits: Dataset) -> None:
    with pytest.raises(nemo.TrainingDiverged, match=r"loss_ce.* became (nan|inf) in epoch 0"):
        run(trainer(digits, lr=1e12, epochs=1, warmup=0))


def test_the_validation_images_are_not_trained_on(digits: Dataset) -> None:
    one = trainer(digits)
    assert one.validation is not None
    assert len(one.validation) == 30
    held = {image.numpy().tobytes() for image in one.validation.images}
    trained = {image.numpy().tobytes() for image in one.images.images}
    assert not held & trained


def test_generators_learn_at_their_own_rate(digits: Dataset) -> None:
    one = trainer(digits, lr_mask=1e-12, epochs=1, warmup=0)
    before = {name: value.clone() for name, value in one.network.named_parameters()}
    one.run_epoch()
    moved = {
        name for name, value in one.network.named_parameters() if not torch.allclose(value, before[name], atol=1e-7)
    }
    assert moved
    assert not any("mask_generator" in name for name in moved)


def test_excluding_the_first_layer_divides_by_all_layers(digits: Dataset) -> None:
    excluded = trainer(digits, "nemo", warmup=0)  # the method's default
    included = trainer(digits, "nemo", warmup=0, exclude_first_masked_layer=False)
    batch = next(iter(included.loader.epoch(0)))
    for one in (excluded, included):
        one.model.eval()
    _, masks = included.network(batch.images)
    without = nemo.objectives.contrastive(masks[1:], batch.labels, 0.2)
    alpha = included.settings["alpha"]
    loss, parts = excluded.loss(batch, progress=0.0)
    torch.testing.assert_close(parts["contrastive"], without)
    torch.testing.assert_close(parts["objective"], alpha * without * (len(masks) - 1) / len(masks))
    torch.testing.assert_close(loss.detach(), parts["loss_ce"] + parts["objective"])
    every = nemo.objectives.contrastive(masks, batch.labels, 0.2)
    torch.testing.assert_close(included.loss(batch, progress=0.0)[1]["objective"], alpha * every)


def test_bfloat16_and_channels_last_train_too(digits: Dataset) -> None:
    history = run(trainer(digits, precision="bfloat16", channels_last=True, epochs=2))
    assert all(math.isfinite(value) for entry in history for value in entry.values())


def test_a_network_that_the_last_step_destroyed_is_no_result(digits: Dataset) -> None:
    one_step = trainer(digits, lr=1e30, epochs=1, warmup=0, batch_size=500)
    with pytest.raises(nemo.TrainingDiverged, match=r"became (nan|inf) in epoch 0"):
        run(one_step)
    assert not one_step.done


def test_a_modular_network_can_be_trained_without_a_modular_term(digits: Dataset) -> None:
    network = nemo.build_network("vgg16", "mwt", 10, width=0.0625)
    entry = nemo.Trainer(network, digits, "standard", {}, nemo.Recipe(epochs=1, batch_size=32), seed=0).run_epoch()
    assert entry["train/loss"] == pytest.approx(entry["train/loss_ce"])


def test_misspelt_settings_are_refused(digits: Dataset) -> None:
    network = nemo.build_network("vgg16", "mwt", 10, width=0.0625)
    with pytest.raises(nemo.UserError, match="lamda_coup is no setting of mwt, which has lambda_coh, lambda_coup"):
        nemo.Trainer(network, digits, "mwt", {"lamda_coup": 1.0}, RECIPE, seed=0)
    for wrong in ({"optimizer": "adam"}, {"precision": "bf16"}, {"lr": math.inf}, {"variant": "clean"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            nemo.Recipe(**wrong)  # type: ignore[arg-type]


def test_evaluation_gives_every_layer_its_own_mode_back(digits: Dataset) -> None:
    network = nemo.build_backbone("vgg16", 10, 0.0625).train()
    frozen = network.body[0].norm.eval()
    nemo.evaluate(network, digits.test, digits)
    assert network.training
    assert not frozen.training


def test_learning_rates_rise_step_by_step(digits: Dataset) -> None:
    learning = trainer(digits, "standard", lr_warmup=1.5, warmup=0)
    rates: list[float] = []
    learning.optimizer.register_step_pre_hook(lambda each, *_: rates.append(each.param_groups[0]["lr"]))
    history = run(learning)
    steps = len(learning.loader)
    whole = [entry["lr"] for entry in history]
    assert whole == pytest.approx([0.01 * (1 + math.cos(math.pi * epoch / 3)) for epoch in range(3)])
    wanted = [
        whole[epoch] * min(1.0, (epoch + (step + 1) / steps) / 1.5) for epoch in range(3) for step in range(steps)
    ]
    assert rates == pytest.approx(wanted)
    assert rates[0] == pytest.approx(0.02 / steps / 1.5)
    assert numbers(run(trainer(digits, "standard", lr_warmup=0.0, warmup=0))) != numbers(history)


@pytest.mark.parametrize("largest", [0.0, 0.01])
def test_gradients_are_clipped_where_it_is_asked_for(digits: Dataset, largest: float) -> None:
    learning = trainer(digits, "standard", max_grad_norm=largest)
    learning.step(next(iter(learning.loader.epoch(0))), 0.0)
    norms = torch.stack([p.grad.norm() for p in learning.network.parameters() if p.grad is not None])
    assert (float(norms.norm()) <= 0.01 * 1.001) == (largest > 0)
