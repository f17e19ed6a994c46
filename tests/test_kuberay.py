"""The manifests against KubeRay's published schemas: `make test-kuberay CRDS=FOLDER`, a folder with its release's CRDs.

As the API server does it with `kubectl apply`, whose validation is strict: a field that the schema does not
name is refused.
Left out are the few rules in CEL, none of which is about a field of ours.
"""

import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.orchestrator.cluster.test_launch_files import MANIFESTS, ROOT, text_of

pytestmark = pytest.mark.kuberay


def strict(schema: Any) -> Any:
    """The schema with every field refused that it does not name."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: strict(each) for name, each in schema.items()}
    named = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    if named and not schema.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    return made


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    folder = Path(os.environ["CRDS"])
    found = {}
    for path in sorted(folder.glob("*.yaml")):
        with path.open(encoding="utf-8") as file:
            definition = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        served = next(each for each in definition["spec"]["versions"] if each["name"] == "v1")
        found[definition["spec"]["names"]["kind"]] = strict(served["schema"]["openAPIV3Schema"])
    assert {"RayCluster", "RayJob"} <= found.keys(), f"{folder} lacks KubeRay's definitions"
    return found


@pytest.mark.parametrize("name", MANIFESTS)
def test_the_published_schema_accepts_it(name: str, schemas: dict[str, Any]) -> None:
    for manifest in yaml.safe_load_all((ROOT / name).read_text(encoding="utf-8")):
        assert manifest["apiVersion"] == "ray.io/v1"
        jsonschema.validate(manifest, schemas[manifest["kind"]])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("authOptions: {mode: token}", "authOptions: {mode: tokens}"),
        ("restartPolicy:", "restartPolicies:"),
        ("maxReplicas: 4", "maxReplicas: four"),
        ("groupName: gpu", "groupNames: gpu"),
        ("containerPort: 8265", "containerPort: dashboard"),
    ],
)
def test_the_check_refuses_a_mistake(old: str, new: str, schemas: dict[str, Any]) -> None:
    text = text_of(MANIFESTS[0])
    assert old in text
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text.replace(old, new)), schemas["RayCluster"])
