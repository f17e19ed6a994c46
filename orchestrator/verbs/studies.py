"""What is done with a study: run it, show what it would do, and how far it is."""

from __future__ import annotations

import os
import shlex
import sys
from typing import Annotated

import typer

from nemo.errors import UserError
from orchestrator.storage.studies import default_storage, find_study, storage_root
from orchestrator.verbs import completion
from orchestrator.verbs.options import (
    Failures,
    Overrides,
    RayAddress,
    Replace,
    RetryFailed,
    Simulate,
    Storage,
    StudyFile,
    StudyName,
    Watch,
)


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
    from orchestrator.driver.handover import HandedOver
    from orchestrator.system.signals import Interrupted

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
    except HandedOver as handed:
        typer.echo(str(handed))
        return
    except Interrupted as end:
        command = "the same nemo submit" if submitted else shlex.join(["nemo", *sys.argv[1:]])
        print(f"nemo: stopped by {end}; what is finished is kept, {end.carries_on}: {command}", file=sys.stderr)
        raise typer.Exit(end.exit_code) from None

    from orchestrator.report.output import show_results
    from orchestrator.report.status import print_failures
    from orchestrator.tracking.ui import page_of

    show_results(folder)
    option = "" if default_storage() == folder.parent else f" --storage {shlex.quote(str(folder.parent))}"
    page = f"{command}   (every run in MLflow)   or   " if (command := page_of(folder, option)) else ""
    typer.echo(f"Next: {page}nemo report {folder.name}{option} --format md")
    if print_failures(folder, sys.stderr):
        raise typer.Exit(1)


def plan(
    study: StudyFile,
    overrides: Overrides = None,
    storage: Storage = None,
    simulate: Simulate = None,
    classes: Annotated[
        bool, typer.Option("--classes", help="Show every class with its samples, and every sub-task.")
    ] = False,
) -> None:
    """Show what was read, what would run, what is finished, and how long the rest takes; touches nothing."""
    from rich.console import Console

    from orchestrator import plan as plan_study
    from orchestrator.report.accepted import print_accepted
    from orchestrator.report.status import print_overview

    console = Console(highlight=False)
    if simulate is None:
        overview = plan_study(study, storage, overrides=overrides or [])
        if overview.accepted is not None:
            print_accepted(overview.accepted, console, everything=classes)
        print_overview(overview, console)
        return
    if classes:
        raise UserError("--classes: shows what was read, leave --simulate out.")
    from orchestrator.simulation.simulation import print_simulation

    print_simulation(study, storage, overrides or [], simulate, console)


def pause(name: StudyName, storage: Storage = None) -> None:
    """Let a running study submit nothing more, from any machine that sees its storage; what runs goes on to its end."""
    from orchestrator.driver.pausing import pause_study

    typer.echo(pause_study(find_study(storage_root(storage), name)))


def resume(name: StudyName, storage: Storage = None) -> None:
    """Let a paused study go on."""
    from orchestrator.driver.pausing import resume_study

    typer.echo(resume_study(find_study(storage_root(storage), name)))


def status(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", help="The study; all of them without it.", autocompletion=completion.study_names
        ),
    ] = None,
    storage: Storage = None,
    address: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A cluster's dashboard: show the jobs that were submitted there."),
    ] = None,
    failures: Failures = False,
    watch: Watch = False,
) -> None:
    """Show whether studies run and how far they are: from their folders alone, or as jobs of a cluster."""
    if address is not None and failures:
        raise UserError("--failures: is read from a study's storage, leave --address out.")
    if watch and (name is None or failures or address is not None):
        raise UserError("--watch: follows one study in its storage, give its NAME, without --failures and --address.")
    if address is not None:
        from orchestrator.jobs.dashboard import Dashboard
        from orchestrator.jobs.jobs import Jobs

        for line in Jobs(Dashboard(address)).overview(name):
            typer.echo(line)
        return
    from rich.console import Console

    if watch and name is not None:
        from orchestrator.report.watch import watch_status

        watch_status(find_study(storage_root(storage), name), Console(highlight=False))
        return
    from orchestrator.report.failures import print_tracebacks
    from orchestrator.report.status import print_status

    show = print_tracebacks if failures else print_status
    show(storage_root(storage), name, Console(highlight=False))
