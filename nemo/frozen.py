"""What a recipe freezes: all of a network but what its `train_only` names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from fnmatch import fnmatchcase

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from nemo.backbones.backbone import Backbone
from nemo.errors import UserError
from nemo.example import blank
from nemo.modular import ModularNetwork
from nemo.patterns import chosen
from nemo.recipe import GENERATORS, HEAD

_MARK = ".mask_generator."


def freeze(network: nn.Module, train_only: Sequence[str], image: Tensor) -> tuple[_BatchNorm, ...]:
    """Lets the parameters alone learn that are named, in place; the others get no gradient and so no weight decay.

    Args:
        network: Standard or modular.
        train_only: `generators`; `head`, the classifier; or patterns of names as `layer4*`, of which one has to fit
            the name of a parameter or of a module that it is in; what fits one with `!` before it stays frozen.
        image: One of the images that it is trained on, `[3, H, W]`, or a text `[T]`; the classifier of others than ours
            is found on it.

    Returns:
        The batch norms of frozen parts, which have to stay in eval mode: a frozen part computes in training what it
        computes in evaluation, and keeps its running statistics.

    Raises:
        UserError: A pattern fits nothing, or nothing is left to learn.
    """
    inner = network.network if isinstance(network, ModularNetwork) else network
    parameters = dict(inner.named_parameters())
    norms = {name: module for name, module in inner.named_modules() if isinstance(module, _BatchNorm)}
    words = [pattern.removeprefix("!") for pattern in train_only]
    if GENERATORS in words and not any(_MARK in name for name in parameters):
        raise UserError("recipe.train_only: generators are what this network has none of, name other parts of it.")
    head = _head(inner, image) if HEAD in words else ""

    def fits(pattern: str, name: str) -> bool:
        if pattern == GENERATORS:
            return _MARK in name
        if pattern == HEAD:
            return name.startswith(f"{head}.")
        return any(fnmatchcase(part, pattern) for part in _within(name))

    learning = chosen([*parameters, *norms], train_only, "recipe.train_only", "the names of its parameters", fits)
    if not learning & parameters.keys():
        raise UserError("recipe.train_only: leaves nothing to learn, name a part that it does not leave out.")
    for name, parameter in parameters.items():
        parameter.requires_grad_(name in learning)
        parameter.grad = None
    inside = {id(each) for name, each in parameters.items() if name in learning}
    return tuple(
        norm
        for name, norm in norms.items()
        if name not in learning and not any(id(each) in inside for each in norm.parameters())
    )


def _within(name: str) -> Iterator[str]:
    """A name, and those of all that it is in."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def _head(inner: nn.Module, image: Tensor) -> str:
    """The name of the classifier."""
    if isinstance(inner, Backbone):
        return "head"
    from nemo.zoo.classifier import find_classifier

    example = blank(tuple(image.shape))
    try:
        return find_classifier(deepcopy(inner).cpu().eval(), example)[0]
    except UserError as error:
        raise UserError(
            "recipe.train_only: head is the one Linear layer that gives the logits, and this network has none, name "
            "its parts."
        ) from error
