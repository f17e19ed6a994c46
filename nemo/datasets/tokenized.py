"""Texts in memory as tokens: what stands in the place of a split's tensor of images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nemo.tokens import PADDING


class Tokenized:
    """Some texts of a data set, in an order; they share the tokens of all.

    Args:
        flat: int32, the tokens of all texts one after the other, as `nemo.tokens` packs them.
        starts: int64 `[m + 1]`: where each text begins, and the last one ends.
        longest: Tokens of the longest text of the data set: the size of its inputs.
        places: int64 `[n]`: which texts; None for all.
        paired: Whether they are pairs; the tokens of some networks do not tell.
    """

    def __init__(
        self,
        flat: NDArray[np.int32],
        starts: NDArray[np.int64],
        longest: int,
        places: NDArray[np.int64] | None = None,
        *,
        paired: bool = False,
    ) -> None:
        self.flat, self.starts, self.longest, self.paired = flat, starts, longest, paired
        self.places = np.arange(len(starts) - 1) if places is None else places

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: Tensor | slice) -> Tokenized:
        """Those at some positions (int64, a mask or a slice)."""
        chosen = index if isinstance(index, slice) else index.cpu().numpy()
        return Tokenized(self.flat, self.starts, self.longest, self.places[chosen], paired=self.paired)

    @property
    def nbytes(self) -> int:
        """Bytes that it takes in memory, with all tokens, which others may share."""
        return self.flat.nbytes + self.starts.nbytes + self.places.nbytes

    @property
    def shape(self) -> tuple[int, int]:
        """`(n, T)`, of the longest text."""
        return len(self), self.longest

    @property
    def lengths(self) -> Tensor:
        """Tokens of each text, int64 `[n]`."""
        return torch.from_numpy(self.starts[self.places + 1] - self.starts[self.places])

    def lengths_at(self, positions: Tensor) -> Tensor:
        """Tokens of the texts at some positions, int64 `[b]`."""
        return self[positions].lengths

    def batch(self, positions: Tensor, width: int | None = None) -> Tensor:
        """The texts at some positions, padded to a width or to the longest of them: int64 `[b, T]`."""
        places = self.places[positions.cpu().numpy()]
        begin, end = self.starts[places], self.starts[places + 1]
        width = int((end - begin).max(initial=0)) if width is None else width
        texts = np.full((len(places), width), PADDING, dtype=np.int64)
        for row, (first, last) in enumerate(zip(begin.tolist(), end.tolist(), strict=True)):
            texts[row, : last - first] = self.flat[first:last]
        return torch.from_numpy(texts)


def join_texts(parts: Sequence[Tokenized]) -> Tokenized:
    """The texts of several splits, one behind the other."""
    ends = np.cumsum([0, *(len(part.flat) for part in parts)])
    texts = np.cumsum([0, *(len(part.starts) - 1 for part in parts)])
    starts = [part.starts[:-1] + end for part, end in zip(parts, ends, strict=False)]
    return Tokenized(
        np.concatenate([part.flat for part in parts]),
        np.concatenate([*starts, ends[-1:]]),
        max(part.longest for part in parts),
        np.concatenate([part.places + before for part, before in zip(parts, texts, strict=False)]),
        paired=any(part.paired for part in parts),
    )


def bucketed(lengths: Tensor, order: Tensor, batch_size: int, generator: torch.Generator) -> Tensor:
    """An order in which texts of about one length come together, batch by batch; batches come in a drawn order.

    Args:
        lengths: int64 `[n]`.
        order: int64 `[n]`, drawn: texts that lie near each other in it may meet in a batch.
        batch_size: Texts of a batch; a last one that is smaller stays the last.
        generator: Draws the order of the batches.

    Returns:
        int64 `[n]`, a permutation of `order`.
    """
    full = len(order) // batch_size * batch_size  # what is left over is drawn anew each time, and not the longest
    parts = [part[lengths[part].argsort(stable=True)] for part in order[:full].split(batch_size * _WINDOW)]
    batches = torch.cat(parts).view(-1, batch_size)
    shuffled = batches[torch.randperm(len(batches), generator=generator)]
    return torch.cat([shuffled.flatten(), order[full:]])


_WINDOW = 32
"""Batches among which texts are sorted by their lengths."""
