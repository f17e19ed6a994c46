"""The argument of `nemo plan --simulate`: a simulated cluster, and the assumptions about it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationError

from nemo.errors import UserError
from orchestrator.cluster.cluster import Cluster
from orchestrator.plan.step import KINDS
from orchestrator.study.problems import Model, Number, Whole, field_name, sentence
from orchestrator.study.yaml_source import parse_value

CPUS, CPUS_PER_GPU = 8.0, 12.0
"""The default CPUs of a node; eight GPUs with 96 CPUs is what is for rent."""

Seconds = Annotated[Number, Field(ge=0, le=1e9)]
Share = Annotated[Number, Field(ge=0, le=1)]


class FakeCluster(Model):
    """Nodes that all look alike, and how a study fares on them.

    Attributes:
        nodes, cpus, gpus: How many there are, and what each has; CPUs are 12 for each GPU, or 8, unless given.
        failures: How often a node vanishes, per hour of its life.
        recovery: Seconds until another one has taken its place.
        stragglers: Share of the runs of steps that are slow.
        slowdown: How many times as long these take.
        start: Seconds until a worker has started and imported torch, once for each worker of a node.
        load: Seconds until a node has a data set.
        driver: Seconds that the driver spends on each step (`benchmarks/scale.py`).
        mlflow: Seconds that a write to MLflow takes (`benchmarks/overhead.py`), in a thread of its own.
        epoch, modularize, measure, reuse, derive: Seconds of an epoch of a training, and of the other steps; where
            they are not given, what was measured counts.
        seed: Of all chance.
    """

    nodes: Annotated[Whole, Field(ge=1, le=10_000)]
    cpus: Annotated[Number, Field(gt=0)] | None = None
    gpus: Annotated[Number, Field(ge=0)] = 0.0
    failures: Annotated[Number, Field(ge=0, le=60)] = 0.0
    recovery: Seconds = 300.0
    stragglers: Share = 0.0
    slowdown: Annotated[Number, Field(ge=1, le=1000)] = 3.0
    start: Seconds = 6.0
    load: Seconds = 5.0
    driver: Seconds = 0.003
    mlflow: Seconds = 0.03
    epoch: Seconds | None = None
    modularize: Seconds | None = None
    measure: Seconds | None = None
    reuse: Seconds | None = None
    derive: Seconds | None = None
    seed: Whole = 0

    @property
    def cpus_of_node(self) -> float:
        """The CPUs of each node."""
        return self.cpus if self.cpus is not None else CPUS_PER_GPU * self.gpus or CPUS

    @property
    def cluster(self) -> Cluster:
        """The same as the driver would see it."""
        return Cluster("", ((self.cpus_of_node, self.gpus),) * self.nodes)

    @property
    def given(self) -> dict[str, float]:
        """Kind -> seconds of a step, of an epoch for a training, where they were given."""
        named = {kind: getattr(self, "epoch" if kind == "train" else kind) for kind in KINDS}
        return {kind: seconds for kind, seconds in named.items() if seconds is not None}


def read_fake_cluster(text: str) -> FakeCluster:
    """Reads `nodes=64,gpus=8,failures=0.01`.

    Raises:
        UserError: All of what is wrong with it.
    """
    messages, fields = [], {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, equals, value = map(str.strip, part.partition("="))
        if not equals or name in fields:
            messages.append(f"--simulate {part}: should be name=number, once each, as in nodes=64,gpus=8.")
            continue
        try:
            fields[name] = parse_value(value)
        except ValueError as error:
            messages.append(f"--simulate {name}: the value {error}.")
    try:
        if not messages:
            return FakeCluster.model_validate(fields)
    except ValidationError as errors:
        problems = errors.errors(include_url=False)
        messages = [f"--simulate {field_name(error['loc'])}: {sentence(error)}" for error in problems]
    raise UserError("\n".join(messages))
