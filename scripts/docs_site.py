"""What the site of docs/ has beside its files (mkdocs.yml): an order, the verbs, the public names, and links.

The pages are written to be read in the repository, where `docs/study.md` in the text is enough to be found. Here it
becomes a link, and one that leads nowhere fails the build.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
FROM_ROOT = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Pages that lie beside docs/, and what they are called on the site."""

PACKAGES = ("nemo", "orchestrator")

_FENCE = re.compile(r"^\s*(```+|~~~+)")
_CODE = re.compile(r"(`+[^`]+`+)")
_NAMED = re.compile(r"`((?:docs/)?[\w./-]+\.md)`")
_PLAIN = re.compile(r"(?<![\w/(`])(docs/[\w-]+\.md)\b")
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s:#]+)(#[^)\s]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Puts the pages in README's order; one that README does not name is then omitted, which fails the build."""
    config.nav = [
        {"Home": "index.md"},
        {"Guide": order()},
        {"Commands": [{f"nemo {verb}": f"commands/{verb}.md"} for verb in verbs()]},
        {"Python": [{package: f"python/{package}.md"} for package in PACKAGES]},
        {"Working on it": ["contributing.md", "changelog.md"]},
    ]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are no file of docs/."""
    from mkdocs.structure.files import File

    made = {name: (ROOT / path).read_text(encoding="utf-8") for path, name in FROM_ROOT.items()}
    made |= {f"commands/{verb}.md": text for verb, text in verbs().items()}
    made |= {f"python/{package}.md": names(package) for package in PACKAGES}
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Makes links of the pages and files that a page names."""
    name = page.file.src_uri
    original = {made: path for path, made in FROM_ROOT.items()}.get(name, f"docs/{name}")
    return linked(markdown, original)


def order() -> list[str]:
    """The pages of docs/, in the order of README's "Where next"."""
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Where next")[2]
    return list(dict.fromkeys(re.findall(r"`docs/([\w-]+\.md)`", table)))


def verbs() -> dict[str, str]:
    """Verb -> its page, made of the help of the command line."""
    import typer
    from typer.cli import get_docs_for_click

    from orchestrator.cli import app

    command: Any = typer.main.get_command(app)
    context = typer.Context(command, info_name="nemo")
    return {
        name: get_docs_for_click(
            obj=verb, ctx=typer.Context(verb, info_name=name, parent=context), title=f"nemo {name}"
        ).replace(f"$ {name} ", f"$ nemo {name} ")
        for name, verb in command.commands.items()
    }


def names(package: str) -> str:
    """The page of a package's public names, which mkdocstrings fills from their docstrings."""
    from importlib import import_module

    public = sorted(import_module(package).__all__, key=lambda name: (name.lower(), name))
    options = "    options: {members: false, show_root_heading: false, show_root_toc_entry: false}"
    return "\n\n".join([f"# {package}", f"::: {package}\n{options}", *(f"::: {package}.{name}" for name in public)])


def linked(markdown: str, original: str) -> str:
    """A page with links to the pages that it names, and without links to files that the site has not.

    Args:
        markdown: The page, as it lies in the repository.
        original: Its path there.
    """
    fence, lines = "", []
    for line in markdown.splitlines():
        found = _FENCE.match(line)
        if found and (not fence or found[1].startswith(fence)):
            fence = "" if fence else found[1]
        lines.append(line if fence or found else _linked_line(line, original))
    return "\n".join(lines)


def _linked_line(line: str, original: str) -> str:
    above = "../" * (target_of(original) or "").count("/")

    def to_page(text: str, path: str) -> str:
        target = target_of(path)
        return text if target is None or path == original else f"[{text}]({above}{target})"

    def link(found: re.Match[str]) -> str:
        picture, text, there, anchor = found.groups(default="")
        place = (ROOT / original).parent / there
        if not place.exists():
            return found[0]  # mkdocs says that it leads nowhere
        path = place.resolve().relative_to(ROOT.resolve()).as_posix()
        target = target_of(path)
        if target is not None:
            return f"{picture}[{text}]({above}{target}{anchor})"
        # A study, a benchmark: the repository has it, the site has not.
        return text if path in text else f"{text} (`{path}`)"

    parts = _CODE.split(_LINK.sub(link, line))
    for number, part in enumerate(parts):
        named = _NAMED.fullmatch(part)
        if named:
            parts[number] = to_page(part, named[1])
        elif not part.startswith("`"):
            parts[number] = _PLAIN.sub(lambda found: to_page(found[0], found[1]), part)
    return "".join(parts)


def target_of(path: str) -> str | None:
    """Where a file of the repository is on the site; None where it is not."""
    if path in FROM_ROOT:
        return FROM_ROOT[path]
    return path.removeprefix("docs/") if path.startswith("docs/") else None
