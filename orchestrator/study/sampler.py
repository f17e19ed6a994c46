"""The sampler of an adaptive search, by Optuna's own names."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from orchestrator.study.problems import Model, Problems, Whole

_STARTING, _GENERATIONS = ("tpe", "gp"), ("nsga2", "cmaes")
CONSTRAINED = ("tpe", "gp", "nsga2")
"""Those that learn from constraints, and from points of another study."""


class Sampler(Model):
    """What suggests the points of a search, where it is not what `search: optuna` or `search: random` say."""

    sampler: Literal["tpe", "gp", "nsga2", "cmaes", "random"]
    """Optuna's sampler: `tpe`, which is what `search: optuna` takes; `gp`, Gaussian processes, for few trials; `nsga2`,
    by generations, for several objectives and many trials; `cmaes`, CMA-ES, for many trials over numbers alone, with
    one objective (`nemo-orchestrator[cmaes]`); `random`

    Example: nsga2
    """
    startup: Annotated[Whole, Field(ge=1)] | None = None
    """of `tpe` and `gp` the trials that are drawn at random before

    Left out: a third of the trials, from 2 to 10
    """
    population: Annotated[Whole, Field(ge=2)] | None = None
    """of `nsga2` and `cmaes` the trials of a generation

    Left out: 10; of `cmaes` 4 and more, by the number of what is swept
    """

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = Problems()
        for field, those in (("startup", _STARTING), ("population", _GENERATIONS)):
            if getattr(self, field) is not None and self.sampler not in those:
                text = f"is for {' and '.join(those)}, and {self.sampler} has none; remove it."
                problems.add(field, text=text)
        if self.sampler == "cmaes" and (self.population or 4) < 4:
            problems.add("population", text=f"of cmaes must be at least 4, not {self.population}: half of them lead.")
        problems.raise_any()
        return self

    @property
    def told(self) -> str | dict[str, Any]:
        """What its search is known by: the word that says the same, where there is one, so that keys are the same."""
        given: dict[str, Any] = {
            name: value for name in ("sampler", "startup", "population") if (value := getattr(self, name)) is not None
        }
        same = {"tpe": "optuna", "random": "random"}
        return same.get(self.sampler, given) if len(given) == 1 else given
