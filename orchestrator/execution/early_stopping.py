"""Early stopping by Ray Tune's schedulers, within each search that asks for it.

HyperBand is Ray's asynchronous one, ASHA with all of HyperBand's brackets. The synchronous `HyperBandScheduler` pauses
trials until others have come as far and chooses itself which of all trials runs next: here trials come one by one, as
many as there is room for, and share a run with other searches, so those that it waits for would never start.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler

from orchestrator.plan.combination_plan import Search
from orchestrator.study.early_stopping import EarlyStopping
from orchestrator.study.sweep import extremes

NAMES = {"asha": "ASHA", "hyperband": "HyperBand", "median": "the median stopping rule"}
"""Scheduler -> what a person reads."""

_KEPT = 3
"""One of so many goes on at each rung of ASHA and HyperBand."""


class PerSearch(FIFOScheduler):
    """Early stopping within each search that asks for it: trials of different searches can't be compared."""

    def __init__(self, searches: Sequence[Search]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._by_search: dict[str, TrialScheduler] = {}
        self._metrics: dict[str, str] = {}
        self.add(searches)

    def add(self, searches: Sequence[Search]) -> None:
        """Takes in searches; those that it has go on."""
        for search in searches:
            wanted = search.sweep.stopping
            if wanted is not None and search.key not in self._by_search:
                self._by_search[search.key] = _made(wanted, _most_epochs(search))
                self._metrics[search.key] = wanted.metric

    def _scheduler(self, trial: Trial) -> TrialScheduler:
        return self._by_search.get(trial.config["search"], _FIFO)

    def _reports(self, trial: Trial, result: dict[str, Any]) -> bool:
        """Whether a report is an epoch's; a training that starts, or was finished before, tells of none."""
        return result is not None and self._metrics.get(trial.config["search"], "") in result

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        self._scheduler(trial).on_trial_add(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        if not self._reports(trial, result):
            return TrialScheduler.CONTINUE
        decision: str = self._scheduler(trial).on_trial_result(tune_controller, trial, result)
        last = trial.config["steps"][0].params["recipe"]["epochs"]
        # ASHA has a rung at the last epoch, too, and the median no last one.
        return TrialScheduler.CONTINUE if result["epoch"] >= last else decision

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        if self._reports(trial, result):
            self._scheduler(trial).on_trial_complete(tune_controller, trial, result)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        self._scheduler(trial).on_trial_error(tune_controller, trial)

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        self._scheduler(trial).on_trial_remove(tune_controller, trial)


_FIFO = FIFOScheduler()


def _most_epochs(search: Search) -> int:
    """The epochs of the longest trial, where a search sweeps them."""
    dimension = (search.sweep.space or {}).get("epochs")
    if dimension is not None:
        return max(int(value) for value in extremes(dimension))
    return int(search.combination.train({}).params["recipe"]["epochs"])


def _made(wanted: EarlyStopping, epochs: int) -> TrialScheduler:
    grace = max(1, round(wanted.grace * epochs))
    time = "epoch"  # Tune's own counter starts again when a trial is resumed
    if wanted.scheduler == "median":
        return MedianStoppingRule(
            time_attr=time,
            metric=wanted.metric,
            mode=wanted.best,
            grace_period=grace,
            # It would let trials make way for waiting ones as long as there is nothing to compare with.
            min_time_slice=math.inf,  # type: ignore[arg-type]
        )
    return ASHAScheduler(
        time_attr=time,
        metric=wanted.metric,
        mode=wanted.best,
        max_t=epochs,
        grace_period=grace,
        reduction_factor=_KEPT,
        brackets=1 if wanted.scheduler == "asha" else 1 + int(math.log(max(1, epochs / grace), _KEPT)),
        stop_last_trials=False,  # a trial that reaches the last epoch still has its result to write
    )
