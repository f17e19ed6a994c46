"""What a training does to its machine: means since the last epoch, and nothing where nobody asked."""

from pathlib import Path

import pytest

from orchestrator.execution.system_metrics import SystemMetrics


def test_nothing_is_sampled_where_nobody_asked() -> None:
    with SystemMetrics(False) as system:
        assert system.take() == {}


@pytest.mark.heavy
def test_every_epoch_has_the_means_since_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.01")
    with SystemMetrics(True) as system:
        epochs = [system.take() for _ in range(3)]
    assert all(0 <= epoch["system/cpu_utilization_percentage"] <= 100 for epoch in epochs)
    assert epochs[0].keys() == epochs[2].keys() and "system/system_memory_usage_megabytes" in epochs[1]
    assert list(tmp_path.iterdir()) == [], "workers that make a database of MLflow's at once fail"
    assert not system._monitor._process  # MLflow's own thread, which would write
