"""YAML without surprises: the safe loader, no duplicate names, `1e-3` is a number."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from nemo.errors import UserError

_LARGEST = 1_000_000  # bytes; a study is a page of text, and YAML's aliases make small files huge


class _Loader(yaml.SafeLoader):
    """YAML 1.1 takes `1e-3` for a text; here it is the number that everybody means."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def parse_value(text: str) -> Any:
    """Reads one YAML value.

    Raises:
        yaml.YAMLError: The text is no YAML.
    """
    return yaml.load(text, Loader=_Loader)


def parse_yaml(path: Path) -> tuple[yaml.Node, Any, str]:
    """Reads a file into its nodes, which know their lines, its data and its text.

    Raises:
        UserError: The file cannot be read, is no YAML, or gives a name twice.
    """
    text = _read(path)
    loader = None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            raise UserError(f"{path}:1: study: the file is empty, see studies/quickstart.yaml for a study.")
        doubles = _duplicates(root)
        if doubles:
            raise UserError("\n".join(f"{path}:{line}: {name}: is given twice, remove one." for line, name in doubles))
        return root, loader.construct_document(root), text
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise UserError(f"{path}:{mark.line + 1 if mark else 1}: study: is no valid YAML, {error.problem}.") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}:1: study: is no valid YAML, {str(error).splitlines()[0]}.") from None
    except (RecursionError, ValueError) as error:
        raise UserError(f"{path}:1: study: is no usable YAML, {type(error).__name__}: {error}.") from None
    finally:
        if loader is not None:
            loader.dispose()


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise UserError(f"{path}:1: study: is larger than {_LARGEST // 1000} kB, which no study is.")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}), give the path of a study file.") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}:1: study: is no text in UTF-8, save it as such.") from None


def _duplicates(root: yaml.Node) -> list[tuple[int, str]]:
    """Names that a mapping gives twice, with their lines; aliases are visited once."""
    found, seen, waiting = [], set(), [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            names: set[str] = set()
            for name, value in node.value:
                if isinstance(name, yaml.ScalarNode):
                    if name.value in names:
                        found.append((name.start_mark.line + 1, name.value))
                    names.add(name.value)
                waiting.append(value)
        elif isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)
    return sorted(found)
