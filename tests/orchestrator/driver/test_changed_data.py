"""Data that change after a study was run: refused with the difference, told by report, status and plan, never mixed."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from nemo.errors import UserError
from orchestrator import load_study
from orchestrator.cli import main
from orchestrator.driver.changes import check_changes
from orchestrator.ledger.data import made_of, record_data, recorded_data
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.planner import plan
from orchestrator.report.comparison.comparison import compare, side_of
from orchestrator.report.study_report import gather
from orchestrator.storage import layout
from orchestrator.study.data import DescribedStudy
from orchestrator.study.file import study_with_data
from tests.data_files import folder, pets, plain, shard
from tests.orchestrator.invented import finish

pytestmark = pytest.mark.heavy

STUDY = """
name: pets
pairs: [{{backbone: rescnn, dataset: 'folder:{data}', width: 0.0625}}]
methods: [standard, mwt]
recipe: {{epochs: 1, batch_size: 8, validation: 0.34}}
"""


class World:
    """A study on a folder of pictures that was run, and its storage."""

    def __init__(self, root: Path, recorded: bool) -> None:
        self.storage, self.data, self.file = root / "runs", root / "pets", root / "pets.yaml"
        folder(self.data, {name: plain((place, 0, 0), size=32) for place, name in enumerate(pets(train=6))})
        self.file.write_text(STUDY.format(data=self.data))
        self.run(recorded)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.storage / "pets")

    def run(self, recorded: bool = True) -> None:
        """What a run does, but for the computing."""
        described, ledger = study_with_data(self.file), self.ledger
        ledger.record_study(described.study.text)
        if recorded:
            record_data(ledger, described)
        while pending := plan(described, ledger).pending(ledger):
            finish(ledger, pending[0])

    def check(self, *overrides: str) -> None:
        check_changes(study_with_data(self.file, overrides), self.ledger)

    def refusal(self, *overrides: str) -> str:
        with pytest.raises(UserError) as error:
            self.check(*overrides)
        return str(error.value)

    def say(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["nemo", *map(str, words), "--storage", str(self.storage)])
        with pytest.raises(SystemExit) as end:
            main()
        shown = capsys.readouterr()
        assert end.value.code == 0, shown.err
        return shown.out


@pytest.fixture(params=[True, False], ids=["recorded", "of before data were recorded"])
def world(request: pytest.FixtureRequest, storage: Path) -> World:
    return World(storage, request.param)


def remove_one(world: World) -> None:
    (world.data / "train" / "cat" / "0.png").unlink()


def test_what_has_not_changed_is_not_refused(world: World) -> None:
    world.check()
    world.check("seeds=[0,1]")
    assert made_of(study_with_data(world.file), world.ledger)[1] == []


def test_changed_data_are_refused_with_the_difference(world: World) -> None:
    before = study_with_data(world.file).data
    remove_one(world)
    after = study_with_data(world.file).data
    (was,), (now,) = before.values(), after.values()
    sentence, _, difference = world.refusal().partition("\n")
    assert sentence.startswith(
        f"{world.file}:3: pairs[0].dataset: dataset folder:{world.data}: the data set has changed"
    )
    assert (
        "and 2 trainings, 1 modularization and 1 measurement that it has finished or begun would no longer" in sentence
    )
    assert f"or pass --replace to leave them unused in {world.storage}/pets." in sentence
    assert f"-fingerprint: {was.fingerprint[:16]}\n+fingerprint: {now.fingerprint[:16]}" in difference
    if recorded_data(world.ledger):
        assert "-training images: 12\n+training images: 11" in difference
        assert "-training images of 'cat': 6\n+training images of 'cat': 5" in difference


def test_a_study_that_grows_on_changed_data_is_refused_too(world: World) -> None:
    remove_one(world)
    said = world.refusal("seeds=[0,1]")
    assert "the data set has changed since" in said
    assert "+seeds: [0, 1]" in said


def test_everybody_says_so_and_shows_what_there_was(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = world.say(capsys, monkeypatch, "report", "pets")
    remove_one(world)
    report = world.say(capsys, monkeypatch, "report", "pets")
    told, _, rest = report.partition("\n")
    assert told.startswith(f"note: dataset folder:{world.data}: the data set has changed since the study was run")
    read, found = ([text.partition("What steps ask for")[place] for text in (rest, before)] for place in (0, 2))
    assert found[0] == found[1]
    assert read[0] == read[1] or "a share of 0.34 of the training images" in read[0]  # was not recorded
    assert "> dataset folder:" in world.say(capsys, monkeypatch, "report", "pets", "--format", "md")
    assert "the data set has changed since" in world.say(capsys, monkeypatch, "report", "pets", "--format", "html")
    status = world.say(capsys, monkeypatch, "status", "pets")
    assert "the data set has changed since" in status and "pets: finished: every step has its result." in status
    assert "the data set has changed since" in world.say(capsys, monkeypatch, "plan", world.file)


def test_python_is_warned(world: World) -> None:
    remove_one(world)
    with pytest.warns(UserWarning, match="the data set has changed since the study was run"):
        assert len(load_study(world.ledger.store).trainings) == 2


def test_two_data_sets_are_never_in_one_row(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    remove_one(world)
    world.run()  # with --replace
    world.check()
    assert "has changed" not in world.say(capsys, monkeypatch, "report", "pets")
    shutil.move(world.data, world.data.with_name("elsewhere"))
    report = world.say(capsys, monkeypatch, "report", "pets")  # everything that there is
    assert report.count("Accuracy: rescnn x0.0625 on pets (data=") == 2
    rows = [line.split() for line in report.splitlines() if line.startswith(" standard ")]
    assert rows and all(row[1] == "1" for row in rows)  # seeds


def test_plan_and_run_tell_what_is_not_read(
    storage: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(storage, recorded=True)
    (world.data / "train" / "cat" / "0.heic").write_bytes(b"")
    told = f"dataset folder:{world.data}: 1 file is not read: 1 of the format .heic; the first is train/cat/0.heic."
    for words in (["plan", world.file], ["run", world.file], ["status", "pets"]):
        said = world.say(capsys, monkeypatch, *words)
        assert f"note: {told}" in said or told in caplog.messages
        caplog.clear()


def test_nemo_run_refuses_before_anything_is_written(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    remove_one(world)
    monkeypatch.setattr(sys, "argv", ["nemo", "run", str(world.file), "--storage", str(world.storage)])
    recorded = recorded_data(world.ledger)
    with pytest.raises(SystemExit) as end:
        main()
    shown = capsys.readouterr()
    assert (end.value.code, shown.out) == (2, "")
    assert shown.err.startswith(
        f"nemo: {world.file}:3: pairs[0].dataset: dataset folder:{world.data}: the data set has"
    )
    assert recorded_data(world.ledger) == recorded


def test_a_comparison_tells_two_versions_of_a_data_set_apart(storage: Path) -> None:
    first = World(storage / "a", recorded=True)
    second = World(storage / "b", recorded=True)
    same = compare([side_of(name, gather(each.ledger.store)) for name, each in (("a", first), ("b", second))])
    assert "data" not in dict(same.settings)
    remove_one(second)
    second.run()
    other = compare([side_of(name, gather(each.ledger.store)) for name, each in (("a", first), ("b", second))])
    (one, two) = dict(other.settings)["data"]
    assert one.startswith("pets ") and two.startswith("pets ") and one != two


def test_other_classes_and_another_size_are_told(world: World) -> None:
    shutil.rmtree(world.data)
    images = pets(train=6, classes=["cat", "dog", "owl"])
    folder(world.data, {name: plain((place, 1, 0), size=40) for place, name in enumerate(images)})
    (change,) = made_of(study_with_data(world.file), world.ledger)[1]
    assert "image size: 32, now 40" in change.text
    assert "number of classes: 2, now 3" in change.text
    if recorded_data(world.ledger):
        assert "classes: 'cat', 'dog', now 'cat', 'dog', 'owl'" in change.text


def test_data_that_come_back_are_the_same(world: World) -> None:
    shutil.move(world.data / "train" / "cat" / "0.png", world.storage / "kept.png")
    assert "has changed" in world.refusal()
    shutil.move(world.storage / "kept.png", world.data / "train" / "cat" / "0.png")
    world.check()


def test_the_same_files_at_another_place_are_the_same_data(world: World) -> None:
    moved = shutil.move(world.data, world.data.with_name("moved") / "pets")
    world.file.write_text(STUDY.format(data=moved))
    world.check()


def test_a_relative_path_from_another_folder(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(storage, recorded=True)
    world.file.write_text(STUDY.format(data="pets"))
    monkeypatch.chdir(storage)
    world.run()
    folder(
        storage / "other" / "pets", {name: plain((place, 9, 9), size=32) for place, name in enumerate(pets(train=6))}
    )
    monkeypatch.chdir(storage / "other")
    assert "dataset folder:pets: the data set has changed since" in world.refusal()


def test_a_damaged_record_is_like_none(storage: Path) -> None:
    world = World(storage, recorded=True)
    world.ledger.store.write(layout.DATA, b'{"folder:')
    assert recorded_data(world.ledger) == {}
    world.check()
    remove_one(world)
    assert "the data set has changed since" in world.refusal()


def test_what_nobody_has_worked_on_may_change(storage: Path) -> None:
    world = World(storage, recorded=True)
    for kind in ("train", "modularize", "measure"):
        shutil.rmtree(world.storage / "pets" / "ledger" / kind)
    remove_one(world)
    world.check()


def test_parquet_files_too(storage: Path) -> None:
    world = World(storage, recorded=True)
    for part in ("train", "test"):
        shard(storage / "p" / f"{part}.parquet", [0, 1] * 3)
    study = STUDY.format(data=storage / "p").replace("folder:", "parquet:").replace("0.0625", "0.0625, image_size: 32")
    world.file.write_text(study)
    described = study_with_data(world.file)
    assert isinstance(described, DescribedStudy)
    record_data(world.ledger, described)
    shard(storage / "p" / "train.parquet", [0, 1] * 4)
    (change,) = made_of(study_with_data(world.file), world.ledger)[1]
    assert "training images: 6, now 8" in change.text
