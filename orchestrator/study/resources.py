"""What a study may use: of the cluster, and of MLflow; never part of a key."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from orchestrator.study.problems import Model, Number, Problems, Whole
from orchestrator.system.credentials import holds_password


class TrainingResources(Model):
    """What one training gets: workers of data-parallel training, CPU cores and GPUs of each."""

    workers: Annotated[Whole, Field(ge=1)] = 1
    """of data-parallel training, which share a batch"""
    min_workers: Annotated[Whole, Field(ge=1)] | None = None
    """go on with so few where nodes go away

    Left out: all
    """
    cpus: Annotated[Number, Field(gt=0)] = 1.0
    """of each worker"""
    gpus: Annotated[Number, Field(ge=0)] = 0.0
    """of each worker"""
    placement: Literal["pack", "spread"] = "pack"
    """`pack`: on as few nodes as can hold the workers; `spread`: on many"""

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = Problems()
        if self.min_workers is not None and self.min_workers > self.workers:
            text = f"{self.min_workers} is more than the {self.workers} workers, give at most as many."
            problems.add("min_workers", text=text)
        problems.raise_any()
        return self

    @property
    def fewest(self) -> int:
        """The fewest workers that a training can go on with."""
        return self.workers if self.min_workers is None else self.min_workers

    @property
    def elastic(self) -> bool:
        """Whether a training may go on with fewer workers than it asked for."""
        return self.fewest < self.workers


class SubtaskResources(Model):
    """What one modularize or reuse step gets."""

    cpus: Annotated[Number, Field(gt=0)] = 1.0
    """of each"""
    gpus: Annotated[Number, Field(ge=0)] = 0.0
    """of each; `0.25` lets four share one"""


class Resources(Model):
    """What steps may use; never part of a key. `max_concurrent` bounds the trainings at a time."""

    training: TrainingResources = TrainingResources()
    """of one training"""
    subtask: SubtaskResources = SubtaskResources()
    """of a modularization, a measurement or a sub-task"""
    max_concurrent: Annotated[Whole, Field(ge=1)] | None = None
    """trainings at a time

    Left out: as many as fit
    """

    def of(self, kind: str) -> tuple[float, float]:
        """The CPUs and GPUs that a step of a kind asks for; of a search in a trained network it may be more."""
        if kind != "train":
            return self.subtask.cpus, self.subtask.gpus
        return self.training.workers * self.training.cpus, self.training.workers * self.training.gpus


def without_password(uri: str) -> str:
    """A validator that refuses an address with a password; a database may name its user."""
    problems = Problems()
    if holds_password(uri):
        problems.add(
            text="holds a password, which would be copied to MLflow with the study: give it as "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in the environment (a database's as its own client "
            "reads it, such as PGPASSWORD)."
        )
    problems.raise_any()
    return uri


class TrackingSettings(Model):
    """Where MLflow writes; None is the SQLite file in the storage folder, and the study's name."""

    uri: Annotated[str, AfterValidator(without_password)] | None = None
    """an MLflow server or database, without a password (`docs/tracking.md`)

    Left out: a file beside the studies
    """
    experiment: str | None = None
    """of MLflow

    Left out: the study's name
    """
    system_metrics: bool = False
    """CPU, memory, disk, network and GPU of the machine of every training, with its epochs (`docs/tracking.md`)"""
