"""The data that a study's results were made of: recorded when it runs, and compared with what is there now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from nemo.backbones.vit_config import short_name
from nemo.datasets import is_of_texts
from nemo.datasets.description import Description
from nemo.image_size import brief_size, plain_size
from orchestrator.ledger.document import sealed, unsealed
from orchestrator.ledger.ledger import Ledger
from orchestrator.storage import layout
from orchestrator.study.data import DescribedStudy
from orchestrator.study.file import submitted_study, submitted_with_data
from orchestrator.study.pair import Pair

_SHOWN = 10
_LISTED = ("counts", "test_counts", "mean", "std")


@dataclass(frozen=True)
class Change:
    """A data set that is another than the one that results were made of.

    Attributes:
        dataset: As the study names it.
        before: As it was; without numbers of images where these were not recorded.
        now: As it is.
    """

    dataset: str
    before: Description
    now: Description

    @property
    def text(self) -> str:
        """A sentence."""
        changes = "; ".join(f"{name}: {was}, now {now}" for name, was, now in self._fields())
        return f"dataset {self.dataset}: the data set has changed since the study was run ({changes})."

    @property
    def difference(self) -> str:
        """What differs, as a unified diff."""
        lines = [f"--- {self.dataset} as it was run", f"+++ {self.dataset} as it is now"]
        for name, was, now in self._fields():
            lines += [f"-{name}: {was}", f"+{name}: {now}"]
        return "\n".join(lines)

    @property
    def _samples(self) -> str:
        return "texts" if is_of_texts(self.dataset) else "images"

    def _fields(self) -> list[tuple[str, str, str]]:
        """Name, value then and value now of all that differs and is known."""
        before, now = self.before, self.now
        fields = [("fingerprint", before.fingerprint[:16], now.fingerprint[:16])]
        if before.counts is not None or before.train_size:
            fields += [(f"training {self._samples}", f"{before.train_size:,}", f"{now.train_size:,}")]
            fields += [(f"test {self._samples}", f"{before.test_size:,}", f"{now.test_size:,}")]
        size = "longest text" if is_of_texts(self.dataset) else "image size"
        fields += [(size, brief_size(before.image_size), brief_size(now.image_size))]
        if before.classes != now.classes:
            names = [", ".join(map(repr, each.classes[:_SHOWN])) for each in (before, now)]
            fields += [("number of classes", f"{len(before.classes):,}", f"{len(now.classes):,}")]
            fields += [("classes", names[0], names[1])]
        elif before.counts is not None and now.counts is not None:
            images = zip(before.classes, before.counts, now.counts, strict=True)
            told = f"training {self._samples} of"
            fields += [(f"{told} {name!r}", f"{was:,}", f"{count:,}") for name, was, count in images]
        return [field for field in fields if field[1] != field[2]][:_SHOWN]


def record_data(ledger: Ledger, described: DescribedStudy) -> None:
    """Keeps what is known of a study's data when it is run, for `made_of`."""
    _, data = sealed({name: {**asdict(each), "notes": []} for name, each in described.data.items()})
    if ledger.store.read(layout.DATA) != data:
        ledger.store.write(layout.DATA, data)


def recorded_data(ledger: Ledger) -> dict[str, Description]:
    """`Pair.data` -> description when the study was last run; empty where that was not recorded yet."""
    known = unsealed(ledger.store.read(layout.DATA) or b"") or {}
    try:
        return {name: _description(fields) for name, fields in known.items() if name != "sha256"}
    except (KeyError, TypeError, ValueError):  # of another version: like a study of before
        return {}


def _description(fields: Mapping[str, Any]) -> Description:
    size = plain_size(fields["image_size"])
    listed = {name: tuple(fields[name]) for name in _LISTED if fields.get(name) is not None}
    return Description(
        **{**fields, **listed, "classes": tuple(fields["classes"]), "image_size": size, "notes": ()},
    )


def made_of(described: DescribedStudy, ledger: Ledger) -> tuple[DescribedStudy, list[Change]]:
    """A study with the data that its results were made of, and those data sets that have changed since.

    Args:
        described: The study with its data as they are now.
        ledger: The study's results. Of a study of before its data were recorded, the results tell their fingerprint.
    """
    recorded = recorded_data(ledger)
    changes: dict[str, Change] = {}
    for pair in described.study.pairs:
        now = described.of(pair)
        before = recorded[pair.data] if pair.data in recorded else _of_results(pair, now, ledger)
        if before.fingerprint != now.fingerprint:
            changes[pair.data] = Change(pair.dataset, before, now)
    if not changes:
        return described, []
    data = {name: changes[name].before if name in changes else each for name, each in described.data.items()}
    return replace(described, data=data), list(changes.values())


def submitted_made_of(ledger: Ledger) -> tuple[DescribedStudy, list[Change]]:
    """The study that lies in a store, with the data that its results were made of; see `made_of`.

    Raises:
        UserError: It is missing or damaged, or its data is not here.
    """
    return made_of(submitted_with_data(ledger.store), ledger)


def submitted_as_recorded(ledger: Ledger) -> DescribedStudy:
    """The study that lies in a store, with the data that its driver found; these are not looked at, nor need be here.

    Raises:
        UserError: It is missing or damaged; or it is of before its data were recorded, and they are not here.
    """
    study, recorded = submitted_study(ledger.store), recorded_data(ledger)
    needed = {pair.data for pair in study.pairs}
    if needed <= recorded.keys():
        return DescribedStudy(study, {name: recorded[name] for name in needed})
    return submitted_made_of(ledger)[0]


def _of_results(pair: Pair, now: Description, ledger: Ledger) -> Description:
    """The data that the last finished training on a pair's data set had, if none is of the present data."""
    last: Mapping[str, Any] = {}
    for _, document in ledger.results("train"):
        params = document["params"]
        if not _is_on(pair, now, params):
            continue
        if params.get("fingerprint") == now.fingerprint:
            return now
        if document["finished"] >= last.get("finished", ""):
            last = document
    if not last:
        return now
    params = last["params"]
    classes = now.classes
    if len(classes) != params["num_classes"]:
        classes = tuple(map(str, range(params["num_classes"])))
    size, mark = plain_size(params["image_size"]), params["fingerprint"]
    return Description(now.name, classes, size, 0, 0, mark)


def _is_on(pair: Pair, now: Description, params: Mapping[str, Any]) -> bool:
    """Whether a training was on the data set of this name, with the same options."""
    dataset = params.get("dataset")
    if not isinstance(dataset, Mapping) or "fingerprint" not in params:
        return False
    same = (dataset.get("name"), dataset.get("options")) == (now.name, pair.told_options)
    if is_of_texts(pair.dataset):  # the same texts are other data to a network with another tokenizer
        same = same and params.get("backbone") == short_name(pair.backbone)
    return same and pair.image_size in (None, plain_size(params["image_size"]))
