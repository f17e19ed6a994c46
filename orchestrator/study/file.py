"""Reads a study file; all of its problems are reported at once, each with its line."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from nemo.errors import UserError
from orchestrator.storage import Store
from orchestrator.storage.layout import SUBMITTED
from orchestrator.study.data import DescribedStudy, check_data, describe
from orchestrator.study.errors import find_errors
from orchestrator.study.names import misread_names
from orchestrator.study.overrides import Override, apply_overrides
from orchestrator.study.problems import Place, field_name
from orchestrator.study.study import Study
from orchestrator.study.weights import fetched_weights, with_weights
from orchestrator.study.yaml_source import dump_yaml, parse_yaml, plain_text, read_text


class StudySource:
    """Where a study came from: the file with its lines, and the overrides.

    Attributes:
        text: What was submitted; with overrides, the file's content with them applied.
    """

    def __init__(self, file: str, text: str, root: yaml.Node, overrides: list[Override]) -> None:
        self._file = file
        self._root = root
        self._overrides = overrides
        self.text = text

    def where(self, place: Place) -> str:
        """`file:line: field`, or the override that set the field."""
        for override in reversed(self._overrides):
            if place[: len(override.place)] == override.place:
                return f"--set {override.text}: {field_name(place)}"
        return f"{self._file}:{_line(self._root, place)}: {field_name(place) or 'study'}"

    def plain_text(self, place: Place) -> str | None:
        """What stands at a place without quotes, where YAML does not take it for a text; None elsewhere."""
        for override in reversed(self._overrides):
            if place[: len(override.place)] == override.place:
                return plain_text(override.node, place[len(override.place) :])
        return plain_text(self._root, place)


class OptionSource:
    """Where a study came from that a command made: its options, and the overrides.

    Attributes:
        text: The study as YAML.
    """

    def __init__(self, text: str, options: Mapping[Place, str], overrides: list[Override]) -> None:
        self.text, self._options, self._overrides = text, options, overrides

    def where(self, place: Place) -> str:
        """The option or the override that set a field, or the field."""
        for override in reversed(self._overrides):
            if place[: len(override.place)] == override.place:
                return f"--set {override.text}: {field_name(place)}"
        for length in range(len(place), 0, -1):
            if place[:length] in self._options:
                return self._options[place[:length]]
        return field_name(place) or "study"

    def plain_text(self, place: Place) -> str | None:
        """See `StudySource`."""
        for override in reversed(self._overrides):
            if place[: len(override.place)] == override.place:
                return plain_text(override.node, place[len(override.place) :])
        return None


def _line(node: yaml.Node, place: Place) -> int:
    """The line of a place, or of the closest thing around it that the file has, counted from 1."""
    line = node.start_mark.line
    for part in place:
        if isinstance(node, yaml.MappingNode):
            matches = [(name, value) for name, value in node.value if getattr(name, "value", None) == str(part)]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            matches = [(node.value[part], node.value[part])]
        elif isinstance(node, yaml.SequenceNode):
            matches = [(item, item) for item in node.value if getattr(item, "value", None) == part]
        else:
            matches = []
        if not matches:
            break
        line = matches[-1][0].start_mark.line
        node = matches[-1][1]
    return line + 1


def submitted_study(store: Store, name: str = SUBMITTED) -> Study:
    """The study that lies in a store, as it was last submitted, with what is known of the weights it starts from.

    Args:
        store: The study's.
        name: Of its file.

    Raises:
        UserError: It is missing or damaged.
    """
    where = store.where(name)
    with store.fetching(name) as path:
        if path is None:
            raise UserError(f"{where}: is missing; run the study again, its finished steps are kept")
        study = load_study_file(path, label=where)
    return with_weights(study, fetched_weights(store)) if any(pair.fetches for pair in study.pairs) else study


def submitted_with_data(store: Store) -> DescribedStudy:
    """The study that lies in a store, with its data described as it is here and now.

    Raises:
        UserError: It is missing or damaged, or its data is not here.
    """
    return describe(submitted_study(store))


StudyLike = Study | str | os.PathLike[str]
"""A study that was made in Python, or the file of one."""


def study_with_data(wanted: StudyLike, overrides: Sequence[str] = ()) -> DescribedStudy:
    """Reads a study, describes its data, and checks one against the other; see `load_study_file`.

    Raises:
        UserError: All of what is wrong with the study, or with its data.
    """
    if isinstance(wanted, Study):
        study = _study_of(wanted.text, "study", overrides) if overrides else wanted
    else:
        study = load_study_file(Path(wanted), overrides)
    described = describe(study)
    check_data(described)
    return described


def load_study_file(path: str | Path, overrides: Sequence[str] = (), label: str | None = None) -> Study:
    """Reads and checks a study file.

    Args:
        path: The YAML file.
        overrides: `key=value` texts, the key a dotted path (`recipe.epochs=5`, `pairs.0.width=0.5`), the value YAML.
        label: The name of the file in messages; by default its path.

    Raises:
        UserError: All of what is wrong, one line each: `file:line: field: what is wrong and the remedy`.
    """
    file = label or str(path)
    return _study_of(read_text(Path(path), file), file, overrides)


def study_of_options(data: dict[str, Any], options: Mapping[Place, str], overrides: Sequence[str]) -> DescribedStudy:
    """The study that the options of a command make, with its data.

    Args:
        data: What a study file of the same would hold.
        options: The place of a field -> the option that has set it, which messages name.
        overrides: See `load_study_file`.

    Raises:
        UserError: All of what is wrong, one line each.
    """
    data, applied = apply_overrides(data, list(overrides))
    study = _checked(data, OptionSource(dump_yaml(data, allow_unicode=True), options, applied))
    described = describe(study)
    check_data(described)
    return described


def _study_of(text: str, file: str, overrides: Sequence[str]) -> Study:
    """Reads and checks the text of a study; `file` is what messages call it."""
    root, data = parse_yaml(text, file)
    if not isinstance(data, dict):
        text = "should be a mapping of name, pairs, methods; nemo init --example quickstart brings one."
        raise UserError(f"{file}:1: study: {text}")
    data, applied = apply_overrides(data, list(overrides))
    if applied:
        text = dump_yaml(data, allow_unicode=True)
    return _checked(data, StudySource(file, text, root, applied))


def _checked(data: dict[str, Any], source: StudySource | OptionSource) -> Study:
    study, errors = find_errors(data, misread_names(data, source.plain_text))
    if study is not None:
        study._source = source
    lines = [f"{source.where(place)}: {text}" for place, text in errors]
    if errors and study is not None:
        lines += _errors_of_data(study)
    if lines or study is None:
        raise UserError("\n".join(dict.fromkeys(lines)))
    return study


def _errors_of_data(study: Study) -> list[str]:
    """What the data sets' descriptions show, for a study that is refused anyway: everything is reported at once."""
    try:
        check_data(describe(study))
    except UserError as error:
        return str(error).splitlines()
    return []
