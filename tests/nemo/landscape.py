"""An invented problem for the searches of `cnnsplitter`, and their fitness by hand."""

from __future__ import annotations

import io
from itertools import combinations

import torch
from torch import Tensor

from nemo.baselines import Candidate, ModuleSearch, module_search


def by_hand(logits: list[list[float]], masks: list[list[int]], labels: list[int], weight: float) -> float:
    """method.md 8, one image and one pair at a time."""
    correct = 0
    for image, label in enumerate(labels):
        stacked = [row[image] for row in logits]
        correct += stacked.index(max(stacked)) == label
    distances = []
    for one, other in combinations(masks, 2):
        union = sum(a or b for a, b in zip(one, other, strict=True))
        common = sum(a and b for a, b in zip(one, other, strict=True))
        distances.append(1 - common / union if union else 0.0)
    return weight * correct / len(labels) + (1 - weight) * sum(distances) / len(distances)


class Landscape:
    """An invented problem: each kernel pulls a class's logit up or down on each image."""

    def __init__(self, classes: int = 3, widths: tuple[int, ...] = (6, 25, 260), images: int = 40) -> None:
        generator = torch.Generator().manual_seed(5)
        self.labels = torch.arange(images) % classes
        self.importances = [torch.rand(classes, width, generator=generator) for width in widths]
        self.pull = torch.randn(classes, sum(widths), images, generator=generator)
        own = self.labels[None, :] == torch.arange(classes)[:, None]
        self.pull += 0.1 * own[:, None, :]

    def search(self, generations: int = 8, population: int = 12, seed: int = 0, search: str = "ours") -> ModuleSearch:
        settings = {"generations": generations, "population": population, "search": search}
        return module_search(self.importances, self.labels, settings, seed)

    def logits(self, candidates: list[Candidate]) -> Tensor:
        return torch.stack([torch.cat(each.masks).float() @ self.pull[each.label] for each in candidates])

    def finish(self, search: ModuleSearch) -> ModuleSearch:
        while not search.done:
            search.tell(self.logits(search.ask()))
        return search


def through_a_file(search: ModuleSearch) -> dict[str, object]:
    file = io.BytesIO()
    torch.save(search.state_dict(), file)
    file.seek(0)
    return dict(torch.load(file, weights_only=True))
