"""Early stopping: by which rule, and by which metric of its epochs, a search ends weak trainings."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from nemo.methods import METHODS
from orchestrator.study.problems import Model, Number, Problems, unknown

ACCURACY = "validation/accuracy"
GRACE = 0.1
_UP, _DOWN = ("accuracy", "fitness"), ("loss", "loss_ce")
_SAMPLE = ("sample_krr", "sample_cohesion", "sample_coupling")


class EarlyStopping(Model):
    """How weak trainings of a search are ended; `asha` alone stands for `{scheduler: asha}`."""

    scheduler: Literal["asha", "hyperband", "median"]
    """`asha`: after a tenth of the epochs, three tenths, and so on a training goes on if it is in the best third of
    those that came so far; `hyperband`: the same, asynchronously too, where some trainings are given longer before they
    are judged; `median`: a training ends whose best value is worse than the median of the others' means until then
    """
    metric: str = ACCURACY
    """what an epoch reports: `validation/accuracy`, `validation/loss`, `train/loss`, a term of the method such as
    `train/coupling`, or `validation/sample_krr`, `validation/sample_cohesion`, `validation/sample_coupling`; of
    `cnnsplitter` `search/fitness`, `search/krr`, `search/coupling`

    Example: validation/loss
    """
    mode: Literal["max", "min"] | None = None
    """which values are good: the greatest or the least

    Left out: `max` of accuracies, `min` of losses; of others it is needed
    """
    grace: Annotated[Number, Field(ge=0, lt=1)] = GRACE
    """share of the epochs before which no training is ended, at least one"""

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = Problems()
        if self.mode is None and self._usual_mode is None:
            problems.add("mode", text=f"is missing, say whether {self.metric} should be `max` or `min`.")
        problems.raise_any()
        return self

    @property
    def best(self) -> Literal["max", "min"]:
        """Which values of the metric are good."""
        return self.mode or self._usual_mode or "max"

    @property
    def told(self) -> str | dict[str, Any]:
        """What it is known by in keys: its word, where that says the same."""
        every = {"scheduler": self.scheduler, "metric": self.metric, "mode": self.best, "grace": self.grace}
        same = {"scheduler": self.scheduler, "metric": ACCURACY, "mode": "max", "grace": GRACE}
        return self.scheduler if every == same else every

    @property
    def _usual_mode(self) -> Literal["max", "min"] | None:
        name = self.metric.rpartition("/")[2]
        return "max" if name in _UP else "min" if name in _DOWN else None

    def check_metric(self, method: str) -> None:
        """Refuses what no epoch of a method reports, and what is measured on test images."""
        problems, known = Problems(), metrics_of(method)
        if self.metric.startswith("test/"):
            problems.add(
                "metric", text="is measured on test images, on which nothing is chosen: take one of validation."
            )
        elif self.metric not in known:
            problems.add("metric", text=unknown(self.metric, known, "metric of an epoch"))
        problems.raise_any()


def metrics_of(method: str) -> list[str]:
    """What every epoch of a method's trainings reports, and a search may be stopped by."""
    own = METHODS[method]
    if own.starts_from is not None:  # a generation is its epoch
        return [ACCURACY, "search/fitness", "search/krr", "search/coupling"]
    both = (*_UP[:1], *_DOWN, *own.reports)
    return [*(f"validation/{name}" for name in (*both, *_SAMPLE)), *(f"train/{name}" for name in both)]
