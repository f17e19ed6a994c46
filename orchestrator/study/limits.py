"""What a study may spend before it ends in order; never part of a key, and free to change under its name."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from orchestrator.study.problems import Model, Number, Problems


class Prices(Model):
    """What an hour costs of one CPU and of one GPU that a step holds, in any currency."""

    cpu: Annotated[Number, Field(ge=0)] = 0.0
    """one CPU for an hour"""
    gpu: Annotated[Number, Field(ge=0)] = 0.0
    """one GPU for an hour"""

    def of(self, cpu_hours: float, gpu_hours: float) -> float:
        """The price of so many hours."""
        return cpu_hours * self.cpu + gpu_hours * self.gpu

    @property
    def given(self) -> bool:
        """Whether anything costs something."""
        return self.cpu > 0 or self.gpu > 0


class Limits(Model):
    """What a study may spend over all of its runs."""

    hours: Annotated[Number, Field(gt=0)] | None = None
    """in which a driver runs the study

    Left out: no limit

    Example: 8
    """
    gpu_hours: Annotated[Number, Field(gt=0)] | None = None
    """hours of the GPUs that its steps hold, those of steps that failed or were interrupted too

    Left out: no limit
    """
    cost: Annotated[Number, Field(gt=0)] | None = None
    """of the CPUs and GPUs that its steps hold, at `prices`

    Left out: no limit
    """
    prices: Prices = Prices()
    """of an hour"""

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = Problems()
        if self.cost is not None and not self.prices.given:
            text = "needs to know what an hour costs, add prices: {cpu: ..., gpu: ...}, or drop it."
            problems.add("cost", text=text)
        problems.raise_any()
        return self
