"""Cohesion over all pairs: products in blocks against loops over pairs, interleaved in one process.

The loop goes over the cyclic shifts of the samples, the form the papers' figures were computed with (method.md 5.3);
both sides see the same bits of one class and must agree. Prints one JSON object: median seconds of each, and the ratio.

    python benchmarks/cohesion.py --samples 300 --kernels 4160
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from nemo.metrics import cohesion


def by_shifts(bits: Tensor) -> float:
    """Mean Jaccard similarity of one class's rows, shift by shift."""
    means = []
    for shift in range(1, len(bits)):
        other = bits.roll(shift, dims=0)
        common, union = (bits & other).sum(dim=1), (bits | other).sum(dim=1)
        means.append(float(torch.where(union == 0, 1.0, common.double() / union).mean()))
    return statistics.fmean(means)


def timed(function: Callable[[], float]) -> tuple[float, float]:
    start = time.perf_counter()
    value = function()
    return value, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=200, help="of one class")
    parser.add_argument("--kernels", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    bits = torch.rand(options.samples, options.kernels, generator=torch.Generator().manual_seed(0)) < 0.3
    labels = torch.zeros(options.samples, dtype=torch.int64)
    module = [torch.ones(1, options.kernels, dtype=torch.bool)]
    blocks, loops = [], []
    for _ in range(options.repeats):
        exact, seconds = timed(lambda: cohesion([bits], labels, module))
        blocks.append(seconds)
        looped, seconds = timed(lambda: by_shifts(bits))
        loops.append(seconds)
        assert abs(exact - looped) < 1e-12, (exact, looped)
    block, loop = statistics.median(blocks), statistics.median(loops)
    print(json.dumps({**vars(options), "blocks_s": block, "loops_s": loop, "ratio": loop / block}))


if __name__ == "__main__":
    main()
