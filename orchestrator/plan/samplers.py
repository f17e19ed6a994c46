"""Optuna's samplers, made of what a study says of its search."""

from __future__ import annotations

import warnings
from importlib.util import find_spec

import optuna
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from nemo.errors import UserError
from orchestrator.plan import cmaes
from orchestrator.study.sampler import Sampler
from orchestrator.study.sweep import Sweep

_POPULATION = 10

GENERATIONS = {"nsga2": "NSGAIISampler:generation", "cmaes": cmaes.GENERATION}
"""Sampler -> where Optuna keeps which generation a trial is of: all that a resumed search cannot find out."""


def generation_of(sweep: Sweep, trial: FrozenTrial) -> int | None:
    """The generation of a trial; None of a sampler without such, and of a trial that was drawn at random."""
    return trial.system_attrs.get(GENERATIONS.get(sweep.search_name, ""))


def as_generation(sweep: Sweep, generation: int | None) -> dict[str, int]:
    """What Optuna keeps in a trial of this generation."""
    key = GENERATIONS.get(sweep.search_name)
    return {} if key is None or generation is None else {key: generation}


def _is_here(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ValueError:  # of one that Python was told to do without
        return False


def check_sampler(sweep: Sweep) -> None:
    """Raises: UserError: The package that the sampler of a search needs is not installed."""
    if sweep.search_name == "cmaes" and not _is_here("cmaes"):
        text = "cmaes needs the package of that name, which is not installed; "
        raise UserError(f"{text}run pip install 'nemo-orchestrator[cmaes]', or choose another sampler.")


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
        if wanted.sampler == "cmaes":
            check_sampler(sweep)
            return cmaes.ReplayedCmaEs(seed=seed, popsize=wanted.population, warn_independent_sampling=False)
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
    generations = [trial.system_attrs.get(GENERATIONS["nsga2"], 0) for trial in finished]
    latest = max(generations, default=0)
    is_full = generations.count(latest) >= (sampler.population_size or _POPULATION)
    for generation in range(1, latest + is_full + 1):
        sampler.get_parent_population(study, generation)
