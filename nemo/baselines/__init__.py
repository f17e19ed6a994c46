"""Baselines: other ways to modules than training for them.

The modules of a trained standard network, found by a search:

    modular = nemo.record_activations(standard, kernels_only=True)
    relevance = nemo.relevance(modular, batches, num_classes=10)
    images = fitness_images(train, validation, 2000)
    search = module_search(relevance.mean_masks, images.labels, {"search": "published"}, seed=0)
    while not search.done:
        logits = [class_logit(modular, each.label, each.masks, images, dataset) for each in search.ask()]
        search.tell(torch.stack(logits))
    module = nemo.extract_module(modular, search.modules(), [3], head="slice")

Candidates know nothing of each other, so any number of workers can run them.
"""

from nemo.baselines.cnnsplitter import CnnSplitter
from nemo.baselines.composed import class_logit, composed_logits, fitness_images
from nemo.baselines.published import PublishedSearch
from nemo.baselines.search import Candidate, ModuleSearch
from nemo.baselines.searches import module_search

__all__ = [
    "Candidate",
    "CnnSplitter",
    "ModuleSearch",
    "PublishedSearch",
    "class_logit",
    "composed_logits",
    "fitness_images",
    "module_search",
]
