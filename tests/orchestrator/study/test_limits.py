"""What a study may spend: checked when it is read, and no part of any key."""

from __future__ import annotations

import pytest
import yaml
from pydantic import ValidationError

from orchestrator.study.study import Study
from tests.orchestrator.invented import STUDY

FIELDS = yaml.safe_load(STUDY)


def test_a_limit_of_cost_needs_prices() -> None:
    with pytest.raises(ValidationError, match=r"needs to know what an hour costs, add prices: \{cpu: ..., gpu: ...\}"):
        Study.model_validate({**FIELDS, "limits": {"cost": 5}})


@pytest.mark.parametrize("field", ["hours", "gpu_hours", "cost"])
def test_a_limit_is_more_than_nothing(field: str) -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        Study.model_validate({**FIELDS, "limits": {field: 0}})
