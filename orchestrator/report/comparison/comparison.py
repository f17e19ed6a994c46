"""Two or more studies or trainings side by side: their settings and their results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from statistics import fmean, stdev
from typing import Any

import polars as pl

from orchestrator.report.comparison.settings import (
    Fields,
    data_fields,
    differing,
    origin_fields,
    study_fields,
    training_fields,
)
from orchestrator.report.frames import Frames
from orchestrator.report.statistics import Judged, judge, judge_pairs, paired
from orchestrator.report.study_report import StudyReport
from orchestrator.report.tables import METHOD, PAIR, method_name, pair_name
from orchestrator.study.file import submitted_study

QUANTITIES: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "trainings": ([], ("accuracy", "validation_accuracy")),
    "modularizations": (["threshold"], ("krr", "cohesion", "coupling")),
    "subtasks": (
        ["threshold", "size"],
        ("accuracy", "accuracy_before_finetuning", "standard_accuracy", "krr", "flops_reduction"),
    ),
    "derived": (
        ["derivation", "measure", "share", "size"],
        ("accuracy", "accuracy_before_finetuning", "base_accuracy", "kept_flops", "kept_parameters"),
    ),
}
"""Frame -> the columns that identify a row besides pair, method and settings, and the quantities to compare."""


@dataclass(frozen=True)
class Side:
    """One of the studies or trainings that are compared.

    Attributes:
        name: Its label in the tables.
        settings: Its settings, with every default filled in.
        frames: Its results.
    """

    name: str
    settings: Fields
    frames: Frames


@dataclass(frozen=True)
class Sample:
    """A quantity's mean over the seeds of one side; sub-tasks are averaged for each seed first."""

    mean: float
    spread: float | None
    seeds: int


@dataclass(frozen=True)
class Compared:
    """One quantity.

    Attributes:
        topic: The frame that it is from, see `QUANTITIES`.
        method: With its settings; of derived networks that of deriving, and of what.
        budget: Of derived networks, such as `flops 0.5`.
        samples: One for each side; None where it has none.
        judged: Of each side but the first, against the first; None where one of the two has none.
    """

    topic: str
    pair: str
    method: str
    threshold: float | None
    size: int | None
    budget: str | None
    quantity: str
    samples: tuple[Sample | None, ...]
    judged: tuple[Judged | None, ...]


@dataclass(frozen=True)
class Comparison:
    """Sides, compared with the first.

    Attributes:
        settings: Setting and its value on each side, where they differ.
        alone: For each side the methods and settings that no other one has, and that are not compared.
    """

    names: tuple[str, ...]
    settings: list[tuple[str, tuple[str, ...]]]
    results: list[Compared]
    alone: tuple[tuple[str, ...], ...]


def side_of(name: str, report: StudyReport) -> Side:
    """A study as one side.

    Raises:
        UserError: Its file is damaged or missing.
    """
    study = submitted_study(report.ledger.store) if report.planned is None else report.planned.study
    keys = set(report.frames.trainings["key"])
    documents = [document for key, document in report.ledger.results("train") if key in keys]
    return Side(name, {**study_fields(study), **data_fields(documents), **origin_fields(documents)}, report.frames)


def training_side(name: str, report: StudyReport, key: str) -> Side:
    """One training of a study, with its modules and sub-tasks, as one side."""
    document: Mapping[str, Any] = report.ledger.get(key, "train") or {}
    frames = {field.name: getattr(report.frames, field.name) for field in fields(report.frames)}
    own = {
        frame_name: frame.filter(pl.col("key" if frame_name == "trainings" else "training") == key)
        for frame_name, frame in frames.items()
        if isinstance(frame, pl.DataFrame)
    }
    return Side(name, {**training_fields(document), **origin_fields([document])}, Frames(report.frames.study, **own))


def compare(sides: Sequence[Side]) -> Comparison:
    """Compares every side with the first.

    Rows of equal pairs, methods and settings are matched. If each side has only one, these are matched, even if they
    differ: two studies of one method each are compared although its weights differ.
    """
    results: list[Compared] = []
    alone: tuple[list[str], ...] = tuple([] for _ in sides)
    trainings = [side.frames.trainings for side in sides]
    for pairs in _aligned(trainings, PAIR):
        of_pair = [_only(frame, PAIR, pair) for frame, pair in zip(trainings, pairs, strict=True)]
        for methods in _aligned(of_pair, ["method"]):
            of_method = [_only(frame, ["method"], method) for frame, method in zip(of_pair, methods, strict=True)]
            for settings in _aligned(of_method, ["settings"]):
                wanted = [
                    None if pair is None or method is None or own is None else _identity(pair, method, own)
                    for pair, method, own in zip(pairs, methods, settings, strict=True)
                ]
                present = [place for place, each in enumerate(wanted) if each is not None]
                if len(present) == 1:
                    alone[present[0]].append(_label(wanted, method_name))
                    continue
                results += _results(sides, wanted)
    return Comparison(
        tuple(side.name for side in sides),
        differing([side.settings for side in sides]),
        results,
        tuple(map(tuple, alone)),
    )


def _aligned(frames: Sequence[pl.DataFrame], by: list[str]) -> Iterator[tuple[tuple[Any, ...] | None, ...]]:
    """The matches: for each side the values of its rows, or None if it has none."""
    values_by_side = [list(frame.select(by).unique(maintain_order=True).iter_rows()) for frame in frames]
    if all(len(each) == 1 for each in values_by_side):
        yield tuple(each[0] for each in values_by_side)
        return
    for values in dict.fromkeys(values for each in values_by_side for values in each):
        yield tuple(values if values in each else None for each in values_by_side)


def _identity(pair: tuple[Any, ...], method: tuple[Any, ...], settings: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip((*PAIR, *METHOD), (*pair, *method, *settings), strict=True))


def _only(frame: pl.DataFrame, by: Sequence[str], values: Sequence[Any] | None) -> pl.DataFrame:
    """The rows with these values; none of them for None."""
    if values is None:
        return frame.clear()
    if not by:
        return frame
    same = (pl.col(name).eq_missing(pl.lit(value)) for name, value in zip(by, values, strict=True))
    return frame.filter(pl.all_horizontal(*same))


def _results(sides: Sequence[Side], wanted: Sequence[dict[str, Any] | None]) -> Iterator[Compared]:
    """The comparisons of one method and settings, of one pair."""
    pair, method = _label(wanted, _pair_text), _label(wanted, method_name)
    for topic, (by, quantities) in QUANTITIES.items():
        frames = [
            _sized(_only(getattr(side.frames, topic), [*PAIR, *METHOD], None if each is None else list(each.values())))
            for side, each in zip(sides, wanted, strict=True)
        ]
        places = list(pl.concat([frame.select(by) for frame in frames]).unique().sort(by).iter_rows()) if by else [()]
        for place in places:
            parts = [_only(frame, by, place) for frame in frames]
            named = dict(zip(by, place, strict=True))
            for quantity in quantities:
                compared = _compared(parts, quantity)
                if compared is not None:
                    of = f"{named['derivation']} of {method}" if "derivation" in named else method
                    budget = f"{named['measure']} {named['share']:g}" if "measure" in named else None
                    where = (named.get("threshold"), named.get("size"), budget)
                    yield Compared(topic, pair, of, *where, quantity, *compared)


def _compared(
    parts: Sequence[pl.DataFrame], quantity: str
) -> tuple[tuple[Sample | None, ...], tuple[Judged | None, ...]] | None:
    """A quantity's samples and the judgements on them; None where fewer than two sides have it."""
    values = [_by_seed(part, quantity) for part in parts]
    if sum(map(bool, values)) < 2:
        return None
    samples = tuple(
        Sample(fmean(each), stdev(each) if len(each) > 1 else None, len(each)) if each else None for each in values
    )
    keys = [set(part["key"]) for part in parts]
    judged = tuple(
        None
        if not (values[0] and each)
        else Judged(0.0, None, None, "unresolved")  # the same runs
        if own == keys[0]
        else _judge(parts[0], part, quantity)
        for part, each, own in zip(parts[1:], values[1:], keys[1:], strict=True)
    )
    return samples, judged


def _judge(first: pl.DataFrame, other: pl.DataFrame, quantity: str) -> Judged:
    """By pairs, where both have the same sub-tasks of the same seeds."""
    differences = paired(first, other, quantity) if "classes" in first.columns else None
    if differences is None:
        return judge(_by_seed(first, quantity), _by_seed(other, quantity), quantity)
    return judge_pairs(differences, quantity)


def _by_seed(frame: pl.DataFrame, quantity: str) -> list[float]:
    """A number for every seed."""
    known = frame.filter(pl.col(quantity).is_not_null())
    means: list[float] = known.group_by("seed").agg(pl.col(quantity).mean()).sort("seed")[quantity].to_list()
    return means


def _sized(frame: pl.DataFrame) -> pl.DataFrame:
    """Sub-tasks and derived networks with their number of classes."""
    return frame.with_columns(pl.col("classes").list.len().alias("size")) if "classes" in frame.columns else frame


def _label(wanted: Sequence[dict[str, Any] | None], text: Callable[[dict[str, Any]], str]) -> str:
    """A label for matched rows, in which equal names appear once."""
    return " vs ".join(dict.fromkeys(text(each) for each in wanted if each is not None))


def _pair_text(row: dict[str, Any]) -> str:
    return pair_name(pl.DataFrame({name: [row[name]] for name in PAIR}))
