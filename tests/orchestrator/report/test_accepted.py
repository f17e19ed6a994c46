"""What a plan says that it has accepted: classes by name, their samples, what is left out, and what steps ask for."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import orchestrator
from nemo.datasets import describe_dataset, load_dataset
from nemo.datasets.dataset import validation_places
from orchestrator.ledger.data import record_data, recorded_data
from orchestrator.report.accepted import Accepted, print_accepted
from orchestrator.report.output import write_report
from orchestrator.report.page import as_html
from orchestrator.report.study_report import report_of
from orchestrator.study.data import describe
from orchestrator.study.reading import readings
from orchestrator.study.study import Study
from tests import pictures, texts
from tests.orchestrator.invented import invented_study
from tests.orchestrator.pages import Page

PAIR = {"backbone": "rescnn", "width": 0.125, "image_size": 32}
COMMON = {"name": "s", "methods": {"standard": {}, "mwt": {}}, "recipe": {"validation": 0.1}}


def study(pair: dict[str, object], **fields: object) -> Study:
    return Study.model_validate({**COMMON, "pairs": [{**PAIR, **pair}], **fields})


def planned(wanted: Study, storage: Path) -> Accepted:
    found = orchestrator.plan(wanted, storage).accepted
    assert found is not None
    return found


def shown(found: Accepted, *, everything: bool = False) -> str:
    file = io.StringIO()
    print_accepted(found, Console(file=file, width=200), everything=everything)
    return file.getvalue()


def test_a_plan_names_classes_and_counts_their_images(tmp_path: Path) -> None:
    data = pictures.write_folder(tmp_path / "photos", train=20, test=5)
    (data / "train" / "disc" / "notes.txt").write_text("not an image")
    wanted = study({"dataset": f"folder:{data}"}, subtasks={"sizes": [2], "samples": 3})
    rows = dict(planned(wanted, tmp_path / "runs").data[0].rows)
    assert rows.pop("Sub-tasks") == "3 sets of classes: cross, disc; cross, square; disc, square"
    assert rows == {
        "Classes": "3: cross, disc, square",
        "Training": "60 images, 20 of each class",
        "Validation": "6 of the training images, 2 of each class",
        "Test": "15 images, 5 of each class",
        "Size": "32x32 pixels",
        "Left out": "1 file is not read: 1 of the format .txt; the first is train/disc/notes.txt",
        "Normalised": "by mean and deviation of the training images, computed when they are loaded",
        "In memory": "225.0 KB, once on each node",
    }


def test_every_class_and_every_sub_task_is_shown_where_that_is_asked_for(tmp_path: Path) -> None:
    wanted = study({"dataset": "digits"}, subtasks={"sizes": [2], "samples": 12})
    found = planned(wanted, tmp_path)
    brief, whole = shown(found), shown(found, everything=True)
    assert "10: 0, 1, 2, 3, 4, 5, 6, 7 and 2 more" in brief and "Classes: digits" not in brief
    lines = [line.split() for line in whole[whole.index("Classes: digits") :].splitlines()]
    assert ["9", "130", "14", "36"] in lines
    assert sum(len(line) == 3 and line[0].isdigit() for line in lines) == 12


@pytest.mark.slow
def test_what_is_told_of_the_digits_is_what_they_have() -> None:
    told, digits = describe_dataset("digits"), load_dataset("digits")
    (reading,) = readings(study({"dataset": "digits"}), {study({"dataset": "digits"}).pairs[0].data: told})
    kept, held = validation_places(digits.train.labels, 0.1, 0)
    for name, labels in (
        ("train", digits.train.labels[kept]),
        ("validation", digits.train.labels[held]),
        ("test", digits.test.labels),
    ):
        assert [row[name] for row in reading.classes] == np.bincount(labels).tolist()


def test_the_first_images_of_some_classes_are_not_counted_before_they_are_loaded(tmp_path: Path) -> None:
    options = {"train_images": 500, "only": ["3", "5"], "mean": [0.5, 0.5, 0.5]}
    rows = dict(planned(study({"dataset": "digits", "dataset_options": options}), tmp_path).data[0].rows)
    assert rows["Training"] == "at most 500 images; how many of each class is known once they are loaded"
    assert rows["Validation"] == "a share of 0.1 of the training images"
    assert rows["Left out"] == "all but the first 500 training images (train_images); all classes but these (only)"
    assert rows["Normalised"] == (
        "mean 0.5, 0.5, 0.5, deviation 0.376, 0.376, 0.376 (mean: dataset_options; deviation: usual for this data set)"
    )


def test_texts_are_called_texts_and_are_not_normalised(tmp_path: Path) -> None:
    tokenizer = texts.write_network(tmp_path / "net")
    data = texts.write_texts(tmp_path / "intents")
    pair = {"backbone": f"hf:{tokenizer}", "dataset": f"text:{data}", "width": 1.0, "image_size": None}
    found = planned(study(pair), tmp_path / "runs").data[0]
    rows = dict(found.rows)
    assert rows["Training"].split(" ", 1)[1].startswith("texts, ") and rows["Size"].endswith(" tokens")
    assert "Normalised" not in rows and found.document["normalisation"] is None


def test_what_steps_ask_for_stands_beside_it(tmp_path: Path) -> None:
    resources = {"training": {"workers": 2, "cpus": 4, "gpus": 1}, "subtask": {"cpus": 1, "gpus": 0.25}}
    needs = dict(planned(study({"dataset": "digits"}, resources=resources), tmp_path).needs)
    assert needs == {"Trainings": "2 workers, each with 4 CPUs and 1 GPU", "Other steps": "1 CPU and 0.25 GPU"}


@pytest.mark.slow
def test_every_form_of_the_report_has_it(storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, ledger = invented_study(storage)
    texts_of = {}
    for form in ("terminal", "md", "json"):
        write_report(ledger.store, form, None)
        texts_of[form] = capsys.readouterr().out
    assert "1,437 images, 139 to 146 of each class" in texts_of["terminal"]
    assert "| Training | 1,437 images, 139 to 146 of each class |" in texts_of["md"]
    (data,) = json.loads(texts_of["json"])["accepted"]["data"]
    assert [each["name"] for each in data["classes"]] == list("0123456789") and data["test"] == 360
    page = Page(as_html(report_of(ledger)))
    assert len(page.tables["Classes: digits"]) == 11 and len(page.tables["Data: digits"]) > 5


@pytest.mark.slow
def test_data_that_are_elsewhere_are_told_as_they_were(storage: Path, tmp_path: Path) -> None:
    data = pictures.write_folder(tmp_path / "photos", train=20, test=5)
    text = f"name: s\npairs: [{{backbone: rescnn, dataset: 'folder:{data}', width: 0.125}}]\nmethods: [standard]\n"
    wanted, ledger = invented_study(storage, text, until=0)
    record_data(ledger, describe(wanted))
    data.rename(tmp_path / "away")
    known = report_of(ledger)
    assert known.planned is None and known.accepted is not None and known.accepted.recorded
    rows = dict(known.accepted.data[0].rows)
    assert rows["Test"] == "15 images, 5 of each class" and "In memory" not in rows
    assert next(iter(recorded_data(ledger).values())).test_counts == (5, 5, 5)


@pytest.mark.slow
def test_data_that_nothing_is_known_of_are_one_line(storage: Path, tmp_path: Path) -> None:
    data = pictures.write_folder(tmp_path / "photos", train=20, test=5)
    text = f"name: s\npairs: [{{backbone: rescnn, dataset: 'folder:{data}', width: 0.125}}]\nmethods: [standard]\n"
    _, ledger = invented_study(storage, text, until=0)
    data.rename(tmp_path / "away")
    known = report_of(ledger)
    assert known.accepted is not None and known.accepted.data == []
    assert known.accepted.missing == [f"dataset folder:{data}: is not here, and what it has is not known."]
    assert known.accepted.missing[0] in known.read_tables[-1].note
