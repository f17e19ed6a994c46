"""Networks of transformers, from their configurations, which hold no code."""

from __future__ import annotations

import json
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


def configured(name: str, num_classes: int, size: tuple[int, int] | None = None) -> tuple[Any, Any]:
    """A network's configuration, for images of its own size where none is given, and its class.

    Raises:
        UserError: The configuration is of no network that classifies images.
    """
    transformers = library("transformers")
    fields = read_config(name)
    kind = fields.pop("model_type")
    if kind not in transformers.CONFIG_MAPPING:
        raise unknown("backbone", "transformers", kind, transformers.CONFIG_MAPPING)
    try:
        config = transformers.AutoConfig.for_model(kind, **fields, num_labels=num_classes)
        if size is not None and hasattr(config, "image_size"):
            config.image_size = size[0] if size[0] == size[1] else list(size)
    except Exception as error:
        raise UserError(f"backbone: the configuration of {name} is of no {kind} ({reason(error)}), mend it.") from error
    classes = transformers.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING
    if type(config) not in classes:
        raise UserError(f"backbone: transformers classifies no images by a {kind}, give another network than {name}.")
    found = classes[type(config)]
    return config, found[0] if isinstance(found, tuple) else found
