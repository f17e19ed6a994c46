"""docs/extending.md, word for word, on a copy of the packages: one file and one line each."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.heavy

ROOT = Path(__file__).parents[2]
REGISTRIES = {"toy": "nemo/backbones/__init__.py", "sparse": "nemo/methods/__init__.py"}
LAST_LINES = {"toy": '    "rescnn": ', "sparse": '    "moda",'}

USE = """
import dataclasses, pathlib, torch
import nemo, nemo.methods
from nemo.backbones import BACKBONE_NAMES
from nemo.datasets.description import Description
from nemo.datasets.dataset import Split
from nemo.loader import Loader
from orchestrator.plan.planner import plan
from orchestrator.study.data import DescribedStudy
from orchestrator.study.study import Study
from tests.nemo.networks import calibrated, constant_masks, images, random_masks

assert pathlib.Path(nemo.__file__).is_relative_to(pathlib.Path.cwd()), nemo.__file__
assert "toy" in BACKBONE_NAMES and "sparse" in nemo.METHODS

# The new backbone under every method, and the new method on a backbone that was there before.
digits = nemo.load_dataset("digits")
digits = dataclasses.replace(digits, train=Split(digits.train.images[:96], digits.train.labels[:96]),
                             test=Split(digits.test.images[:48], digits.test.labels[:48]))
trained = [name for name, method in nemo.METHODS.items() if method.starts_from is None]
for backbone, method in [*(("toy", name) for name in trained), ("rescnn", "sparse")]:
    network = nemo.build_network(backbone, method, 10, width=0.125 if backbone == "rescnn" else 0.5, seed=0)
    trainer = nemo.Trainer(network, digits, method, {}, nemo.Recipe(epochs=1, batch_size=32), seed=0)
    entry = trainer.run_epoch()
    assert ("train/size" in entry) == (method == "sparse")
    if method == "standard":
        continue
    batches = Loader(digits.train, dataset=digits, batch_size=96, train=False).epoch()
    found = nemo.relevance(network, ((batch.images, batch.labels) for batch in batches), 10)
    masks = nemo.module_masks(found.frequencies, 0.9)
    assert nemo.extract_module(network.eval(), masks, [1, 2], head="slice")(torch.rand(2, 3, 32, 32)).shape == (2, 2)

# The proof of surgery for the new backbone.
for make in (nemo.make_modular, nemo.record_activations):
    modular = calibrated("toy", width=1.0, make=make)
    generator = torch.Generator().manual_seed(0)
    for _ in range(10):
        masks, x = random_masks(modular, generator), images(3)
        with constant_masks(modular, masks, [7, 2]):
            expected = modular(x)[0]
        torch.testing.assert_close(nemo.extract_module(modular, masks, [7, 2])(x), expected, rtol=1e-9, atol=1e-12)

# A study knows both, with a sweep over the new method's setting.
study = Study.model_validate({
    "name": "new", "pairs": [{"backbone": "toy", "dataset": "digits"}], "methods": {"standard": {}, "sparse": {}},
    "sweep": {"sparse": {"grid": {"lambda_size": [0.1, 0.2]}}}, "subtasks": {"sizes": [2], "samples": 3},
})
described = {"digits": Description("digits", tuple("0123456789"), 32, 1437, 360, "f" * 64)}
kinds = [step.kind for step in plan(DescribedStudy(study, described), {}).steps]
assert {kind: kinds.count(kind) for kind in kinds} == {"train": 3, "modularize": 2, "measure": 2, "reuse": 6}
"""


def test_a_backbone_and_a_method_take_one_file_and_one_line_each(tmp_path: Path) -> None:
    for package in ("nemo", "orchestrator", "tests"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    blocks = re.findall(r"```(?:python|text)\n(.*?)```", (ROOT / "docs" / "extending.md").read_text(), re.DOTALL)
    assert len(blocks) == 4
    for file, line in ((blocks[0], blocks[1]), (blocks[2], blocks[3])):
        path = re.match(r"# (\S+)\n", file).group(1)  # type: ignore[union-attr]
        assert not (tmp_path / path).exists()
        (tmp_path / path).write_text(file)
        name = Path(path).stem
        assert line.count("\n") == 1
        registry = tmp_path / REGISTRIES[name]
        lines = registry.read_text().splitlines(keepends=True)
        (last,) = (number for number, each in enumerate(lines) if each.startswith(LAST_LINES[name]))
        registry.write_text("".join([*lines[: last + 1], line, *lines[last + 1 :]]))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", USE], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
