"""What a study may spend before it ends in order; never part of a key, and free to change under its name."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from orchestrator.study.problems import Model, Number, Problems


class Prices(Model):
    """What an hour costs of one CPU and of one GPU that a step holds, in any currency."""

    cpu: Annotated[Number, Field(ge=0)] = 0.0
    gpu: Annotated[Number, Field(ge=0)] = 0.0

    def of(self, cpu_hours: float, gpu_hours: float) -> float:
        """The price of so many hours."""
        return cpu_hours * self.cpu + gpu_hours * self.gpu

    @property
    def given(self) -> bool:
        """Whether anything costs something."""
        return self.cpu > 0 or self.gpu > 0


class Limits(Model):
    """What a study may spend over all of its runs.

    Attributes:
        hours: In which a driver runs it; None is without a limit, here and below.
        gpu_hours: Of the GPUs that its steps hold, those of steps that failed or were interrupted too.
        cost: Of the CPUs and GPUs that its steps hold, at `prices`.
    """

    hours: Annotated[Number, Field(gt=0)] | None = None
    gpu_hours: Annotated[Number, Field(gt=0)] | None = None
    cost: Annotated[Number, Field(gt=0)] | None = None
    prices: Prices = Prices()

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = Problems()
        if self.cost is not None and not self.prices.given:
            text = "needs to know what an hour costs, add prices: {cpu: ..., gpu: ...}, or drop it."
            problems.add("cost", text=text)
        problems.raise_any()
        return self
