"""What the points of a search must keep to."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from orchestrator.study.problems import Model, Number


class Constraints(Model):
    """What a point has to keep to, so that it is one of the best; the others teach the search where these are not."""

    accuracy_drop: Annotated[Number, Field(ge=0, lt=1)]
    """the most that a point's network may be less accurate than the standard one of its pair and seed, on validation
    images, as a fraction of them

    Example: 0.02
    """
