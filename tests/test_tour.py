"""`docs/tour.md`, typed word by word: every block in one shell, in a folder that has what a fresh clone has."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
QUICKSTART = "make quickstart"


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_the_tour_can_be_walked(tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "tour.md").read_text(), re.DOTALL)
    assert len(blocks) >= 6
    assert blocks[0].strip() == QUICKSTART
    # `make setup` would make the environment anew, for it stands in another folder: so what follows it in the Makefile.
    recipe = re.search(r"^quickstart:.*\n\t\$\(BIN\)/(.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    blocks[0] = ".venv/bin/" + recipe[1].replace("$(STUDY)", "studies/quickstart.yaml")
    for name in (".venv", "studies"):
        (tmp_path / name).symlink_to(ROOT / name)
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("NEMO_", "MLFLOW_", "RAY_"))}
    walked = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
        cwd=tmp_path,
        env={**outside, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert walked.returncode == 0, walked.stdout[-3000:] + walked.stderr[-3000:]
    assert (tmp_path / "quickstart.html").stat().st_size > 50_000
    for folder in ("digits-3-5", "digits-0-1", "four-digits"):
        assert {"module.pt2", "module.onnx", "README.md"} <= {each.name for each in (tmp_path / folder).iterdir()}
    assert '"predictions"' in walked.stdout
