"""What the doctor starts or asks: Ray, MLflow's store, an object store, a cluster."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from orchestrator.doctor.finding import Finding, good, tried
from orchestrator.storage import Store
from orchestrator.storage.layout import DATABASE
from orchestrator.storage.studies import artifact_root, tracking_uri
from orchestrator.system.credentials import masked


def services(storage: Store, address: str | None, tracking: str | None, *, quick: bool) -> Iterator[Finding]:
    """Tries them one after the other.

    Args:
        storage: Where studies lie.
        address: Of a running cluster, `host:port` or that of its dashboard; None for a Ray head of our own.
        tracking: An MLflow server or database; None for the file that lies beside the studies.
        quick: Whether no Ray head of our own is started.
    """
    if storage.remote:
        yield tried("storage", lambda: _proven(storage), "see to the address and the credentials")
    if tracking is None and storage.remote:
        tracking = os.environ.get("MLFLOW_TRACKING_URI")
        if not tracking:
            yield good("MLflow", "none: studies in a bucket are tracked where tracking.uri or MLFLOW_TRACKING_URI is")
    if tracking is not None or not storage.remote:
        yield tried("MLflow", lambda: _opened(storage, tracking), "see to the address, or leave it out")
    if address is not None:
        yield tried("cluster", lambda: _cluster(address), "start it, or leave --address out")
    elif quick:
        yield good("Ray", "not started, as --quick says")
    else:
        yield tried("Ray", lambda: _ray(None), "install ray again, or free memory and ports")


def _proven(storage: Store) -> str:
    storage.check()
    storage.prove()
    return f"{storage} answers, and takes conditional writes"


def _opened(storage: Store, tracking: str | None) -> str:
    """Opens the store that runs would be written to, and makes nothing in it."""
    from mlflow.tracking import MlflowClient

    from orchestrator.tracking.connection import STORE_ERRORS, cannot_use, open_store

    if tracking is None and not (storage.local / DATABASE).exists():
        with tempfile.TemporaryDirectory() as folder:  # as the first run in this storage will do it
            open_store(tracking_uri(Path(folder)), artifact_root(Path(folder)), "doctor")
        return f"a new database opens; the one of {storage} is made by its first run"
    uri = tracking_uri(storage.local) if tracking is None else tracking
    try:
        found = MlflowClient(tracking_uri=uri).search_experiments(max_results=50)
    except STORE_ERRORS as error:
        raise cannot_use(uri, None, error) from error
    return f"{masked(uri)} opens, with {len(found)} experiments{' or more' if len(found) == 50 else ''}"


def _cluster(address: str) -> str:
    if address.startswith(("http://", "https://")):
        from orchestrator.jobs.dashboard import Dashboard

        found = Dashboard(address)
        cluster = found.cluster()
        room = "" if cluster is None else f", {cluster.cpus:g} CPUs and {cluster.gpus:g} GPUs"
        return f"{found.name} answers: Ray {found.versions().get('ray', '?')}{room}"
    return _ray(address)


def _ray(address: str | None) -> str:
    """Starts a Ray head and ends it, or connects to one; either way it has to carry out a task."""
    from orchestrator.cluster.head import own_head, ray_head

    logging.getLogger("ray").setLevel(logging.ERROR)
    with (
        tempfile.TemporaryDirectory() as folder,
        own_head(folder) if address is None else ray_head(address) as cluster,
    ):
        import ray

        version = ray.get(ray.remote(num_cpus=0)(_version).remote(), timeout=120)
        done = "started, carried out a task and ended" if address is None else f"{address} answers"
        return f"Ray {version} {done}: {cluster.cpus:g} CPUs and {cluster.gpus:g} GPUs"


def _version() -> str:
    import ray

    return str(ray.__version__)
