"""What a shell completes besides verbs and options: study files, and what the storage knows of studies.

Each function gets what is typed so far and returns words that go on from it. All of them are quick: they list folders
and read small files, and of a storage in a bucket nothing, since each look there is a request. Where something is wrong
they return nothing, for a shell that completes is no place for a message.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import typer

from nemo.errors import UserError
from orchestrator.storage import Store, store_at
from orchestrator.storage.layout import DATA, results
from orchestrator.storage.studies import default_storage, known_studies

Completion = Callable[[typer.Context, str], list[str]]

_PLAIN = re.compile(r"[\w./@%+:-]+")  # a name that a shell takes as one word
_LOOKED_AT = 64 * 1024  # bytes of a file, to see whether it is a study


def _quiet(words: Callable[[typer.Context, str], Iterable[str]]) -> Completion:
    """Those words that go on from what is typed, and none where something is wrong."""

    @functools.wraps(words)
    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        try:
            return [word for word in words(ctx, incomplete) if word.startswith(incomplete)]
        except (UserError, OSError, ValueError, LookupError, TypeError, AttributeError):
            return []

    return complete


@_quiet
def study_files(ctx: typer.Context, incomplete: str) -> Iterator[str]:
    """The studies in the folder that is typed; where there are none, the shell completes files by itself."""
    folder = incomplete.rpartition("/")[0] + "/" if "/" in incomplete else ""
    for path in sorted(Path(folder or ".").iterdir()):
        if path.suffix in (".yaml", ".yml") and path.is_file():
            with path.open(encoding="utf-8", errors="replace") as file:
                if re.search(r"^pairs\s*:", file.read(_LOOKED_AT), re.MULTILINE):
                    yield folder + path.name


@_quiet
def study_names(ctx: typer.Context, incomplete: str) -> Iterator[str]:
    """The studies in the storage."""
    storage = _storage(ctx)
    yield from () if storage is None else known_studies(storage)


@_quiet
def training_keys(ctx: typer.Context, incomplete: str) -> Iterator[str]:
    """The keys of a study's finished trainings."""
    study = _study(ctx)
    for name in () if study is None else sorted(study.below(results("train"))):
        yield name.removesuffix(".json")


@_quiet
def class_names(ctx: typer.Context, incomplete: str) -> Iterator[str]:
    """The classes of a study's data, those that are not in the list yet."""
    from orchestrator.ledger.document import unsealed

    study = _study(ctx)
    known = None if study is None else unsealed(study.read(DATA) or b"")
    listed, comma, _ = incomplete.rpartition(",")
    for data in (known or {}).values():
        for name in data["classes"] if isinstance(data, dict) else ():
            if _PLAIN.fullmatch(name) and name not in listed.split(","):
                yield f"{listed}{comma}{name}"


@_quiet
def example_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """The shipped studies."""
    from orchestrator.begin.examples import example_names as names

    return names()


@_quiet
def backbones(ctx: typer.Context, incomplete: str) -> list[str]:
    """This project's own networks, and how those of others begin."""
    from nemo.backbones import BACKBONE_NAMES
    from nemo.zoo.names import PREFIXES

    return [*BACKBONE_NAMES, *(f"{prefix}:" for prefix in PREFIXES)]


@_quiet
def datasets(ctx: typer.Context, incomplete: str) -> list[str]:
    """The data sets by name, and how those in files begin."""
    from nemo.datasets import DATASET_NAMES

    return [name.removesuffix("PATH") for name in DATASET_NAMES]


@_quiet
def derivations(ctx: typer.Context, incomplete: str) -> list[str]:
    """The methods of `nemo derive`."""
    from nemo.deriving.methods import DERIVATIONS

    return [*DERIVATIONS]


def _storage(ctx: typer.Context) -> Store | None:
    """The storage that is typed, or the usual one; None of a bucket."""
    given = ctx.params.get("storage")
    storage = default_storage() if given is None else store_at(given)
    return None if storage.remote else storage


def _study(ctx: typer.Context) -> Store | None:
    """The study that is typed."""
    storage, given = _storage(ctx), _named(ctx)
    return None if storage is None or given is None else storage / given


def _named(ctx: typer.Context) -> str | None:
    """The first word of a verb, which is its study; behind an option without its value it is not taken apart yet."""
    names = ctx.params.get("names") or ctx.args or (None,)
    given = ctx.params.get("name") or ctx.params.get("network") or names[0]
    return given if isinstance(given, str) and "/" not in given and ":" not in given else None
