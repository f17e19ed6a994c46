"""What a user can get wrong: exit code 2, one sentence for each error that says where and what to do, no traceback."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestrator.cli import main
from tests import pictures, tiny

pytestmark = pytest.mark.heavy

Refusal = Callable[..., str]
PAIR = {**tiny.STUDY["pairs"][0], "dataset_options": {}}


@pytest.fixture
def refusal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Refusal:
    """Runs a study that must be refused, in this process, and returns what that says."""

    def refused(study: Path, *words: object, storage: Path | None = None) -> str:
        storage = storage or tmp_path / "runs"
        monkeypatch.setattr(sys, "argv", ["nemo", "run", str(study), "--storage", str(storage), *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        shown = capsys.readouterr()
        assert not (storage / "tiny" / "ledger" / "train").exists()
        return sentence(end.value.code, shown.out, shown.err)

    return refused


def sentence(code: object, out: str, error: str) -> str:
    assert (code, out) == (2, ""), error
    assert error.startswith("nemo: ") and "Traceback" not in error
    return error.removeprefix("nemo: ").rstrip("\n")


def study_on(folder: Path, dataset: object, **changes: Any) -> Path:
    return tiny.write_study(folder, pairs=[{**PAIR, "dataset": str(dataset)}], subtasks=None, **changes)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"recpie": {"epochs": 1}}, "recpie: 'recpie' is no field here; did you mean 'recipe'?"),
        ({"pairs": [{**PAIR, "backbone": "vgg61"}]}, "pairs[0].backbone: 'vgg61' is no backbone here; did you mean"),
        ({"pairs": [{**PAIR, "dataset": "cifar11"}]}, "pairs[0].dataset: 'cifar11' is no data set here; did you mean"),
        ({"methods": {"mtw": {}}, "sweep": None}, "methods.mtw: 'mtw' is no method here; did you mean 'mwt'?"),
        ({"recipe": {"epoch": 1, "validation": 0.1}}, "recipe.epoch: 'epoch' is no field here; did you mean 'epochs'?"),
        ({"recipe": {"epochs": 0, "validation": 0.1}}, "recipe.epochs: must be at least 1, not 0: "),
        ({"thresholds": [1.5]}, "thresholds[0]: should be less than or equal to 1, not 1.5."),
        ({"subtasks": {"sizes": [11]}}, "subtasks.sizes[0]: 11 is too many, digits has 10 classes: choose sizes from"),
        ({"subtasks": {"classes": [[*range(11)]]}}, "subtasks.classes[0][10]: 10 is unknown, digits has 10 classes:"),
        ({"sweep": {}}, "sweep: is empty, name a method with a grid, a list or a search, or leave sweep out."),
        ({"sweep": {"mwt": {}}}, "sweep.mwt: is empty, give exactly one of grid, list and search"),
        ({"sweep": {"mwt": {"grid": {"lambda_coup": []}}}}, "sweep.mwt.grid.lambda_coup: is too short, give at least"),
        ({"pairs": [{**PAIR, "backbone": "vgg16", "image_size": 16}]}, "pairs[0].image_size: vgg16 halves its input"),
    ],
)
def test_fields(refusal: Refusal, tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    study = tiny.write_study(tmp_path, **changes)
    said = refusal(study)
    place, _, rest = said.removeprefix(f"{study}:").partition(": ")
    assert place.isdecimal() and rest.startswith(told)
    assert len(said.splitlines()) == 1


def test_as_a_person_runs_it(tmp_path: Path) -> None:
    ended = tiny.nemo("run", tiny.write_study(tmp_path, thresholds=[1.5], seed=3), "--storage", tmp_path)
    said = sentence(ended.returncode, ended.stdout, ended.stderr)
    assert len(said.splitlines()) == 2  # everything at once
    assert "thresholds[0]: " in said and "did you mean 'seeds'?" in said


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", ":1: study: the file is empty, nemo init --example quickstart brings a study."),
        (b"# nothing\n", ":1: study: the file is empty"),
        (b"[1, 2]", ":1: study: should be a mapping of name, pairs, methods;"),
        (b"name: x\npairs: [a\nmethods: }", ":3: study: is no valid YAML, "),
        (bytes(range(256)), ":1: study: is no text in UTF-8, save it as such."),
        (b"name: x\0", ":1: study: is no valid YAML, unacceptable character #x0000"),
        (b"name: x\nname: y\n", ":2: name: is given twice, remove one."),
    ],
)
def test_files_that_are_no_study(refusal: Refusal, tmp_path: Path, content: bytes, told: str) -> None:
    study = tmp_path / "study.yaml"
    study.write_bytes(content)
    assert refusal(study).startswith(f"{study}{told}")


def test_study_files_that_are_not_there(refusal: Refusal, tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"{tmp_path}: cannot be read (Is a directory), give the path of a study file."
    assert "no.yaml: cannot be read (No such file or directory), give" in refusal(tmp_path / "no.yaml")


def test_overrides(refusal: Refusal, tmp_path: Path) -> None:
    given = ["recipe.epoch=3", "thresholds=[1.5]", "recipe.lr=fast"]
    said = refusal(tiny.write_study(tmp_path), *(word for text in given for word in ("--set", text)))
    assert len(said.splitlines()) == 3
    assert all(f"--set {text}: " in said for text in given)
    assert refusal(tiny.write_study(tmp_path), "--set", "epochs").startswith("--set epochs: should be key=value")


def _without_test(root: Path) -> None:
    (root / "test.parquet").unlink()


def _truncated(root: Path) -> None:
    whole = (root / "train.parquet").read_bytes()
    (root / "train.parquet").write_bytes(whole[: len(whole) // 2])


def _unreadable_image(root: Path) -> None:
    images = [pictures.shape(label, 0, 32) for label in (0, 1, 2)]
    pictures.write_table(root / "test.parquet", [*images, images[0][:200]], [0, 1, 2, 0])


def _no_class_in_test(root: Path) -> None:
    pictures.write_table(root / "test.parquet", [pictures.shape(0, 0)] * 2, [0, 2])


def _no_class_in_train(root: Path) -> None:
    pictures.write_table(root / "train.parquet", [pictures.shape(0, 0)] * 2, [0, 2])


def _bit_flipped(root: Path) -> None:
    whole = bytearray((root / "train.parquet").read_bytes())
    whole[-1] ^= 1  # elsewhere it may give other data, which has another fingerprint
    (root / "train.parquet").write_bytes(whole)


def _a_pipe_for_test(root: Path) -> None:
    (root / "test.parquet").unlink()
    os.mkfifo(root / "test.parquet")


def _labels_as_texts(root: Path) -> None:
    table = pq.read_table(root / "train.parquet")
    pq.write_table(table.set_column(1, "label", table["label"].cast(pa.string())), root / "train.parquet")


def _labelled(root: Path, *labels: int) -> None:
    pictures.write_table(root / "train.parquet", [pictures.shape(0, 0)] * len(labels), [*labels])


def _without_images(root: Path) -> None:
    pq.write_table(pa.table({"label": [0, 1, 2], "img": ["a.png", "b.png", "c.png"]}), root / "train.parquet")


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_bit_flipped, "{root}/train.parquet is damaged or no parquet file ("),
        (_a_pipe_for_test, "{root} has no test.parquet; add it or correct the path."),
        (_labels_as_texts, "{root}/train.parquet: its column 'label' has the type string, and labels are integers;"),
        (_without_images, "{root}/train.parquet has no column of images, struct{{bytes, path}} or binary, among label"),
        (lambda root: _labelled(root, 0, 1, -1), "column 'label' has the negative label -1; remove those rows."),
        (
            lambda root: _labelled(root, 0, 10**12),
            "column 'label' has the label 1000000000000, but there can be 100,000",
        ),
        (lambda root: _labelled(root), "class '0' has no training images; add some, or leave the class out."),
        (shutil.rmtree, "there is no folder {root}; correct the path."),
        (_without_test, "{root} has no test.parquet; add it or correct the path."),
        (_truncated, "{root}/train.parquet is damaged or no parquet file ("),
        (_unreadable_image, "the image in row 3 of {root}/test.parquet is a damaged image ("),
        (_no_class_in_test, "class '1' has no test images; add some, or leave the class out."),
        (_no_class_in_train, "class '1' has no training images; add some, or leave the class out."),
    ],
)
def test_parquet_files(refusal: Refusal, tmp_path: Path, spoil: Callable[[Path], None], told: str) -> None:
    root = pictures.write_parquet(tmp_path / "data", train=4, test=2)
    spoil(root)
    study = study_on(tmp_path, f"parquet:{root}")
    said = refusal(study)
    assert said.startswith(f"{study}:4: pairs[0].dataset: ")
    assert told.format(root=root) in said
    assert len(said.splitlines()) == 1


def _spoiled_png(root: Path) -> None:
    (root / "train" / "disc" / "002.png").write_bytes(b"no image")


def _bomb(root: Path) -> None:
    """A hundred bytes that unpack to ten gigabytes."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    (root / "train" / "disc" / "002.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 90) + b"IDAT" + bytes(94)
    )


def _replaced(root: Path, make: Callable[[Path], None]) -> None:
    image = root / "train" / "disc" / "002.png"
    image.unlink()
    make(image)


def _no_images_in(root: Path, name: str) -> None:
    for image in (root / "train" / name).iterdir():
        image.rename(image.with_suffix(".txt"))


def _one_class(root: Path) -> None:
    for part in ("train", "test"):
        for name in ("disc", "square"):
            shutil.rmtree(root / part / name)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (
            _bomb,
            "{root}/train/disc/002.png has more pixels than the 64,000,000 that an image may have; make it smaller.",
        ),
        (
            lambda root: _replaced(root, os.mkfifo),
            "{root}/train/disc/002.png is a folder, a pipe or a device; leave it",
        ),
        (
            lambda root: _replaced(root, Path.mkdir),
            "{root}/train/disc/002.png is a folder, a pipe or a device; leave it",
        ),
        (lambda root: _replaced(root, lambda path: path.symlink_to("none")), "002.png cannot be read (No such file or"),
        (lambda root: _replaced(root, lambda path: path.symlink_to("/etc/passwd")), "002.png is not a readable PNG"),
        (
            lambda root: _no_images_in(root, "disc"),
            "class 'disc' has no training images; add some, or leave the class out.",
        ),
        (_one_class, "it has 1 classes, but a network needs 2."),
        (
            _spoiled_png,
            "{root}/train/disc/002.png is not a readable PNG, JPEG, WebP, BMP, TIFF or GIF image; replace it or",
        ),
        (lambda root: shutil.rmtree(root / "test"), "{root} has no folder 'test'; add it."),
        (lambda root: shutil.rmtree(root / "test" / "disc"), "class 'disc' has no test images; add some, or leave"),
        (lambda root: shutil.rmtree(root / "train" / "disc"), "class 'disc' has no training images; add some, or"),
    ],
)
def test_folders(refusal: Refusal, tmp_path: Path, spoil: Callable[[Path], None], told: str) -> None:
    root = pictures.write_folder(tmp_path / "data", train=4, test=2)
    spoil(root)
    study = study_on(tmp_path, f"folder:{root}")
    said = refusal(study)
    assert said.startswith(f"{study}:4: pairs[0].dataset: ")
    assert told.format(root=root) in said


def test_images_that_no_memory_holds(refusal: Refusal, tmp_path: Path) -> None:
    said = refusal(tiny.write_study(tmp_path, pairs=[{**PAIR, "image_size": 200_000}]))
    assert "pairs[0].dataset: dataset digits: 1,797 images of 200000x200000 pixels take 200," in said
    assert "this machine has" in said and "choose a smaller image_size, or fewer images with train_images." in said


def test_images_too_small_for_the_backbone(refusal: Refusal, tmp_path: Path) -> None:
    root = pictures.write_folder(tmp_path / "data", train=4, test=2, size=16)
    pairs = [{**PAIR, "backbone": "vgg16", "dataset": f"folder:{root}"}]
    said = refusal(tiny.write_study(tmp_path, pairs=pairs, subtasks=None))
    assert "pairs[0].image_size: vgg16 halves its input too often for 16x16 images, choose image_size 32 or" in said


def test_a_data_root_that_is_none(refusal: Refusal, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    study = study_on(tmp_path, "cifar10", data_root=str(tmp_path / "file"))
    said = refusal(study)
    assert said.startswith(f"{study}:4: pairs[0].dataset: cifar10 could not be downloaded to {tmp_path}/file (")
    assert said.endswith("name the folder that has it as data_root in the study file or as $NEMO_DATA.")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"training": {"workers": 1000}}, "resources.training: a training needs 1000 workers x 1 CPUs, but the"),
        ({"training": {"cpus": 10_000}}, "resources.training: a training needs 1 workers x 10000 CPUs, but the"),
        ({"training": {"gpus": 100}}, "resources.training: a training needs 1 workers x 1 CPUs and 100 GPUs each, but"),
        ({"subtask": {"cpus": 10_000}}, "resources.subtask: a sub-task needs 10000 CPUs and 0 GPUs on one node"),
    ],
)
def test_more_than_the_machine_has(refusal: Refusal, tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    recipe = {"epochs": 1, "batch_size": 2000, "validation": 0.2}
    study = tiny.write_study(tmp_path, resources=changes, recipe=recipe)
    said = refusal(study)
    assert said.startswith(f"{study}:") and f": {told}" in said
    assert "ask for " in said
    ray = tmp_path / "runs" / "tiny" / "ray"
    assert not ray.exists() or not list(ray.iterdir())  # a head that had begun to start is gone


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("gopher://somewhere", "unsupported URI 'gopher://somewhere'"),
        ("sqlite:///{folder}/file/mlflow.db", "File exists"),
        ("sqlite:///{folder}/file", "file is not a database"),
    ],
)
def test_tracking_that_cannot_be_used(refusal: Refusal, tmp_path: Path, uri: str, told: str) -> None:
    (tmp_path / "file").write_text("no database" * 100)
    uri = uri.format(folder=tmp_path)
    study = tiny.write_study(tmp_path, tracking={"uri": uri})
    said = refusal(study)
    assert said.startswith(f"{study}:")
    assert f": tracking.uri: MLflow cannot use {uri!r} (" in said and told in said
    assert said.endswith("start the server, mend the URI, or leave it out to use a file in the storage folder")


def test_a_wrong_address(refusal: Refusal, tmp_path: Path) -> None:
    with socket.socket() as taken:  # and nobody listens on it
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        said = refusal(tiny.write_study(tmp_path), "--address", address)
    assert said.startswith(f"--address {address}: no Ray head answers (") and "start one or leave it out" in said
    said = refusal(tiny.write_study(tmp_path), "--address", "nowhere")
    assert said == "--address nowhere: is no host and port, give them as in 127.0.0.1:6379, or leave it out"


def bound_by_permissions(*words: object) -> str:
    """What the command line says to somebody for whom permission bits count: they do not for root."""
    without = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    command = [*without, *tiny.command(*words)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, env=tiny.environment(), check=False)
    return sentence(ended.returncode, ended.stdout, ended.stderr)


def test_a_storage_folder_that_is_read_only(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir(mode=0o555)
    said = bound_by_permissions("run", tiny.write_study(tmp_path), "--storage", tmp_path / "runs")
    assert said.startswith(f"{tmp_path}/runs/tiny")
    assert "cannot be written (Permission denied), choose another `storage`" in said


def test_what_lies_beside_the_studies_and_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir(mode=0)
    said = bound_by_permissions("status", "tiny", "--storage", tmp_path)
    assert said.startswith(f"no study 'tiny' under '{tmp_path}', no study has been run there yet")
    (tmp_path / "tiny" / "ledger" / "train").mkdir(parents=True)
    (tmp_path / "tiny" / "study.yaml").write_bytes(tiny.write_study(tmp_path).read_bytes())
    (tmp_path / "tiny" / "ledger" / "train").chmod(0)
    said = bound_by_permissions("status", "tiny", "--storage", tmp_path)
    (tmp_path / "tiny" / "ledger" / "train").chmod(0o755)
    assert said.startswith(f"{tmp_path}/tiny/ledger/train")
    assert "cannot be read (Permission denied), make it readable." in said


def test_a_study_of_somebody_else(tmp_path: Path) -> None:
    study = tiny.write_study(tmp_path)
    study.chmod(0)
    said = bound_by_permissions("plan", study)
    assert said == f"{study}: cannot be read (Permission denied), give the path of a study file."


def test_data_that_may_not_be_read(tmp_path: Path) -> None:
    root = pictures.write_folder(tmp_path / "data", train=4, test=2)
    closed = root / "train" / "disc"
    closed.chmod(0)
    study = study_on(tmp_path, f"folder:{root}")
    said = bound_by_permissions("plan", study)
    closed.chmod(0o755)
    assert said.startswith(f"{study}:4: pairs[0].dataset: dataset folder:{root}: {closed}")
    assert "cannot be read (Permission denied); check the path and its permissions." in said


@contextmanager
def full_folder(folder: Path) -> Iterator[Path | None]:
    """A folder without room, where this process may mount one."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", folder], capture_output=True)
    if mounted.returncode != 0:
        yield None
        return
    try:
        (folder / "filler").write_bytes(bytes(16 * 1024))
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_storage_folder_that_is_full(refusal: Refusal, tmp_path: Path) -> None:
    study = tiny.write_study(tmp_path)
    with full_folder(tmp_path / "runs") as full:
        if full is not None:
            said, reason = refusal(study, storage=full), "No space left on device"
        else:
            ended = subprocess.run(
                tiny.command("run", study, "--storage", tmp_path / "runs"),
                capture_output=True,
                text=True,
                timeout=300,
                env=tiny.environment(),
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
            )
            said, reason = sentence(ended.returncode, ended.stdout, ended.stderr), "File too large"
    assert said.startswith(f"{tmp_path}/runs/tiny")
    assert f"cannot be written ({reason}), make it writable with room to spare, or set `storage`" in said
