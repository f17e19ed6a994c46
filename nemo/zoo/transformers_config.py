"""Networks of transformers, from their configurations, which hold no code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nemo.documents import read_document
from nemo.errors import UserError
from nemo.zoo.failures import library, reason, reason_of_download, unknown
from nemo.zoo.names import check_name, split

_NO_ARCHITECTURE = frozenset(
    [
        *("_name_or_path", "architectures", "auto_map", "dtype", "id2label", "label2id", "num_labels", "torch_dtype"),
        "transformers_version",
    ]
)


def with_config(name: str) -> str:
    """The name that builds the same network without its folder or the hub: `hf:` and the configuration itself.

    Raises:
        UserError: The configuration cannot be read, or fetched.
    """
    return "hf:" + json.dumps(read_config(name), sort_keys=True)


def read_config(name: str) -> dict[str, Any]:
    """The fields of a network's configuration that say what it computes.

    Raises:
        UserError: They cannot be read, or fetched.
    """
    check_name(name)
    rest = split(name)[1]
    try:
        fields = json.loads(rest) if rest.startswith("{") else stored_fields(rest, "config.json")
        return {"model_type": fields["model_type"]} | {
            key: fields[key] for key in fields if key not in _NO_ARCHITECTURE
        }
    except Exception as error:
        raise UserError(
            f"backbone: the configuration of {name} cannot be read ({reason_of_download(error)}), give hf: and a "
            "folder with its config.json."
        ) from error


def split_revision(rest: str) -> tuple[str, str | None]:
    """The ID of the hub and the revision of `ID@REVISION`; a folder has none."""
    identity, _, revision = (rest, "", "") if Path(rest).is_dir() else rest.partition("@")
    return identity, revision or None


def stored_fields(rest: str, file: str, *, optional: bool = False) -> Any:
    """A JSON file of a folder, or of the hub; empty where it is optional and there is none.

    Raises:
        OSError: It is missing, or cannot be fetched.
        ValueError: It is no JSON.
    """
    identity, revision = split_revision(rest)
    find = library("transformers.utils").cached_file
    found = find(identity, file, revision=revision, _raise_exceptions_for_missing_entries=not optional)
    return {} if found is None else json.loads(read_document(Path(found)))


def cached_folder(rest: str, files: Sequence[str]) -> Path:
    """The folder in the hub's cache that holds those of these files that a network has; they are fetched.

    Raises:
        OSError: They cannot be fetched, or it has none of them.
    """
    identity, revision = split_revision(rest)
    find = library("transformers.utils").cached_file
    options = {"revision": revision, "_raise_exceptions_for_missing_entries": False}
    found = [place for file in files if (place := find(identity, file, **options)) is not None]
    if not found:
        raise OSError(f"{identity} has none of {', '.join(files[:3])}, ...")
    return Path(found[0]).parent


def classifies_texts(kind: str) -> bool:
    """Whether transformers knows networks of a kind (`model_type`) that classify texts, and none for images."""
    transformers = library("transformers")
    config = transformers.CONFIG_MAPPING[kind] if kind in transformers.CONFIG_MAPPING else None  # noqa: SIM401
    return (
        config in transformers.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING
        and config not in transformers.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING
    )


def configured(name: str, num_classes: int, size: tuple[int, ...] | None = None) -> tuple[Any, Any]:
    """A network's configuration and its class: for images, or for texts where the size is one number of tokens.

    Without a size it is one for images of its own size, or for texts where it classifies no images.

    Raises:
        UserError: The configuration is of no network that classifies such inputs.
    """
    transformers = library("transformers")
    fields = read_config(name)
    kind = fields.pop("model_type")
    if kind not in transformers.CONFIG_MAPPING:
        raise unknown("backbone", "transformers", kind, transformers.CONFIG_MAPPING)
    try:
        config = transformers.AutoConfig.for_model(kind, **fields, num_labels=num_classes)
        if size is not None and len(size) == 2 and hasattr(config, "image_size"):
            config.image_size = size[0] if size[0] == size[1] else list(size)
    except Exception as error:
        raise UserError(f"backbone: the configuration of {name} is of no {kind} ({reason(error)}), mend it.") from error
    texts = classifies_texts(kind) if size is None else len(size) == 1
    classes = getattr(transformers, f"MODEL_FOR_{'SEQUENCE' if texts else 'IMAGE'}_CLASSIFICATION_MAPPING")
    if type(config) not in classes:
        what = "texts" if texts else "images"
        raise UserError(f"backbone: transformers classifies no {what} by a {kind}, give another network than {name}.")
    found = classes[type(config)]
    return config, found[0] if isinstance(found, tuple) else found
