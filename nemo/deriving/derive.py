"""The small network for some classes of a trained one, with what it is measured against (method.md 9)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from nemo.datasets.dataset import Dataset, Split
from nemo.deriving.budget import TIME, Budget
from nemo.deriving.fitting import Spending, best
from nemo.deriving.head import Rows, chosen_rows, fitted, outputs_of
from nemo.deriving.low_rank import low_rank_attention
from nemo.deriving.masked import Masked, ones
from nemo.deriving.methods import derivation
from nemo.deriving.refit import IMAGES, refit
from nemo.deriving.task import Task
from nemo.errors import UserError
from nemo.evaluation import evaluate
from nemo.example import Example
from nemo.flops import count_flops, count_parameters
from nemo.image_size import input_shape
from nemo.loader import Loader
from nemo.methods.method import Setting
from nemo.recalibration import recalibrate
from nemo.recipe import RECALIBRATION, Finetune
from nemo.reuse import fine_tune, subtask_dataset
from nemo.training import require_finite

Compensate = Literal["none", "refit"]
Attention = Literal["keep", "svd"]
CONTROLS = ("random", "magnitude")


@dataclass(frozen=True)
class Derived:
    """A derived network and its figures.

    Attributes:
        network: Images `[B, 3, H, W]`, normalised, to logits `[B, n]`, in the order of the classes.
        base: The untouched network with these n rows.
        controls: Name -> network that another choice of units gives at the same budget, treated alike.
        kept: `flops` and `parameters`, shares of the base's; `units`, the share of all units of the sites; and
            `milliseconds`, a share too, where the budget is one of time.
        accuracy: On the classes' test images, of `base`, `network` and each control; where these were fine-tuned, what
            they were before under the same name and `_before_finetuning`.
        flops: Per image, of `base`, `network` and each control.
        masks: Which units are kept: per site bool `[K_l]`.
        scores: What they were chosen by: per site `[R, K_l]`, R 1 or n.
        sites: The layers of the masks.
        history: Of the fine-tuning, an entry per epoch.
        seconds: That finding the units and cutting took.
    """

    network: nn.Module
    base: nn.Module
    controls: dict[str, nn.Module]
    kept: dict[str, float]
    accuracy: dict[str, float]
    flops: dict[str, float]
    masks: list[Tensor]
    scores: list[Tensor]
    sites: list[str]
    history: list[dict[str, float]]
    seconds: float


def derive(
    net: nn.Module,
    dataset: Dataset,
    classes: Sequence[int],
    *,
    budget: Mapping[str, float],
    method: str = "masksearch",
    settings: Mapping[str, Setting] | None = None,
    compensate: Compensate = "none",
    attention: Attention = "keep",
    finetune: Finetune | None = None,
    example: Example | None = None,
    seed: int = 0,
    rows: Rows = None,
    sites: Sequence[str] = (),
    controls: Sequence[str] = CONTROLS,
    recalibration: int | None = None,
    refit_images: int = IMAGES,
    device: torch.device | str = "cpu",
) -> Derived:
    """Derives the network for some classes of a trained one: scores its units, keeps the best that fit, cuts.

    Nothing is chosen by test images, which are only looked at to report; nor by training images that were held out,
    for nothing is selected: the last step counts.

    Args:
        net: Trained, any that `nemo.find_sites` takes, or one of this project's backbones; not changed.
        dataset: Its images are normalised as `net` wants them.
        classes: Two or more of the data set's, in the order of the logits; one where nothing is to be learned.
        budget: The share of the base's that is kept, `{"flops": 0.3}` or `{"parameters": 0.3}`; met within 2 % of
            itself, below it by more only where a single unit is more than that. Or `{"milliseconds": 4}`: what an
            image takes on the CPU of this machine, by one thread, without compiling; as exactly as that can be told.
        method: A name of `nemo.deriving.methods.DERIVATIONS`.
        settings: The method's (docs/trained-networks.md).
        compensate: `refit` fits the Linear layers and 1x1 convolutions that lost inputs, see `nemo.deriving.refit`.
        attention: `keep` lets the method choose among its units, too; `svd` first takes away the least dimensions of
            all heads, see `nemo.deriving.low_rank`, and what is left of attention stays.
        finetune: How the network and its controls are fine-tuned; None leaves them as they were cut.
        example: Inputs as `net` takes them; None for two training images.
        seed: Of the images' order, what is drawn, and fine-tuning.
        rows: See `nemo.deriving.head.Rows`.
        sites: Patterns of the layers that are cut, see `nemo.find_sites`.
        controls: Methods without training, each with its default settings.
        recalibration: Training images that BatchNorm statistics are taken from after the cut; None for 0 after
            `masksearch`, whose masks were learned under those of the whole network, and 500 after all else.
        refit_images: Training images that `refit` looks at.
        device: Where to compute.

    Raises:
        UserError: An argument is no such thing, the network can't be followed, or the budget can't be reached.
        TrainingDiverged: A loss is not finite.
    """
    wanted = Budget.of(budget)
    classes = _checked(classes, dataset)
    if compensate not in ("none", "refit"):
        raise UserError(f"compensate: {compensate!r} is unknown, choose none or refit.")
    if attention not in ("keep", "svd"):
        raise UserError(f"attention: {attention!r} is unknown, choose keep or svd.")
    complete = {name: _settings(name, (settings or {}) if name == method else {}) for name in (method, *controls)}
    subtask = subtask_dataset(dataset, classes)
    net = deepcopy(net).to(device).eval()
    example = _example(dataset, device) if example is None else example
    own = chosen_rows(rows, classes, dataset, outputs_of(net, example))
    if own is None:
        net, own = fitted(net, example, subtask, device), list(range(len(classes)))
    masked = Masked(net, example, sites, device)
    base = masked.cut(ones(masked), own)
    image = input_shape(dataset.image_size)
    spending = Spending(base, wanted, image)
    heads: dict[str, Tensor] = {}  # by layer, which rows are left
    if attention == "svd":
        thin, heads = low_rank_attention(net, example, 1 - spending.budget.share)
        masked = Masked(thin, example, sites, device)
        if lacking := sorted(set(heads) - set(masked.names)):
            raise UserError(f"sites: {lacking[0]} is none of them, which attention: svd cuts; add it, or choose keep.")
    task = Task(masked, own, subtask, spending.budget, seed, device)

    def within_heads(masks: list[Tensor]) -> list[Tensor]:
        return [mask & heads.get(name, mask) for name, mask in zip(masked.names, masks, strict=True)]

    def share(masks: list[Tensor]) -> float:
        return spending.share(masked.cut(within_heads(masks), own, check=False))

    accuracy = {"base": _accuracy(base, subtask, device)}
    flops = {"base": count_flops(base, image)}
    made: dict[str, Any] = {}
    for name in dict.fromkeys((method, *controls)):
        begun = time.perf_counter()
        scores = derivation(name).scores(task, complete[name])
        worth = [each.amax(0) for each in scores]
        for number, site in enumerate(masked.names):
            if site in heads:
                worth[number] = torch.where(heads[site].to(worth[number].device), torch.inf, -torch.inf)
        masks = within_heads(best(worth, spending.budget, share))
        module = masked.cut(masks, own)
        if compensate == "refit":
            refit(module, masked, subtask, refit_images, seed=seed)
        statistics = (0 if derivation(name).trained else RECALIBRATION) if recalibration is None else recalibration
        if statistics > 0:
            recalibrate(module, subtask, statistics, seed=seed, device=device)
        seconds = time.perf_counter() - begun
        label = "network" if name == method else name
        history: list[dict[str, float]] = []
        if finetune is not None:
            accuracy[f"{label}_before_finetuning"] = _accuracy(module, subtask, device)
            history = fine_tune(module, subtask, finetune, seed=seed, device=device)
        accuracy[label] = _accuracy(module, subtask, device)
        flops[label] = count_flops(module, image)
        made[label] = (module.eval(), masks, scores, history, seconds)
    module, masks, scores, history, seconds = made.pop("network")
    kept = {
        "flops": flops["network"] / flops["base"],
        "parameters": count_parameters(module) / count_parameters(base),
        "units": float(torch.cat(masks).double().mean()),
        **({TIME: spending.share(module)} if wanted.measure == TIME else {}),
    }
    others = {name: each[0] for name, each in made.items()}
    return Derived(
        module, base, others, kept, accuracy, flops, masks, scores, masked.names, history=history, seconds=seconds
    )


def untouched(net: nn.Module, dataset: Dataset, classes: Sequence[int], *, rows: Rows = None) -> nn.Module:
    """What derived networks are measured against: a network with the rows of some classes, and all its units.

    Args:
        net: See `derive`.
        dataset: See `derive`.
        classes: In the order of the logits.
        rows: See `derive`; `fit` is not for this.

    Raises:
        UserError: See `derive`.
    """
    example = _example(dataset, "cpu")
    masked = Masked(net, example)
    own = chosen_rows(rows, classes, dataset, masked.outputs)
    if own is None:
        raise UserError("rows: the network knows other classes, give a row for each.")
    return masked.cut(ones(masked), own)


def _checked(classes: Sequence[int], dataset: Dataset) -> list[int]:
    found = [int(label) for label in classes]
    if not found or len(set(found)) < len(found) or not all(0 <= each < dataset.num_classes for each in found):
        raise UserError(f"classes: {found} must be distinct numbers from 0 to {dataset.num_classes - 1}, at least one.")
    return found


def _settings(name: str, given: Mapping[str, Setting]) -> dict[str, Setting]:
    method = derivation(name).method
    for setting, value in given.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if setting in method.settings and setting not in method.words and not number:
            raise UserError(f"{setting}: should be a number, not {value!r}.")
    return method.complete(given)


def _example(dataset: Dataset, device: torch.device | str) -> Tensor:
    first = Split(dataset.train.images[:2], dataset.train.labels[:2])
    return next(Loader(first, dataset=dataset, batch_size=2, train=False, device=device).epoch()).images


def _accuracy(module: nn.Module, subtask: Dataset, device: torch.device | str) -> float:
    figures = evaluate(module, subtask.test, subtask, device=device)
    require_finite(figures, "of a derived network")
    return figures["accuracy"]
