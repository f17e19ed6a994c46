"""The files that are sent with a job to a cluster: the study file and the sources of this installation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from nemo.backbones.vit_config import PREFIX
from nemo.documents import read_document
from nemo.errors import UserError
from orchestrator.study.study import Study
from orchestrator.system.environment import SHIPPED, checkout

PACKAGES = ("nemo", "orchestrator")
PATTERNS = ("*.py", "*.csv", "*.html", "*.schema.json", "py.typed")
"""The files of a package: its modules, and the data that they read."""


@dataclass(frozen=True)
class Shipment:
    """The files of a job's folder on the cluster.

    Attributes:
        study: The study file's path in that folder.
        files: Path in that folder -> content.
    """

    study: str
    files: Mapping[str, bytes]

    @property
    def listing(self) -> str:
        """Every file with its size, and the sum."""
        sizes = {path: len(content) for path, content in self.files.items()}
        lines = [f"{size:>11,} {path}" for path, size in sizes.items()]
        return "\n".join([*lines, f"{sum(sizes.values()):>11,} bytes in {len(sizes)} files"])

    def write(self, folder: Path) -> None:
        """Writes the files below a folder."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def pack(path: Path, study: Study) -> Shipment:
    """Collects the files that a job needs for a study.

    Args:
        path: The study file; it is sent unchanged, overrides are applied on the cluster.
        study: The study of that file, with the overrides.

    Raises:
        UserError: It needs a file that lies elsewhere than in or below the working folder.
    """
    name = f"study/{path.name}"
    files = dict(_sources())
    files[f"orchestrator/{SHIPPED}"] = json.dumps(checkout(), sort_keys=True).encode()
    files[name] = _content(path)
    for where, config in _configurations(study):
        _below(config, where)
        file = config / "config.json" if config.is_dir() else config
        files[file.as_posix()] = _content(file)
    for file in (*_own_networks(study), *_groups(study)):
        files[file.as_posix()] = _content(file)
    return Shipment(name, files)


def _sources() -> Iterator[tuple[str, bytes]]:
    for package in PACKAGES:
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            root = Path(folder)
            for path in sorted(path for pattern in PATTERNS for path in root.rglob(pattern)):
                yield f"{package}/{path.relative_to(root).as_posix()}", path.read_bytes()


def _configurations(study: Study) -> Iterator[tuple[str, Path]]:
    """The Transformers' configurations that lie in files, with the lines that name them."""
    for position, pair in enumerate(study.pairs):
        backbones: dict[tuple[str, ...], str] = {("backbone",): pair.backbone}
        if pair.teacher is not None and pair.teacher.backbone is not None:
            backbones["teacher", "backbone"] = pair.teacher.backbone
        for place, backbone in backbones.items():
            config = backbone.removeprefix(PREFIX)
            if backbone.startswith(PREFIX) and not config.startswith("{"):
                yield study.where("pairs", position, *place), Path(config)


def _own_networks(study: Study) -> Iterator[Path]:
    """The files of `python:` backbones, which are shipped by their path from the working folder."""
    for pair in study.pairs:
        if pair.backbone.startswith("python:"):
            place = pair.backbone.removeprefix("python:").rpartition(":")[0]
            file = Path(place if place.endswith(".py") else place.replace(".", "/") + ".py")
            if file.is_file():
                yield file


def _groups(study: Study) -> Iterator[Path]:
    """The files of class sets with names, which are shipped like configurations."""
    for field, sets in (("subtasks", study.subtasks), ("derive", study.derive)):
        if sets is not None and isinstance(sets.groups, str):
            yield _below(Path(sets.groups), study.where(field, "groups"))


def _below(path: Path, where: str) -> Path:
    """A path below the working folder.

    Raises:
        UserError: It is none.
    """
    if path.is_absolute() or ".." in path.parts or path.parts[:1] == ("~",):
        raise UserError(f"{where}: {str(path)!r} is shipped by its path from the working folder; put it below that.")
    return path


def _content(path: Path) -> bytes:
    try:
        return read_document(path).encode()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions.") from error
