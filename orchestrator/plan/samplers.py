"""Optuna's samplers, made of what a study says of its search."""

from __future__ import annotations

import warnings

import optuna
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import TrialState

from orchestrator.study.sampler import Sampler
from orchestrator.study.sweep import Sweep

_POPULATION = 10

GENERATION = "NSGAIISampler:generation"
"""Where Optuna keeps which generation a trial of `nsga2` is of: all that a resumed search cannot find out."""


def sampler_of(sweep: Sweep, seed: int) -> BaseSampler:
    """The sampler of a search.

    Args:
        sweep: What the study says of it.
        seed: Of what it draws.
    """
    wanted = sweep.sampler or Sampler(sampler="tpe")
    # With Optuna's 10 random trials to begin with, nothing of a small search would be adaptive.
    startup = wanted.startup or min(10, max(2, (sweep.trials or 0) // 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if wanted.sampler == "random":
            return RandomSampler(seed=seed)
        if wanted.sampler == "nsga2":
            return NSGAIISampler(seed=seed, population_size=wanted.population or _POPULATION)
        if wanted.sampler == "gp":
            return GPSampler(seed=seed, n_startup_trials=startup)
        return TPESampler(seed=seed, n_startup_trials=startup, constant_liar=True)


def remember_parents(study: optuna.Study) -> None:
    """Has Optuna choose the parents of every generation that there may be now, where its sampler has generations.

    It takes parents in the order of their choice when it chooses them and in that of their trials later, and would
    draw otherwise after a resume, when it has to choose them again.
    """
    sampler = study.sampler
    if not isinstance(sampler, NSGAIISampler):
        return
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    generations = [trial.system_attrs.get(GENERATION, 0) for trial in finished]
    latest = max(generations, default=0)
    is_full = generations.count(latest) >= (sampler.population_size or _POPULATION)
    for generation in range(1, latest + is_full + 1):
        sampler.get_parent_population(study, generation)
