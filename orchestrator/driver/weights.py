"""Fetching the weights that a study's networks start from: once, by the driver, into the study's storage."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path, PurePath
from typing import Any

from nemo.errors import UserError
from orchestrator.storage import Store, layout
from orchestrator.study.data import DescribedStudy, absolute, content_of
from orchestrator.study.pair import Pair
from orchestrator.study.weights import Fetched, fetched_weights, knowing_weights, weights_name

_log = logging.getLogger(__name__)


def keep_weights(described: DescribedStudy, store: Store) -> DescribedStudy:
    """Keeps in a study's storage all weights that its networks start from, so that no worker needs anything else.

    What is published is fetched, unless it was before: a study that carries on asks nobody.

    Args:
        described: The study.
        store: Where it lies; held by this driver.

    Returns:
        The study with what is known of its weights.

    Raises:
        UserError: Some cannot be fetched or read; the message has all of them, each with its line in the study file.
    """
    study, wrong = described.study, []
    for position, pair in enumerate(study.pairs):
        try:
            if pair.fetches:
                _keep_published(pair, store)
            elif pair.pretrained:
                _keep_file(Path(absolute(str(pair.pretrained))), store)
        except UserError as error:
            field, _, text = str(error).partition(": ")
            wrong.append(f"{study.where('pairs', position, field)}: {text}")
    if wrong:
        raise UserError("\n".join(dict.fromkeys(wrong)))
    return knowing_weights(described, store)


def _keep_published(pair: Pair, store: Store) -> None:
    from nemo.zoo.weights import fetch  # with torch

    known, name = fetched_weights(store), weights_name(pair)
    if name in known:
        return
    assert pair.pretrained
    with tempfile.TemporaryDirectory(prefix="nemoweights-") as folder:
        found = fetch(pair.backbone, pair.pretrained, Path(folder))
        kept = layout.weights(found.sha256)
        with store.writing(kept) as path:
            shutil.copyfile(found.path, path)
    fields: dict[str, Any] = asdict(found)
    del fields["path"]
    known[name] = fields
    _write(store, known)
    _log.warning("weights of %s: fetched, and kept in %s", pair.backbone, store.where(kept))


def _write(store: Store, known: dict[str, Fetched]) -> None:
    store.write(layout.WEIGHTS, json.dumps(known, sort_keys=True, indent=1).encode())


def _keep_file(file: Path, store: Store) -> None:
    kept = layout.weights(content_of(str(file)), file.suffix)
    if PurePath(kept).name not in store.list(layout.WEIGHTS_FOLDER):
        with store.writing(kept) as path:
            shutil.copyfile(file, path)
