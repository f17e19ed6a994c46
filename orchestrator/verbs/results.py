"""What a study found: in tables, beside other studies, and in MLflow."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nemo.errors import UserError
from orchestrator.storage.studies import find_study, storage_root
from orchestrator.verbs import completion
from orchestrator.verbs.options import (
    ComparisonFormat,
    Database,
    Export,
    Out,
    Port,
    ReportFormat,
    Storage,
    StudyName,
    Watch,
)


def report(
    name: StudyName,
    format: Annotated[
        ReportFormat,
        typer.Option(help="Tables for a terminal, Markdown, JSON with every row, or one page with tables and figures."),
    ] = ReportFormat.terminal,
    out: Out = None,
    export: Export = None,
    optuna: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write what was swept as a storage of Optuna's: SQLite, or its journal with the suffix .log.",
            show_default=False,
        ),
    ] = None,
    storage: Storage = None,
    watch: Watch = False,
) -> None:
    """Show what a study found so far."""
    where = find_study(storage_root(storage), name)
    if export is not None and (out is not None or format is not ReportFormat.terminal):
        raise UserError("--export: writes every format into one folder, leave --format and --out out.")
    if watch:
        if format is not ReportFormat.html or out is None or export is not None:
            raise UserError("--watch: keeps a page in a file fresh, give --format html and --out FILE.")
        from orchestrator.report.watch import watch_page

        watch_page(where, out)
        return
    from orchestrator.report.output import write_export, write_report, write_swept

    if optuna is not None:
        if export is not None or out is not None or format is not ReportFormat.terminal:
            raise UserError("--optuna: writes one file for Optuna, leave --export, --format and --out out.")
        typer.echo(write_swept(where, optuna))
    elif export is not None:
        typer.echo(write_export(where, export))
    else:
        write_report(where, format, out)


def compare(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="Studies, by name or by folder; the others are compared with the first.",
            autocompletion=completion.study_names,
        ),
    ],
    runs: Annotated[
        list[str] | None,
        typer.Option(
            "--run",
            metavar="KEY",
            help="Compare these trainings of the one study; give it twice or more.",
            autocompletion=completion.training_keys,
        ),
    ] = None,
    format: Annotated[
        ComparisonFormat, typer.Option(help="Tables for a terminal, Markdown, or JSON with every number.")
    ] = ComparisonFormat.terminal,
    out: Out = None,
    storage: Storage = None,
) -> None:
    """Show what differs between studies, or trainings of one: in settings, and in results by more than seeds do."""
    from orchestrator.report.output import write_comparison

    write_comparison(names, runs or [], storage, format, out)


def sync(name: StudyName, storage: Storage = None) -> None:
    """Write to MLflow what it lacks of a study, after its server was away; needs no Ray."""
    from orchestrator.tracking.sync import sync_study

    typer.echo(sync_study(find_study(storage_root(storage), name)))


def ui(
    storage: Storage = None,
    port: Port = None,
    uri: Database = None,
) -> None:
    """Open the MLflow page on this store, for this machine only, until Ctrl-C."""
    from orchestrator.system.signals import as_interrupts
    from orchestrator.tracking.ui import pages, serving

    as_interrupts()
    with serving(storage_root(storage), uri, port) as (url, server):
        typer.echo(f"MLflow is at {url}   (Ctrl-C ends it)")
        for line in pages(url):
            typer.echo(line)
        sys.stdout.flush()
        code = server.wait()
    raise UserError(f"the MLflow server ended by itself with exit code {code}; start it again")
