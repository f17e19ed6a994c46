"""A study in a notebook: its rows as polars frames, its networks, masks and modules as torch's."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

from nemo.errors import UserError
from orchestrator.ledger.ledger import Ledger
from orchestrator.report.study_report import StudyReport, report_of, training_key

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Sheet
    from torch import Tensor, nn

    from nemo.datasets.dataset import Dataset
    from nemo.modular import ModularNetwork
    from nemo.surgery import Head


class LoadedStudy:
    """What a study found, read once, when something of it is first asked for.

    A training is named by its key, or by as many of its first digits as tell it from the others.

    Attributes:
        name: The study's.
        where: Where it lies.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.where = ledger.store
        self.name = ledger.store.name

    def __repr__(self) -> str:
        counts = f"{len(self.trainings)} trainings, {len(self.subtasks)} sub-tasks"
        return f"<study {self.name} in {self._ledger.store.parent}: {counts}>"

    @property
    def trainings(self) -> pl.DataFrame:
        """A row per training; columns as in `orchestrator.report.frames`, rates as fractions of 1."""
        return self._report.frames.trainings

    @property
    def modularizations(self) -> pl.DataFrame:
        """A row per training and threshold."""
        return self._report.frames.modularizations

    @property
    def derived(self) -> pl.DataFrame:
        """Small networks of trained ones, a row each; see `orchestrator.report.frames.DERIVED`."""
        return self._report.frames.derived

    @property
    def subtasks(self) -> pl.DataFrame:
        """A row per sub-task and threshold."""
        return self._report.frames.subtasks

    @property
    def epochs(self) -> pl.DataFrame:
        """A row per training and epoch."""
        return self._report.frames.epochs

    @property
    def best(self) -> list[str]:
        """Keys of the trainings that the study chose on its validation images, if it chose any."""
        return [] if self._report.planned is None else sorted(set(self._report.planned.plan.best.values()))

    def settings(self, key: str) -> dict[str, Any]:
        """All parameters of a training: backbone, data set, method, settings, recipe, seed."""
        from orchestrator.computing.networks import params_of

        return dict(params_of(self._ledger, self._training(key)))

    def classes(self, key: str) -> Sequence[str]:
        """The names of the classes that a training's network tells apart; numbers where its data are not here."""
        params = self.settings(key)
        names = self._report.class_names.get(params["fingerprint"])
        return names or [str(number) for number in range(params["num_classes"])]

    def dataset(self, key: str) -> Dataset:
        """The data set that a training used, loaded.

        Raises:
            UserError: There is no such training, or its data are not on this machine as they were.
        """
        from orchestrator.computing.data import as_dataset, dataset_arrays

        training, planned = self._training(key), self._report.planned
        where = [step.where for step in planned.plan.steps if step.key == training] if planned else []
        if not where:
            raise UserError(f"{training}: its data set is not on this machine, bring it where data_root says.")
        return as_dataset(dataset_arrays(where[0]))

    def model(self, key: str) -> ModularNetwork:
        """The network of a training, in eval mode: images `[B, 3, H, W]` to logits, with masks if it is modular.

        Raises:
            UserError: There is no such training, or its network is damaged or missing.
        """
        from orchestrator.computing.networks import modular_network

        return modular_network(self._ledger, self._training(key))

    def masks(self, key: str, threshold: float | None = None) -> list[Tensor]:
        """Which kernels each class's module keeps, at any threshold.

        Args:
            key: A modular training's.
            threshold: Above 0, at most 1; None takes the highest that the study measured at. Modules that a search
                found know none.

        Returns:
            Per masked layer bool `[N, K_l]`.

        Raises:
            UserError: The network was not modularized, the threshold is out of range, or a file is damaged or missing.
        """
        from orchestrator.report.figures.maps import masks_of_training

        training = self._training(key)
        if threshold is None:
            rows = self.modularizations.filter(pl.col("training") == training)
            threshold = rows["threshold"].drop_nulls().max()  # type: ignore[assignment]
        return masks_of_training(self._ledger, training, self._modularize(training), threshold)

    def module(
        self, key: str, classes: Sequence[int | str], threshold: float | None = None, head: Head = "slice"
    ) -> nn.Module:
        """The module of some classes, cut out of a training's network and not fine-tuned.

        Args:
            key: A modular training's.
            classes: By name or by number (see `find_class`), in the order of the module's outputs.
            threshold: See `masks`.
            head: See `nemo.extract_module`; `slice` keeps the trained classifier's rows of these classes.

        Returns:
            A network of its own, in eval mode: images `[B, 3, H, W]` to logits `[B, n]`.

        Raises:
            UserError: See `masks`; or a class does not exist.
        """
        from nemo.datasets.naming import find_class
        from nemo.surgery import extract_module

        names, numbers = list(self.classes(key)), list[int]()
        for name in classes:
            try:
                number = find_class(name, names)
            except UserError as error:
                raise UserError(f"classes: {error}.") from None
            if number is None and isinstance(name, str):
                raise UserError(f"classes: {name!r} is none of {', '.join(names)}.")
            numbers.append(int(name) if number is None else number)  # `extract_module` refuses it
        return extract_module(self.model(key), self.masks(key, threshold), numbers, head=head).eval()

    def figures(self) -> dict[str, Sheet]:
        """The report's figures and maps as matplotlib's, by title."""
        from orchestrator.report.figures.figure import Figure
        from orchestrator.report.figures.maps import HeatMap
        from orchestrator.report.figures.plotting import draw_sheet
        from orchestrator.report.sections import sections_of

        items = [item for section in sections_of(self._report) for item in section.items]
        return {item.title: draw_sheet(item) for item in items if isinstance(item, Figure | HeatMap)}

    @cached_property
    def _report(self) -> StudyReport:
        report = report_of(self._ledger)
        for note in report.notes:
            warnings.warn(note, stacklevel=2)
        return report

    @cached_property
    def _passes(self) -> dict[str, str]:
        """Training -> its relevance pass."""
        return {record["parents"]["train"]: key for key, record in self._ledger.results("modularize")}

    def _training(self, key: str) -> str:
        return training_key(self.trainings, key)

    def _modularize(self, training: str) -> str:
        if training not in self._passes:
            (method,) = self.trainings.filter(pl.col("key") == training)["method"]
            raise UserError(f"{training}: this {method} training has no modules (yet), give a modular one's key.")
        return self._passes[training]
