"""One training loop for every method, and for the fine-tuning of modules too (method.md 4)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nemo.compiling import chosen, compiled, disagreement, usable
from nemo.datasets.dataset import Dataset, Split, split_validation, validation_places
from nemo.distillation import CrossEntropy, Distillation, Learning
from nemo.distributed import Workers
from nemo.errors import UserError
from nemo.evaluation import add_up, evaluate, forward
from nemo.example import blank
from nemo.frozen import freeze
from nemo.gates import Gate
from nemo.loader import Batch, Loader
from nemo.methods import METHODS, Setting
from nemo.modular import ModularNetwork
from nemo.objectives import saturation
from nemo.recipe import Recipe
from nemo.rehearsal import Rehearsal
from nemo.transformer import NeuronMaskGenerator, TokenUnit

_FORMS = ("compiled", "compiled_rehearsing")
"""The two forms of a step that are compiled, as a checkpoint names what was judged of them."""


class TrainingDiverged(Exception):
    """A loss was not finite; neither continuing nor a retry with the same settings can help."""


def require_finite(metrics: Mapping[str, float], when: str) -> None:
    """Refuses metrics of a training that has diverged.

    Raises:
        TrainingDiverged: A metric is not a finite number.
    """
    bad = [name for name, value in metrics.items() if not math.isfinite(value)]
    if bad:
        raise TrainingDiverged(f"{', '.join(bad)} became {metrics[bad[0]]} {when}: lower lr or the weights.")


def training_images(dataset: Dataset, validation: float, seed: int) -> tuple[Split, Split | None]:
    """The images that are trained on, and the share that is held out for validation, or None."""
    return (
        split_validation(dataset.train, validation, seed, dataset.classes) if validation > 0 else (dataset.train, None)
    )


def training_places(dataset: Dataset, validation: float, seed: int) -> Tensor:
    """Where the images of `training_images` that are trained on lie in `dataset.train`: int64 `[n]`, ascending."""
    if validation > 0:
        return validation_places(dataset.train.labels, validation, seed, dataset.classes)[0]
    return torch.arange(len(dataset.train), device=dataset.train.labels.device)


class Trainer:
    """Trains a network epoch by epoch; everything that it needs to carry on later is in `state_dict()`.

    Args:
        network: From `build_network`, or any classifier for the method `standard`; trained in place.
        dataset: What to train and test on; the recipe's `validation` share is taken from its training images.
        method: A name of `METHODS`, of one that trains.
        settings: The method's loss weights and constants; what is missing takes its default.
        recipe: How to train.
        seed: Of the split, the order of the images, their augmentation and dropout.
        device: Where to train.
        workers: This worker's place among those of one training.
        evaluate: Whether each epoch ends with an evaluation on the validation and the test images.
        teacher: A trained network that a network with two heads (`deit_s`) learns from beside the labels (method.md
            3.4), on the same augmented images; put in eval mode on the device, and not trained.

    Attributes:
        epoch: The next epoch to run, from 0.
        images: The images that are trained on.
        validation: The share of the training images that is held out, or None.
        history: One flat dict per finished epoch: `epoch`, `time` (Unix milliseconds), `seconds`, `lr`, and metrics
            named `train/...`, `validation/...` and `test/...`.
    """

    def __init__(
        self,
        network: nn.Module,
        dataset: Dataset,
        method: str,
        settings: Mapping[str, Setting],
        recipe: Recipe,
        *,
        seed: int,
        device: torch.device | str = "cpu",
        workers: Workers | None = None,
        evaluate: bool = True,
        teacher: nn.Module | None = None,
    ) -> None:
        self.method = METHODS[method]
        if self.method.starts_from is not None:
            raise UserError(f"method: {method} trains nothing, train a {self.method.starts_from} network for it.")
        if recipe.as_cut > 0 and recipe.as_cut_from == 0 and self.method.modular:
            raise UserError(
                "recipe.as_cut_from: 0 names networks of before, which are read and not trained any more, leave it out."
            )
        transformer = any(isinstance(layer, TokenUnit | NeuronMaskGenerator) for layer in network.modules())
        self.settings = self.method.complete(settings, transformer=transformer)
        self.recipe = recipe
        self.seed = seed
        self.device = torch.device(device)
        self.workers = workers or Workers()
        self.evaluates = evaluate
        self.dataset = dataset
        self.images, self.validation = training_images(dataset, recipe.validation, seed)
        self.loader = Loader(
            self.images,
            dataset=dataset,
            batch_size=recipe.batch_size,
            train=True,
            augment=recipe.augment,
            seed=seed,
            device=self.device,
            channels_last=recipe.channels_last,
            rank=self.workers.rank,
            world=self.workers.world,
        )
        memory_format = torch.channels_last if recipe.channels_last else torch.contiguous_format
        self.network = network.to(self.device, memory_format=memory_format)  # type: ignore[call-overload]
        self.learning: Learning = CrossEntropy()
        if teacher is not None:
            teacher = teacher.to(self.device, memory_format=memory_format)  # type: ignore[call-overload]
            self.learning = Distillation(self.network, teacher, recipe.precision)
        self.rehearsal: Rehearsal | None = None
        if recipe.as_cut > 0 and isinstance(network, ModularNetwork):
            count = max(2, round(recipe.as_cut * recipe.batch_size / self.workers.world))  # one has no spread
            self.rehearsal = Rehearsal(self.images, dataset, count, self.loader, self.workers)
        image = blank(self.images.images.shape[1:], 1, device=self.device)[0]
        self._still = () if recipe.train_only is None else freeze(self.network, recipe.train_only, image)
        self.model = self.workers.wrap(self.network)
        self._compiled: Callable[..., Any] | None = None
        self._judged: dict[str, bool] = {}  # form -> whether its compiled steps are correct, once it is known
        # an annealed gate's slope would recompile it every epoch, and every length of texts once
        compile_ = False if recipe.gate == "annealed" or dataset.is_text else recipe.compile
        if chosen(compile_, self.network, image, recipe.epochs, len(self.images), len(self.loader)):
            # Evaluations stay as they are: they are short, and would be compiled anew.
            self._compiled = compiled(self.model)
        # The published objective leaves out the first masked layer of CNNs, not of Transformers (method.md 3.5).
        excluded = recipe.exclude_first_masked_layer
        excluded = self.method.excludes_first and not transformer if excluded is None else excluded
        masked = len(network.units) if isinstance(network, ModularNetwork) else 0
        self._first = int(excluded and masked > 1)
        self.optimizer = _optimizer(self.network, recipe)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimizer, T_max=max(1, round(recipe.anneal * recipe.epochs))
        )
        self.history: list[dict[str, float]] = []

    @property
    def epoch(self) -> int:
        return len(self.history)

    @property
    def done(self) -> bool:
        return self.epoch >= self.recipe.epochs

    @property
    def compiled(self) -> bool:
        """Whether the steps are compiled, or will be once the compiled model has proved correct."""
        return self._compiled is not None

    def run_epoch(self) -> dict[str, float]:
        """Trains for one epoch, evaluates, and returns the new entry of the history.

        Raises:
            TrainingDiverged: A loss was not a finite number.
        """
        started = time.perf_counter()
        lr = self.optimizer.param_groups[0]["lr"]
        with torch.random.fork_rng(devices=_cuda_devices(self.device)):
            # Dropout must not depend on what ran before, or an interrupted training would go another way.
            place = (self.seed, self.epoch, self.workers.rank)
            torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1)[0]))
            self._anneal_gates()
            if self.rehearsal is not None and self.epoch >= int(self.recipe.as_cut_from * self.recipe.epochs):
                self.rehearsal.observe(self.network)
            metrics = self._train()
        self.schedule.step()
        self.workers.share_buffers(self.network)
        require_finite(metrics, f"in epoch {self.epoch}")
        if self.evaluates:
            metrics |= self.evaluate()
            require_finite(metrics, f"in epoch {self.epoch}")  # no training loss sees what the last step did
        entry = {
            "epoch": float(self.epoch),
            "time": float(time.time_ns() // 1_000_000),
            "seconds": time.perf_counter() - started,
            "lr": lr,
            **metrics,
        }
        self.history.append(entry)
        return entry

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values only, so that `torch.load(weights_only=True)` reads it back."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "history": list(self.history),
            **self._judged,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Carries on from a `state_dict()` of a trainer with the same arguments."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.history = list(state["history"])
        self._judged = {form: state[form] for form in _FORMS if form in state}  # a new check might decide otherwise
        if self._judged.get(_FORMS[0]) is False:
            self._compiled = None

    def loss(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss to run backward on one worker, and the whole batch's terms (this worker's share of the losses).

        Args:
            batch: This worker's share.
            progress: Epochs since the start of training, with fractions; drives the warm-up of the modular terms.
        """
        return self._loss(batch, progress, self.model)

    def _loss(self, batch: Batch, progress: float, model: Callable[..., Any]) -> tuple[Tensor, dict[str, Tensor]]:
        logits, masks = forward(model, batch.images, self.recipe.precision)
        own = batch.counts[self.workers.rank]
        logits, labels = logits[:own].float(), batch.labels[:own]
        losses = self.learning.losses(batch.images, logits, labels)
        losses = {name: value / batch.size for name, value in losses.items()}
        parts = {name: value.detach() for name, value in losses.items()}
        parts["correct"] = (logits.detach().argmax(1) == labels).sum()
        total = torch.stack([self.learning.weights[name] * value for name, value in losses.items()]).sum()
        if self._rehearses is not None:
            rehearsed = self._rehearse(self._rehearses, model)
            parts["rehearsal"] = rehearsed.detach()
            total = total + rehearsed
        whole = self.workers.gather(masks, batch.labels, batch.counts)
        if masks:
            objective, terms = self._objective(*whole, progress)
            parts |= {**terms, "objective": objective.detach()}
            total = total + objective
        return total * self.workers.world, parts

    def _rehearse(self, rehearsal: Rehearsal, model: Callable[..., Any]) -> Tensor:
        """What is learned as a module: this worker's share of the mean loss. The masks, imposed, learn nothing."""
        drawn = rehearsal.draw()
        logits, _ = forward(model, drawn.images, self.recipe.precision, drawn.kept)
        losses = self.learning.losses(drawn.images, logits.float(), drawn.labels)
        weighted = [self.learning.weights[name] * value for name, value in losses.items()]
        return torch.stack(weighted).sum() / (len(logits) * self.workers.world)

    def step(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Learns from one batch; returns its terms, see `loss`, without reading anything back to the host."""
        loss, parts = self._loss(batch, progress, self._fastest(batch))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.recipe.max_grad_norm > 0:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.max_grad_norm)
        with self._warming(progress):
            self.optimizer.step()
        return parts

    @contextmanager
    def _warming(self, progress: float) -> Iterator[None]:
        """Learning rates of a step as far as they have risen; the schedule goes on from the whole ones."""
        rates = [group["lr"] for group in self.optimizer.param_groups]
        warmup = self.recipe.lr_warmup
        share = min(1.0, (progress + 1 / len(self.loader)) / warmup) if warmup else 1.0
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * share
        yield
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate

    def _fastest(self, batch: Batch) -> Callable[..., Any]:
        """The model to learn from a batch with; the compiled one is checked against the plain one first."""
        full = min(self.recipe.batch_size, len(self.images))
        if self._compiled is None or batch.size < full:  # a smaller batch would be compiled anew
            return self.model
        form = _FORMS[self._rehearses is not None]
        if form not in self._judged:
            candidate = self._compiled
            reason = disagreement(
                lambda: self._loss(batch, self.recipe.warmup, self.model)[0],
                lambda: self._loss(batch, self.recipe.warmup, candidate)[0],
                self.network,
                self.recipe.precision,
            )
            self._judged[form] = usable(self.recipe.compile, reason)
        return self._compiled if self._judged[form] else self.model

    def _objective(self, masks: list[Tensor], labels: Tensor, progress: float) -> tuple[Tensor, dict[str, Tensor]]:
        """What the method adds to the cross-entropy of a whole batch, and its terms without their weights."""
        terms = self.method.terms(masks[self._first :], labels, self.settings, self.recipe)
        ramp = min(1.0, progress / self.recipe.warmup) if self.recipe.warmup else 1.0
        # Dividing by all layers keeps the gradient of the published form, which counts the first as a constant.
        share = ramp * (len(masks) - self._first) / len(masks)
        nothing = torch.zeros((), device=labels.device)
        objective = sum((weight * value for weight, value in terms.values()), start=nothing) * share
        if self.recipe.saturation > 0 and self.method.source == "masks":
            terms["saturation"] = (self.recipe.saturation, saturation(masks))
            objective = objective + ramp * self.recipe.saturation * terms["saturation"][1]
        return objective, {name: value.detach() for name, (_, value) in terms.items()}

    def _test_terms(self, masks: list[Tensor], labels: Tensor) -> dict[str, Tensor]:
        objective, terms = self._objective(masks, labels, self.epoch + 1)
        return {**terms, "objective": objective}

    @property
    def _rehearses(self) -> Rehearsal | None:
        """The rehearsal, from the epoch on in which it begins."""
        return self.rehearsal if self.rehearsal is not None and self.rehearsal.frequencies else None

    def _anneal_gates(self) -> None:
        if self.recipe.gate != "annealed":  # fine-tuning leaves a kept gate as sharp as it is
            return
        for layer in self.network.modules():
            if isinstance(layer, Gate):
                layer.anneal(min(1.0, (self.epoch + 1) / self.recipe.epochs))

    def _train(self) -> dict[str, float]:
        self.model.train()
        for norm in self._still:
            norm.eval()
        sums: dict[str, Tensor] = {}
        images = 0
        for step, batch in enumerate(self.loader.epoch(self.epoch)):
            parts = self.step(batch, self.epoch + step / len(self.loader))
            images += batch.size
            weights = {name: 1 if name == "correct" else batch.size for name in parts}
            add_up(sums, {name: value.double() * weights[name] for name, value in parts.items()})
        for name in (*self.learning.weights, "correct", "rehearsal"):  # the other terms are the whole batch's already
            if name in sums:
                self.workers.sum(sums[name])
        means = dict(zip(sums, (torch.stack(list(sums.values())) / images).tolist(), strict=True))
        accuracy = means.pop("correct")
        learned = sum(weight * means[name] for name, weight in self.learning.weights.items())
        means["loss"] = learned + means.pop("objective", 0.0) + means.get("rehearsal", 0.0)
        return {"train/accuracy": accuracy, **{f"train/{name}": value for name, value in means.items()}}

    @property
    def figures(self) -> dict[str, float]:
        """The last entry of the history; of an untouched network its evaluation, by all workers together."""
        return self.history[-1] if self.history else self.evaluate()

    def evaluate(self) -> dict[str, float]:
        """What an epoch ends with: the metrics `validation/...` and `test/...` of the network as it is now."""
        metrics: dict[str, float] = {}
        for name, split in (("validation", self.validation), ("test", self.dataset.test)):
            if split is not None:
                values = evaluate(
                    self.network,
                    split,
                    self.dataset,
                    device=self.device,
                    precision=self.recipe.precision,
                    channels_last=self.recipe.channels_last,
                    workers=self.workers,
                    terms=self._test_terms,
                    learning=self.learning,
                )
                metrics |= {f"{name}/{key}": value for key, value in values.items()}
        return metrics


def _cuda_devices(device: torch.device) -> list[torch.device]:
    return [device] if device.type == "cuda" else []


def _optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Two groups, so that the generators may have a learning rate of their own (method.md 4.1).

    Fused, each value is read and written once: a ViT-S has 2.5 times as many weights in its generators as without.
    """
    own = [p for name, p in network.named_parameters() if "mask_generator" not in name]
    generators = [p for name, p in network.named_parameters() if "mask_generator" in name]
    groups: list[dict[str, Any]] = [{"params": own, "lr": recipe.lr}]
    if generators:
        groups.append({"params": generators, "lr": recipe.lr if recipe.lr_mask is None else recipe.lr_mask})
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, weight_decay=recipe.weight_decay, fused=True)
    return torch.optim.SGD(
        groups, momentum=recipe.momentum, nesterov=recipe.nesterov, weight_decay=recipe.weight_decay, fused=True
    )
