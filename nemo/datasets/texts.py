"""Texts, or pairs of texts, with labels: in parquet, CSV or JSON lines, tokenized by the network's own tokenizer."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nemo.datasets.description import Description, fingerprint
from nemo.datasets.options import check_options
from nemo.datasets.shards import unread
from nemo.datasets.source import Labels, check_classes
from nemo.datasets.text_files import KINDS, Table, find_tables
from nemo.datasets.tokenizer import TextTokenizer, Tokens
from nemo.errors import UserError

PARTS = ("train", "test")
OPTIONS = ("text", "text_pair", "label", "classes", "tokenizer", "max_length", "train_texts", "test_texts", "only")
"""What a data set of texts takes."""

MAX_LENGTH = 128
"""Tokens at which a text is cut off, where the option `max_length` says no other number."""

_TEXT = ("text", "sentence")
_LABEL = ("label", "labels", "intent", "category")
_PAIR = "text_pair"
_NAMES = "classes.txt"
_WHOLE = re.compile(r"0|[1-9][0-9]{0,17}")
_SHOWN = 3


class TextSource:
    """`PATH/train.*` and `PATH/test.*`: a column of texts, perhaps a second one, and a column of labels.

    Labels are names, or numbers from 0 whose names are in the parquet schema, in the file `classes.txt`, a line each,
    or the option `classes`; else a number is its own name.

    Args:
        name: As the user wrote it, for messages.
        options: Option name -> value, see `OPTIONS`.
        path: The folder; `~` is expanded.

    Raises:
        UserError: There is no such folder, an option is unknown, or no tokenizer is named.
    """

    def __init__(self, name: str, options: Mapping[str, Any], path: str) -> None:
        check_options(name, options, OPTIONS)
        self.name, self.options = name, options
        self.path = Path(os.path.expanduser(path))
        if not self.path.is_dir():
            raise UserError(f"dataset {name}: there is no folder {self.path}; correct the path.")
        if "tokenizer" not in options:
            raise UserError(
                f"dataset {name}: texts become tokens by the network's own tokenizer, and this network has none; give "
                "hf:FOLDER as the backbone, or the tokenizer's folder by the option tokenizer."
            )

    @cached_property
    def _tokenizer(self) -> TextTokenizer:
        return TextTokenizer(self.options["tokenizer"], self.name)

    @cached_property
    def _tables(self) -> dict[str, list[Table]]:
        named = (self.options.get("text"), self.options.get("text_pair"), self.options.get("label"))
        texts = tuple(name for name in (*named, *_TEXT, _PAIR, *_LABEL) if name)
        return {part: [Table(file, texts) for file in find_tables(self.name, self.path, part)] for part in PARTS}

    @property
    def _all(self) -> list[Table]:
        return [table for tables in self._tables.values() for table in tables]

    def _text_column(self, table: Table) -> str:
        return table.column(self.options.get("text"), _TEXT, "texts", "text")

    def _label_column(self, table: Table) -> str:
        return table.column(self.options.get("label"), _LABEL, "labels", "label")

    @cached_property
    def paired(self) -> bool:
        """Whether each sample is a pair of texts."""
        return "text_pair" in self.options or _PAIR in self._all[0].names

    def _limit(self, part: str, available: int) -> int:
        wanted = self.options.get(f"{part}_texts", available)
        if wanted > available:
            raise UserError(
                f"dataset {self.name}: {part}_texts is {wanted}, but there are only {available} {part} texts."
            )
        return int(wanted)

    @cached_property
    def _read_labels(self) -> dict[Path, list[Any]]:
        """Of every file; where files have no types, labels are numbers if all of all files are written as such."""
        read = {table.path: table.labels(self._label_column(table)) for table in self._all}
        untyped = {path for path in read if path.suffix in (".csv", ".tsv")}
        if all(_WHOLE.fullmatch(label) for path in untyped for label in read[path]):
            read.update({path: [int(label) for label in read[path]] for path in untyped})
        return read

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The class names.

        Raises:
            UserError: Names are missing, or files disagree on them.
        """
        given, read = self.options.get("classes"), self._read_labels
        by_name = {path: any(isinstance(label, str) for label in labels) for path, labels in read.items()}
        if len(set(by_name.values())) > 1:
            numbered = next(path for path, named in by_name.items() if not named)
            raise UserError(f"{numbered}: its labels are numbers, and those of other files names; write all alike.")
        if given:
            return tuple(given)
        if any(by_name.values()):
            return tuple(sorted({str(name) for table in self._tables["train"] for name in read[table.path]}))
        columns = [(table, self._label_column(table)) for table in self._all]
        schemas = {tuple(names): table for table, column in columns if (names := table.class_names(column))}
        if len(schemas) > 1:
            other = list(schemas.values())[1].path
            raise UserError(f"{other} names other classes than the other files; write all with the same names.")
        if schemas:
            return next(iter(schemas))
        if (self.path / _NAMES).is_file():
            return tuple(self._named_in_file())
        highest = max((max(labels, default=-1) for labels in read.values()), default=-1)
        texts = sum(len(labels) for labels in read.values())
        if highest >= texts:
            raise UserError(
                f"dataset {self.name}: its column {columns[0][1]!r} has the number {highest} for {texts} texts, and "
                "labels are numbered from 0; name the column of labels by the option label."
            )
        return tuple(map(str, range(highest + 1)))

    def _named_in_file(self) -> list[str]:
        file = self.path / _NAMES
        try:
            names = file.read_text(encoding="utf-8-sig").split("\n")
        except UnicodeDecodeError as error:
            raise UserError(f"{file} is not in UTF-8 ({error.reason}); write it again in UTF-8.") from error
        names = [name.strip() for name in names]
        names = names[:-1] if names and not names[-1] else names
        if len(set(names)) != len(names) or not all(names):
            raise UserError(f"{file}: must name each class once, a line each, without empty lines.")
        return names

    @cached_property
    def labels(self) -> dict[str, Labels]:
        """Of the training and the test texts that are used, int64 `[n]` each.

        Raises:
            UserError: A label names no class, or a class has no text.
        """
        place = {name: number for number, name in enumerate(self.classes)}
        found = {}
        for part, tables in self._tables.items():
            numbers = [
                self._number(table, row, label, place)
                for table in tables
                for row, label in enumerate(self._read_labels[table.path])
            ]
            found[part] = np.asarray(numbers[: self._limit(part, len(numbers))], dtype=np.int64)
        check_classes(self.name, self.classes, found["train"], found["test"], "texts")
        return found

    def _number(self, table: Table, row: int, label: Any, place: Mapping[str, int]) -> int:
        number = label if isinstance(label, int) else place.get(label, -1)
        if 0 <= number < len(place):
            return number
        known = ", ".join(list(place)[:_SHOWN]) + (", ..." if len(place) > _SHOWN else "")
        raise UserError(
            f"{table.path}: the label {label!r} in row {row} is none of the {len(place)} classes ({known}); correct "
            "it, or name all classes by the option classes."
        )

    def texts(self, part: str) -> tuple[list[str], list[str] | None]:
        """The texts of "train" or "test" that are used, and of pairs the second ones."""
        tables = self._tables[part]
        texts = [text for table in tables for text in table.texts(self._text_column(table))]
        count = self._limit(part, len(texts))
        if not self.paired:
            return texts[:count], None
        pair = self.options.get("text_pair", _PAIR)
        second = [text for table in tables for text in table.texts(table.column(pair, (), "second texts", "text_pair"))]
        return texts[:count], second[:count]

    @cached_property
    def tokens(self) -> dict[str, Tokens]:
        """Of the training and the test texts."""
        longest = self.options.get("max_length", MAX_LENGTH)
        return {part: self._tokenizer.tokens(*self.texts(part), longest) for part in PARTS}

    @property
    def longest(self) -> int:
        """Tokens of the longest text: the size of the data set's inputs."""
        return max(tokens.longest for tokens in self.tokens.values())

    def describe(self) -> Description:
        """What is known of it; tokenizes it."""
        labels = self.labels
        options = {name: value for name, value in self.options.items() if name not in ("classes", "only", "tokenizer")}
        return Description(
            name=self.path.resolve().name,
            classes=self.classes,
            image_size=(self.longest,),
            train_size=len(labels["train"]),
            test_size=len(labels["test"]),
            fingerprint=fingerprint(
                texts={part: [table.sha256 for table in tables] for part, tables in self._tables.items()},
                classes=[] if isinstance(next(iter(self._read_labels.values()))[0], int) else self.classes,
                tokenizer=self._tokenizer.sha256,
                options=options,
            ),
            counts=tuple(np.bincount(labels["train"], minlength=len(self.classes)).tolist()),
            test_counts=tuple(np.bincount(labels["test"], minlength=len(self.classes)).tolist()),
            notes=tuple(f"dataset {self.name}: {note}" for note in self._notes()),
            vocabulary=self._tokenizer.vocabulary,
        )

    def _notes(self) -> list[str]:
        notes = []
        cut = sum(tokens.cut for tokens in self.tokens.values())
        if cut:
            total = sum(len(tokens.starts) - 1 for tokens in self.tokens.values())
            limit = self.options.get("max_length", MAX_LENGTH)
            notes.append(
                f"{cut:,} of its {total:,} texts {'is' if cut == 1 else 'are'} longer than {limit} tokens, and cut off "
                "there (max_length)."
            )
        left = unread(self.path, [table.path for table in self._all], KINDS, "file")
        return [*notes, left] if left else notes
