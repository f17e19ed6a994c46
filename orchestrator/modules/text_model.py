"""MLflow's form of a module of texts: strings to logits, by a program of its own and nothing pickled."""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path

import mlflow.pyfunc
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

from orchestrator.modules.record import ModuleRecord

TEXT, PAIR = "text", "text_pair"
"""Columns of what is scored."""

_PROGRAM = '''\
"""Scores texts: a data frame with the column text, and text_pair of pairs, to the logits of each class."""

import mlflow
import numpy as np
import onnxruntime
import pandas as pd
from mlflow.pyfunc import PythonModel
from tokenizers import Tokenizer

FIELDS = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}


class Texts(PythonModel):
    def load_context(self, context):
        self.classes = context.model_config["classes"]
        self.tokenizer = Tokenizer.from_file(context.artifacts["tokenizer"])
        self.module = onnxruntime.InferenceSession(context.artifacts["module"], providers=["CPUExecutionProvider"])

    def predict(self, context, model_input, params=None):
        columns = [model_input[name].tolist() for name in context.model_config["columns"]]
        encoded = self.tokenizer.encode_batch(columns[0] if len(columns) == 1 else list(zip(*columns)))
        names = [each.name for each in self.module.get_inputs()]
        inputs = {name: np.array([getattr(each, FIELDS[name]) for each in encoded], dtype=np.int64) for name in names}
        (logits,) = self.module.run(["logits"], inputs)
        return pd.DataFrame(logits.astype(np.float64), columns=self.classes)


mlflow.models.set_model(Texts())
'''


def write_text_model(folder: Path, record: ModuleRecord, to: Path) -> None:
    """Writes the form in which MLflow scores and serves a saved module of texts.

    Args:
        folder: What `nemo reuse` wrote.
        record: Its record.
        to: A folder that does not exist.
    """
    columns = [TEXT, PAIR] if record.paired else [TEXT]
    packages = ("mlflow", "numpy", "onnxruntime", "pandas", "tokenizers")
    with tempfile.TemporaryDirectory() as temporary:
        program = Path(temporary) / "texts.py"
        program.write_text(_PROGRAM)
        mlflow.pyfunc.save_model(
            str(to),
            python_model=str(program),
            artifacts={"module": str(folder / "module.onnx"), "tokenizer": str(folder / "tokenizer.json")},
            model_config={"classes": list(record.classes), "columns": columns},
            signature=ModelSignature(
                inputs=Schema([ColSpec("string", name) for name in columns]),
                outputs=Schema([ColSpec("double", name) for name in record.classes]),
            ),
            pip_requirements=[f"{package}=={version(package)}" for package in packages],
            metadata={"classes": list(record.classes)},
        )
