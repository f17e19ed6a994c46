"""The searches for modules that the setting `search` of `cnnsplitter` names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from nemo.baselines.cnnsplitter import CnnSplitter
from nemo.baselines.published import PublishedSearch
from nemo.baselines.search import ModuleSearch
from nemo.methods import Setting
from nemo.methods.cnnsplitter import METHOD

SEARCHES: dict[str, type[ModuleSearch]] = {each.search: each for each in (CnnSplitter, PublishedSearch)}


def module_search(
    importances: Sequence[Tensor], labels: Tensor, settings: Mapping[str, Setting], seed: int
) -> ModuleSearch:
    """The search that the settings ask for, at its beginning.

    Args:
        importances: Per layer `[N, K_l]`, of every kernel to every class.
        labels: int64 `[n]`, of the fitness images.
        settings: The method's; what is missing takes its default.
        seed: Of all draws.

    Raises:
        UserError: A setting does not exist or is out of range.
    """
    return SEARCHES[str(METHOD.complete(settings)["search"])](importances, labels, settings, seed)
