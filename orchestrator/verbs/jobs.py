"""A study as a job of a Ray cluster."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.verbs.options import (
    DashboardUrl,
    Overrides,
    Replace,
    RetryFailed,
    StudyFile,
    SubmittedName,
    Variables,
)


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


def stop(name: SubmittedName, address: DashboardUrl) -> None:
    """End the job of a submitted study in order; what is finished is kept, and the same submit carries on."""
    from orchestrator.jobs.dashboard import Dashboard
    from orchestrator.jobs.jobs import Jobs

    jobs = Jobs(Dashboard(address))
    job = jobs.find(name)
    typer.echo(job.text if job.over else jobs.stop(job).text)
