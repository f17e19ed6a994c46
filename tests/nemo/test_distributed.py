"""Several workers compute what one computes: the objective sees the whole batch (real gloo processes)."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import distributed, multiprocessing

import nemo
from nemo.datasets.dataset import Dataset, Split
from nemo.distributed import Workers

pytestmark = pytest.mark.heavy

IMAGES, BATCH = 75, 32  # batches of 32, 32 and 11: uneven over two and over three workers
TIMES = ("time", "seconds")
SETTINGS = {
    "mwt": {"lambda_coh": 0.7, "lambda_coup": 1.3},
    "nemo": {"alpha": 1.1},
    "standard": {},
    "moda": {"lambda_dispersion": 1.3},
}
TAUGHT = "deit_s with a teacher"


def _dataset() -> Dataset:
    digits = nemo.load_dataset("digits")
    train = Split(digits.train.images[:IMAGES], digits.train.labels[:IMAGES])
    return dataclasses.replace(digits, train=train, test=Split(digits.test.images[:31], digits.test.labels[:31]))


def _measure(method: str, workers: Workers) -> dict[str, object]:
    """Losses and gradients of every batch of an epoch, BatchNorm in eval mode, and an evaluation."""
    network = nemo.build_network("resnet18", "standard", 10, width=0.0625, seed=3)
    teacher = network if method == TAUGHT else None
    method = "mwt" if method == TAUGHT else method
    network = nemo.build_network("deit_s" if teacher else "resnet18", method, 10, width=0.0625, seed=3)
    if teacher is not None:  # a DeiT starts with tokens of zeros, whose LayerNorm makes gradients of rounding errors
        tokens = network.network.body[0]  # type: ignore[union-attr,index]
        for value in (tokens.special, tokens.positions):  # type: ignore[union-attr]
            torch.nn.init.normal_(value, generator=torch.Generator().manual_seed(0))  # type: ignore[arg-type]
    recipe = nemo.Recipe(epochs=1, batch_size=BATCH)
    trainer = nemo.Trainer(
        network, _dataset(), method, SETTINGS[method], recipe, seed=3, workers=workers, teacher=teacher
    )
    trainer.model.eval()
    losses, gradients = [], []
    for batch in trainer.loader.epoch(0):
        trainer.optimizer.zero_grad()
        loss, parts = trainer.loss(batch, progress=0.0)
        loss.backward()
        shares = sum(weight * parts[name] for name, weight in trainer.learning.weights.items())
        total = workers.sum(shares) + parts.get("objective", torch.tensor(0.0))  # type: ignore[arg-type]
        losses.append(total.item())
        gradients.append(torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None]))
    return {"losses": losses, "gradients": gradients, "evaluation": trainer.evaluate()}


def _train(workers: Workers) -> dict[str, object]:
    """The state after an epoch whose last batch of 3 images leaves workers without one; BatchNorm in training mode."""
    dataset = _dataset()
    few = Split(dataset.train.images[:19], dataset.train.labels[:19])
    network = nemo.build_network("resnet18", "mwt", 10, width=0.0625, seed=3)
    recipe = nemo.Recipe(epochs=1, batch_size=8, as_cut=0.5)
    trainer = nemo.Trainer(network, dataclasses.replace(dataset, train=few), "mwt", {}, recipe, seed=3, workers=workers)
    entry = trainer.run_epoch()
    assert trainer.rehearsal is not None
    known = {str(layer): known for layer, known in enumerate(trainer.rehearsal.frequencies)}
    history = {name: value for name, value in entry.items() if name not in TIMES}
    return {"state": trainer.network.state_dict() | known, "history": history}


def _worker(rank: int, world: int, method: str, folder: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world)
    result = _measure(method, Workers(rank, world))
    result["trained"] = _train(Workers(rank, world))
    torch.save(result, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


METHODS = ["mwt", "nemo", "standard", "moda"]
SLOW = [("mwt", 2), *((method, world) for method in METHODS[1:] for world in (2, 3))]
SLOWLY = [pytest.param(*each, marks=pytest.mark.slow) for each in SLOW]


@pytest.mark.parametrize(("method", "world"), [("mwt", 3), (TAUGHT, 2), *SLOWLY])
def test_workers_agree_with_one(tmp_path: Path, method: str, world: int) -> None:
    multiprocessing.spawn(_worker, (world, method, str(tmp_path)), nprocs=world)
    alone = _measure(method, Workers())
    assert len(alone["losses"]) == 3  # type: ignore[arg-type]
    for rank in range(world):
        together = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        torch.testing.assert_close(together["losses"], alone["losses"], rtol=1e-5, atol=1e-5)
        for ours, theirs in zip(together["gradients"], alone["gradients"], strict=True):  # type: ignore[call-overload]
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
        if rank == 0:
            first = together["trained"]
        assert together["trained"]["history"] == first["history"]
        assert all(torch.equal(value, first["state"][name]) for name, value in together["trained"]["state"].items())
        assert together["evaluation"] == pytest.approx(alone["evaluation"], abs=1e-6)
