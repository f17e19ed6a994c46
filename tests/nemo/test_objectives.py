"""The pairwise objectives against loops over pairs, against golden values, and where they could break."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cosine_similarity

from nemo.objectives import VARIANTS, cohesion_coupling, contrastive
from tests.nemo.host_reads import NoHostRead


def terms(masks, labels):
    """Every objective of a batch."""
    return [*cohesion_coupling(masks, labels), *(contrastive(masks, labels, 0.2, variant) for variant in VARIANTS)]


def looped_cohesion_coupling(masks, labels):
    """method.md 3.1, pair by pair."""
    layers = []
    for mask in masks:
        same, other = [], []
        for i in range(len(labels)):
            for j in range(i + 1, len(labels)):
                cosine = float(cosine_similarity(mask[i], mask[j], dim=0, eps=1e-12))
                (same if labels[i] == labels[j] else other).append(cosine)
        layers.append((1 - sum(same) / len(same) if same else 0, sum(other) / len(other) if other else 0))
    return [sum(values) / len(masks) for values in zip(*layers, strict=True)]


def looped_contrastive(masks, labels, temperature, variant):
    """method.md 3.2, anchor by anchor."""
    layers = []
    for mask in masks:
        losses = []
        for i in range(len(labels)):
            positive, negative, positives = 0.0, 0.0, 0
            for j in range(len(labels)):
                cosine = float(cosine_similarity(mask[i], mask[j], dim=0, eps=1e-12))
                same = bool(labels[i] == labels[j])
                if variant == "reference":
                    positive += math.exp(cosine * same / temperature)
                    negative += math.exp(cosine * (1 - same) / temperature)
                elif i != j:
                    positives += same
                    positive += same * math.exp(cosine / temperature)
                    negative += (1 - same) * math.exp(cosine / temperature)
            if variant == "reference":
                losses.append(-math.log((positive + 1e-8) / (positive + negative + 1e-8)))
            elif positives:
                losses.append(-math.log(positive / (positive + negative)))
        layers.append(sum(losses) / len(losses) if losses else 0.0)
    return sum(layers) / len(layers)


@st.composite
def batches(draw):
    """Masks of two or three layers with dead samples, and labels of any value."""
    size = draw(st.integers(1, 9))
    labels = draw(st.lists(st.sampled_from([-7, 0, 3, 2**40]), min_size=size, max_size=size))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**20)))
    widths = draw(st.lists(st.integers(1, 6), min_size=2, max_size=3))
    masks = [torch.randn(size, k, generator=generator, dtype=torch.float64).tanh().relu() for k in widths]
    return masks, torch.tensor(labels)


@settings(max_examples=60, deadline=None)
@given(batches(), st.sampled_from([0.1, 0.2, 0.5]))
def test_equal_to_the_loops_over_pairs(batch, temperature):
    masks, labels = batch
    for value, expected in zip(cohesion_coupling(masks, labels), looped_cohesion_coupling(masks, labels), strict=True):
        assert value.dtype == torch.float64
        assert float(value) == pytest.approx(expected, abs=1e-10)
    for variant in VARIANTS:
        value = contrastive(masks, labels, temperature, variant)
        assert float(value) == pytest.approx(looped_contrastive(masks, labels, temperature, variant), abs=1e-10)


@settings(max_examples=30, deadline=None)
@given(batches(), st.randoms(use_true_random=False))
def test_the_order_of_samples_and_the_names_of_classes_do_not_matter(batch, random):
    masks, labels = batch
    order = list(range(len(labels)))
    random.shuffle(order)
    shuffled = terms([mask[order] for mask in masks], 5 - labels[order])
    for value, expected in zip(shuffled, terms(masks, labels), strict=True):
        torch.testing.assert_close(value, expected, atol=1e-12, rtol=0)


LABELS = torch.arange(128) % 10
ONE_HOT = torch.nn.functional.one_hot(LABELS, 10).double()
ONES, ZEROS = torch.ones(128, 8, dtype=torch.float64), torch.zeros(128, 8, dtype=torch.float64)


@pytest.mark.parametrize(
    ("temperature", "mask", "expected"),
    [
        (0.1, ONE_HOT, 0.0004537),
        (0.1, ONES, 2.3017258),
        (0.1, ZEROS, 0.6931472),
        (0.2, ONE_HOT, 0.0615856),
        (0.2, ONES, 2.2499324),
        (0.2, ZEROS, 0.6931472),
    ],
)
def test_contrastive_has_the_published_values(temperature, mask, expected):
    assert float(contrastive([mask], LABELS, temperature)) == pytest.approx(expected, abs=1e-6)
    assert float(contrastive([mask.float()], LABELS, temperature)) == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize(
    ("temperature", "reference", "clean"),
    [
        (0.1, (0.0005, 2.3017, 0.6931), (0.0004, 2.3756, 2.3756)),
        (0.2, (0.0616, 2.2499, 0.6931), (0.0637, 2.3756, 2.3756)),
        (0.3, (0.2390, 2.0587, 0.6931), (0.2988, 2.3756, 2.3756)),
        (0.4, (0.3866, 1.8279, 0.6931), (0.5885, 2.3756, 2.3756)),
        (0.5, (0.4762, 1.6326, 0.6931), (0.8419, 2.3756, 2.3756)),
    ],
)
def test_contrastive_has_the_values_of_both_variants(temperature, reference, clean):
    for mask, of_reference, of_clean in zip((ONE_HOT, ONES, ZEROS), reference, clean, strict=True):
        assert float(contrastive([mask], LABELS, temperature)) == pytest.approx(of_reference, abs=6e-5)
        assert float(contrastive([mask], LABELS, temperature, "masked_exp")) == pytest.approx(of_clean, abs=6e-5)


@pytest.mark.parametrize(("mask", "expected"), [(ONE_HOT, (0, 0)), (ZEROS, (1, 0)), (ONES, (0, 1))])
def test_cohesion_and_coupling_of_perfect_dead_and_constant_masks(mask, expected):
    for dtype in (torch.float64, torch.float32):
        values = cohesion_coupling([mask.to(dtype), mask.to(dtype)], LABELS)
        assert [float(value) for value in values] == pytest.approx(expected, abs=1e-6)


HARD_BATCHES = {
    "one class": [4, 4, 4, 4],
    "no positive pair": [0, 1, 2, 3],
    "one sample": [2],
    "one anchor without a positive": [0, 0, 1, 0],
    "ordinary": [0, 1, 0, 1],
}


@pytest.mark.parametrize("labels", HARD_BATCHES.values(), ids=HARD_BATCHES)
@pytest.mark.parametrize("dead", ["nothing", "sample", "layer", "network", "nearly"])
@pytest.mark.parametrize("autocast", [None, torch.bfloat16, torch.float16])
def test_values_and_gradients_are_finite(labels, dead, autocast):
    torch.manual_seed(0)
    inputs = [torch.randn(len(labels), k) + 0.5 for k in (5, 3)]
    if dead in ("sample", "layer"):
        inputs[0][: 1 if dead == "sample" else None] = -1
    if dead == "network":
        inputs = [-value.abs() for value in inputs]
    if dead == "nearly":
        inputs[0][0] = 1e-13
    for index in range(4):
        generators = [torch.eye(value.shape[1], requires_grad=True) for value in inputs]
        leaves = [value.clone().requires_grad_() for value in inputs]
        with torch.autocast("cpu", dtype=autocast or torch.bfloat16, enabled=autocast is not None):
            masks = [torch.tanh(leaf @ weight).relu() for leaf, weight in zip(leaves, generators, strict=True)]
            for mask in masks:
                mask.retain_grad()
            value = terms(masks, torch.tensor(labels))[index]
        assert value.dtype == torch.float32 and value.isfinite()
        if value.requires_grad:
            value.backward()
        for tensor in (*leaves, *generators, *masks):
            assert tensor.grad is None or tensor.grad.isfinite().all()


def test_a_term_without_its_pairs_is_zero():
    mask = [torch.rand(3, 4)]
    assert float(cohesion_coupling(mask, torch.tensor([0, 1, 2]))[0]) == 0
    assert float(cohesion_coupling(mask, torch.tensor([1, 1, 1]))[1]) == 0
    assert float(contrastive(mask, torch.tensor([0, 1, 2]), 0.2, "masked_exp")) == 0


def test_a_dead_layer_has_no_gradient_and_a_live_one_has():
    pre = [torch.full((6, 4), -1.0, requires_grad=True), torch.randn(6, 4, requires_grad=True)]
    for index in range(4):
        value = terms([torch.tanh(z).relu() for z in pre], torch.tensor([0, 0, 1, 1, 2, 2]))[index]
        dead, live = torch.autograd.grad(value, pre)
        assert not dead.any() and live.any()


def test_a_small_temperature_does_not_overflow():
    masks = [torch.rand(8, 5).requires_grad_(), torch.zeros(8, 3)]
    for variant in VARIANTS:
        value = contrastive(masks, torch.arange(8) % 3, 0.005, variant)
        assert value.isfinite()
        assert torch.autograd.grad(value, masks[0])[0].isfinite().all()


@pytest.mark.parametrize("labels", HARD_BATCHES.values(), ids=HARD_BATCHES)
def test_gradients_are_those_of_finite_differences(labels):
    torch.manual_seed(1)
    pre = [torch.randn(len(labels), k, dtype=torch.float64).add(0.3).requires_grad_() for k in (4, 3)]
    if len(labels) > 1:
        with torch.no_grad():
            pre[0][1] = -1  # a dead sample in a live layer
    assert torch.autograd.gradcheck(
        lambda *values: tuple(terms([torch.tanh(z).relu() for z in values], torch.tensor(labels))), pre
    )


def test_an_unknown_variant_names_the_choices():
    with pytest.raises(ValueError, match=r"variant: 'clean' is unknown, choose one of reference, masked_exp"):
        contrastive([torch.rand(2, 2)], torch.tensor([0, 1]), 0.2, "clean")


def test_nothing_is_read_back_to_the_host():
    with NoHostRead():
        sum(terms([torch.rand(8, 4, requires_grad=True)], torch.arange(8) % 3)).backward()


def test_the_host_read_test_can_fail():
    for reads in (lambda x: x.sum().item(), lambda x: bool(x.any()), lambda x: x[x > 0.5], lambda x: x.unique()):
        with NoHostRead(), pytest.raises(AssertionError, match="waits for the device"):
            reads(torch.rand(8))
