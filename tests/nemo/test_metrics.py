"""The metrics against sets and loops."""

import math
from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nemo import metrics
from nemo.bits import pack_bits
from tests.nemo.host_reads import NoHostRead


def jaccard(left, right):
    """|a and b| / |a or b| of two rows of bits, as sets."""
    a, b = set(left.nonzero()[:, 0].tolist()), set(right.nonzero()[:, 0].tolist())
    return len(a & b) / len(a | b) if a | b else 1.0


def mean(values):
    values = list(values)
    return sum(values) / len(values)


@st.composite
def cases(draw):
    """Continuous sample masks with empty rows, labels with rare classes, and module masks."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**20)))
    size, classes = draw(st.integers(2, 14)), draw(st.integers(2, 4))
    widths = draw(st.lists(st.integers(1, 7), min_size=1, max_size=3))
    density = draw(st.sampled_from([0.1, 0.5, 0.9]))
    samples = [(torch.rand(size, k, generator=generator) - 1 + density).relu() for k in widths]
    labels = torch.randint(classes, (size,), generator=generator)
    modules = [torch.rand(classes, k, generator=generator) < 0.6 for k in widths]
    return samples, labels, modules


@settings(max_examples=80, deadline=None)
@given(cases(), st.integers(1, 4))
def test_cohesion_is_the_mean_over_all_pairs(case, block):
    samples, labels, modules = case
    bits, masks = torch.cat([sample > 0 for sample in samples], 1), torch.cat(modules, 1)
    expected, empty = [], 0
    for label in range(len(masks)):
        pairs = list(combinations((bits & masks[label])[labels == label], 2))
        if pairs:
            expected.append(mean(jaccard(*pair) for pair in pairs))
            empty += sum(not (left | right).any() for left, right in pairs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "_BLOCK_ROWS", block)
        value = metrics.cohesion(samples, labels, modules)
        packed = metrics.cohesions_packed(pack_bits(bits), labels, [modules])[0]
    if expected:
        assert value == pytest.approx(mean(expected), abs=1e-12)
        assert packed == (value, empty)
    else:
        assert math.isnan(value) and math.isnan(packed[0])


@settings(max_examples=60, deadline=None)
@given(cases(), st.integers(1, 5), st.integers(1, 4), st.randoms(use_true_random=False))
def test_several_sets_of_modules_at_once_are_each_alone(case, count, block, random):
    """Nested or not, equal or not, and whatever a block holds."""
    samples, labels, modules = case
    packed = pack_bits(torch.cat([sample > 0 for sample in samples], 1))
    generator = torch.Generator().manual_seed(random.randrange(2**31))
    sets = [modules]
    for _ in range(count - 1):
        dropped = [torch.rand(mask.shape, generator=generator) < random.random() for mask in modules]
        nested = random.random() < 0.5
        base = sets[-1] if nested else modules
        sets.append([(mask > 0) & ~drop for mask, drop in zip(base, dropped, strict=True)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "_BLOCK_ROWS", block)
        together = metrics.cohesions_packed(packed, labels, sets)
        for each, found in zip(sets, together, strict=True):
            assert found == pytest.approx(metrics.cohesions_packed(packed, labels, [each])[0], abs=1e-12, nan_ok=True)


@settings(max_examples=50, deadline=None)
@given(cases())
def test_module_metrics_are_those_of_sets(case):
    _, _, modules = case
    masks = torch.cat(modules, 1)
    expected = mean(jaccard(*pair) for pair in combinations(masks, 2))
    assert metrics.coupling(modules) == pytest.approx(expected, abs=1e-12)
    rates = [float(mask.double().mean()) for mask in masks]
    assert metrics.class_retention_rates(modules) == pytest.approx(rates)
    assert metrics.kernel_retention_rate(modules) == pytest.approx(mean(rates))
    assert metrics.union_rate(modules, (0, 1)) == pytest.approx(float((masks[0] | masks[1]).double().mean()))


def test_known_module_metrics():
    modules = [torch.tensor([[1, 1, 0, 0], [0, 1, 1, 0]]), torch.tensor([[0, 0], [0, 1]])]
    assert metrics.kernel_retention_rate(modules) == 5 / 12
    assert metrics.kernel_retention_rate(modules, unmasked=4) == 13 / 20
    assert metrics.class_retention_rates(modules) == [2 / 6, 3 / 6]
    assert metrics.coupling(modules) == 1 / 4
    assert metrics.union_rate(modules, [1, 0]) == 4 / 6
    assert math.isnan(metrics.coupling([torch.ones(1, 3)]))


def test_two_empty_sets_are_equal():
    samples, labels = [torch.zeros(3, 4)], torch.zeros(3, dtype=torch.int64)
    assert metrics.cohesion(samples, labels, [torch.ones(1, 4, dtype=torch.bool)]) == 1
    assert metrics.cohesions_packed(pack_bits(samples[0] > 0), labels, [[torch.ones(1, 4)]]) == [(1.0, 3)]
    assert metrics.coupling([torch.zeros(2, 4)]) == 1


def test_large_intersections_are_exact_under_autocast():
    """Neither half type holds 4,099; the blocks are float32 whatever surrounds them."""
    sample = torch.ones(2, 4101)
    sample[0, :2] = 0
    labels = torch.zeros(2, dtype=torch.int64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert metrics.cohesion([sample], labels, [torch.ones(1, 4101)]) == 4099 / 4101
        assert float(metrics.batch_metrics([sample], labels)["cohesion"][0]) == 4099 / 4101


@settings(max_examples=40, deadline=None)
@given(cases())
def test_batch_metrics_are_means_over_pairs_of_samples(case):
    samples, labels, _ = case
    bits = torch.cat([sample > 0 for sample in samples], 1)
    result = metrics.batch_metrics(samples, labels)
    pairs = list(combinations(range(len(labels)), 2))
    for name, same in (("cohesion", True), ("coupling", False)):
        values = [jaccard(bits[i], bits[j]) for i, j in pairs if (labels[i] == labels[j]) == same]
        assert result[name].tolist() == pytest.approx([mean(values), 1] if values else [0, 0], abs=1e-12)
    krr = mean(float((sample > 0).double().mean()) for sample in samples)
    assert result["krr"].tolist() == pytest.approx([krr, 1])
    assert result["live"].tolist() == [int((sample > 0).any(1).sum()) for sample in samples]


def test_an_epoch_skips_batches_without_a_pair_and_counts_dead_layers():
    live, dead = torch.ones(2, 3), torch.zeros(2, 5)
    first = metrics.batch_metrics([live, dead], torch.tensor([0, 0]))
    second = metrics.batch_metrics([live[:1], dead[:1]], torch.tensor([0]))
    totals = {name: first[name] + second[name] for name in first}
    assert metrics.sample_metrics(totals) == {"sample_krr": 0.5, "sample_cohesion": 1.0, "dead_layers": 1.0}


def test_batch_metrics_read_nothing_back_to_the_host():
    with NoHostRead():
        metrics.batch_metrics([torch.rand(8, 4)], torch.arange(8) % 3)


def test_accuracy_is_restricted_to_a_subtask():
    logits = torch.tensor([[9.0, 1, 0], [0, 1, 9], [0, 2, 9], [9, 0, 1]])
    labels = torch.tensor([0, 1, 1, 2])
    assert metrics.subtask_accuracy(logits, labels, [1, 0]) == 1
    assert metrics.subtask_accuracy(logits, labels, (1, 2)) == 1 / 3
