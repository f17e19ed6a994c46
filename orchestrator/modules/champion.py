"""The champion of a registered model: the version that `models:/NAME@champion` is, moved only to one that is better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from orchestrator.report.frames import Frames
from orchestrator.report.statistics import Judged, judge_pairs, paired
from orchestrator.report.tables import METHOD, PAIR

CHAMPION = "champion"
"""The alias in MLflow's registry; a registered model is one study's for one set of classes, and has one champion."""


@dataclass(frozen=True)
class Cut:
    """How a module was made.

    Attributes:
        training: Key of the network that it was cut from.
        threshold: None of modules that a search found.
        classes: How many it has.
    """

    training: str
    threshold: float | None
    classes: int


def crown(client: MlflowClient, name: str, version: ModelVersion, frames: Frames, classes: int) -> str:
    """Makes a new version the champion if it is the first, or better than the champion; returns what was done.

    Args:
        client: Of the registry.
        name: The registered model.
        version: The new version, with the tags of `orchestrator.modules.registry`.
        frames: The study's results.
        classes: How many classes the model has.
    """
    reigning = client.get_registered_model(name).aliases.get(CHAMPION)
    if reigning is None:
        client.set_registered_model_alias(name, CHAMPION, version.version)
        return f"It is the champion, since there was none: models:/{name}@{CHAMPION}"
    tags = client.get_model_version(name, str(reigning)).tags
    judged = judge_cuts(frames, cut_of(tags, classes), cut_of(version.tags, classes))
    if judged is None:
        return (
            f"The champion is still version {reigning}: the study has no sub-tasks of {classes} classes that were cut "
            "and fine-tuned as both were and could tell which is better."
        )
    told = f"sub-tasks cut like version {version.version} are {judged.told(100.0, 2)}, in points of accuracy"
    if judged.verdict != "better":
        return f"The champion is still version {reigning}: {told}."
    client.set_registered_model_alias(name, CHAMPION, version.version)
    return f"It is the champion in place of version {reigning}: {told}: models:/{name}@{CHAMPION}"


def cut_of(tags: Mapping[str, str], classes: int) -> Cut | None:
    """How a version was made, by its tags; None of one that no sub-task of a study is made like."""
    if "budget" in tags or tags.get("as_cut") == "true":
        return None
    threshold = tags.get("threshold", "none")
    return Cut(tags.get("parent", ""), None if threshold == "none" else float(threshold), classes)


def judge_cuts(frames: Frames, champion: Cut | None, candidate: Cut | None) -> Judged | None:
    """How much more accurate sub-tasks are that were cut like the candidate, by the report's verdict.

    One module says nothing of its making: what is judged is all sub-tasks of as many classes, over the seeds, of the
    same pair, method, settings and threshold.

    Returns:
        The difference of accuracy; None where no seed and sub-task has both.
    """
    if champion is None or candidate is None:
        return None
    first, other = (_like(frames, cut) for cut in (champion, candidate))
    if first.is_empty() or other.is_empty() or first.select(PAIR).row(0) != other.select(PAIR).row(0):
        return None
    if set(first["key"]) == set(other["key"]):
        return Judged(0.0, None, None, "unresolved")  # another seed, or the same made again
    differences = paired(first, other, "accuracy", least=1)
    return None if differences is None else judge_pairs(differences)


def _like(frames: Frames, cut: Cut) -> pl.DataFrame:
    """The sub-tasks that were made like a module."""
    identity = [*PAIR, *METHOD]
    own = frames.trainings.filter(pl.col("key") == cut.training).select(identity)
    alike = frames.trainings.join(own, on=identity, how="semi", nulls_equal=True)["key"].to_list()
    return frames.subtasks.filter(
        pl.col("training").is_in(alike),
        pl.col("threshold").eq_missing(pl.lit(cut.threshold)),
        pl.col("classes").list.len() == cut.classes,
        pl.col("control").is_null(),
    )
