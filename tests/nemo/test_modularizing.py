"""The relevance pass, the threshold schedule and its fallback, the measures and their file."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from nemo import metrics
from nemo.errors import UserError
from nemo.modularizing import (
    Relevance,
    fallback_layers,
    load_relevance,
    measure,
    measure_masks,
    module_masks,
    relevance,
    save_relevance,
)


class TinyModular(nn.Module):
    """Two layers of masks from four inputs; BatchNorm and dropout show in which mode it ran."""

    def __init__(self):
        super().__init__()
        self.norm, self.drop = nn.BatchNorm1d(4), nn.Dropout(0.5)
        self.wide, self.narrow = nn.Linear(4, 11), nn.Linear(4, 2)

    def forward(self, images):
        features = self.drop(self.norm(images))
        return features, [self.wide(features).tanh().relu(), self.narrow(features).tanh().relu()]


@pytest.fixture
def network():
    torch.manual_seed(0)
    return TinyModular()


IMAGES = torch.randn(23, 4, generator=torch.Generator().manual_seed(1))
LABELS = torch.arange(23) % 3


def batches():
    """A generator, so that a second pass over it would find nothing."""
    for start in range(0, 23, 5):
        yield IMAGES[start : start + 5], LABELS[start : start + 5]


def test_relevance_counts_what_one_large_batch_shows(network):
    found = relevance(network, batches(), 3)
    masks = network.eval()(IMAGES)[1]
    assert found.widths == [11, 2]
    assert found.samples.tolist() == [8, 8, 7]
    assert torch.equal(found.labels, LABELS)
    for layer, mask in enumerate(masks):
        for label in range(3):
            rows = mask[label == LABELS]
            assert torch.equal(found.counts[layer][label], (rows > 0).sum(0))
            assert torch.equal(found.frequencies[layer][label], (rows > 0).double().mean(0))
            torch.testing.assert_close(found.mean_masks[layer][label], rows.mean(0).detach())
    assert [count.dtype for count in found.counts] == [torch.int64] * 2
    assert [mean.dtype for mean in found.mean_masks] == [torch.float32] * 2
    masks = module_masks(found.frequencies, 0.5)
    unpacked = metrics.cohesion(network(IMAGES)[1], LABELS, masks)
    assert metrics.cohesions_packed(found.packed, found.labels, [masks])[0][0] == unpacked


def test_relevance_leaves_the_network_as_it_was_and_ignores_autocast(network):
    network.train()
    network.norm.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    plain = relevance(network, batches(), 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        surrounded = relevance(network, batches(), 3)
    assert network.training and network.drop.training and not network.norm.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(torch.equal(a, b) for a, b in zip(plain.mean_masks, surrounded.mean_masks, strict=True))


def test_a_failed_pass_restores_the_mode_too(network):
    network.train()
    with pytest.raises(RuntimeError):
        relevance(network, [(torch.zeros(2, 9), torch.zeros(2, dtype=torch.int64))], 3)
    assert network.training


@pytest.mark.parametrize("data", [[], [(IMAGES, LABELS)]], ids=["no image", "no image of one class"])
def test_a_class_without_samples_is_named(network, data):
    with pytest.raises(UserError, match=r"no training image of class .*3 of 4"):
        relevance(network, data, 4)


def by_the_rule(frequency, threshold):
    """method.md 5.2 for one class and layer, in whole percent of the threshold and exact counts of 400."""
    hundredths = threshold
    while hundredths > 0 and (hundredths == threshold or hundredths >= 5):
        kept = [count * 100 >= hundredths * 400 for count in frequency]
        if any(kept):
            return kept
        hundredths -= 5
    best = sorted(range(len(frequency)), key=lambda unit: (-frequency[unit], unit))
    return [unit in best[: max(1, (len(frequency) + 19) // 20)] for unit in range(len(frequency))]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 400), min_size=23, max_size=23), min_size=1, max_size=3),
    st.integers(1, 100),
    st.sampled_from([400, 100, 20, 5]),
    st.sampled_from([torch.float64, torch.float32]),
)
def test_the_schedule_is_exact_for_every_threshold(counts, threshold, most, dtype):
    counts = torch.tensor(counts) * most // 400
    frequencies = [counts.to(dtype) / 400, counts[:, :5].to(dtype) / 400]
    masks = module_masks(frequencies, threshold / 100)
    for label, row in enumerate(counts.tolist()):
        assert masks[0][label].tolist() == by_the_rule(row, threshold)
        assert masks[1][label].tolist() == by_the_rule(row[:5], threshold)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("hundredths", range(5, 101, 5))
def test_a_frequency_equal_to_the_threshold_is_kept(dtype, hundredths):
    share = torch.tensor([[hundredths * 50]], dtype=dtype) / 5000
    padded = torch.cat([share, share - 1e-4], dim=1)
    assert module_masks([padded], hundredths / 100)[0].tolist() == [[True, False]]
    lowered = module_masks([padded], 1.0)[0].tolist()  # every level on the way down is met exactly, too
    assert lowered == [[True, False]] and fallback_layers([padded], 1.0) == []


def test_whole_numbers_are_frequencies_too():
    assert module_masks([torch.tensor([[1, 0, 1]])], 0.9)[0].tolist() == [[True, False, True]]


def test_a_dead_layer_keeps_the_first_four_of_64():
    frequencies = [torch.ones(2, 3), torch.zeros(2, 64)]
    masks = module_masks(frequencies, 0.9)
    assert masks[1].nonzero().tolist() == [[label, unit] for label in range(2) for unit in range(4)]
    assert fallback_layers(frequencies, 0.9) == [(0, 1), (1, 1)]


def test_the_fallback_takes_the_most_frequent_then_the_first():
    frequency = torch.zeros(1, 41)
    frequency[0, [40, 7]] = torch.tensor([0.02, 0.04])
    assert module_masks([frequency], 0.9)[0].nonzero()[:, 1].tolist() == [0, 7, 40]
    assert module_masks([torch.full((1, 3), 0.04)], 0.04)[0].all()  # the threshold itself is always tried


@pytest.mark.parametrize("threshold", [0, -0.1, 1.5, float("nan"), float("inf"), None])
def test_a_threshold_out_of_range_is_refused(threshold):
    with pytest.raises(UserError, match=r"threshold: .* lies outside \(0, 1\]"):
        module_masks([torch.ones(1, 1)], threshold)


def test_a_frequency_that_is_no_number_is_refused():
    with pytest.raises(UserError, match="every class needs at least one sample"):
        module_masks([torch.tensor([[float("nan")]])], 0.9)


def test_measure_gives_plain_numbers(network):
    found = relevance(network, batches(), 3)
    result = measure(found, 0.5, unmasked=7)
    masks = module_masks(found.frequencies, 0.5)
    assert result == json.loads(json.dumps(result))
    assert result["krr"] == metrics.kernel_retention_rate(masks)
    assert result["krr_all"] == metrics.kernel_retention_rate(masks, 7)
    assert result["class_krr"] == metrics.class_retention_rates(masks)
    assert result["coupling"] == metrics.coupling(masks)
    assert result["cohesion"] == metrics.cohesion(network.eval()(IMAGES)[1], LABELS, masks)
    assert result["fallback_layers"] == [list(pair) for pair in fallback_layers(found.frequencies, 0.5)]
    of_the_threshold = {name: result.pop(name) for name in ("threshold", "fallback_layers")}
    assert of_the_threshold["threshold"] == 0.5
    assert measure_masks(found, masks, unmasked=7) == result


def test_measure_counts_pairs_without_any_kernel():
    dead = Relevance(
        counts=[torch.zeros(2, 3, dtype=torch.int64)],
        samples=torch.tensor([3, 1]),
        mean_masks=[torch.zeros(2, 3)],
        packed=torch.zeros(4, 1, dtype=torch.uint8),
        labels=torch.tensor([0, 0, 1, 0]),
    )
    result = measure(dead, 0.9)
    assert result["empty_unions"] == 3
    assert result["cohesion"] == 1
    assert result["fallback_layers"] == [[0, 0], [1, 0]]


def test_the_same_relevance_is_the_same_file(network, tmp_path):
    found = relevance(network, batches(), 3)
    written = set()
    for number in range(20):
        save_relevance(found, tmp_path / f"{number}.safetensors")
        written.add((tmp_path / f"{number}.safetensors").read_bytes())
    assert len(written) == 1


def test_a_relevance_survives_its_file(network, tmp_path):
    found = relevance(network, batches(), 3)
    save_relevance(found, tmp_path / "relevance.safetensors")
    loaded = load_relevance(tmp_path / "relevance.safetensors")
    assert measure(loaded, 0.7) == measure(found, 0.7)
    assert all(torch.equal(a, b) for a, b in zip(loaded.mean_masks, found.mean_masks, strict=True))


def test_a_missing_damaged_or_foreign_file_is_named(network, tmp_path):
    path = tmp_path / "relevance.safetensors"
    with pytest.raises(UserError, match=r"relevance\.safetensors: cannot be read"):
        load_relevance(path)
    save_relevance(relevance(network, batches(), 3), path)
    whole = path.read_bytes()
    for damaged in (whole[:-9], whole[:40], b"", b"not tensors at all"):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"relevance\.safetensors: cannot be read"):
            load_relevance(path)
    save_file({"counts.0": torch.zeros(1)}, str(path))
    with pytest.raises(UserError, match="is no relevance file"):
        load_relevance(path)
