"""cluster.yaml, by Ray's own schema and checks: `ray up` has no dry run."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config  # private, and the only check there is

TEXT = (Path(__file__).parent.parent / "cluster.yaml").read_text(encoding="utf-8")


def prepared(text: str) -> dict[str, Any]:
    config = prepare_config(yaml.safe_load(text))
    validate_config(config)
    return config


def test_ray_accepts_it() -> None:
    config = prepared(TEXT)
    assert config["cluster_name"] == "nemo"
    # One worker per address of the file, and Ray's defaults did not replace our way of starting it.
    assert config["max_workers"] == len(yaml.safe_load(TEXT)["provider"]["worker_ips"])
    assert any(".venv/bin/ray start --head" in command for command in config["head_start_ray_commands"])


def test_the_check_refuses_an_unknown_field() -> None:
    with pytest.raises(jsonschema.ValidationError, match="head_comands"):
        prepared(TEXT + "\nhead_comands: []\n")
