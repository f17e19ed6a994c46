"""The command line: each verb is thin, and imports what it needs when it is called."""

from __future__ import annotations

import os
import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nemo.errors import UserError
from orchestrator.storage.studies import default_storage, find_study, storage_root
from orchestrator.system.credentials import masked
from orchestrator.system.streams import standard_streams

app = typer.Typer(
    name="nemo",
    help="Train networks that fall apart into modules, sweep, cut out sub-task networks, and compare every run.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

StudyFile = Annotated[
    Path, typer.Argument(readable=False, metavar="STUDY", help="The study file (YAML).", show_default=False)
]
StudyName = Annotated[str, typer.Argument(metavar="NAME", help="The study's name.", show_default=False)]
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
    str, typer.Argument(metavar="NAME", help="The study's name, or a job's, such as quickstart-r2.", show_default=False)
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
Force = Annotated[bool, typer.Option("--force", help="Replace the module that lies there.")]


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


@app.command()
def run(
    study: StudyFile,
    overrides: Overrides = None,
    storage: Storage = None,
    address: Annotated[
        str | None,
        typer.Option(help="A running Ray head (host:port, or auto); without it, nemo starts and ends its own."),
    ] = None,
    retry_failed: RetryFailed = False,
    replace: Replace = False,
) -> None:
    """Run a study here, or on the cluster at --address; a study that was started before carries on."""
    from orchestrator import run_study
    from orchestrator.report.output import show_results
    from orchestrator.report.status import print_failures
    from orchestrator.system.signals import Interrupted
    from orchestrator.tracking.ui import page_of

    submitted = "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ
    if submitted and storage is None:
        from orchestrator.jobs.submission import lasting

        lasting(os.environ.get("NEMO_STORAGE") or "runs", "$NEMO_STORAGE on the cluster")
    try:
        folder = run_study(
            study,
            storage,
            overrides=overrides or [],
            address=address,
            retry_failed=retry_failed,
            replace=replace,
        ).where
    except Interrupted as end:
        command = "the same nemo submit" if submitted else shlex.join(["nemo", *sys.argv[1:]])
        print(f"nemo: stopped by {end}; what is finished is kept, this carries on: {command}", file=sys.stderr)
        raise typer.Exit(end.exit_code) from None
    show_results(folder)
    option = "" if default_storage() == folder.parent else f" --storage {shlex.quote(str(folder.parent))}"
    page = f"{command}   (every run in MLflow)   or   " if (command := page_of(folder, option)) else ""
    typer.echo(f"Next: {page}nemo report {folder.name}{option} --format md")
    if print_failures(folder, sys.stderr):
        raise typer.Exit(1)


@app.command()
def submit(
    study: StudyFile,
    address: DashboardUrl,
    overrides: Overrides = None,
    storage: Annotated[
        str | None,
        typer.Option(help="Absolute folder that all nodes share, or a bucket; $NEMO_STORAGE, here or else there."),
    ] = None,
    retry_failed: RetryFailed = False,
    replace: Replace = False,
    variables: Annotated[
        list[str] | None,
        typer.Option("--env", metavar="NAME", help="A variable of this environment that goes along; repeatable."),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Show the job's log until it ends.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would be shipped; asks no cluster.")] = False,
) -> None:
    """Run a study as a job of a Ray cluster, or carry on with it; it goes on when this terminal is closed."""
    from orchestrator.jobs.submission import prepare

    submission = prepare(study, overrides or [], storage, retry_failed, replace, variables or [])
    if dry_run:
        typer.echo(submission.text)
        return
    from orchestrator.jobs.dashboard import Dashboard
    from orchestrator.jobs.jobs import Jobs

    dashboard = Dashboard(address)
    job = submission.send(dashboard)
    typer.echo(f"{job.id}: submitted; it goes on when this terminal is closed")
    at = f"{job.study} --address {dashboard.name}"
    typer.echo(f"Next: nemo logs {at} --follow   or   nemo status {at}   or   nemo stop {at}")
    if follow:
        raise typer.Exit(Jobs(dashboard).show(job))


@app.command()
def logs(
    name: SubmittedName,
    address: DashboardUrl,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the job ends.")] = False,
) -> None:
    """Show what the last job of a submitted study has written."""
    from orchestrator.jobs.dashboard import Dashboard
    from orchestrator.jobs.jobs import Jobs

    jobs = Jobs(Dashboard(address))
    job = jobs.find(name)
    if follow:
        raise typer.Exit(jobs.show(job))
    typer.echo(jobs.log(job), nl=False)


@app.command()
def stop(name: SubmittedName, address: DashboardUrl) -> None:
    """End the job of a submitted study in order; what is finished is kept, and the same submit carries on."""
    from orchestrator.jobs.dashboard import Dashboard
    from orchestrator.jobs.jobs import Jobs

    jobs = Jobs(Dashboard(address))
    job = jobs.find(name)
    typer.echo(job.text if job.over else jobs.stop(job).text)


@app.command()
def plan(
    study: StudyFile,
    overrides: Overrides = None,
    storage: Storage = None,
    simulate: Annotated[
        str | None,
        typer.Option(
            metavar="nodes=N,...",
            help="Also run the plan on a fake cluster: nodes=64,gpus=8, and cpus, failures (of a node, per hour), "
            "recovery, stragglers (a share), slowdown, start, load, driver, mlflow, epoch, modularize, measure, reuse, "
            "derive (seconds), seed.",
        ),
    ] = None,
) -> None:
    """Show what would run: steps by kind, what is finished, and how long the rest takes; touches nothing."""
    from rich.console import Console

    from orchestrator import plan as plan_study
    from orchestrator.report.status import print_overview

    console = Console(highlight=False)
    if simulate is None:
        print_overview(plan_study(study, storage, overrides=overrides or []), console)
        return
    from orchestrator.simulation.simulation import print_simulation

    print_simulation(study, storage, overrides or [], simulate, console)


@app.command()
def status(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="The study; all of them without it.")] = None,
    storage: Storage = None,
    address: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A cluster's dashboard: show the jobs that were submitted there."),
    ] = None,
    failures: Failures = False,
) -> None:
    """Show whether studies run and how far they are: from their folders alone, or as jobs of a cluster."""
    if address is not None and failures:
        raise UserError("--failures: is read from a study's storage, leave --address out.")
    if address is not None:
        from orchestrator.jobs.dashboard import Dashboard
        from orchestrator.jobs.jobs import Jobs

        for line in Jobs(Dashboard(address)).overview(name):
            typer.echo(line)
        return
    from rich.console import Console

    from orchestrator.report.failures import print_tracebacks
    from orchestrator.report.status import print_status

    show = print_tracebacks if failures else print_status
    show(storage_root(storage), name, Console(highlight=False))


@app.command()
def report(
    name: StudyName,
    format: Annotated[
        ReportFormat,
        typer.Option(help="Tables for a terminal, Markdown, JSON with every row, or one page with tables and figures."),
    ] = ReportFormat.terminal,
    out: Out = None,
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Write everything there: the page, rows and tables as CSV and parquet, figures as PNG and SVG.",
            show_default=False,
        ),
    ] = None,
    storage: Storage = None,
) -> None:
    """Show what a study found so far."""
    where = find_study(storage_root(storage), name)
    if export is not None and (out is not None or format is not ReportFormat.terminal):
        raise UserError("--export: writes every format into one folder, leave --format and --out out.")
    from orchestrator.report.output import write_export, write_report

    if export is not None:
        typer.echo(write_export(where, export))
    else:
        write_report(where, format, out)


@app.command()
def compare(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...", help="Studies, by name or by folder; the others are compared with the first."
        ),
    ],
    runs: Annotated[
        list[str] | None,
        typer.Option("--run", metavar="KEY", help="Compare these trainings of the one study; give it twice or more."),
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


@app.command()
def reuse(
    name: StudyName,
    classes: Annotated[
        str,
        typer.Option(
            metavar="CLASS,...",
            help="Names, numbers, or numbers as names in quotes; the logits' order.",
            show_default=False,
        ),
    ],
    out: Saved,
    run: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="The training to cut from, or how its key begins; the best one if not given."),
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="One of the study's; the highest if not given.")] = None,
    storage: Storage = None,
    force: Force = False,
    register: Annotated[
        bool, typer.Option("--register", help="Also register it as a model with the study's MLflow server.")
    ] = False,
    as_cut: Annotated[
        bool, typer.Option("--as-cut", help="Do not fine-tune it; for networks that were trained with recipe.as_cut.")
    ] = False,
    controls: Annotated[
        bool,
        typer.Option("--controls", help="Also tell what rivals of its size reach."),
    ] = False,
) -> None:
    """Cut one module out of a study's network, fine-tune it and save it as files that run without nemo."""
    from rich.console import Console

    from nemo.datasets.naming import parse_classes
    from orchestrator.modules.reuse import Wanted, reuse_and_save

    where = find_study(storage_root(storage), name)
    wanted = Wanted(parse_classes(classes), out, run, threshold, force, as_cut, controls)
    record = reuse_and_save(where, wanted, Console(highlight=False))
    if register:
        from orchestrator.modules.registry import register_module

        typer.echo(register_module(where, out, record))


@app.command()
def compose(
    modules: Annotated[
        list[Path], typer.Argument(metavar="FOLDER...", help="What nemo reuse wrote, two or more.", show_default=False)
    ],
    out: Saved,
    force: Force = False,
) -> None:
    """Compose saved modules, of one study or several, into one classifier over all their classes."""
    from rich.console import Console

    from orchestrator.modules.compose import compose_and_save

    compose_and_save(modules, out, force, Console(highlight=False))


@app.command()
def sync(name: StudyName, storage: Storage = None) -> None:
    """Write to MLflow what it lacks of a study, after its server was away; needs no Ray."""
    from orchestrator.tracking.sync import sync_study

    typer.echo(sync_study(find_study(storage_root(storage), name)))


@app.command()
def ui(
    storage: Storage = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="The port; 5000 where it is free, else any."),
    ] = None,
    uri: Annotated[
        str | None,
        typer.Option(
            envvar="MLFLOW_BACKEND_STORE_URI",
            help="Another MLflow database, such as postgresql://..., in place of the storage's own.",
        ),
    ] = None,
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


def main() -> None:
    """Run the command line: exit code 2 and one sentence for what the user can mend, 130 for Ctrl-C."""
    try:
        with standard_streams():
            app()
    except UserError as error:
        print(f"nemo: {masked(str(error))}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except SystemExit as end:
        # Typer turns a Ctrl-C into its Abort and exit code 1.
        if isinstance(end.__context__, typer.Abort):
            sys.exit(130)
        raise


if __name__ == "__main__":
    main()
