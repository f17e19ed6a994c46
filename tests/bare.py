"""Runs a program where only some packages, and what these require, can be imported.

What a saved module promises is that it runs without this project. An environment of its own for each form would have to
be installed; instead, in a Python that has everything, all other distributions are as good as not there. `-I` alone
would not do: the project is installed into the same environment.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

_RUN = """
import importlib.machinery, json, runpy, sys
missing, before = set(json.loads(sys.argv[1])), set(sys.modules)

class Installed:
    find_distributions = staticmethod(importlib.machinery.PathFinder.find_distributions)

    def find_spec(self, name, path=None, target=None, finders=tuple(sys.meta_path)):
        found = (finder.find_spec(name, path, target) for finder in finders)
        return None if name.partition(".")[0] in missing else next(filter(None, found), None)

sys.meta_path[:] = [Installed()]
runpy.run_path(sys.argv[2], run_name="__main__")
found = missing & {name.partition(".")[0] for name in set(sys.modules) - before}
assert not found, found
"""


def run_with_only(packages: list[str], program: Path) -> str:
    """What a program writes, run with these distributions alone."""
    wanted, waiting = set(), [_normal(name) for name in packages]
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting += _required(name)
    every = {package: {_normal(each) for each in owners} for package, owners in packages_distributions().items()}
    missing = sorted({package for package, owners in every.items() if not owners & wanted} | {"nemo", "orchestrator"})
    assert {"ray", "mlflow", "nemo", "orchestrator"} <= set(missing)
    command = [sys.executable, "-I", "-c", _RUN, json.dumps(missing), str(program)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd="/")
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def _required(name: str) -> list[str]:
    try:
        every = requires(name) or []
    except PackageNotFoundError:
        return []
    return [_normal(re.split(r"[^\w.-]", each)[0]) for each in every if "extra ==" not in each]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
