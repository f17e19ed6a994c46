"""The arguments and options that verbs of the command line share, and the texts in them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nemo.deriving.budget import Budget
from nemo.errors import UserError
from orchestrator.verbs import completion

StudyFile = Annotated[
    Path,
    typer.Argument(
        readable=False,
        metavar="STUDY",
        help="The study file (YAML).",
        show_default=False,
        autocompletion=completion.study_files,
    ),
]
StudyName = Annotated[
    str,
    typer.Argument(metavar="NAME", help="The study's name.", show_default=False, autocompletion=completion.study_names),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Another value for a field, such as recipe.epochs=5; repeatable."),
]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Try again what failed for good in an earlier run.")]
Replace = Annotated[
    bool, typer.Option("--replace", help="Go on although the study changed and leaves finished work unused.")
]
DashboardUrl = Annotated[
    str, typer.Option("--address", metavar="URL", help="The cluster's dashboard, such as http://127.0.0.1:8265.")
]
SubmittedName = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="The study's name, or a job's, such as quickstart-r2.",
        show_default=False,
        autocompletion=completion.study_names,
    ),
]
Storage = Annotated[
    str | None,
    typer.Option("--storage", help="Where the studies lie; else the study file's storage, $NEMO_STORAGE, or runs."),
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write it there, and not to standard output.", show_default=False),
]
Saved = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where to save; made.", show_default=False)]
Failures = Annotated[bool, typer.Option("--failures", help="Show why steps failed, with the end of each traceback.")]
Watch = Annotated[bool, typer.Option("--watch", help="Keep it fresh until the study ends, or until Ctrl-C.")]
Classes = Annotated[
    str,
    typer.Option(
        metavar="CLASS,...",
        help="Names, numbers, or numbers as names in quotes; the logits' order.",
        show_default=False,
        autocompletion=completion.class_names,
    ),
]
Register = Annotated[
    bool, typer.Option("--register", help="Also register it as a model with the study's MLflow server.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace the module that lies there.")]

Network = Annotated[
    str,
    typer.Argument(
        metavar="NETWORK",
        help="torchvision:NAME, timm:NAME, hf:FOLDER or python:FILE.py:FUNCTION; or a study that trained one.",
        show_default=False,
        autocompletion=completion.study_names,
    ),
]
BudgetText = Annotated[
    str,
    typer.Option(
        "--budget",
        metavar="flops=SHARE",
        help="The share of FLOPs (or parameters=) to keep, or milliseconds=.",
        show_default=False,
    ),
]
Data = Annotated[
    str | None,
    typer.Option(help="Images of the classes, such as folder:photos.", autocompletion=completion.datasets),
]
Pretrained = Annotated[
    bool, typer.Option("--pretrained", help="Start from the weights that the network's library publishes.")
]
Weights = Annotated[
    str | None, typer.Option(metavar="FILE", help="Start from this file of weights, or from published ones by name.")
]
Rows = Annotated[
    str | None,
    typer.Option(
        metavar="CLASS=ROW,...",
        help="The rows of the trained classifier for the classes; without, one is fitted to the images.",
    ),
]
ImageSide = Annotated[int | None, typer.Option(min=1, help="Pixels of a side; else what the network wants.")]
OfStudy = Annotated[
    str | None,
    typer.Option(
        "--run",
        metavar="KEY",
        help="The study's training, or how its key begins.",
        autocompletion=completion.training_keys,
    ),
]
MethodName = Annotated[
    str,
    typer.Option(
        help="How units are chosen: masksearch, nuwa, moefication, activation, magnitude, random.",
        autocompletion=completion.derivations,
    ),
]
Attention = Annotated[str, typer.Option(help="svd: heads lose their least dimensions first, whatever the classes.")]
Compensate = Annotated[str, typer.Option(help="refit: new weights, by least squares, for what follows a cut.")]
Epochs = Annotated[int, typer.Option(help="Of fine-tuning; 0 leaves the network as it was cut.")]
Seed = Annotated[int | None, typer.Option(help="Of all that is drawn; 0, or that of the study's training.")]

Simulate = Annotated[
    str | None,
    typer.Option(
        metavar="nodes=N,...",
        help="Also run the plan on a fake cluster: nodes=64,gpus=8, and cpus, failures (of a node, per hour), "
        "recovery, stragglers (a share), slowdown, start, load, driver, mlflow, epoch, modularize, measure, reuse, "
        "derive (seconds), seed.",
    ),
]
Run = Annotated[
    str | None,
    typer.Option(
        metavar="KEY",
        help="The training to cut from, or how its key begins; the best one if not given.",
        autocompletion=completion.training_keys,
    ),
]
Cut = Annotated[float | None, typer.Option(help="One of the study's; the highest if not given.")]
AsCut = Annotated[
    bool, typer.Option("--as-cut", help="Do not fine-tune it; for networks that were trained with recipe.as_cut.")
]
Controls = Annotated[bool, typer.Option("--controls", help="Also tell what rivals of its size reach.")]
RayAddress = Annotated[
    str | None,
    typer.Option(help="A running Ray head (host:port, or auto); without it, nemo starts and ends its own."),
]
Variables = Annotated[
    list[str] | None,
    typer.Option("--env", metavar="NAME", help="A variable of this environment that goes along; repeatable."),
]
Port = Annotated[
    int | None,
    typer.Option(min=1, max=65535, help="The port; 5000 where it is free, else any."),
]
Database = Annotated[
    str | None,
    typer.Option(
        envvar="MLFLOW_BACKEND_STORE_URI",
        help="Another MLflow database, such as postgresql://..., in place of the storage's own.",
    ),
]
Export = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Write everything there: the page, rows and tables as CSV and parquet, figures as PNG and SVG.",
        show_default=False,
    ),
]


class ReportFormat(StrEnum):
    """What a report can be written as."""

    terminal = "terminal"
    md = "md"
    json = "json"
    html = "html"


class ComparisonFormat(StrEnum):
    """What a comparison can be written as."""

    terminal = "terminal"
    md = "md"
    json = "json"


def parse_budget(text: str) -> dict[str, float]:
    """`flops=0.3` as `{"flops": 0.3}`.

    Raises:
        UserError: It is no such text.
    """
    measure, _, share = (part.strip() for part in text.partition("="))
    try:
        return Budget.of({measure: float(share)}).given
    except ValueError:
        raise UserError(f"--budget: {text!r} should be what to keep, such as flops=0.3.") from None
    except UserError as error:
        raise UserError(f"--{error}") from None


def parse_rows(text: str | None) -> dict[str, int]:
    """`cat=281,dog=207` as class -> row; nothing of None.

    Raises:
        UserError: It is no such text.
    """
    rows = {}
    for part in filter(None, map(str.strip, (text or "").split(","))):
        name, equals, row = (each.strip() for each in part.rpartition("="))
        if not equals or not name or not row.isdecimal() or name in rows:
            raise UserError(f"--classes-of: {part!r} should be a class and its row, once each, as in cat=281,dog=207.")
        rows[name] = int(row)
    return rows
