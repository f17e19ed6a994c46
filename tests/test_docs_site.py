"""The site that `make docs` builds: the pages of docs/, a page for each verb, the public names, and no dead link."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
from html import unescape
from importlib import import_module
from pathlib import Path

import pytest
import typer

from orchestrator.cli import app

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
COPIED = ("mkdocs.yml", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "scripts/docs_site.py")
NO_NETWORK = {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}


def build(into: Path, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(into)]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root), "NO_MKDOCS_2_WARNING": "1", **NO_NETWORK}
    return subprocess.run(command, capture_output=True, text=True, cwd=root, env=environment, timeout=500)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "site"
    built = build(folder)
    assert built.returncode == 0, built.stderr
    return folder


def text_of(page: Path) -> str:
    """What a reader sees of a page."""
    return unescape(re.sub(r"<[^>]*>", "", page.read_text(encoding="utf-8")))


def test_each_verb_has_a_page_with_all_that_it_takes(site: Path) -> None:
    verbs = typer.main.get_command(app).commands
    assert {page.stem for page in (site / "commands").glob("*.html")} == set(verbs)
    for name, verb in verbs.items():
        text = text_of(site / "commands" / f"{name}.html")
        assert f"$ nemo {name} [OPTIONS]" in text
        for option in (word for parameter in verb.params for word in parameter.opts if word.startswith("-")):
            assert option in text, f"nemo {name}: {option}"


@pytest.mark.parametrize("package", ["nemo", "orchestrator"])
def test_the_public_names_are_there(site: Path, package: str) -> None:
    page = (site / "python" / f"{package}.html").read_text(encoding="utf-8")
    described = set(re.findall(rf'id="{package}\.(\w+)"', page))
    assert set(import_module(package).__all__) <= described
    assert "Raises:" in page


def test_a_page_that_is_named_is_a_link_and_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    index = (site / "index.html").read_text(encoding="utf-8")
    pages = [page.stem for page in sorted((ROOT / "docs").glob("*.md"))]
    assert pages
    assert all(f'<a href="{page}.html"><code>docs/{page}.md</code></a>' in index for page in pages)
    for page in site.rglob("*.html"):
        assert not re.search(r'(?:src|rel="stylesheet" href)="(?:https?:)?//', page.read_text(encoding="utf-8")), page


def test_a_file_that_only_the_repository_has_is_named_and_no_link() -> None:
    hook = runpy.run_path(str(ROOT / "scripts" / "docs_site.py"))
    page = "See [the study](../studies/quickstart.yaml), [more](study.md#top) and `docs/tour.md`; `cat docs/tour.md`.\n"
    assert hook["linked"](f"{page}```\n{page}```", "docs/any.md") == (
        "See the study (`studies/quickstart.yaml`), [more](study.md#top) and [`docs/tour.md`](tour.md); "
        f"`cat docs/tour.md`.\n```\n{page}```"
    )


@pytest.mark.parametrize(
    "line", ["See `docs/nothing.md`.", "See [this](nothing.md).", "See [this](../studies/none.yaml)."]
)
def test_a_link_that_leads_nowhere_fails_the_build(tmp_path: Path, line: str) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    (tmp_path / "scripts").mkdir()
    for name in COPIED:
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("nemo", "orchestrator"):
        (tmp_path / name).symlink_to(ROOT / name)
    with (tmp_path / "docs" / "tour.md").open("a") as page:
        page.write(f"\n{line}\n")
    built = build(tmp_path / "site", tmp_path)
    assert built.returncode == 1
    assert "tour.md" in built.stderr
