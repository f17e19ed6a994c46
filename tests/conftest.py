"""What all tests share: one thread per process, no telemetry, a short temporary storage, programs to drive."""

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Before torch is imported, here and in every process that a test starts: the tests' processes share few cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_worker_niceness", "0")  # nicer ones would wait for the tests beside them

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from orchestrator.ledger.ledger import Ledger
    from orchestrator.storage import Store
    from orchestrator.study.study import Study
    from tests.object_store import ObjectServer

# The same examples on every run and machine; the time that one takes on a busy machine says nothing.
settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", deadline=None, print_blob=True)  # NEMO_HYPOTHESIS=dev: new examples on every run
settings.load_profile(os.environ.get("NEMO_HYPOTHESIS", "ci"))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Files that say as a whole that they are what `-m "not (ray or ...)"` leaves out are not even imported."""
    unwanted = re.fullmatch(r"not \((\w+(?: or \w+)*)\)", config.option.markexpr)
    if unwanted is None or collection_path.suffix != ".py":
        return None
    says = re.search(r"^pytestmark = (.*)$", collection_path.read_text(), re.MULTILINE)
    marks = set(re.findall(r"pytest\.mark\.(\w+)", says[1])) if says else set()
    return True if marks & set(unwanted[1].split(" or ")) else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file's tests stay in one process, and so do all files that start Ray; what takes long comes first.

    A head that starts beside others on few cores may take longer than the 30 s that Ray allows.
    """
    from xdist.scheduler import LoadFileScheduling

    @cache
    def turn(file: str) -> int:
        """0 for what starts Ray; then what waits for faults, what computes, and the many short ones."""
        text = (config.rootpath / file).read_text()
        kinds = (r"mark\.ray\b(?!.*slow|\n@.*slow)", r"mark\.faults\b", r"mark\.heavy\b")
        return next((number for number, kind in enumerate(kinds) if re.search(kind, text)), len(kinds))

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return file if turn(file) else "ray"

        def _assign_work_unit(self, node: Any) -> None:
            longest = min(self.workqueue, key=lambda scope: 0 if scope == "ray" else turn(scope))
            self.workqueue.move_to_end(longest, last=False)
            super()._assign_work_unit(node)

    return Scheduling(config, log)


@pytest.fixture
def storage() -> Iterator[Path]:
    """An empty folder with a short path: Ray's sockets lie below it, and a socket's path has at most 107 characters."""
    with tempfile.TemporaryDirectory(prefix="nemo-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def object_server() -> Iterator["ObjectServer"]:
    """A real S3 API server on 127.0.0.1."""
    from tests.object_store import ObjectServer

    with ObjectServer() as server:
        yield server


@pytest.fixture
def bucket(object_server: "ObjectServer", monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty storage on that server; the environment says where it is and who we are."""
    for name, value in {**object_server.environment, "XDG_STATE_HOME": str(tmp_path / "state")}.items():
        monkeypatch.setenv(name, value)
    yield object_server.new_bucket()
    object_server.heal()


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.heavy)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> "Store":
    """Where an empty study lies: whatever is tested with this holds on a disk and on an object store."""
    from orchestrator.storage import store_at

    if request.param == "folder":
        return store_at(tmp_path / "study")
    return store_at(request.getfixturevalue("bucket")) / "study"


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> "tuple[Study, Ledger]":
    """A finished sweep of 50 trials and 500 sub-tasks with invented numbers, to be read and not written."""
    from tests.orchestrator.large import large_study

    return large_study(tmp_path_factory.mktemp("large"))


@pytest.fixture(scope="session")
def tiny_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage with the tiny study, really computed with two epochs, to be read: who changes it takes a copy.

    Computed once, also where several processes run the tests.
    """
    from tests.orchestrator.jobs.shipping import finish_tiny_study
    from tests.tiny import STUDY

    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    made = root / "tiny-runs"
    with (root / "tiny-runs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            folder = tmp_path_factory.mktemp("tiny")
            finish_tiny_study(folder, folder / "runs", recipe={**STUDY["recipe"], "epochs": 2})
            (folder / "runs").rename(made)
    return made


@pytest.fixture(scope="session")
def program() -> Callable[[str], Path]:
    """Finds a program that Debian packages and Python cannot install: `program("chromium")`.

    Without it the test is skipped, but in CI (`CI=true`) it fails, so that a missing install step cannot go unseen.
    """

    def find(name: str) -> Path:
        # Debian leaves initdb and postgres out of the path, and ordinary users have none to munged and slurmd.
        folders = [os.environ.get("PATH", ""), "/usr/sbin"]
        folders += map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin")))
        found = shutil.which(name, path=os.pathsep.join(folders))
        if found:
            return Path(found)
        message = f"{name} is not installed; .ci/run lists the Debian packages that the tests use"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)

    return find
