"""A network that a function of the user's own makes."""

from __future__ import annotations

import inspect
import os
import sys
from hashlib import sha256
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from torch import nn

from nemo.errors import UserError
from nemo.zoo.failures import reason_and_line, unknown


def make_own(rest: str, num_classes: int, image_size: int | tuple[int, int]) -> nn.Module:
    """Calls a function with those of `num_classes` and `image_size` that it takes.

    Args:
        rest: `MODULE:FUNCTION`, importable; or `FILE.py:FUNCTION`; both also from `$NEMO_NETWORKS`, or else from the
            current directory.
        num_classes: Outputs of the classifier.
        image_size: Height and width in pixels, one number for square images.

    Raises:
        UserError: Module or function are missing or fail, or what it returns is no network.
    """
    place, _, name = rest.rpartition(":")
    try:
        root = Path(os.environ.get("NEMO_NETWORKS") or os.getcwd())
        file = root / (place if place.endswith(".py") else f"{place.replace('.', '/')}.py")
        module = _from_file(file.resolve()) if file.is_file() else import_module(place)
        function = getattr(module, name, None)
        if not callable(function):
            raise unknown("backbone", place, name, (each for each in vars(module) if callable(vars(module)[each])))
        taken = inspect.signature(function).parameters
        given = {"num_classes": num_classes, "image_size": image_size}
        network = function(**{key: value for key, value in given.items() if key in taken})
    except UserError:
        raise
    except ModuleNotFoundError as error:
        raise UserError(
            f"backbone: python:{rest} needs the module {error.name}, install it or put it into the study's folder."
        ) from error
    except Exception as error:
        raise UserError(f"backbone: python:{rest} fails ({reason_and_line(error)}), mend it.") from error
    if not isinstance(network, nn.Module):
        raise UserError(f"backbone: python:{rest} returns no torch.nn.Module but {type(network).__name__}, mend it.")
    return network


def _from_file(path: Path) -> ModuleType:
    """Runs a file as a module that finds its neighbours."""
    name = f"{path.stem}_{sha256(str(path).encode()).hexdigest()[:8]}"
    spec = spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look theirs up
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module
