"""A Ray Tune trial: one training, or one search in a trained network, and what a sweep needs measured of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ray
import ray.tune
from ray.tune import PlacementGroupFactory

from nemo.errors import UserError
from orchestrator.cluster.capacity import bundles_of, searches_modules
from orchestrator.cluster.cluster import Cluster
from orchestrator.computing.data import DatasetArrays, data_key
from orchestrator.execution.context import Context
from orchestrator.execution.module_search import search_modules
from orchestrator.execution.training import fit
from orchestrator.execution.worker import compute_and_put
from orchestrator.plan.step import Step
from orchestrator.storage.files import Unwritable

UNWRITABLE = "unwritable"
"""The key of a trial's last report if the study's folder cannot be written."""


HEAD_NODE = "node:__internal_head__"
"""A resource that only Ray's head has."""


def resources_of(step: Step, context: Context, cluster: Cluster) -> PlacementGroupFactory:
    """What a trial holds while it runs."""
    bundles = [{"CPU": cpus, "GPU": gpus} for cpus, gpus in bundles_of(step, cluster, context.resources)]
    if searches_modules(step):
        return PlacementGroupFactory([{}, *bundles])
    # A trial of several workers only waits for them; a byte of memory is what every node can give it without a CPU.
    # One that goes on without a node must not be there: Ray would keep its room for minutes.
    training = context.resources.training
    waits: dict[str, float] = {HEAD_NODE: 0.001} if training.elastic else {"memory": 1}
    return PlacementGroupFactory(bundles if training.workers == 1 else [waits])


def run_trial(
    config: Mapping[str, Any], *, context: Context, datasets: Mapping[str, ray.ObjectRef[DatasetArrays]]
) -> None:
    """Trains a step unless its result is there, and computes the rest of `config["steps"]` after it.

    Args:
        config: `steps`: the training, and what a search needs measured of it; `every_epoch`: report each epoch.
        context: The study's.
        datasets: Key -> data set, see `data_key`.
    """
    try:
        _run(config, context, datasets)
    except Unwritable as error:  # Tune itself would try again, and write about errors to files in that folder
        ray.tune.report({UNWRITABLE: str(error)})


def _run(config: Mapping[str, Any], context: Context, datasets: Mapping[str, ray.ObjectRef[DatasetArrays]]) -> None:
    step, *others = config["steps"]
    ledger, dataset = context.ledger, datasets[data_key(step)]
    if ledger.get(step.key, step.kind) is None:
        reason = ""
        if searches_modules(step):
            try:
                search_modules(step, context, dataset)
            except Unwritable:
                raise
            except UserError as error:  # a retry can't mend it
                reason = str(error)
        else:
            every = config["every_epoch"]
            reason = fit({"step": step, "context": context, "every_epoch": every, "dataset": dataset})
        if reason:
            ledger.fail(step, reason)
            return
    context.forget(step)
    try:
        for other in others:
            if ledger.get(other.key, other.kind) is None:
                compute_and_put([other], context, dataset)
    except Unwritable:
        raise
    except Exception as error:  # the training is finished all the same
        context.fail(other, error)
