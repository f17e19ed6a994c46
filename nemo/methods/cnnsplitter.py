"""CNNSplitter: a genetic search for the kernels of each class in a network that is trained already (method.md 8)."""

from __future__ import annotations

from nemo.errors import UserError
from nemo.methods.method import Method, Settings

_LEAST = {"generations": 1, "population": 4, "images": 1}
_MOST = 1_000_000


def _check(settings: Settings) -> None:
    """Refuses what no search can run with: a number of things that is not whole or too small, no share of 1."""
    for name, least in _LEAST.items():
        value = settings[name]
        if not (least <= value <= _MOST and float(value).is_integer()):
            raise UserError(f"{name}: should be a whole number from {least} to {_MOST:,}, not {value:g}.")
    weight = settings["accuracy_weight"]
    if not 0 <= weight <= 1:
        raise UserError(f"accuracy_weight: should lie between 0 and 1, not at {weight:g}.")


METHOD = Method(
    "cnnsplitter",
    {"generations": 200, "population": 100, "accuracy_weight": 0.9, "images": 2000, "search": ("ours", "published")},
    check=_check,
    source="activations",
    ignores=("lr", "lr_mask"),
    head="slice",
    starts_from="standard",
    backbones=("simcnn", "rescnn"),
    kernels_only=True,
    told={
        "generations": "of the search",
        "population": "candidates of each class in a generation",
        "accuracy_weight": "of the modules' accuracy together; the rest is how much they differ",
        "images": "training images that candidates are judged on",
        "search": "how modules are sought: our own search, or `published`, with the operators of the published one",
    },
)
