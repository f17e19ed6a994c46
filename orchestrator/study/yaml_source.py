"""YAML without surprises: the safe loader, no duplicate names, `1e-3` is a number, nothing huge."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from nemo.documents import read_document
from nemo.errors import UserError

_MOST, _DEEPEST = 10_000, 20
"""Values, and lists within lists: aliases make a small file huge, and what is deep exhausts the stack."""


class _Loader(yaml.SafeLoader):
    """YAML 1.1 takes `1e-3` for a text; here it is the number that everybody means."""


class _Dumper(yaml.SafeDumper):
    """Puts in quotes what `_Loader` would take for a number."""


for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
    )


def parse_value(text: str) -> Any:
    """Reads one YAML value.

    Raises:
        ValueError: The text is no YAML, or more than a study needs.
    """
    try:
        value = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ValueError("is no valid YAML") from error
    except Exception as error:  # see `parse_yaml`
        raise ValueError(f"is no usable YAML, {_reason(error)}") from error
    _refuse_huge(value)
    return value


def node_of(text: str) -> yaml.Node | None:
    """The node of a text that `parse_value` reads; None of an empty one."""
    node: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    return node


def dump_yaml(data: Any, **options: Any) -> str:
    """YAML that is read back as the same data; options as `yaml.dump` takes them."""
    return str(yaml.dump(data, Dumper=_Dumper, **{"sort_keys": False, **options}))


def plain_text(node: yaml.Node | None, place: Sequence[str | int]) -> str | None:
    """What stands at a place below a node without quotes, where YAML does not take it for a text; None elsewhere."""
    for part in place:
        if isinstance(node, yaml.MappingNode):
            node = next((value for name, value in node.value if getattr(name, "value", None) == part), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
        else:
            return None
    plain = isinstance(node, yaml.ScalarNode) and node.style is None and node.tag != "tag:yaml.org,2002:str"
    return str(node.value) if plain and node is not None else None


def parse_yaml(text: str, label: str) -> tuple[yaml.Node, Any]:
    """Reads a study's text into its nodes, which know their lines, and its data.

    Args:
        text: YAML.
        label: The name of its file in messages.

    Raises:
        UserError: The text is no YAML, or gives a name twice.
    """
    loader = None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            raise UserError(f"{label}:1: study: the file is empty, nemo init --example quickstart brings a study.")
        doubles = _duplicates(root)
        if doubles:
            raise UserError("\n".join(f"{label}:{line}: {name}: is given twice, remove one." for line, name in doubles))
        data = loader.construct_document(root)
        _refuse_huge(data)
        return root, data
    except UserError:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise UserError(f"{label}:{mark.line + 1 if mark else 1}: study: is no valid YAML, {error.problem}.") from None
    except yaml.YAMLError as error:
        raise UserError(f"{label}:1: study: is no valid YAML, {str(error).splitlines()[0]}.") from None
    except Exception as error:  # a tag that does not fit its value makes PyYAML raise whatever its parsing runs into
        raise UserError(f"{label}:1: study: is no usable YAML, {_reason(error)}.") from None
    finally:
        if loader is not None:
            loader.dispose()


def read_text(path: Path, label: str) -> str:
    """The text of a study file.

    Args:
        path: The file.
        label: Its name in messages.

    Raises:
        UserError: It cannot be read, or is no text.
    """
    try:
        return read_document(path)
    except OSError as error:
        raise UserError(f"{label}: cannot be read ({error.strerror}), give the path of a study file.") from None
    except UnicodeDecodeError:
        raise UserError(f"{label}:1: study: is no text in UTF-8, save it as such.") from None


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    return str(error) if isinstance(error, ValueError) else "a value does not fit its tag"


def _refuse_huge(data: Any) -> None:
    """Looks at every value once for each time that it is reached, aliases included.

    Raises:
        ValueError: There is no end to them, or they are nested too deep.
    """
    waiting, count = [(data, 0)], 0
    while waiting:
        value, depth = waiting.pop()
        count += 1
        if count > _MOST:
            raise ValueError(f"it has more than {_MOST:,} values, those behind aliases included")
        if depth > _DEEPEST:
            raise ValueError(f"it is nested more than {_DEEPEST} deep")
        if isinstance(value, dict):
            waiting += [(item, depth + 1) for item in value.values()]
        elif isinstance(value, list | tuple | set):
            waiting += [(item, depth + 1) for item in value]


def _duplicates(root: yaml.Node) -> list[tuple[int, str]]:
    """Names that a mapping gives twice, with their lines; aliases are visited once."""
    duplicates, seen, pending = [], set(), [root]
    while pending:
        node = pending.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            names: set[str] = set()
            for name, value in node.value:
                if isinstance(name, yaml.ScalarNode):
                    if name.value in names:
                        duplicates.append((name.start_mark.line + 1, name.value))
                    names.add(name.value)
                pending.append(value)
        elif isinstance(node, yaml.SequenceNode):
            pending.extend(node.value)
    return sorted(duplicates)
