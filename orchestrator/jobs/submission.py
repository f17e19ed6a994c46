"""Submitting a study: `nemo run` as a job of a cluster, which goes on when this terminal is closed."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from nemo.errors import UserError
from orchestrator.cluster.capacity import check_room
from orchestrator.cluster.launch_files import MARK
from orchestrator.jobs.dashboard import Dashboard
from orchestrator.jobs.jobs import ENDS_WITHIN, Job, Jobs
from orchestrator.jobs.shipment import Shipment, pack
from orchestrator.study.file import load_study_file
from orchestrator.study.study import Study

_RAYS_OWN = ("RAY_", "TUNE_", "PYTHONPATH")
"""Prefixes of the environment variables that Ray or we set for every process of a job."""


@dataclass(frozen=True)
class Submission:
    """A study on its way to a cluster.

    Attributes:
        study: What is to run.
        shipment: The files that go with it.
        arguments: Of `nemo` on the cluster.
        environment: The variables to set for the job; their values are never shown.
    """

    study: Study
    shipment: Shipment
    arguments: Sequence[str]
    environment: Mapping[str, str]

    @property
    def text(self) -> str:
        """What would be sent: the files, the command and the names of the variables."""
        names = ", ".join(self.environment) or "none"
        return f"{self.shipment.listing}\ncommand: nemo {shlex.join(self.arguments)}\nenvironment: {names}"

    def send(self, dashboard: Dashboard) -> Job:
        """Starts it as the study's next job; one that was started before carries on.

        Raises:
            UserError: The cluster differs from here, has no room for it, runs it already or takes no job.
        """
        check_versions(dashboard)
        cluster = dashboard.cluster()
        if cluster is not None:
            with self.study.naming_lines():
                check_room(cluster, self.study.resources)
        with tempfile.TemporaryDirectory(prefix="nemo-submit-") as folder:
            self.shipment.write(Path(folder))
            variables = {**self.environment, "RAY_JOB_STOP_WAIT_TIME_S": str(ENDS_WITHIN)}
            entrypoint = shlex.join([dashboard.python(), "-m", "orchestrator.cli", *self.arguments])
            # Without exec a shell stays in between, and dies of the signal that ends the study in order.
            environment = {"working_dir": folder, "env_vars": variables}
            return Jobs(dashboard).submit(self.study.name, f"exec {entrypoint}", environment)


def prepare(
    path: Path,
    overrides: Sequence[str] = (),
    storage: str | None = None,
    retry_failed: bool = False,
    replace: bool = False,
    variables: Sequence[str] = (),
) -> Submission:
    """Checks all that can be checked without the cluster.

    Args:
        path: The study file.
        overrides: `key=value` texts that win over the file.
        storage: The storage on the cluster; wins over the file's, and that over NEMO_STORAGE, here or on the cluster.
        retry_failed: See `run_study`.
        replace: See `run_study`.
        variables: Names of environment variables whose values are sent with the job.

    Raises:
        UserError: The study is wrong, or names files that only this machine has.
    """
    study = load_study_file(path, list(overrides))
    shipment = pack(path, study)
    _filled_in(study.text, str(path))
    _check_data(study)
    arguments = ["run", shipment.study, "--address", "auto", *_storage(study, storage)]
    for override in overrides:
        arguments += ["--set", override]
    arguments += ["--retry-failed"] if retry_failed else []
    arguments += ["--replace"] if replace else []
    return Submission(study, shipment, arguments, {name: _variable(name) for name in variables})


def check_versions(dashboard: Dashboard) -> None:
    """Refuses a cluster whose version of Ray or Python differs from that of this environment.

    Raises:
        UserError: A version differs; the message names both.
    """
    local = {"Ray": version("ray"), "Python": "{}.{}".format(*sys.version_info)}
    for name, remote in dashboard.versions().items():
        number = remote if name == "Ray" else ".".join(remote.split(".")[:2])
        if number != local[name]:
            raise UserError(
                f"--address {dashboard.name}: the cluster runs {name} {number}, this environment {name} {local[name]}; "
                "install the same version on both."
            )


def lasting(storage: str, where: str) -> str:
    """A storage that outlives a job.

    Args:
        storage: A folder on the cluster, or an object store.
        where: The option, field or variable that sets it, for messages.

    Raises:
        UserError: It is relative, or a placeholder that is still to fill in.
    """
    _filled_in(storage, where)
    if not _is_absolute(storage):
        raise UserError(
            f"{where}: {storage!r} would be in the job's own folder, which the cluster throws away; give an absolute "
            "folder that all its nodes share, such as --storage /shared/runs, or an object store."
        )
    return storage


def _storage(study: Study, value: str | None) -> list[str]:
    """The option that names the storage; none where the cluster's own NEMO_STORAGE does."""
    named = {"--storage": value, study.where("storage"): study.storage, "$NEMO_STORAGE": os.environ.get("NEMO_STORAGE")}
    for where, storage in named.items():
        if storage:
            return ["--storage", lasting(storage, where)]
    return []


def _filled_in(text: str, where: str) -> None:
    if mark := MARK.search(text):
        raise UserError(f"{where}: {mark[0]} is still to fill in, put your value there (docs/cluster.md).")


def _check_data(study: Study) -> None:
    """Refuses data in folders that are named from this working folder."""
    named = {study.where("data_root"): study.data_root}
    for position, pair in enumerate(study.pairs):
        named[study.where("pairs", position, "dataset")] = pair.dataset.partition(":")[2]
    for where, folder in named.items():
        if folder and not _is_absolute(folder):
            raise UserError(f"{where}: {folder!r} is not shipped; give the data's absolute folder on the cluster.")


def _is_absolute(path: str) -> bool:
    return path.startswith(("/", "~")) or "://" in path


def _variable(name: str) -> str:
    if "=" in name:
        raise UserError(f"--env {name.partition('=')[0]}: give the name alone, the value is taken from here.")
    if name.startswith(_RAYS_OWN):
        raise UserError(f"--env {name}: is set by Ray or nemo for every job; set it where the cluster's nodes start.")
    value = os.environ.get(name)
    if value is None:
        raise UserError(f"--env {name}: is not set here; export it, or leave the option out.")
    if "$" in value:
        raise UserError(f"--env {name}: has a $ in its value, which Ray would expand; set it on the cluster's nodes.")
    return value
