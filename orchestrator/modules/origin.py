"""What a network is derived from: one from elsewhere, or one that a study has trained."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nemo.datasets import describe_dataset, is_of_texts
from nemo.datasets.naming import find_class, parse_classes
from nemo.datasets.options import OPTIONS
from nemo.errors import UserError
from nemo.zoo.names import check_name, check_pretrained, is_published
from orchestrator.ledger.data import submitted_made_of
from orchestrator.ledger.ledger import Ledger
from orchestrator.modules.choose import class_numbers
from orchestrator.plan.combination import Combination
from orchestrator.plan.planner import combinations
from orchestrator.plan.step import Step
from orchestrator.storage import Store, layout
from orchestrator.storage.keys import keys_named
from orchestrator.study.data import DescribedStudy

_log = logging.getLogger(__name__)

_SHOWN = 8
_RAN = ("device", "threads", "workers", "compiled")


def pair_of_network(
    network: str,
    data: str | None,
    image_size: int | None,
    pretrained: bool | str | None,
    classes: Sequence[str | int],
    classes_of: Mapping[str, int],
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """The pair of a study for some classes of a network from elsewhere, and of a data set.

    Weights that come as a file were trained on images as the network's library prepares them, so these are prepared so.

    Args:
        network: Its name.
        data: The data set.
        image_size: Pixels of a side; None takes the network's library's, or the data set's own.
        pretrained: See `Pair`.
        classes: By name or number, in the order of the logits.
        classes_of: Class -> row of the trained classifier; none for a new one.
        more: Options of the data set, and `data_root`, that are set otherwise.

    Raises:
        UserError: One of these is missing or not here, or a class does not exist.
    """
    try:
        check_name(network)
    except UserError as error:
        raise UserError(f"NETWORK: {str(error).removeprefix('backbone: ')}") from None
    if not pretrained:
        raise UserError(
            "--weights: is missing, give the file of the trained network's weights (its state_dict()), or --pretrained "
            "for those that its library publishes."
        )
    try:
        check_pretrained(network, pretrained)
    except UserError as error:
        option = "--pretrained" if pretrained is True else "--weights"
        raise UserError(f"{option}: {str(error).removeprefix('pretrained: ')}") from None
    if data is None:
        raise UserError("--data: is missing, give images of the classes, such as folder:photos, or text:FOLDER.")
    texts = is_of_texts(data)
    usual_size, own = (None, {}) if texts else _usual(network)
    fetched = is_published(pretrained)  # then their own preparation comes with them
    own = {} if fetched else own
    if not fetched and not texts and not {"mean", "std"} <= {*own, *more}:
        _log.warning(
            "%s: how its images were normalised is not known, the training images' mean and deviation are taken; give "
            "others by --set pairs.0.dataset_options.mean=[...] and std",
            network,
        )
    try:
        options = {**own, **{name: value for name, value in more.items() if name != "data_root"}}
        if texts and network.startswith("hf:"):
            options = {"tokenizer": network.removeprefix("hf:"), **options}
        size = image_size or usual_size
        description = describe_dataset(data, root=more.get("data_root"), image_size=size, **options)
        image_size = image_size if fetched else size
    except UserError as error:
        raise UserError(f"--data: {error}") from None
    names = [description.classes[number] for number in class_numbers(classes, description)]
    classes_of = {_name(each, description.classes): row for each, row in classes_of.items()}
    odd = sorted(set(classes_of) ^ set(names)) if classes_of else []
    if odd:
        raise UserError(f"--classes-of: {odd[0]!r} is not in both, give a row for each class of --classes.")
    pair: dict[str, Any] = {"backbone": network, "dataset": data, "dataset_options": {**own, "only": names}}
    pair |= {"pretrained": pretrained, "image_size": image_size, "classes_of": dict(classes_of)}
    return {name: value for name, value in pair.items() if value}


def _usual(network: str) -> tuple[Any, dict[str, Any]]:
    """The image size that a network's library wants, and the options of a data set that prepare images as it does."""
    from nemo.zoo.published import usual_preparation

    try:
        usual = usual_preparation(network)
    except UserError as error:
        raise UserError(f"NETWORK: {str(error).removeprefix('backbone: ')}") from None
    known = {name: getattr(usual, name) for name in ("mean", "std", "interpolation", "crop")}
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in known.items()}
    return usual.image_size, {name: value for name, value in plain.items() if OPTIONS[name].accepts(value)}


def _name(text: str, classes: Sequence[str]) -> str:
    """The class's name where the text is its name or number; else the text."""
    (given, *_) = parse_classes(text) or [text]
    number = find_class(given, classes)
    return text if number is None else classes[number]


@dataclass(frozen=True)
class Trained:
    """A network that a study has trained without mask generators.

    Attributes:
        store: Of that study.
        described: The study.
        step: The training.
        ancestors: The trainings that it started from, or learned from.
        fields: Of a study of this training alone, but for its name.
        classes: The names of those that were asked for.
    """

    store: Store
    described: DescribedStudy
    step: Step
    ancestors: Sequence[Step]
    fields: dict[str, Any]
    classes: list[str]

    def adopt_into(self, ledger: Ledger, derived: DescribedStudy) -> None:
        """Copies the training's result, and its ancestors', into the ledger of a study that has steps of their keys.

        Raises:
            UserError: It has none, because the study's data or files have changed; or the result is damaged.
        """
        (combination, _), *_ = combinations(derived)
        if not combination.waits and combination.train({}).key != self.step.key:
            raise UserError(
                f"study {self.described.study.name!r}: its training {self.step.key} can't be planned again with the "
                "files that are here now, run the study again first."
            )
        _copy_weights(self.store, ledger.store)
        source = Ledger(self.store, readonly=True)
        for step in (*self.ancestors, self.step):
            _copy_result(source, ledger, step)


def _copy_result(source: Ledger, target: Ledger, step: Step) -> None:
    document = source.get(step.key, step.kind)
    if target.get(step.key, step.kind) is not None:
        return
    for name in document["artifacts"] if document is not None else ():
        with source.reading(step.key, name) as path:
            if path is None:
                document = None
                break
            with target.writing(step.key, name) as copy:
                shutil.copyfile(path, copy)
    if document is None:
        raise UserError(f"study {source.store.name!r}: the result of {step.key} is damaged or missing, run it again.")
    kept: Mapping[str, Any] = document
    ran = {name: kept[name] for name in _RAN if name in kept}
    target.put(step, document["result"], seconds=document["seconds"], environment=document["environment"], **ran)


def trained_network(store: Store, run: str | None, classes: Sequence[str | int]) -> Trained:
    """The network of a study to derive from: the one of a key, or the best on validation images that knows the classes.

    Args:
        store: The study's.
        run: A training's key, or how it begins; None chooses.
        classes: By name or number.

    Raises:
        UserError: There is none, it cannot be decided which, or a class does not exist.
    """
    ledger = Ledger(store, readonly=True)
    described, _ = submitted_made_of(ledger)
    study = described.study
    found: dict[str, tuple[Combination, Step, float | None]] = {}
    for combination, _ in combinations(described):
        if combination.method == "standard" and not combination.waits:
            step = combination.train({})
            result = ledger.get(step.key, "train")
            if result is not None:
                found[step.key] = combination, step, result["result"]["validation_accuracy"]
    if not found:
        raise UserError(f"study {study.name!r}: no standard network is trained yet, let nemo run finish one.")
    keys = list(found) if run is None else keys_named(run, found)
    fitting, reason = {}, ""
    for key in keys:
        try:
            description = found[key][0].description
            fitting[key] = [description.classes[number] for number in class_numbers(classes, description)]
        except UserError as error:
            reason = reason or str(error)
    if keys and not fitting:
        raise UserError(reason)
    keys = list(fitting)
    if len(keys) > 1 and run is None and all(found[key][2] is not None for key in keys):
        keys = [max(keys, key=lambda key: (found[key][2], key))]
    if len(keys) != 1:
        listed = ", ".join(f"{key} ({found[key][1].label})" for key in list(keys or found)[:_SHOWN])
        raise UserError(f"--run: which of the study's standard networks is meant? Give one of {listed}.")
    combination, step, _ = found[keys[0]]
    fields = _fields(described, step, study.pairs.index(combination.pair))
    return Trained(store, described, step, list(combination.before.values()), fields, fitting[step.key])


def _fields(described: DescribedStudy, step: Step, position: int) -> dict[str, Any]:
    """A study of one training, as data of a file."""
    dumped = described.study.model_dump(mode="json", by_alias=True, exclude_unset=True)
    pair = dumped["pairs"][position]
    own = pair.pop("methods", {})
    pair.pop("finetune", None)  # of modules of that study
    if "standard" in own:
        pair["methods"] = {"standard": own["standard"]}
    kept: dict[str, Any] = {
        name: dumped[name] for name in ("recipe", "resources", "tracking", "data_root") if name in dumped
    }
    standard = described.study.methods["standard"].model_dump(mode="json")
    return {**kept, "pairs": [pair], "methods": {"standard": standard}, "seeds": [step.params["seed"]]}


def _copy_weights(source: Store, target: Store) -> None:
    """What one study has fetched is not fetched again for another."""
    known = source.read(layout.WEIGHTS)
    if known is None or target.read(layout.WEIGHTS) is not None:
        return
    for name in source.list(layout.WEIGHTS_FOLDER):
        if name.endswith(".json"):
            continue
        with source.fetching(f"{layout.WEIGHTS_FOLDER}/{name}") as path:
            if path is not None:
                with target.writing(f"{layout.WEIGHTS_FOLDER}/{name}") as copy:
                    shutil.copyfile(path, copy)
    target.write(layout.WEIGHTS, known)
