"""Runs studies: plan, ledger, Ray, MLflow; what is computed in them is in `nemo`."""

import os

# MLflow reads these when it is imported or called. Its own default waits minutes for a server that is away.
for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}.items():
    os.environ.setdefault(_name, _value)

# A request whose answer was lost may have been carried out. MLflow would send it again as it was, and a run would be
# there twice; `Tracking` looks at what is there before it tries again.
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
