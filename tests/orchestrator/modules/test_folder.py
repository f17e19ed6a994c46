"""A folder that is written is there whole or not at all, and nothing that is not ours is replaced."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nemo.errors import UserError
from orchestrator.modules.folder import MARK, new_folder, write_file

WRITE = """
import sys, time
from pathlib import Path
from orchestrator.modules.folder import MARK, new_folder, write_file
out, moment = Path(sys.argv[1]), sys.argv[2]

def stop(now):
    if now == moment:
        print("here", flush=True)
        time.sleep(60)

rename = Path.rename
def renaming(path, target):
    stop("before the renames")
    done = rename(path, target)
    stop("between the renames" if path == out else "after the renames")
    return done
Path.rename = renaming
with new_folder(out, True) as folder:
    write_file(folder, "weights", "new")
    stop("while writing")
    write_file(folder, MARK, "{}")
"""


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()} if folder.is_dir() else {}


def make(out: Path, text: str, force: bool = False) -> None:
    with new_folder(out, force) as folder:
        write_file(folder, "weights", text)
        write_file(folder, MARK, "{}")


def refused(out: Path, force: bool = False) -> str:
    with pytest.raises(UserError) as error:
        make(out, "new", force)
    return str(error.value)


def test_a_folder_appears_with_its_parents_and_nothing_else(tmp_path: Path) -> None:
    make(tmp_path / "a" / "cat-dog", "new")
    assert content(tmp_path / "a" / "cat-dog") == {"weights": "new", MARK: "{}"}
    assert os.listdir(tmp_path / "a") == ["cat-dog"]
    (tmp_path / "empty").mkdir()
    make(tmp_path / "empty", "new")
    assert content(tmp_path / "empty") == {"weights": "new", MARK: "{}"}


def test_only_a_module_of_ours_is_replaced_and_only_with_force(tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(out, "old")
    assert "holds a module already, replace it with --force" in refused(out)
    assert content(out)["weights"] == "old"
    make(out, "new", force=True)
    assert content(out)["weights"] == "new"
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter").write_text("1")
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(out)
    for force in (False, True):
        assert "is not empty and no module of ours" in refused(tmp_path / "thesis", force)
        assert "is no folder" in refused(tmp_path / "file", force)
        assert "is no folder" in refused(tmp_path / "link", force)
        assert "names no folder" in refused(Path("."), force)
    assert content(tmp_path / "thesis") == {"chapter": "1"}


def test_what_fails_leaves_what_was_there(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(RuntimeError), new_folder(out, False):
        raise RuntimeError
    assert os.listdir(tmp_path) == []
    make(out, "old")
    with pytest.raises(RuntimeError), new_folder(out, True) as folder:
        write_file(folder, "weights", "new")
        raise RuntimeError
    assert (content(out)["weights"], os.listdir(tmp_path)) == ("old", ["out"])


@pytest.mark.parametrize(
    ("moment", "left", "former"),
    [
        ("while writing", "old", False),
        ("before the renames", "old", False),
        ("after the renames", "new", False),
        ("while writing", "old", True),
        ("before the renames", "old", True),
        ("between the renames", "", True),  # there is one rename where nothing is replaced
        ("after the renames", "new", True),
    ],
)
def test_a_kill_leaves_no_half_folder_and_the_next_one_clears_up(
    tmp_path: Path, moment: str, left: str, former: bool
) -> None:
    out = tmp_path / "out"
    if former:
        make(out, "old")
    with subprocess.Popen([sys.executable, "-c", WRITE, str(out), moment], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "here\n"
        writer.send_signal(signal.SIGKILL)
    expected = left if former or left == "new" else ""
    assert content(out).get("weights", "") == expected
    if former:
        assert "--force" in refused(out)  # what was set aside is back
        assert content(out)["weights"] == (left or "old")
    make(out, "newer", force=True)
    assert (content(out)["weights"], os.listdir(tmp_path)) == ("newer", ["out"])
