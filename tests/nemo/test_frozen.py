"""What `train_only` lets learn: the rest stays, batch norms and all, also after an interruption."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed, multiprocessing, nn

import nemo
from nemo.backbones.foreign import Foreign
from nemo.datasets.dataset import Dataset, Split
from nemo.distributed import Workers
from nemo.networks import _from_elsewhere
from tests.nemo.any_network.own import Densely

pytestmark = pytest.mark.heavy

RECIPE = nemo.Recipe(epochs=2, batch_size=16, lr=0.05, weight_decay=0.01)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    digits = nemo.load_dataset("digits", image_size=12)
    few = digits.train.labels < 5
    train = Split(digits.train.images[few][:64], digits.train.labels[few][:64])
    return dataclasses.replace(digits, classes=digits.classes[:5], train=train, test=train)


def trainer(
    digits: Dataset, method: str, only: object, workers: Workers | None = None, **changes: object
) -> nemo.Trainer:
    """Of a network that is none of ours."""
    torch.manual_seed(0)
    network = _from_elsewhere(Densely(), nemo.METHODS[method], 12, "soft", Foreign())
    recipe = dataclasses.replace(RECIPE, train_only=only, **changes)  # type: ignore[arg-type]
    return nemo.Trainer(network, digits, method, {}, recipe, seed=0, workers=workers)


def learned(one: nemo.Trainer) -> set[str]:
    """The tensors of the state, running statistics among them, that two epochs change."""
    before = {name: value.clone() for name, value in one.network.state_dict().items()}
    while not one.done:
        one.run_epoch()
    changed = {name for name, value in one.network.state_dict().items() if not torch.equal(value, before[name])}
    frozen = {name for name, each in one.network.named_parameters() if not each.requires_grad}
    assert not changed & frozen
    assert all(each.grad is None for name, each in one.network.named_parameters() if name in frozen)
    return {name.removeprefix("network.") for name in changed}


def test_the_head_alone(digits: Dataset) -> None:
    assert learned(trainer(digits, "standard", "head")) == {"head.weight", "head.bias"}
    assert learned(trainer(digits, "nemo", "head")) == {"head.weight", "head.bias"}
    assert learned(trainer(digits, "moda", ["head", "!head.bias"])) == {"head.weight"}


def test_the_generators_alone(digits: Dataset) -> None:
    changed = learned(trainer(digits, "nemo", "generators", as_cut=0.5, as_cut_from=0.1))
    assert changed and all(".mask_generator." in name for name in changed)
    both = learned(trainer(digits, "mwt", ["generators", "head"]))
    assert {name.split(".")[0] for name in both if ".mask_generator." not in name} == {"head"}


def test_patterns_of_layers_and_parameters(digits: Dataset) -> None:
    assert learned(trainer(digits, "standard", ["right", "!right.0"])) == {
        *("right.1.weight", "right.1.bias", "right.2.weight"),
        *("right.1.running_mean", "right.1.running_var", "right.1.num_batches_tracked"),
    }
    biases = learned(trainer(digits, "standard", "*.bias"))
    assert "right.1.running_mean" in biases and not any(name.endswith("weight") for name in biases)
    assert "right.1.running_mean" not in learned(trainer(digits, "standard", ["right.0"]))
    assert not any(name.startswith("stem") for name in learned(trainer(digits, "standard", ["!stem"])))


def test_a_frozen_part_computes_in_training_what_it_computes_in_evaluation(digits: Dataset) -> None:
    one = trainer(digits, "standard", "head")
    seen: dict[bool, Tensor] = {}
    right = one.network.get_submodule("right")
    right.register_forward_hook(lambda module, _, y: seen.setdefault(one.network.training, y.detach()))
    batch = next(iter(one.loader.epoch(0)))
    one.run_epoch()
    seen.clear()
    for still in (True, False):
        one.network.train(still)
        for norm in one._still:
            norm.eval()
        one.network(batch.images)
    assert torch.equal(seen[True], seen[False])


@pytest.mark.parametrize("only", ["generators", ["right*", "head"]])
def test_an_interrupted_training_goes_on_bit_for_bit(digits: Dataset, only: object) -> None:
    whole, broken = trainer(digits, "nemo", only), trainer(digits, "nemo", only)
    learned(whole)
    broken.run_epoch()
    file = io.BytesIO()
    torch.save(broken.state_dict(), file)
    file.seek(0)
    resumed = trainer(digits, "nemo", only)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    resumed.run_epoch()
    ours, theirs = resumed.network.state_dict(), whole.network.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def _worker(rank: int, folder: str, digits: Dataset) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    one = trainer(digits, "nemo", ["generators", "head"], workers=Workers(rank, 2))
    torch.save((sorted(learned(one)), one.network.state_dict()), f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.slow
def test_two_workers_train_the_same_parts_alike(digits: Dataset, tmp_path: Path) -> None:
    multiprocessing.spawn(_worker, (str(tmp_path), digits), nprocs=2)
    (first, ours), (second, theirs) = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert first == second == sorted(learned(trainer(digits, "nemo", ["generators", "head"])))
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


@pytest.mark.parametrize(("backbone", "method"), [("rescnn", "nemo"), ("vit_s", "mwt")])
def test_our_own_networks(digits: Dataset, backbone: str, method: str) -> None:
    images = dataclasses.replace(digits, train=_enlarged(digits.train), test=_enlarged(digits.test))
    network = nemo.build_network(backbone, method, 5, width=0.0625)
    recipe = dataclasses.replace(RECIPE, epochs=1, train_only=["generators", "head"])
    one = nemo.Trainer(network, images, method, {}, recipe, seed=0)
    changed = learned(one)
    assert changed and all(".mask_generator." in name or name.startswith("head.") for name in changed)
    module = nemo.extract_module(one.network, [torch.ones(5, k).bool() for k in one.network.widths], [0, 1])  # type: ignore[arg-type]
    assert all(each.requires_grad for each in module.parameters())


def _enlarged(split: Split) -> Split:
    return Split(
        nn.functional.interpolate(split.images[:32].float(), size=32).to(split.images.dtype), split.labels[:32]
    )


@pytest.mark.parametrize(
    ("method", "only", "message"),
    [
        ("standard", "generators", r"^recipe.train_only: generators are what this network has none of"),
        ("nemo", ["up*"], r"^recipe.train_only: 'up\*' fits none of the names of its parameters, as stem.weight"),
        ("nemo", ["head", "!head"], r"^recipe.train_only: leaves nothing to learn"),
        ("nemo", [], r"^train_only: must name something"),
    ],
)
def test_what_is_refused(digits: Dataset, method: str, only: object, message: str) -> None:
    with pytest.raises((nemo.UserError, ValueError), match=message):
        trainer(digits, method, only)


def test_a_head_that_is_no_linear_layer(digits: Dataset) -> None:
    class Scaled(Densely):
        def forward(self, x: Tensor) -> Tensor:
            return 3 * super().forward(x)

    with pytest.raises(nemo.UserError, match=r"^recipe.train_only: head is the one Linear layer"):
        nemo.Trainer(Scaled(), digits, "standard", {}, dataclasses.replace(RECIPE, train_only="head"), seed=0)
