"""Maps of what modules keep: layers by classes, and how alike the modules of two classes are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import polars as pl

from nemo.errors import UserError
from nemo.metrics import couplings, layer_rates
from nemo.modularizing import load_relevance, module_masks
from orchestrator.computing.networks import artifact_of, finished, found_masks
from orchestrator.report.tables import PAIR, method_name, pair_name
from orchestrator.storage.layout import RELEVANCE
from orchestrator.system.text import one_line

if TYPE_CHECKING:
    from torch import Tensor

    from orchestrator.ledger.ledger import Ledger

MOST = 12
"""Of so many trainings there are maps at most: each reads an artifact, of up to hundreds of megabytes."""

CELLS = 6_000_000
"""After so many squares there are no maps of more trainings: a thousand classes make a million, which take seconds."""


@dataclass(frozen=True)
class HeatMap:
    """Shares of 1 in rows and columns.

    Attributes:
        corner: What the rows and columns are.
    """

    title: str
    corner: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[float]]]
    note: str
    kind: str = field(default="map", init=False)

    def thinned(self, most: int) -> HeatMap:
        """At most so many rows and columns, evenly, with a word about the others; itself where it has no more."""
        if max(len(self.rows), len(self.columns)) <= most:
            return self
        down, across = (-(-len(each) // most) for each in (self.rows, self.columns))
        rows = [(name, list(values)[::across]) for name, values in self.rows[::down]]
        note = (
            f"{self.note} Shown are {len(rows)} of {len(self.rows)} rows and {len(self.columns[::across])} of "
            f"{len(self.columns)} columns, evenly; nemo report --export writes all."
        )
        return replace(self, rows=rows, columns=self.columns[::across], note=note)


@dataclass(frozen=True)
class Missing:
    """What cannot be shown, and why."""

    title: str
    note: str
    kind: str = field(default="missing", init=False)


def heat_maps(
    ledger: Ledger, modules: pl.DataFrame, chosen: Iterable[str], names: Mapping[str, Sequence[str]]
) -> list[HeatMap | Missing]:
    """The maps of one training of each pair and method, at its highest threshold; and a word where there are too many.

    Args:
        ledger: Has the relevance of every kernel.
        modules: The study's modularizations.
        chosen: Keys of trainings to prefer to the first ones.
        names: The classes' names by the data set's fingerprint; numbers stand for those that are not known.
    """
    maps: list[HeatMap | Missing] = []
    rows = shown_modules(modules, chosen)
    cells = 0
    for number, row in enumerate(rows.iter_rows(named=True)):
        if number == MOST or cells >= CELLS:
            note = f"Not shown: {len(rows) - number} of {len(rows)} trainings that have maps; they would take long."
            maps.append(Missing("Maps of more trainings", f"{note} In Python, `masks` of a loaded study has each."))
            break
        at = "" if row["threshold"] is None else f" at threshold {row['threshold']:g}"
        title = f"{method_name(row)}, seed {row['seed']}{at}: {pair_name(rows.filter(pl.col('key') == row['key']))}"
        try:
            masks = masks_of(ledger, row["key"], row["threshold"])
        except UserError as error:
            maps.append(Missing(f"Maps of {title}", f"Not shown: {error}"))
            continue
        fingerprint = finished(ledger, row["training"])["params"].get("fingerprint", "")
        both = kept_map(masks, title, names.get(fingerprint)), coupling_map(masks, title, names.get(fingerprint))
        cells += sum(len(each.rows) * len(each.columns) for each in both)
        maps += both
    return maps


def shown_modules(modules: pl.DataFrame, chosen: Iterable[str]) -> pl.DataFrame:
    """One row of each pair and method: a chosen training, or else the first one, at the highest threshold."""
    keys = set(chosen)
    ordered = modules.with_columns(
        pl.Series("chosen", [key in keys for key in modules["training"]], pl.Boolean),
        pl.col("threshold").fill_null(0).alias("at"),
    ).sort(["chosen", "at"], descending=True, maintain_order=True)
    return (
        ordered.unique([*PAIR, "method"], keep="first", maintain_order=True)
        .sort([*PAIR, "method"])
        .drop("chosen", "at")
    )


def masks_of(ledger: Ledger, key: str, threshold: float | None) -> list[Tensor]:
    """Per layer bool `[N, K_l]`: the modules that a measurement was of.

    Raises:
        UserError: An artifact is damaged or missing.
    """
    parents = finished(ledger, key)["parents"]
    return masks_of_training(ledger, parents["train"], parents["modularize"], threshold)


def masks_of_training(ledger: Ledger, training: str, modularize: str, threshold: float | None) -> list[Tensor]:
    """Per layer bool `[N, K_l]`: a training's modules at a threshold, or those that a search found without one.

    Raises:
        UserError: An artifact is damaged or missing, or the threshold is out of range.
    """
    searched = found_masks(ledger, training)
    if searched is not None:
        return searched
    with artifact_of(ledger, modularize, RELEVANCE) as path:
        return module_masks(load_relevance(path).frequencies, threshold or 0.0)


def kept_map(masks: Sequence[Tensor], title: str, names: Sequence[str] | None) -> HeatMap:
    """The share of each layer's kernels that each class's module keeps."""
    layers = [
        (f"{number} ({mask.shape[1]} kernels)", rates)
        for number, (mask, rates) in enumerate(zip(masks, layer_rates(masks), strict=True), start=1)
    ]
    note = "Percent of a layer's kernels that a class's module keeps; the layers that have masks, in their order."
    return HeatMap(f"Kept kernels: {title}", "Layer, class", _names(masks, names), layers, note)


def coupling_map(masks: Sequence[Tensor], title: str, names: Sequence[str] | None) -> HeatMap:
    """How alike the modules of every two classes are."""
    classes = _names(masks, names)
    note = "Percent of two modules' kernels that both keep (Jaccard); the mean off the diagonal is the coupling."
    return HeatMap(f"Coupling: {title}", "Class", classes, list(zip(classes, couplings(masks), strict=True)), note)


def _names(masks: Sequence[Tensor], names: Sequence[str] | None) -> Sequence[str]:
    classes = len(masks[0])
    if names is not None and len({*map(one_line, names)}) == len(names) == classes:
        return [one_line(name) for name in names]
    return [str(number) for number in range(classes)]
