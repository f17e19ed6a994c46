"""CNNSplitter's published operators one by one, their tournament by hand, and the search that they make."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import nemo
from nemo import metrics
from nemo.baselines import PublishedSearch, class_logit, composed_logits, fitness_images, module_search
from nemo.baselines.heredity import crossed, first_population, mutated, offspring
from nemo.baselines.sensitivity import probes, sensitive_layers
from nemo.baselines.tournament import Tournament
from nemo.loader import Loader
from tests.nemo.landscape import Landscape, by_hand, through_a_file

pytestmark = pytest.mark.heavy


def drawing(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# where bit strings come from


@given(st.lists(st.tuples(st.integers(1, 100), st.booleans()), min_size=1, max_size=4), st.integers(0, 99))
def test_first_candidates_keep_more_of_sensitive_layers(layers: list[tuple[int, bool]], seed: int) -> None:
    groups, sensitive = [count for count, _ in layers], [each for _, each in layers]
    population = first_population(groups, sensitive, (2, 30), drawing(seed))
    assert population.shape == (2, 30, sum(groups))
    for bits, (count, is_sensitive) in zip(population.split(groups, dim=-1), layers, strict=True):
        low, high = (0.6, 0.8) if is_sensitive else (0.4, 0.7)
        kept = bits.sum(dim=-1)
        assert kept.min() >= max(1, round(low * count - 1e-3))
        assert kept.max() <= max(1, round(high * count + 1e-3))


def test_the_shares_of_first_candidates_fill_their_range_and_any_group_may_be_kept() -> None:
    population = first_population([100, 100], [True, False], (500,), drawing())
    for bits, low, high in zip(population.split(100, dim=1), (60, 40), (80, 70), strict=True):
        kept = bits.sum(dim=1)
        assert (int(kept.min()), int(kept.max())) == (low, high)
        often = bits.double().mean(dim=0)  # of every group, whatever its importance
        assert 0.8 * often.mean() < often.min() and often.max() < 1.2 * often.mean()
    assert len({tuple(row.tolist()) for row in population}) == 500


def test_crossover_has_a_single_point() -> None:
    zeros, ones = torch.zeros(300, 20, dtype=torch.bool), torch.ones(300, 20, dtype=torch.bool)
    points = set()
    for child in crossed(zeros, ones, drawing()).tolist():
        assert child == sorted(child)  # the first parent's genes, then the second's
        points.add(child.index(True))
    assert points == set(range(1, 20))
    assert crossed(ones[:1, :1], zeros[:1, :1], drawing()).tolist() == [[True]]


@pytest.mark.parametrize(("bits", "flips"), [(940, 47), (100, 5), (8, 1), (1, 1)])
def test_mutation_flips_a_twentieth_of_the_genes(bits: int, flips: int) -> None:
    parents = torch.rand(50, bits, generator=drawing()) < 0.5
    changed = mutated(parents, drawing(1)) ^ parents
    assert (changed.sum(dim=1) == flips).all()
    assert len({tuple(row.tolist()) for row in changed}) > 1 or bits == 1


def is_child(child: Tensor, parents: Tensor, flips: int) -> bool:
    """Whether a bit string is one of two different parents crossed at one point, with so many genes flipped."""
    wrong = (parents ^ child).int()  # [P, bits]
    before, total = wrong.cumsum(dim=1)[:, :-1], wrong.sum(dim=1, keepdim=True)
    after = total - before
    both = before[:, None] + after[None]  # [P, P, points]
    both[range(len(parents)), range(len(parents))] = len(child) + 1
    return bool((both == flips).any())


def test_children_have_two_different_parents() -> None:
    parents = torch.rand(5, 60, generator=drawing()) < 0.5
    children = offspring(parents, 40, drawing(1))
    assert all(is_child(child, parents, 3) for child in children)
    assert not is_child(torch.rand(60, generator=drawing(2)) < 0.5, parents, 3)


# sensitive layers


def test_a_probe_keeps_the_least_of_one_layer_alone() -> None:
    groups = [10, 3, 100]
    found = probes(groups, 4, drawing())
    assert found.shape == (4, 4, 113)
    assert found[:, 0].all()
    for layer in range(3):
        kept = [bits.sum(dim=1).tolist() for bits in found[:, 1 + layer].split(groups, dim=1)]
        expected = [[each] * 4 for each in groups]
        expected[layer] = [[4, 1, 40][layer]] * 4
        assert kept == expected
    assert len({tuple(row.tolist()) for row in found[:, 3]}) == 4  # drawn for each class


def test_a_layer_is_sensitive_whose_probe_loses_more_than_five_hundredths() -> None:
    labels = torch.arange(100) % 2
    right = torch.stack([labels == 0, labels == 1]).float()  # [2, n]
    logits = torch.stack([right.clone() for _ in range(4)], dim=1)  # [2, 1 + L, n]
    for probe, wrong in enumerate((2, 7, 8, 2)):  # the whole network is wrong twice
        logits[:, probe, :wrong] = 1 - right[:, :wrong]
    assert sensitive_layers(logits, labels) == [False, True, False]


# the tournament


@pytest.mark.parametrize(
    ("classes", "rounds"),
    [
        (2, [[2]]),
        (3, [[2], [3]]),
        (4, [[2, 2], [4]]),
        (5, [[2, 2], [4], [5]]),
        (7, [[2, 2, 2], [4, 3], [7]]),
        (10, [[2, 2, 2, 2, 2], [4, 4], [8], [10]]),
    ],
)
def test_compositions_have_2_4_8_and_then_all_modules(classes: int, rounds: list[list[int]]) -> None:
    logits = torch.rand(classes, 3, 30, generator=drawing())
    outcome = Tournament(logits, torch.ones(classes, 3, 4), torch.arange(30) % classes, logits[:, 0], 0.9).play()
    assert outcome.rounds == rounds
    assert outcome.best.shape == (classes,)


@given(st.integers(2, 5), st.integers(1, 3), st.sampled_from([0.0, 0.5, 0.9, 1.0]), st.integers(0, 10**6))
def test_where_all_go_on_the_best_composition_wins(classes: int, population: int, weight: float, seed: int) -> None:
    generator = drawing(seed)
    logits = torch.randint(-2, 3, (classes, population, 12), generator=generator).float()  # with many equals
    masks = torch.randint(2, (classes, population, 5), generator=generator).float()
    labels = torch.arange(12) % classes
    wrong = -(labels == torch.arange(classes)[:, None]).float()  # so that no threshold is above 0
    outcome = Tournament(logits, masks, labels, wrong, weight, most=10_000).play()
    fitness = {
        chosen: by_hand(
            [logits[label, each].tolist() for label, each in enumerate(chosen)],
            [masks[label, each].int().tolist() for label, each in enumerate(chosen)],
            labels.tolist(),
            weight,
        )
        for chosen in product(range(population), repeat=classes)
    }
    best = max(fitness.values())
    assert fitness[tuple(outcome.best.tolist())] == pytest.approx(best)
    for label in range(classes):  # a candidate is worth what its best composition is
        own = [max(value for chosen, value in fitness.items() if chosen[label] == each) for each in range(population)]
        assert (outcome.worth[label] - outcome.worth.max()).tolist() == pytest.approx([each - best for each in own])


def two_candidates(whole_is_right: bool, weight: float) -> tuple[Tournament, Tensor]:
    """Candidate 0 of each class is right and keeps what all do, candidate 1 is wrong and keeps its own."""
    labels = torch.arange(30) % 3
    right = (labels == torch.arange(3)[:, None]).float()  # [3, n]
    logits = torch.stack([right, -right], dim=1)
    masks = torch.stack([torch.ones(3, 3), torch.eye(3)], dim=1)
    return Tournament(logits, masks, labels, right if whole_is_right else -right, weight), labels


def test_what_is_below_the_threshold_goes_on_only_where_nothing_is_above() -> None:
    different, _ = two_candidates(whole_is_right=False, weight=0.1)
    assert different.play().best.tolist() == [1, 1, 1]
    accurate, _ = two_candidates(whole_is_right=True, weight=0.1)
    assert accurate.threshold(range(2)) == accurate.threshold(range(3)) == pytest.approx(0.9)
    outcome = accurate.play()
    assert outcome.best.tolist() == [0, 0, 0]
    assert (outcome.worth[:, 0] > outcome.worth[:, 1]).all()

    labels = torch.arange(8) % 2
    right = (labels == torch.arange(2)[:, None]).float()
    constant = torch.stack([torch.ones(2, 8), torch.zeros(2, 8)], dim=1)  # right about half of the images at best
    hopeless = Tournament(constant, torch.ones(2, 2, 3), labels, right, 0.9).play()
    assert hopeless.worth.max() < 1
    assert hopeless.best.tolist() == [0, 0]


def test_who_reaches_a_later_round_is_worth_more_than_who_does_not() -> None:
    generator = drawing(3)
    logits, masks = torch.rand(4, 6, 40, generator=generator), (torch.rand(4, 6, 9, generator=generator) < 0.5).float()
    outcome = Tournament(logits, masks, torch.arange(40) % 4, torch.zeros(4, 40), 0.9, most=2).play()
    later = outcome.worth >= 4
    assert (later.sum(dim=1) <= 2).all()  # two compositions of each pair go on
    assert later.gather(1, outcome.best[:, None]).all()


# the search


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_before_its_first_generation_it_asks_which_layers_are_sensitive(classes: int) -> None:
    landscape = Landscape(classes=classes)
    search = landscape.search(search="published", population=40)
    asked = search.ask()
    assert isinstance(search, PublishedSearch)
    assert [each.label for each in asked] == [label for label in range(classes) for _ in range(4)]
    whole = [asked[4 * label].masks for label in range(classes)]
    assert all(mask.all() for masks in whole for mask in masks)
    logits = torch.zeros(len(asked), len(landscape.labels))
    for number, each in enumerate(asked):  # nothing but the second layer matters
        logits[number] = (landscape.labels == each.label).float() * (number % 4 != 2)
    assert search.tell(logits) is None
    assert (search.generation, search.history, search.sensitive) == (0, [], [False, True, False])
    first = search.ask()
    assert len(first) == 40 * classes
    kept = torch.tensor([[mask.double().mean() for mask in each.masks] for each in first])
    assert kept[:, 1].min() >= 0.5 and kept[:, 1].max() > 0.75  # 25 kernels in groups of three and of two
    assert kept[:, 2].min() >= 0.35 and kept[:, 2].min() < 0.5


def test_the_best_fifth_lives_on_and_the_better_half_has_children() -> None:
    landscape = Landscape()
    search = landscape.search(search="published", population=100)
    search.tell(landscape.logits(search.ask()))
    before = search.state_dict()
    logits = landscape.logits(search.ask())
    assert len(logits) == 300
    masks = torch.stack([torch.cat(each.masks).float() for each in search.ask()]).view(3, 100, -1)
    outcome = Tournament(logits.view(3, 100, -1), masks, landscape.labels, before["whole"], 0.9).play()
    search.tell(logits)
    after = search.state_dict()
    assert len(search.ask()) == 3 * 80
    assert after["logits"].shape == (3, 20, 40)
    for label in range(3):
        ranking = outcome.worth[label].argsort(descending=True, stable=True)
        old, new = before["bits"][label], after["bits"][label]
        assert torch.equal(new[:20], old[ranking[:20]])
        assert torch.equal(after["logits"][label], logits.view(3, 100, -1)[label, ranking[:20]])
        flips = round(0.05 * old.shape[1])
        assert all(is_child(child, old[ranking[:50]], flips) for child in new[20:])


def test_it_goes_on_from_before_its_first_generation() -> None:
    landscape = Landscape()
    whole = landscape.finish(landscape.search(search="published"))
    search = landscape.search(search="published")
    for _ in range(2):  # before the probes, and after them
        resumed = landscape.search(search="published")
        resumed.load_state_dict(through_a_file(search))
        assert landscape.finish(resumed).history == whole.history
        search.tell(landscape.logits(search.ask()))


def test_ours_is_the_one_that_was_there_before() -> None:
    assert type(module_search([torch.ones(2, 3)], torch.tensor([0, 1]), {}, 0)).search == "ours"


def test_modules_of_a_tiny_network_on_the_digits() -> None:
    digits = nemo.load_dataset("digits")
    standard = nemo.build_network("rescnn", "standard", 10, width=0.0625, seed=0)
    recipe = nemo.Recipe(epochs=1, batch_size=32, lr=0.03, augment=False)
    nemo.Trainer(standard, digits, "standard", {}, recipe, seed=0, evaluate=False).run_epoch()
    modular = nemo.record_activations(standard, kernels_only=True)
    batches = Loader(digits.train, dataset=digits, batch_size=256, train=False).epoch()
    found = nemo.relevance(modular, ((batch.images, batch.labels) for batch in batches), 10)
    chosen = fitness_images(digits.train, None, 40)
    settings = {"generations": 2, "population": 4, "search": "published"}
    search = module_search(found.mean_masks, chosen.labels, settings, seed=0)
    while not search.done:
        logits = [class_logit(modular, each.label, each.masks, chosen, digits) for each in search.ask()]
        search.tell(torch.stack(logits))
    composed = composed_logits(modular, search.modules(), chosen, digits)
    last = search.history[-1]
    assert metrics.subtask_accuracy(composed, chosen.labels, range(10)) == last["accuracy"]
    assert metrics.kernel_retention_rate(search.modules()) == last["krr"]
    assert 0.3 < last["krr"] < 0.85
    assert metrics.coupling(search.modules()) == last["coupling"]
