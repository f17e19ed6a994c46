"""Cluster files: cluster.yaml and its variants for `ray up`, and KubeRay's manifests, checked before they cost money.

A value that only the user knows is marked: `FILL-IN-REGION`. Such a file is refused here, and by every cloud as well:
the mark is no region, image, bucket, host or namespace anywhere.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from nemo.documents import read_document
from nemo.errors import UserError
from orchestrator.cluster.cluster import GROWS_TO, nodes_of

MARK = re.compile(r"FILL-IN(?:-[A-Z]+)*")
MANIFESTS = ("RayCluster", "RayJob")
TOKEN_MODE = "RAY_AUTH_MODE=token"
_GROWS = re.compile(rf"\b{GROWS_TO}=(\S+)")


def unfilled(path: Path) -> list[str]:
    """What is still to fill in, as `12: provider.region: FILL-IN-REGION`: the line, the field and the mark.

    Raises:
        UserError: The file cannot be read, or is no YAML.
    """
    marks = [f"{line}: {field}: {mark}" for line, field, mark in _marks(_nodes(path))]
    return list(dict.fromkeys(marks))  # an alias is its anchor again


def refuse_unfilled(path: Path) -> None:
    """Refuses a file with values that are still to fill in.

    Raises:
        UserError: There are some, each with its line and its field; or the file cannot be read.
    """
    left = [f"{path}:{each}: is still to fill in, put your value there (docs/cluster.md)." for each in unfilled(path)]
    if left:
        raise UserError("\n".join(left))


def check_cluster(path: Path) -> str:
    """Checks a cluster file without touching any cloud: its values, Ray's own schema, and the token on every node.

    Returns:
        What it is, for a message.

    Raises:
        UserError: It is not ready, or it is none; the sentence names the file, the field and the remedy.
    """
    refuse_unfilled(path)
    documents = [each for each in yaml.safe_load_all(read_document(path)) if each is not None]
    manifests = [each for each in documents if isinstance(each, dict) and each.get("kind") in MANIFESTS]
    if manifests:
        for manifest in manifests:
            _check_manifest(path, manifest)
        return " and ".join(manifest["kind"] for manifest in manifests)
    if len(documents) != 1 or not isinstance(documents[0], dict) or not isinstance(documents[0].get("provider"), dict):
        raise UserError(f"{path}: provider: is missing, give a cluster file for `ray up`, or a manifest of KubeRay's.")
    _check_launcher(path, documents[0])
    return f"cluster on {documents[0]['provider']['type']}"


def _nodes(path: Path) -> list[yaml.Node]:
    try:
        return [node for node in yaml.compose_all(read_document(path), Loader=yaml.SafeLoader) if node is not None]
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}), give the path of a cluster file.") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is no text in UTF-8, save it as such.") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{path}:{line}: is no valid YAML, {error.problem}; mend that line.") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: is no valid YAML, {str(error).splitlines()[0]}; mend it.") from None


def _marks(nodes: list[yaml.Node]) -> Iterator[tuple[int, str, str]]:
    """Line, field and mark, in the order of the file; comments are no values."""
    pending = [(node, "") for node in reversed(nodes)]
    while pending:
        node, field = pending.pop()
        if isinstance(node, yaml.ScalarNode):
            for mark in dict.fromkeys(MARK.findall(node.value)):
                yield node.start_mark.line + 1, field, mark
        elif isinstance(node, yaml.MappingNode):
            for name, value in reversed(node.value):
                pending.append((value, f"{field}.{name.value}" if field else str(name.value)))
        elif isinstance(node, yaml.SequenceNode):
            for position, value in reversed(list(enumerate(node.value))):
                pending.append((value, f"{field}[{position}]"))


def _check_launcher(path: Path, config: dict[str, Any]) -> None:
    _check_schema(path, config)
    for field in ("head_start_ray_commands", "worker_start_ray_commands"):
        starts = [command for command in config.get(field, []) if " start " in command]
        if not starts or any(TOKEN_MODE not in command for command in starts):
            raise UserError(
                f"{path}: {field}: starts Ray without {TOKEN_MODE}, and whoever reaches its ports could run anything; "
                f"put it before `ray start`."
            )
    if "available_node_types" in config:  # `local` has none: its machines are there from the start
        texts = [each for command in config["head_start_ray_commands"] for each in _GROWS.findall(command)]
        _check_growth(path, "max_workers", config["max_workers"], texts)
    for remote, local in config.get("file_mounts", {}).items():
        if not os.path.exists(os.path.expanduser(local)):
            remedy = (
                "make it with .venv/bin/ray get-auth-token --generate" if "auth_token" in local else "mend the path"
            )
            raise UserError(f"{path}: file_mounts.{remote}: there is no {local} here; {remedy}.")


def _check_schema(path: Path, config: dict[str, Any]) -> None:
    """`ray up` has no dry run: these are private functions of Ray's; its test tells when they go."""
    import click
    from jsonschema import ValidationError
    from ray.autoscaler._private.util import prepare_config, validate_config

    try:
        validate_config(prepare_config(config))
    except ValidationError as error:
        field = ".".join(map(str, error.absolute_path)) or "the file"
        raise UserError(f"{path}: {field}: Ray refuses it, {error.message}; mend it.") from None
    except (click.ClickException, ValueError, KeyError, TypeError, AttributeError) as error:
        text = error.format_message() if isinstance(error, click.ClickException) else str(error)
        raise UserError(f"{path}: Ray refuses it, {text.strip().splitlines()[0]}; mend it.") from None


def _check_manifest(path: Path, manifest: dict[str, Any]) -> None:
    field = "spec.rayClusterSpec" if manifest["kind"] == "RayJob" else "spec"
    spec = manifest.get("spec") or {}
    spec = (spec.get("rayClusterSpec") or {}) if manifest["kind"] == "RayJob" else spec
    if (spec.get("authOptions") or {}).get("mode") != "token":
        raise UserError(
            f"{path}: {field}.authOptions.mode: is not token, and whoever reaches the head's ports could run anything; "
            f"put token there."
        )
    if spec.get("enableInTreeAutoscaling"):
        try:
            containers = spec["headGroupSpec"]["template"]["spec"]["containers"]
            texts = [each.get("value") for each in containers[0].get("env", ()) if each["name"] == GROWS_TO]
            most = sum(group["maxReplicas"] for group in spec.get("workerGroupSpecs", ()))
        except (LookupError, TypeError, AttributeError) as error:
            raise UserError(
                f"{path}: {field}: lacks what the head or a group of workers needs ({error}); compare it with "
                "cluster/kuberay/."
            ) from error
        _check_growth(path, f"{field}.workerGroupSpecs: maxReplicas", most, texts)
    if spec.get("rayVersion") != version("ray"):
        raise UserError(
            f"{path}: {field}.rayVersion: is {spec.get('rayVersion')!r}, but images made of this checkout hold "
            f"{version('ray')}; put that there."
        )


def _check_growth(path: Path, field: str, most: int, texts: list[str]) -> None:
    """Compares the most workers that a file allows with those that its head's variable names."""
    count = len(nodes_of(texts[0])) if texts else 0
    if count != most:
        raise UserError(
            f"{path}: {field}: lets the cluster grow to {most} workers, and {GROWS_TO} of the head says {count}; "
            f"make them agree, as in {GROWS_TO}={most}x4cpus+1gpus."
        )


def main() -> None:
    """`make check-cluster`: checks the files that are given."""
    try:
        for name in sys.argv[1:]:
            print(f"{name}: a {check_cluster(Path(name))}, filled in and accepted")
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
