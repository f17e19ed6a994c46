"""CNNSplitter: its groups and fitness by hand, its search on an invented landscape and on the digits."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import nemo
from nemo import metrics
from nemo.baselines import Candidate, CnnSplitter, class_logit, composed_logits, fitness_images, module_search
from nemo.baselines.ensemble import Ensemble
from nemo.baselines.kernel_groups import KernelGroups, group_sizes
from nemo.datasets.dataset import Dataset, Split
from nemo.layers import ConvUnit
from nemo.loader import Loader
from nemo.modular import unmasked_kernels
from tests.nemo.landscape import Landscape, by_hand, through_a_file
from tests.nemo.networks import calibrated, constant_masks, images, random_masks

pytestmark = pytest.mark.heavy

kernels_only = partial(nemo.record_activations, kernels_only=True)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return nemo.load_dataset("digits")


@given(st.integers(1, 1200))
def test_groups_are_array_splits(kernels: int) -> None:
    groups = min(kernels, 10 if kernels < 256 else 100)
    assert group_sizes(kernels) == [len(part) for part in np.array_split(range(kernels), groups)]


@given(st.lists(st.sampled_from([1, 3, 10, 23, 255, 256, 301]), min_size=1, max_size=3), st.integers(0, 99))
def test_every_kernel_is_in_one_group_in_descending_importance(widths: list[int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    importances = [torch.randint(5, (2, width), generator=generator).float() for width in widths]  # with many equals
    groups = KernelGroups(importances)
    singles = torch.eye(sum(groups.groups), dtype=torch.bool)
    for label in range(2):
        masks = groups.decode(label, singles)
        first = 0
        for importance, mask, count in zip(importances, masks, groups.groups, strict=True):
            expected = sorted(range(len(importance[label])), key=lambda kernel: (-importance[label, kernel], kernel))
            parts = np.array_split(expected, count)
            own = mask[first : first + count]
            assert [row.nonzero().flatten().tolist() for row in own] == [sorted(part.tolist()) for part in parts]
            elsewhere = torch.cat([mask[:first], mask[first + count :]])  # none of this layer's bits is set
            assert all(row.nonzero().flatten().tolist() == expected[:1] for row in elsewhere)
            first += count


def test_bits_add_up_and_a_dead_layer_keeps_its_most_important_kernel() -> None:
    groups = KernelGroups([torch.tensor([[0.1, 0.4, 0.2]]), torch.tensor([[0.0] * 11 + [1.0]])])
    assert groups.groups == [3, 10]
    first, second = groups.decode(0, torch.tensor([[1, 0, 1] + [0] * 10, [0, 0, 0] + [1, 1] + [0] * 8]).bool())
    assert first.tolist() == [[True, True, False], [False, True, False]]
    assert [row.nonzero().flatten().tolist() for row in second] == [[11], [0, 1, 2, 11]]
    most = groups.most_important(torch.tensor([1.0, 0.35]))
    assert most.all(dim=1).tolist() == [True, False]
    assert most[1].nonzero().flatten().tolist() == [0, 1, 3, 4, 5, 6]


@pytest.mark.parametrize(("name", "kernels", "bits"), [("simcnn", 4224, 940), ("rescnn", 4288, 840)])
def test_the_sites_are_all_convolutions_and_nothing_is_added(name: str, kernels: int, bits: int) -> None:
    modular = nemo.build_network(name, "cnnsplitter", 10, seed=3)
    standard = nemo.build_network(name, "standard", 10, seed=3)
    assert isinstance(modular, nemo.ModularNetwork)
    assert all(isinstance(unit, ConvUnit) for unit in modular.units)
    assert len(modular.units) == sum(isinstance(layer, nn.Conv2d) for layer in standard.modules())
    assert sum(modular.widths) == kernels
    assert unmasked_kernels(modular) == 0
    assert sum(KernelGroups([torch.rand(10, k) for k in modular.widths]).groups) == bits
    weights = modular.network.state_dict()
    assert weights.keys() == standard.state_dict().keys()
    assert all(torch.equal(value, weights[key]) for key, value in standard.state_dict().items())


@pytest.mark.parametrize("name", ["simcnn", "rescnn"])
@torch.no_grad()
def test_a_class_module_equals_the_network_with_its_activations_masked(name: str) -> None:
    modular = calibrated(name, width=0.125, make=kernels_only)
    generator = torch.Generator().manual_seed(1)
    x = images(3)
    moves = 0
    for label in range(10):
        masks = random_masks(modular, generator, thin=0.1, sparsest=0.5)
        with constant_masks(modular, masks, [label]):
            expected = modular(x)[0]
        module = nemo.extract_module(modular, masks, [label], head="slice")
        torch.testing.assert_close(module(x), expected[:, [label]], rtol=1e-9, atol=1e-12)
        moves += bool(expected.std(0).max() > 1e-9)
    assert moves > 5


def test_importances_are_the_mean_activations(digits: Dataset) -> None:
    modular = nemo.build_network("rescnn", "cnnsplitter", 10, width=0.0625, seed=0).eval()
    seen: list[Tensor] = []
    for unit in modular.units:  # type: ignore[union-attr]
        unit.register_forward_hook(lambda module, args, out: seen.append(out.mean((2, 3))))
    batch = next(iter(Loader(digits.test, dataset=digits, batch_size=200, train=False).epoch()))
    found = nemo.relevance(modular, [(batch.images, batch.labels)], 10)
    for importance, activation in zip(found.mean_masks, seen, strict=True):
        expected = torch.stack([activation[batch.labels == label].mean(0) for label in range(10)])
        torch.testing.assert_close(importance, expected)


def test_it_trains_nothing_and_knows_its_backbones(digits: Dataset) -> None:
    network = nemo.build_network("rescnn", "cnnsplitter", 10, width=0.0625)
    with pytest.raises(nemo.UserError, match="method: cnnsplitter trains nothing, train a standard network for it"):
        nemo.Trainer(network, digits, "cnnsplitter", {}, nemo.Recipe(), seed=0)
    with pytest.raises(nemo.UserError, match="backbone: cnnsplitter knows no vgg16, choose simcnn or rescnn"):
        nemo.build_network("vgg16", "cnnsplitter", 10)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"generation": 3}, "generation is no setting of cnnsplitter, which has generations, population"),
        ({"generations": 0}, "generations: should be a whole number from 1 to 1,000,000, not 0"),
        ({"population": 3}, "population: should be a whole number from 4 to 1,000,000, not 3"),
        ({"population": 7.5}, "population: should be a whole number from 4 to 1,000,000, not 7.5"),
        ({"images": float("nan")}, "images: should be a whole number from 1 to 1,000,000, not nan"),
        ({"search": "theirs"}, "search: should be 'ours' or 'published', not 'theirs'"),
        ({"accuracy_weight": 1.1}, "accuracy_weight: should lie between 0 and 1, not at 1.1"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, float | str], told: str) -> None:
    with pytest.raises(nemo.UserError, match=told):
        module_search([torch.ones(2, 3)], torch.tensor([0, 1]), settings, seed=0)


@given(st.integers(2, 5), st.integers(1, 6), st.sampled_from([0.0, 0.5, 0.9, 1.0]), st.integers(0, 10**6))
def test_fitness_agrees_with_loops(classes: int, kernels: int, weight: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randint(-2, 3, (classes, 7), generator=generator).float()  # with many equals
    masks = torch.randint(2, (classes, kernels), generator=generator).float()
    labels = torch.randint(classes, (7,), generator=generator)
    ensemble = Ensemble(logits, masks, labels, weight)
    expected = by_hand(logits.tolist(), masks.int().tolist(), labels.tolist(), weight)
    assert ensemble.figures()["fitness"] == pytest.approx(expected)
    candidates = torch.randint(-2, 3, (4, 7), generator=generator).float()
    kept = torch.randint(2, (4, kernels), generator=generator).float()
    for label in range(classes):
        found = ensemble.fitness_with(label, candidates, kept).tolist()
        for number, fitness in enumerate(found):
            other_logits, other_masks = logits.tolist(), masks.int().tolist()
            other_logits[label], other_masks[label] = candidates[number].tolist(), kept[number].int().tolist()
            assert fitness == pytest.approx(by_hand(other_logits, other_masks, labels.tolist(), weight))
    ensemble.replace(1, candidates[2], kept[2])
    assert torch.equal(ensemble.logits[1], candidates[2])
    assert torch.equal(ensemble.masks[1], kept[2])


def test_krr_of_a_subtask_is_its_union_and_coupling_a_similarity() -> None:
    masks = [torch.tensor([[1, 1, 0], [0, 1, 0]]).bool(), torch.tensor([[1, 0], [1, 1]]).bool()]
    assert metrics.union_rate(masks, [0, 1]) == 4 / 5  # and not (3 + 3) / 5
    assert metrics.coupling(masks) == 2 / 4
    ensemble = Ensemble(torch.zeros(2, 1), torch.cat(masks, dim=1).float(), torch.tensor([0]), 0.9)
    assert ensemble.figures() == {"fitness": pytest.approx(0.95), "accuracy": 1.0, "coupling": 0.5, "krr": 3 / 5}


def test_what_is_asked_for() -> None:
    landscape = Landscape()
    search = landscape.search(generations=2)
    first = search.ask()
    assert [each.label for each in first] == [0] * 12 + [1] * 12 + [2] * 12
    assert all(mask.all() for label in range(3) for mask in first[12 * label].masks)
    assert all(mask.all() for mask in search.modules())
    for candidate in first:  # a share of the most important groups, at least three of ten
        for mask, importance in zip(candidate.masks, landscape.importances, strict=True):
            kept, left = importance[candidate.label][mask], importance[candidate.label][~mask]
            assert len(kept) >= 0.3 * len(mask) - 1
            assert len(left) == 0 or kept.min() > left.max()
    sizes = {sum(int(mask.sum()) for mask in each.masks) for each in first[1:12]}
    assert len(sizes) > 5
    search.tell(landscape.logits(first))
    assert (search.generation, search.done) == (1, False)
    assert len(search.ask()) == 3 * (12 - 2)  # the best two of each class are known
    search.tell(landscape.logits(search.ask()))
    assert search.done


def test_a_candidate_carries_no_more_than_its_own_masks() -> None:
    for candidate in Landscape().search().ask():
        assert [mask.untyped_storage().nbytes() for mask in candidate.masks] == [6, 25, 260]


@pytest.mark.parametrize("word", ["ours", "published"])
def test_fitness_never_falls_and_the_search_finds_what_the_first_generation_has_not(word: str) -> None:
    landscape = Landscape()
    search = landscape.finish(landscape.search(generations=25, search=word))
    fitness = [row["fitness"] for row in search.history]
    assert all(after >= before - 1e-12 for before, after in pairwise(fitness))
    assert fitness[-1] > fitness[0] + 0.02
    assert [row["generation"] for row in search.history] == list(range(25))


@pytest.mark.parametrize("word", ["ours", "published"])
def test_the_history_is_of_the_best_modules(word: str) -> None:
    landscape = Landscape()
    search = landscape.search(generations=6, search=word)
    while not search.done:
        row = search.tell(landscape.logits(search.ask()))
        if row is None:  # of what is asked for before the first generation
            continue
        modules = search.modules()
        best = [Candidate(label, [mask[label] for mask in modules]) for label in range(3)]
        logits = landscape.logits(best)
        flat = torch.cat(modules, dim=1).int().tolist()
        assert row["fitness"] == pytest.approx(by_hand(logits.tolist(), flat, landscape.labels.tolist(), 0.9))
        assert row["accuracy"] == metrics.subtask_accuracy(logits.T, landscape.labels, range(3))
        assert row["krr"] == metrics.kernel_retention_rate(modules)
        assert row["coupling"] == metrics.coupling(modules)


@pytest.mark.parametrize("word", ["ours", "published"])
def test_the_same_seed_finds_the_same_modules_and_another_seed_others(word: str) -> None:
    landscape = Landscape()
    first, again, other = (landscape.finish(landscape.search(seed=seed, search=word)) for seed in (1, 1, 2))
    assert first.history == again.history
    assert all(torch.equal(a, b) for a, b in zip(first.modules(), again.modules(), strict=True))
    assert first.history != other.history


@pytest.mark.parametrize("word", ["ours", "published"])
def test_a_search_goes_on_after_any_generation_as_if_nothing_had_happened(word: str) -> None:
    landscape = Landscape()
    whole = landscape.finish(landscape.search(search=word))
    broken = landscape.search(search=word)
    while not broken.done:
        resumed = landscape.search(search=word)
        resumed.load_state_dict(through_a_file(broken))
        torch.rand(7)  # whatever else drew random numbers in between
        landscape.finish(resumed)
        assert resumed.history == whole.history
        assert all(torch.equal(a, b) for a, b in zip(resumed.modules(), whole.modules(), strict=True))
        broken.tell(landscape.logits(broken.ask()))


def test_fitness_images_are_the_first_of_each_class() -> None:
    labels = torch.tensor([1, 0, 0, 2, 1, 0, 1, 1, 0])
    split = Split(torch.arange(9).view(9, 1, 1, 1), labels)
    held = Split(split.images + 100, labels)
    assert fitness_images(split, None, 6).images.flatten().tolist() == [0, 1, 2, 3, 4]  # class 2 has one image
    assert fitness_images(split, None, 1).labels.tolist() == [1, 0, 2]
    assert fitness_images(split, held, 2000).images.flatten().tolist() == list(range(100, 109))
    assert fitness_images(split, held, 8).labels.tolist() == [1, 0, 0, 2, 1]


@pytest.mark.slow
def test_modules_of_a_standard_network_on_the_digits(digits: Dataset) -> None:
    standard = nemo.build_network("rescnn", "standard", 10, width=0.125, seed=0)
    recipe = nemo.Recipe(epochs=6, batch_size=32, lr=0.03, augment=False)
    trainer = nemo.Trainer(standard, digits, "standard", {}, recipe, seed=0, evaluate=False)
    while not trainer.done:
        trainer.run_epoch()
    modular = kernels_only(standard)  # type: ignore[arg-type]
    batches = Loader(digits.train, dataset=digits, batch_size=256, train=False).epoch()
    found = nemo.relevance(modular, ((batch.images, batch.labels) for batch in batches), 10)
    chosen = fitness_images(digits.train, None, 100)
    assert chosen.labels.bincount().tolist() == [10] * 10
    search = CnnSplitter(found.mean_masks, chosen.labels, {"generations": 6, "population": 8}, seed=0)
    while not search.done:
        logits = [class_logit(modular, each.label, each.masks, chosen, digits) for each in search.ask()]
        search.tell(torch.stack(logits))
    composed = composed_logits(modular, search.modules(), chosen, digits)
    last = search.history[-1]
    assert metrics.subtask_accuracy(composed, chosen.labels, range(10)) == last["accuracy"]
    assert last["accuracy"] >= search.history[0]["accuracy"]
    assert last["fitness"] > search.history[0]["fitness"]
    unseen = composed_logits(modular, search.modules(), digits.test, digits)
    assert metrics.subtask_accuracy(unseen, digits.test.labels, range(10)) > 0.5
    figures = nemo.measure_masks(found, search.modules(), unmasked_kernels(modular))
    assert figures["krr"] == figures["krr_all"] == last["krr"] < 0.9
    assert figures["coupling"] == last["coupling"]
    assert 0 < figures["cohesion"] <= 1
