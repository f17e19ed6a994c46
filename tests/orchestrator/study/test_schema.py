"""The JSON Schema of a study file takes what the loader takes, and refuses what it has words for."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from nemo.errors import UserError
from orchestrator.study.errors import find_errors
from orchestrator.study.file import load_study_file
from orchestrator.study.schema import SCHEMA_FILE, VERSION, schema_text, study_schema, with_schema_line
from orchestrator.study.yaml_source import parse_yaml
from tests.orchestrator.bad_input.studies import HEAD, STUDIES, digits
from tests.orchestrator.study.test_fuzz import places
from tests.orchestrator.study_examples import SWEPT

ROOT = Path(__file__).parents[3]
SCHEMA = study_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
SHIPPED = sorted((ROOT / "studies").glob("*.yaml"))

BEYOND = {
    # who reads the text says it, and the schema is of what is in it
    "an octal class": "a name without quotes",
    "a class at a time of day": "a name without quotes",
    "a class with an underscore": "a name without quotes",
    # Python's numbers, which JSON does not have
    "NaN": "NaN is no value of JSON",
    "NaN as an option": "NaN is no value of JSON",
    "infinity": "infinity is no value of JSON",
    "2 to the 64": "a large number is a number",
    # characters that no name has
    "a line in a name": "control characters",
    "an escape in a name": "control characters",
    "a NUL in a path": "control characters",
    "half a character": "control characters",
    "an escape in an experiment": "control characters",
    "half a character in an address": "control characters",
    "a bell in a path": "control characters",
    "a line in a class": "control characters",
    # files
    "odd characters in a path": "whether a folder is there",
    "nobody's home": "whether a folder is there",
    "a long path": "whether a folder is there",
    # the classes of a data set
    "a class of dollars": "which classes there are",
    "a class by number and by name": "which classes there are",
    "a class that there is not": "which classes there are",
    "an image of digits": "which option belongs to which data set",
    # fields that must fit each other
    "a huge width": "how wide a network of this kind may get",
    "more workers at least than at all": "one number is compared with another",
    "a billion points": "a product of lengths",
    "no generations": "whole numbers among the settings of a search",
    "endless generations": "whole numbers among the settings of a search",
    "a split VGG": "which method applies to which backbone",
    "a teacher for a CNN": "which backbone learns from a teacher",
    "a teacher's teacher": "which backbone learns from a teacher",
    "a teacher too large": "which image size a backbone can have",
}
"""Faulty studies of the corpus that the schema takes, with why."""


def faults(data: Any) -> list[str]:
    return [f"{error.json_path}: {error.message:.200}" for error in VALIDATOR.iter_errors(data)]


def data_of(text: str) -> Any:
    return parse_yaml(text, "study.yaml")[1]


def parsed() -> Iterator[tuple[str, Any]]:
    """The faulty studies that are YAML, by name, with their data."""
    for name, content, _ in STUDIES:
        if name == "a billion measures" or len(content) > 50_000:  # a product of lengths, and what is never parsed
            continue
        try:
            yield name, data_of(content.decode() if isinstance(content, bytes) else content)
        except (UserError, UnicodeDecodeError):
            continue  # there is nothing that a schema could be asked about


def test_the_shipped_file_is_the_schema() -> None:
    assert SCHEMA_FILE.read_text() == schema_text(), "run: python -m orchestrator.study.schema"
    assert SCHEMA["$id"] == f"urn:nemo-orchestrator:study:{VERSION}"


@pytest.mark.parametrize("draft", [Draft7Validator, Draft202012Validator])
def test_it_is_a_schema(draft: Any) -> None:
    draft.check_schema(SCHEMA)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_study_is_taken_and_names_the_schema(path: Path) -> None:
    text = path.read_text()
    assert faults(data_of(text)) == []
    Draft7Validator(SCHEMA).validate(data_of(text))  # what editors read a schema as that names no draft
    first = text.splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / first).resolve() == SCHEMA_FILE


GOOD = {
    "swept": SWEPT,
    "a list of methods": HEAD,
    "methods without settings": HEAD.replace("[standard, mwt]", "{standard: , mwt: {}, cnnsplitter: {recipe: {}}}"),
    "older words": HEAD + "recipe: {augment: true, validation: 0.1}\n",
    "one pattern": HEAD.replace("[standard, mwt]", "[mwt]") + "recipe: {train_only: generators}\n",
    "several patterns": HEAD.replace("[standard, mwt]", "[mwt]") + "recipe: {train_only: [generators, '!*.bias']}\n",
    "nothing": HEAD + "recipe: {compile: null, lr_mask: ~}\nsubtasks: ~\nderive: null\nstorage: ~\n",
    "a merge key": HEAD + "seeds: &s [0, 1]\nsubtasks: {sizes: [2], finetune: {<<: {epochs: 1}, lr: 1e-3}}\n",
    "a whole number for a rate": HEAD + "recipe: {lr: 1}\n",
    "a size and its sides": digits(image_size="[32, 48]"),
    "sizes and classes": HEAD + "subtasks: {sizes: [2], samples: all, classes: [[0, '1'], ['2', 3, 4]]}\n",
    "groups": HEAD + "subtasks: {groups: {low: [0, 1], high: ['8', '9']}, samples: nested}\n",
    "a search": HEAD
    + "recipe: {validation: 0.1}\nsweep: {mwt: {search: optuna, trials: 3, space: {lambda_coh: [0, 1], "
    "lambda_coup: {low: 0.1, high: 2, log: true}, lr: {choices: [0.1, 0.2]}}}}\n",
    "a list beside nothing": HEAD + "sweep: {mwt: {list: [{lambda_coh: 1}], grid: ~}}\n",
    "words to sweep": HEAD.replace("[standard, mwt]", "[standard, cnnsplitter]")
    + "sweep: {cnnsplitter: {grid: {search: [ours, published], images: [10]}}}\n",
    "deriving": HEAD
    + "derive: {sizes: [2], methods: [activation, {masksearch: {objective: union, steps: 10}}, {magnitude: }], "
    "budgets: [{flops: 0.5}, {milliseconds: 4}], compensate: refit}\n",
    "both ways of compensating": HEAD
    + "derive: {sizes: [2], methods: [random], budgets: [{parameters: 1}], compensate: [none, refit]}\n",
    "options": digits(dataset_options="{mean: [0, 0.5, 1], std: [1, 1, 1], padding: 0, crop: 256, only: ['1', '2']}"),
    "weights by name": digits(backbone="'torchvision:resnet18'", pretrained="true", classes_of="{}"),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_the_loader_takes_is_taken(name: str, tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(GOOD[name])
    load_study_file(path)
    assert faults(data_of(GOOD[name])) == []


def test_what_it_has_words_for_is_refused() -> None:
    taken = {name for name, data in parsed() if not faults(data)}
    assert taken == BEYOND.keys()


def test_the_examples_in_it_are_good() -> None:
    def walk(schema: Any) -> Iterator[dict[str, Any]]:
        for each in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
            yield from walk(each)
        if isinstance(schema, dict) and isinstance(schema.get("examples"), list):
            yield schema

    shown = list(walk(SCHEMA))
    assert len(shown) > 10
    for schema in shown:
        for example in schema["examples"]:
            Draft202012Validator({**schema, "$defs": SCHEMA["$defs"]}).validate(example)


def test_the_line_on_top_is_put_there_once() -> None:
    text = with_schema_line("name: x\n", "a.json")
    assert text == "# yaml-language-server: $schema=a.json\nname: x\n"
    assert with_schema_line(text, "../b.json") == "# yaml-language-server: $schema=../b.json\nname: x\n"


POOL: list[Any] = [
    *(None, 2, -1, 0.5, 1.5, 32, "x", "digits", "vgg16", "vit_s", "mwt", "nemo", "cnnsplitter", "optuna", "best"),
    *("all", "nested", "paper", "adamw", "imagenet", "identity", "memory", "generators", "published", "random"),
    *([], {}, [0], [2, 3], ["a", "b"], [0.1, 1], [32, 48], {"x": 1}, {"epochs": 3}, {"recipe": {}}, "refit"),
    *({"low": 0, "high": 1}, {"choices": [1, 2]}, {"flops": 0.5}, {"lambda_coh": [1.0]}, {"backbone": "resnet18"}),
    "torchvision:resnet18",
]
"""For any place; without 0, 1 and numbers in quotes, which the loader takes for truth values and numbers."""

FIELDS = sorted(
    {name for part in SCHEMA["$defs"].values() for name in part["properties"]} | SCHEMA["properties"].keys()
)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_whatever_the_loader_takes_of_changed_studies_is_taken(seed: int) -> None:
    draw, taken = random.Random(seed), 0
    good = [data_of(text) for text in GOOD.values()]
    for _ in range(1500):
        data = copy.deepcopy(draw.choice(good))
        *holder, last = draw.choice([place for place in places(data) if place])
        inside = data
        for part in holder:
            inside = inside[part]
        if isinstance(inside[last], dict) and draw.random() < 0.5:
            inside[last][draw.choice(FIELDS)] = copy.deepcopy(draw.choice(POOL))
        else:
            inside[last] = copy.deepcopy(draw.choice(POOL))
        study, wrong = find_errors(data)
        asked = study is None or any(pair.dataset_options for pair in study.pairs)  # the data set knows its options
        if not asked and not wrong:
            taken += 1
            assert faults(data) == [], data
    assert taken > 100
