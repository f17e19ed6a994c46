"""CMA-ES as Optuna has it, whose state follows from the trials that have finished, and is stored nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import optuna
from optuna._transform import _SearchSpaceTransform
from optuna.distributions import BaseDistribution
from optuna.samplers import CmaEsSampler
from optuna.trial import FrozenTrial

if TYPE_CHECKING:
    from cmaes import CMA

GENERATION = "cma:generation"
"""Where Optuna keeps which generation a trial is of."""


class ReplayedCmaEs(CmaEsSampler):
    """Optuna's CMA-ES; its optimizer is made anew for every suggestion and told of all full generations.

    Optuna pickles the optimizer into the trials, and a study's storage holds no pickles. The optimizer's own random
    state has no part in it: Optuna seeds it before every suggestion.
    """

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """See Optuna's."""
        if not search_space:
            return {}
        self._told = _SearchSpaceTransform(search_space, transform_step=True, transform_0_1=True), study.direction
        return super().sample_relative(study, trial, search_space)

    def _restore_optimizer(self, completed_trials: list[FrozenTrial]) -> CMA:
        """The optimizer as the finished trials leave it; the first of each generation count, by their numbers."""
        transform, direction = self._told
        optimizer = self._init_optimizer(transform, direction)
        sign = -1 if direction is optuna.study.StudyDirection.MAXIMIZE else 1
        while True:
            found = self._get_solution_trials(completed_trials, optimizer.generation)[: optimizer.population_size]
            if len(found) < optimizer.population_size:
                return optimizer
            optimizer.tell([(transform.transform(trial.params), sign * float(trial.value or 0.0)) for trial in found])
