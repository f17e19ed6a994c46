"""Names of networks from elsewhere, told apart and checked without torch."""

from __future__ import annotations

import json
import re
from pathlib import Path

from nemo.errors import UserError

_FORMS = {
    "torchvision": (r"\w+", "torchvision:NAME, such as torchvision:resnet50"),
    "timm": (r"\w+(\.\w+)?", "timm:NAME, such as timm:convnext_atto.d2_in1k"),
    "hf": (r"\{.*\}|[\w.-]+(/[\w.-]+)?(@[\w./-]+)?", "hf:FOLDER or hf:ID, such as hf:google/vit-base-patch16-224"),
    "python": (
        r"(.+\.py|\w+(\.\w+)*):\w+",
        "python:MODULE:FUNCTION, such as python:my_nets:make or python:nets.py:make",
    ),
}
"""By prefix: how the rest of a name looks, and the whole of it in words."""

PREFIXES = tuple(_FORMS)

FILES = (".safetensors", ".pth", ".pt", ".bin")
"""How the names of files with weights end; any other text names weights that a library publishes."""

_PUBLISHED = {
    "torchvision": (r"(\w+\.)?\w+", "a name of its weights, such as IMAGENET1K_V2"),
    "timm": (r"\w+|[\w.-]+/[\w.-]+(@[\w./-]+)?", "a tag, such as d2_in1k, or ORGANISATION/NAME@REVISION of the hub"),
    "hf": (r"[\w.-]+(/[\w.-]+)?(@[\w./-]+)?", "ORGANISATION/NAME@REVISION of the hub"),
}
"""By prefix: how weights are named that are published, and the same in words."""


_HEADS = ("num_attention_heads", "num_heads", "n_heads", "n_head")
"""What the configurations of transformers call the heads of their attention."""


def is_foreign(name: str) -> bool:
    """Whether a backbone of this name comes from elsewhere."""
    return ":" in name and split(name)[0] in _FORMS


def has_attention(name: str) -> bool:
    """Whether a network from elsewhere is a Transformer, as its name tells; of transformers, its configuration.

    Args:
        name: `hf:` and a configuration, or another name; what a file of one's own makes is not known.
    """
    prefix, rest = split(name)
    if prefix == "hf" and rest.startswith("{"):
        return any(field.endswith(_HEADS) for field in json.loads(rest))
    return prefix in ("timm", "torchvision") and re.search(r"vit|deit|beit|swin", rest) is not None


def split(name: str) -> tuple[str, str]:
    """The prefix, and what follows it: `timm`, `convnext_atto`."""
    prefix, _, rest = name.partition(":")
    return prefix, rest


def check_name(name: str) -> None:
    """Refuses what no library can know.

    Raises:
        UserError: The prefix is unknown or what follows it is not of its form, or a folder or a file is not here.
    """
    prefix, rest = split(name)
    if not is_foreign(name):
        raise UserError(f"backbone: {name!r} is unknown, write {'; '.join(form for _, form in _FORMS.values())}.")
    pattern, form = _FORMS[prefix]
    is_folder = prefix == "hf" and bool(rest) and not rest.startswith("{") and Path(rest).is_dir()
    if is_folder and not Path(rest, "config.json").is_file():
        raise UserError(f"backbone: the folder {rest} has no config.json, give one that save_pretrained wrote.")
    if not is_folder and not re.fullmatch(pattern, rest, re.DOTALL):
        missing = f"there is no folder {rest}" if prefix == "hf" and rest else f"{name!r} names no network"
        raise UserError(f"backbone: {missing}, write {form}.")
    file = rest.rpartition(":")[0]
    if prefix == "python" and file.endswith(".py") and not Path(file).is_file():
        raise UserError(f"backbone: there is no file {file}, give its path from the current directory.")


def is_published(pretrained: bool | str | None) -> bool:
    """Whether weights have to be fetched from those who publish them; a file is already here."""
    return bool(pretrained) and not (isinstance(pretrained, str) and pretrained.endswith(FILES))


def check_pretrained(name: str, pretrained: bool | str) -> None:
    """Refuses weights that cannot be a network's, without asking whoever publishes them.

    Args:
        name: The network's.
        pretrained: True for its library's default, the name of other weights, or a file of weights.

    Raises:
        UserError: The file is not here, or nobody publishes such weights.
    """
    prefix, rest = split(name)
    if not is_published(pretrained):
        if not Path(str(pretrained)).expanduser().is_file():
            raise UserError(
                f"pretrained: there is no file {pretrained}, bring one with python -m nemo.zoo NAME FOLDER and name it "
                "here."
            )
        return
    if prefix not in _PUBLISHED or (rest.startswith("{") and pretrained is True):
        raise UserError(f"pretrained: nobody publishes weights of {name}, give a file ({', '.join(FILES)}).")
    pattern, words = _PUBLISHED[prefix]
    folder = isinstance(pretrained, str) and prefix == "hf" and Path(pretrained).is_dir()
    if isinstance(pretrained, str) and not folder and not re.fullmatch(pattern, pretrained):
        raise UserError(
            f"pretrained: {pretrained!r} names no weights of {name}, give true for its library's own, {words}, or a "
            f"file ({', '.join(FILES)})."
        )


def short(name: str) -> str:
    """A network's name for labels: of `hf:models/tiny` it is `tiny`, of `python:my_nets:make` it is `make`."""
    prefix, rest = split(name)
    if rest.startswith("{"):
        kind = re.search(r'"model_type":\s*"([\w-]+)"', rest)
        return kind[1] if kind else prefix
    return Path(rest.partition("@")[0]).absolute().name if prefix == "hf" else rest.rpartition(":")[2]
