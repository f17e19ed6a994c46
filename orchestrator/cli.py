"""The command line: each verb is thin, and imports what it needs when it is called."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from nemo.errors import UserError
from orchestrator.options import (
    AsCut,
    BudgetText,
    Classes,
    ComparisonFormat,
    Compensate,
    Controls,
    Cut,
    DashboardUrl,
    Data,
    Database,
    Epochs,
    Export,
    Failures,
    Force,
    ImageSide,
    MethodName,
    Network,
    OfStudy,
    Out,
    Overrides,
    Port,
    Pretrained,
    RayAddress,
    Register,
    Replace,
    ReportFormat,
    RetryFailed,
    Rows,
    Run,
    Saved,
    Seed,
    Simulate,
    Storage,
    StudyFile,
    StudyName,
    SubmittedName,
    Variables,
    Weights,
    parse_budget,
    parse_rows,
)
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


@app.command()
def run(
    study: StudyFile,
    overrides: Overrides = None,
    storage: Storage = None,
    address: RayAddress = None,
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
    variables: Variables = None,
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
    simulate: Simulate = None,
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
    export: Export = None,
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
    classes: Classes,
    out: Saved,
    run: Run = None,
    threshold: Cut = None,
    storage: Storage = None,
    force: Force = False,
    register: Register = False,
    as_cut: AsCut = False,
    controls: Controls = False,
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
def derive(
    network: Network,
    classes: Classes,
    budget: BudgetText,
    out: Saved,
    data: Data = None,
    pretrained: Pretrained = False,
    weights: Weights = None,
    classes_of: Rows = None,
    image_size: ImageSide = None,
    run: OfStudy = None,
    method: MethodName = "masksearch",
    compensate: Compensate = "none",
    epochs: Epochs = 3,
    seed: Seed = None,
    overrides: Overrides = None,
    storage: Storage = None,
    force: Force = False,
    register: Register = False,
) -> None:
    """Derive the small network for some classes of a trained one, and save it as files that run without nemo."""
    from rich.console import Console

    from nemo.datasets.naming import parse_classes
    from orchestrator.driver.derive import Wanted, derive_and_save
    from orchestrator.system.signals import Interrupted

    if pretrained and weights is not None:
        raise UserError("--weights: says which weights to start from, leave --pretrained out.")
    wanted = Wanted(
        network,
        parse_classes(classes),
        parse_budget(budget),
        out,
        data=data,
        image_size=image_size,
        pretrained=pretrained or weights,
        classes_of=parse_rows(classes_of),
        run=run,
        method=method,
        compensate=compensate,
        epochs=epochs,
        seed=seed,
        overrides=overrides or [],
        storage=storage,
        force=force,
    )
    try:
        record = derive_and_save(wanted, Console(highlight=False))
    except Interrupted as end:
        print(f"nemo: stopped by {end}; the same command carries on", file=sys.stderr)
        raise typer.Exit(end.exit_code) from None
    if register:
        from orchestrator.modules.registry import register_module

        typer.echo(register_module(find_study(storage_root(storage), record.origins[0].study), out, record))


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
