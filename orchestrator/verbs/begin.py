"""How one begins: a study to start from, the form of study files, and whether this machine can run one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nemo.errors import UserError
from orchestrator.verbs import completion
from orchestrator.verbs.options import Out, Pretrained, Storage, Weights


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="[FOLDER]", help="Where the study is written; made.", show_default=False)
    ] = Path("."),
    data: Annotated[
        str | None,
        typer.Option(
            help="A data set: folder:PHOTOS, parquet:FOLDER, text:FOLDER, digits, cifar10, cifar100, svhn.",
            autocompletion=completion.datasets,
        ),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            help="A network, such as resnet18, torchvision:NAME, timm:NAME or hf:FOLDER; else one that fits.",
            autocompletion=completion.backbones,
        ),
    ] = None,
    pretrained: Pretrained = False,
    weights: Weights = None,
    image_size: Annotated[int | None, typer.Option(min=1, help="Pixels of a side; else the images' own.")] = None,
    name: Annotated[str | None, typer.Option(help="The study's name; else the data set's.")] = None,
    example: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Bring one of nemo's own studies, such as quickstart.",
            autocompletion=completion.example_names,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there already.")] = False,
) -> None:
    """Write a study file that fits your data, or bring one of nemo's own."""
    from orchestrator.begin.draft import Wanted, draft, next_command
    from orchestrator.begin.examples import write_example
    from orchestrator.begin.files import write_files

    if (data is None) == (example is None):
        raise UserError(
            "init: give the data that a study shall be about, as in --data folder:photos, or one of nemo's own "
            "studies, as in --example quickstart."
        )
    if example is not None:
        if backbone or pretrained or weights or image_size or name:
            raise UserError("--example: brings a study as it is, leave --backbone and the like out.")
        written = write_example(example, folder, force=force)
    else:
        assert data is not None
        if pretrained and weights:
            raise UserError("--weights: says which weights to start from, leave --pretrained out.")
        made = draft(Wanted(data, backbone, weights or pretrained or None, image_size, name))
        for line in made.read:
            typer.echo(line)
        written = write_files(folder, {f"{made.name}.yaml": made.text}, force=force)
    typer.echo(f"Wrote {', '.join(map(str, written))}.")
    typer.echo(next_command(written[0]))


def schema(
    out: Out = None,
) -> None:
    """Print the JSON Schema of a study file, by which an editor completes and checks one."""
    from orchestrator.begin.files import schema_text, write_file

    if out is None:
        typer.echo(schema_text(), nl=False)
    else:
        typer.echo(f"Wrote {write_file(out, schema_text())}.")


def doctor(
    storage: Storage = None,
    address: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Also reach this cluster: its Ray head, or its dashboard's URL."),
    ] = None,
    tracking: Annotated[
        str | None, typer.Option(metavar="URI", help="Also open this MLflow server or database.", show_default=False)
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Do not start a Ray head.")] = False,
) -> None:
    """Check what a run needs here, and say what to do about what is missing; exit code 1 if something fails."""
    from rich.console import Console

    from orchestrator.doctor.doctor import examine, report

    if not report(examine(storage, address, tracking, quick=quick), Console(highlight=False)):
        raise typer.Exit(1)
