"""Modules as files: of a network that trained for it, of any trained one, and several as one classifier."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nemo.errors import UserError
from orchestrator.storage.studies import find_study, storage_root
from orchestrator.verbs.options import (
    AsCut,
    Attention,
    BudgetText,
    Classes,
    Compensate,
    Controls,
    Cut,
    Data,
    Epochs,
    Force,
    ImageSide,
    MethodName,
    Network,
    OfStudy,
    Overrides,
    Pretrained,
    Register,
    Rows,
    Run,
    Saved,
    Seed,
    Storage,
    StudyName,
    Weights,
    parse_budget,
    parse_rows,
)


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
    attention: Attention = "keep",
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
        attention=attention,
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
