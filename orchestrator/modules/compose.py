"""`nemo compose`: saved modules, of one study or several, as one classifier over the union of their classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.markup import escape

from nemo.composing import compose, without_held_out
from nemo.datasets.dataset import Dataset, Split, select_classes
from nemo.datasets.pictures import join
from nemo.datasets.tokenized import Tokenized, join_texts
from nemo.deployed import Deployed
from nemo.errors import UserError
from nemo.image_size import is_text, size_text
from nemo.module_file import SavedModule, load_module
from nemo.recipe import Finetune
from nemo.training import TrainingDiverged
from orchestrator.computing.data import as_dataset, dataset_arrays
from orchestrator.modules.folder import new_folder
from orchestrator.modules.record import Data, ModuleRecord, read_record
from orchestrator.modules.save import (
    command_line,
    here,
    made_with,
    measure_latency,
    print_figures,
    print_place,
    save_module,
)
from orchestrator.storage.keys import canonical
from orchestrator.system.terminal import new_table, print_table

_TOKENIZER = "tokenizer.json"


@dataclass(frozen=True)
class Part:
    """A saved module: its folder, its network and its record."""

    folder: Path
    saved: SavedModule
    record: ModuleRecord

    @property
    def network(self) -> Deployed:
        """Its network, which was cut and not composed."""
        assert isinstance(self.saved.network, Deployed)
        return self.saved.network


def compose_and_save(folders: Sequence[Path], out: Path, force: bool, console: Console) -> ModuleRecord:
    """Composes saved modules, trains their common head and saves the result.

    The head never sees an image that the training of any of the modules held out for validation.

    Args:
        folders: What `nemo reuse` wrote, two or more.
        out: The folder to save in.
        force: Whether a module that lies there may be replaced.
        console: Where figures are printed.

    Raises:
        UserError: A folder holds no module, or one that can't be composed with the others; `out` may not be replaced or
            cannot be written; their data is not here, or all images of a class were held out; or training the head
            diverged.
    """
    with new_folder(out, force) as folder:
        parts = [read_part(path) for path in folders]
        check_parts(parts)
        _tell_assumed(parts, console)
        names = list(dict.fromkeys(name for part in parts for name in part.record.classes))
        union = union_of(parts, names)
        first, finetune = parts[0].record, _finetune(parts)
        torch.set_num_threads(1)
        try:
            composition = compose(
                [part.network for part in parts],
                [[names.index(name) for name in part.record.classes] for part in parts],
                union,
                finetune=Finetune(**finetune),
                seed=first.seed,
                device=here(),
            )
        except TrainingDiverged as error:
            raise UserError(f"{folders[0]}: the head learns as this module was fine-tuned, and {error}") from error
        network = composition.network.cpu().eval()
        saved = SavedModule(
            network,
            names,
            union.image_size,
            [cut for part in parts for cut in part.saved.cuts],
            [kept for part in parts for kept in part.saved.kept],
            union.paired,
        )
        networks = {"module": network, **{str(number): part.network for number, part in enumerate(parts)}}
        record = ModuleRecord(
            classes=names,
            image_size=union.image_size,
            seed=first.seed,
            origins=[origin for part in parts for origin in part.record.origins],
            data=list(_data_sets(parts).values()),
            finetune=finetune,
            figures={name: value for name, value in composition.figures.items() if name != "history"},
            whole={},
            latency=measure_latency(networks, union.image_size),
            command=command_line(),
            made_with=made_with(),
        )
        record = save_module(folder, saved, record)
    _print_parts(parts, record, console)
    print_figures(record, console)
    print_place(out, console)
    return record


def _finetune(parts: Sequence[Part]) -> Mapping[str, Any]:
    """How the head learns: as the first module was fine-tuned, if it was not left as it was cut."""
    first = parts[0].record.finetune
    epochs = first["epochs"] or max(part.record.finetune["epochs"] for part in parts)
    return {**first, "epochs": epochs or Finetune.epochs}


def read_part(folder: Path) -> Part:
    """Reads a saved module that is not composed itself.

    Raises:
        UserError: There is none.
    """
    record, saved = read_record(folder), load_module(folder)
    if record.composed or list(saved.classes) != list(record.classes):
        why = (
            "is composed itself, give the modules that it is made of"
            if record.composed
            else "is not whole, make it again"
        )
        raise UserError(f"{folder}: {why}.")
    return Part(folder, saved, record)


def check_parts(parts: Sequence[Part]) -> None:
    """Refuses fewer than two modules, those for images of different sizes, and those that count one's images twice.

    Raises:
        UserError: One sentence.
    """
    if len(parts) < 2:
        raise UserError("compose: needs two modules or more, give the folders that nemo reuse wrote.")
    first = parts[0]
    for part in parts[1:]:
        if is_text(first.record.image_size) and is_text(part.record.image_size):
            if part.record.files.get(_TOKENIZER) != first.record.files.get(_TOKENIZER):
                raise UserError(
                    f"{part.folder}: reads texts by another {_TOKENIZER} than {first.folder}, compose modules of one "
                    "tokenizer and max_length."
                )
            continue
        ours, theirs = (size_text(each.record.image_size) for each in (first, part))
        if ours != theirs:
            raise UserError(
                f"{part.folder}: takes inputs of {theirs} and {first.folder} of {ours}, compose modules of one size "
                "(image_size of their studies' pairs)."
            )
    for place, part in enumerate(parts):
        for other in parts[:place]:
            shared = set(part.record.classes) & set(other.record.classes)
            if shared and _only(part) != _only(other) and _key(part, whole=True) == _key(other, whole=True):
                raise UserError(
                    f"{part.folder}: has learned {sorted(shared)[0]!r} from the same data as {other.folder}, which "
                    "the option only takes out of one data set in two ways, derive both of a study of all its classes."
                )


def union_of(parts: Sequence[Part], names: Sequence[str]) -> Dataset:
    """The images of all classes of some modules, labelled by place in `names`.

    Classes are identified by their names, also across modules and data sets. What the training of one of the modules
    held out for validation is not among the training images, of whichever class it is; a training whose record does not
    say what it held out is taken to have held out nothing.

    Raises:
        UserError: A data set is not here, or is another one than when the module was made; or of a class no training
            image is left.
    """
    pieces = []
    for key, data in _data_sets(parts).items():
        dataset = as_dataset(dataset_arrays(data.where))
        known = [name for part in parts if key == _key(part) for name in part.record.classes]
        twice = [name for name in known if dataset.classes.count(name) > 1]
        if twice:
            raise UserError(f"compose: {twice[0]!r} is the name of two classes of {dataset.name}, rename one.")
        labels = sorted({names.index(name) for name in known})
        numbers = [dataset.classes.index(names[label]) for label in labels]
        dataset = without_held_out(dataset, _splits(parts, dataset.fingerprint))
        _check_left(dataset, numbers)
        pieces.append(
            replace(
                dataset,
                classes=tuple(names),
                train=_relabelled(dataset.train, numbers, labels),
                test=_relabelled(dataset.test, numbers, labels),
            )
        )
    if len(pieces) == 1:
        return pieces[0]
    return replace(
        pieces[0],
        name="+".join(piece.name for piece in pieces),
        train=_joined([piece.train for piece in pieces]),
        test=_joined([piece.test for piece in pieces]),
        padding=min(piece.padding for piece in pieces),
        flip=all(piece.flip for piece in pieces),
        fingerprint="+".join(piece.fingerprint for piece in pieces),
    )


def _splits(parts: Sequence[Part], fingerprint: str) -> list[tuple[float, int]]:
    """The validation share and the seed of the trainings that held out images of a data set."""
    origins = [part.record.origins[0] for part in parts if part.record.data[0].where["fingerprint"] == fingerprint]
    return [(origin.validation, origin.seed) for origin in origins if origin.validation is not None]


def _check_left(dataset: Dataset, classes: Sequence[int]) -> None:
    left = torch.bincount(dataset.train.labels, minlength=dataset.num_classes)
    gone = [dataset.classes[number] for number in classes if not left[number]]
    if gone:
        raise UserError(
            f"compose: every training sample of {', '.join(gone)} was held out by one of the modules' trainings, "
            "compose modules of fewer trainings, or of trainings with a smaller validation share or the same seed."
        )


def _tell_assumed(parts: Sequence[Part], console: Console) -> None:
    """Names the modules of which it is not known what their trainings held out."""
    for part in parts:
        if part.record.origins[0].validation is None:
            text = (
                f"{part.folder}: its record does not say which samples its training held out for validation, so none "
                "is left out on its account; made again with nemo reuse, it says so."
            )
            console.print(text, markup=False, soft_wrap=True)


def _data_sets(parts: Sequence[Part]) -> dict[str, Data]:
    return {_key(part): part.record.data[0] for part in parts}


def _key(part: Part, *, whole: bool = False) -> str:
    """What data a part is of; `whole` leaves out which of the classes."""
    where: dict[str, Any] = dict(part.record.data[0].where)
    if "tokenizer" in where.get("dataset_options", {}):  # which it is, and not where, is in the fingerprint
        where["dataset_options"] = {k: v for k, v in where["dataset_options"].items() if k != "tokenizer"}
    names = ["dataset", "dataset_options", "image_size", "fingerprint", "keep_shape"]
    if whole:
        names.remove("fingerprint")
        options = where.get("dataset_options", {})
        where["dataset_options"] = {name: value for name, value in options.items() if name != "only"}
    return canonical({name: where[name] for name in names if name in where})


def _only(part: Part) -> Any:
    return part.record.data[0].where.get("dataset_options", {}).get("only")


def _relabelled(split: Split, numbers: Sequence[int], labels: Sequence[int]) -> Split:
    chosen = select_classes(split, numbers)
    return Split(chosen.images, torch.tensor(labels)[chosen.labels])


def _joined(splits: Sequence[Split]) -> Split:
    texts = [each.images for each in splits if isinstance(each.images, Tokenized)]
    images = [each.images for each in splits if not isinstance(each.images, Tokenized)]
    return Split(join_texts(texts) if texts else join(images), torch.cat([each.labels for each in splits]))


def _print_parts(parts: Sequence[Part], record: ModuleRecord, console: Console) -> None:
    columns = ("Module", "Classes", "Of", "Accuracy %", "KRR %", "FLOPs M", "Parameters", "Latency ms")
    table = new_table("Parts", columns, words=range(3))
    for number, part in enumerate(parts):
        origin, figures = part.record.origins[0], part.record.figures
        table.add_row(
            escape(part.folder.name),
            escape(", ".join(origin.classes)),
            f"{origin.study}, {origin.method} {origin.backbone}",
            f"{100 * origin.accuracy:.2f}",
            f"{100 * origin.krr:.2f}",
            f"{figures['flops'] / 1e6:.3f}",
            f"{figures['parameters']:,}",
            f"{record.latency.milliseconds[str(number)]:.3f}",
        )
    print_table(table, console)
