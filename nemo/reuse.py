"""Putting a module to use: cut it, fine-tune it on its sub-task, and say what it kept (method.md 6.5 and 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from nemo import transformer_surgery
from nemo.control import Control
from nemo.controls import control_masks, cut_from, start_afresh
from nemo.datasets.dataset import Dataset, select_classes
from nemo.errors import UserError
from nemo.evaluation import evaluate
from nemo.flops import count_flops, count_linear_parameters, count_parameters
from nemo.image_size import input_shape
from nemo.metrics import union_rate
from nemo.modular import ModularNetwork, unmasked_kernels
from nemo.recalibration import recalibrate
from nemo.recipe import RECALIBRATION, Finetune, Recipe
from nemo.surgery import Head, MaskValues, Surgery, extract_module
from nemo.training import Trainer, require_finite
from nemo.transformer import NeuronMaskGenerator


@dataclass(frozen=True)
class Reuse:
    """A fine-tuned module and its figures.

    Attributes:
        module: Images `[B, 3, H, W]` to the sub-task's logits `[B, n]`, in the order of the classes.
        figures: `accuracy` (after fine-tuning), `accuracy_before_finetuning` (the cut with its trained classifier,
            told apart among the sub-task's classes) and `accuracy_recalibrated` (the latter with BatchNorm statistics
            of its own images, whatever was fine-tuned), all on the sub-task's test images; `krr` over the maskable and
            `krr_all` over all kernels; a Transformer's `weight_retention`, the module's linear parameters over the
            standard network's (None for a CNN); `flops` per image, `parameters`; and the fine-tuning's `history`.
    """

    module: nn.Module
    figures: dict[str, Any]


def subtask_dataset(dataset: Dataset, classes: Sequence[int]) -> Dataset:
    """The images of some classes, relabelled to their index in the given order."""
    return replace(
        dataset,
        classes=tuple(dataset.classes[c] for c in classes),
        train=select_classes(dataset.train, classes),
        test=select_classes(dataset.test, classes),
    )


def reuse_module(
    modular: ModularNetwork,
    module_masks: Sequence[Tensor],
    dataset: Dataset,
    classes: Sequence[int],
    *,
    finetune: Finetune,
    seed: int,
    mask_values: MaskValues = "drop",
    head: Head = "paper",
    mean_masks: Sequence[Tensor] | None = None,
    surgery: Surgery = "exact",
    recalibration: int = 0,
    control: Control | None = None,
    standard: nn.Module | None = None,
    device: torch.device | str = "cpu",
) -> Reuse:
    """Cuts the module of `classes`, or a control of it, fine-tunes it and takes the last epoch.

    Nothing is selected, so the test images are only looked at to report. What is cut first gets the BatchNorm
    statistics of so many training images of its classes as `recalibration` says; 0 leaves those of the whole network.

    Args:
        modular: The trained network.
        module_masks: Per site bool `[N, K_l]`.
        dataset: Whose training images fine-tune it.
        classes: The sub-task's.
        finetune: How it is fine-tuned.
        seed: Of the new head, the order of the images, and a `random` control.
        mask_values: See `extract_module`.
        head: See `extract_module`.
        mean_masks: See `extract_module`.
        surgery: See `extract_module`.
        recalibration: Training images.
        control: None is the module itself.
        standard: The trained standard network; needed for the controls that are cut from it.
        device: Where to run.

    Raises:
        UserError: See `extract_module` and `nemo.controls`.
        TrainingDiverged: Fine-tuning met a loss that is not finite.
    """
    subtask = subtask_dataset(dataset, classes)
    if head == "none":
        raise UserError("head: none has no output per class of the sub-task, choose linear, paper or slice.")
    source, masks = modular, module_masks
    if control is not None:
        source = cut_from(control, modular, standard)
        masks = control_masks(control, source, module_masks, classes, subtask, seed=seed, device=device)
        if source is not modular:
            mask_values, mean_masks = "drop", None  # a standard network has no mask values
    before = extract_module(source, masks, classes, mask_values, "slice", mean_masks, surgery).to(device)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # the new head's weights
        module = extract_module(source, masks, classes, mask_values, head, mean_masks, surgery).to(device)
    if control == "fresh":
        for each in (before, module):
            start_afresh(each, seed=seed)
    if recalibration > 0:
        for each in (before, module):
            recalibrate(each, subtask, recalibration, seed=seed, device=device)
    history = fine_tune(module, subtask, finetune, seed=seed, device=device)
    accuracy_before = recalibrated = _test_accuracy(before, subtask, finetune, device)
    if recalibration == 0 and recalibrate(before, subtask, RECALIBRATION, seed=seed, device=device):
        recalibrated = _test_accuracy(before, subtask, finetune, device)
    krr = union_rate(module_masks, classes)
    maskable, unmasked = sum(modular.widths), unmasked_kernels(modular)
    figures = {
        "accuracy": _test_accuracy(module, subtask, finetune, device),
        "accuracy_before_finetuning": accuracy_before,
        "accuracy_recalibrated": recalibrated,
        "krr": krr,
        "krr_all": (krr * maskable + unmasked) / (maskable + unmasked),
        "weight_retention": _weight_retention(module, modular),
        "flops": count_flops(module, input_shape(dataset.image_size)),
        "parameters": count_parameters(module),
        "history": history,
    }
    return Reuse(module, figures)


def fine_tune(
    module: nn.Module, subtask: Dataset, finetune: Finetune, *, seed: int, device: torch.device | str = "cpu"
) -> list[dict[str, float]]:
    """Trains all of a module's parameters on cross-entropy, in place; returns one entry per epoch."""
    if finetune.epochs == 0:
        return []
    recipe = Recipe(**asdict(finetune), compile=False)  # every module has other widths, and would be compiled anew
    trainer = Trainer(module, subtask, "standard", {}, recipe, seed=seed, device=device, evaluate=False)
    while not trainer.done:
        trainer.run_epoch()
    return trainer.history


def _weight_retention(module: nn.Module, modular: ModularNetwork) -> float | None:
    """Linear parameters of a Transformer's module over the standard network's, which has no generators (6.4)."""
    generators = [each for each in modular.modules() if isinstance(each, NeuronMaskGenerator)]
    if not generators and not transformer_surgery.applies_to(modular.network):
        return None
    standard = count_linear_parameters(modular) - sum(map(count_linear_parameters, generators))
    return count_linear_parameters(module) / standard


def _test_accuracy(module: nn.Module, subtask: Dataset, finetune: Finetune, device: torch.device | str) -> float:
    figures = evaluate(
        module,
        subtask.test,
        subtask,
        device=device,
        precision=finetune.precision,
        channels_last=finetune.channels_last,
    )
    require_finite(figures, "after fine-tuning")
    return figures["accuracy"]
