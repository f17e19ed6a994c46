"""A saved module in MLflow's registry: its ONNX form with signature and input example, and nothing pickled."""

from __future__ import annotations

import re
import tempfile
from importlib.metadata import version
from pathlib import Path

import mlflow.onnx
import numpy as np
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import Schema, TensorSpec

from nemo.errors import UserError
from nemo.export import INPUT, OUTPUT, example_images
from nemo.image_size import is_text
from orchestrator.ledger.ledger import Ledger
from orchestrator.modules.champion import crown
from orchestrator.modules.record import ModuleRecord, Origin
from orchestrator.modules.text_model import write_text_model
from orchestrator.report.frames import read_frames
from orchestrator.storage import Where
from orchestrator.study.file import submitted_study
from orchestrator.tracking.connection import STORE_ERRORS, cannot_use, open_store, store_of
from orchestrator.tracking.entries import result_points, threshold_text
from orchestrator.tracking.models import Model, Models
from orchestrator.tracking.runs import Run, Runs
from orchestrator.tracking.writer import now

STAGE = "module"
"""The tag `stage` of the run that holds a module's files."""


def register_module(where: Where, folder: Path, record: ModuleRecord) -> str:
    """Registers a saved module with the study's tracking server; returns what was done, as a sentence.

    A version has the tags `parent` (key of the training), `step`, `classes`, `threshold`, `krr` and `sha256` (of the
    ONNX file); a module that is registered already, weights and all, is left as it is. The first version is the
    champion, and a later one in its place if it is better, see `orchestrator.modules.champion`.

    Args:
        where: The study's store, only read.
        folder: What `nemo reuse` wrote.
        record: Its record.

    Raises:
        UserError: The server cannot be reached or refuses it.
    """
    ledger = Ledger(where, readonly=True)
    study = submitted_study(ledger.store)
    with study.naming_lines():
        uri, artifact_root, experiment = store_of(study, ledger.store.parent)
        try:
            store = open_store(uri, artifact_root, experiment)
            name = model_name(study.name, record)
            existing = _registered(store.client, name, record)
            if existing is not None:
                return f"{name} version {existing} is this module already."
            runs, models = Runs(store, study.name), Models(store, study.name)
            run = _run(runs, record)
            model = _logged(models, name, run, record)
            step = runs.next_step(run, ["accuracy"], 0)  # other weights of the same step have other figures
            points = models.measured(model, result_points(record.figures, now(), step))
            runs.write(run, metrics=points)
            source = _put_files(store.client, folder, record, run, model)
            models.complete(model, points)
            created = _new_version(store.client, name, source, run, model, record)
            frames = read_frames(ledger, study.name)
            champion = crown(store.client, name, created, frames, len(record.classes))
        except (*STORE_ERRORS, ImportError) as error:
            raise cannot_use(uri, artifact_root, error) from error
    return f"Registered as {name} version {created.version}: models:/{name}/{created.version}\n{champion}"


def model_name(study: str, record: ModuleRecord) -> str:
    """`nemo-quickstart-3-5`; of many classes how many they are."""
    classes = "-".join(record.classes) if len(record.classes) <= 8 else f"{len(record.classes)}-classes"
    return re.sub(r"[^\w.-]+", "_", f"nemo-{study}-{classes}")[:200]


def write_model(folder: Path, record: ModuleRecord, to: Path) -> None:
    """Writes MLflow's form of a saved module; one of texts takes strings."""
    if is_text(record.image_size):
        write_text_model(folder, record, to)
        return
    import onnx

    outputs, example = len(record.classes), example_images(record.image_size).numpy()
    signature = ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(np.float32), (-1, *example.shape[1:]), INPUT)]),
        outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, outputs), OUTPUT)]),
    )
    mlflow.onnx.save_model(
        onnx.load_model_from_string((folder / "module.onnx").read_bytes()),
        str(to),
        signature=signature,
        input_example={INPUT: example},
        # Given, because MLflow would find them out by running the model in another process.
        pip_requirements=[f"{package}=={version(package)}" for package in ("mlflow", "numpy", "onnx", "onnxruntime")],
        metadata={"classes": list(record.classes)},
        save_as_external_data=False,
    )


def _registered(client: MlflowClient, name: str, record: ModuleRecord) -> str | None:
    """The version that holds these very weights."""
    versions = client.search_model_versions(f"name = '{name}'")
    same = [each for each in versions if each.tags.get("sha256") == record.files["module.onnx"]]
    return str(same[0].version) if same else None


def _run(runs: Runs, record: ModuleRecord) -> Run:
    """The run that holds the module's figures and files, below its training's."""
    origin = record.origins[0]
    key = f"{STAGE}:{origin.step}"
    run = runs.find(key)
    if run is None:
        tags = {"backbone": origin.backbone, "dataset": record.data[0].name, "method": origin.method}
        tags |= {"seed": str(origin.seed), "threshold": threshold_text(origin.threshold)}
        title = f"module {', '.join(origin.classes)} of {origin.label}"
        run = runs.make(key, title, STAGE, runs.find(origin.run), now(), tags)
    runs.end(run, "FINISHED", now())
    return run


def _logged(models: Models, name: str, run: Run, record: ModuleRecord) -> Model | None:
    """The logged model of a module with these weights, with its figures."""
    origin = record.origins[0]
    tags = {**_tags(record), "stage": STAGE, "backbone": origin.backbone, "method": origin.method}
    return models.make(f"{STAGE}:{_place(record)}", name, STAGE, run, {"seed": str(origin.seed)}, tags)


def _put_files(client: MlflowClient, folder: Path, record: ModuleRecord, run: Run, model: Model | None) -> str:
    """Puts MLflow's form of a module to its logged model, or to its run where the server keeps none; returns where."""
    with tempfile.TemporaryDirectory() as temporary:
        form = Path(temporary) / "model"
        write_model(folder, record, form)
        if model is not None:
            client.log_model_artifacts(model.id, str(form))
            return str(client.get_logged_model(model.id).artifact_location)
        client.log_artifacts(run.id, str(form), _place(record))
    root = client.get_run(run.id).info.artifact_uri
    if root is None:
        raise UserError("tracking.uri: the server keeps no files of runs, start it with a place for artifacts.")
    return f"{root}/{_place(record)}"


def _new_version(
    client: MlflowClient, name: str, source: str, run: Run, model: Model | None, record: ModuleRecord
) -> ModelVersion:
    origin = record.origins[0]
    try:
        client.create_registered_model(name, tags={"study": origin.study, "classes": ", ".join(record.classes)})
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    what = "network for" if record.derived else "module of"
    cut = "derived of" if record.derived else "cut out of"
    described = f"The {what} {', '.join(record.classes)}, {cut} {origin.label}, study {origin.study}."
    return client.create_model_version(
        name,
        source,
        run_id=run.id,
        tags=_tags(record),
        description=described,
        model_id=None if model is None else model.id,
    )


def _tags(record: ModuleRecord) -> dict[str, str]:
    """What tells versions of a registered model apart."""
    origin = record.origins[0]
    as_cut = {"as_cut": "true"} if not record.derived and not origin.finetune.get("epochs") else {}
    return {
        "parent": origin.run,
        "step": origin.step,
        "classes": ", ".join(record.classes),
        **_kept(origin),
        **as_cut,
        "sha256": record.files["module.onnx"],
    }


def _kept(origin: Origin) -> dict[str, str]:
    """The tags that say how much was kept, and by what."""
    if origin.budget is None:
        return {"threshold": threshold_text(origin.threshold), "krr": f"{origin.krr:.4f}"}
    ((measure, share),) = origin.budget.items()
    return {"derivation": origin.method, "budget": f"{measure}={share:g}", "kept_units": f"{origin.krr:.4f}"}


def _place(record: ModuleRecord) -> str:
    """Where the run keeps these weights: versions of the same step, trained again elsewhere, lie beside each other."""
    return f"model-{record.files['module.onnx'][:12]}"
