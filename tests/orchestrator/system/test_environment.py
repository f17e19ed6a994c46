import json

from orchestrator.system.environment import environment


def test_it_names_code_packages_and_machine_as_json() -> None:
    found = environment()
    assert json.loads(json.dumps(found)) == found
    assert {"torch", "ray", "mlflow"} <= set(found["packages"])
    assert found["hardware"]["cores"] >= 1
    assert found["hardware"]["memory_gb"] > 0
    commit = found["git"]["commit"]
    assert commit is None or len(commit) == 40
