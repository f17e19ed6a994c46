"""Texts as one tensor: every position holds a token and the part of a pair that it belongs to, or nothing.

What goes through the product is images or this, int64 `[B, T]`: `PADDING` where a text is over, else the token's number
in the vocabulary plus `PART` times its part (0, or 1 in the second text of a pair). Networks of transformers take it by
a hook, so that their classes and state keys stay as they are; the attention mask is in it, and nothing can lose it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

PADDING = -1
PART = 2**24  # more than any vocabulary has
NAME = "tokens"  # of the reader among the children of its network
_KINDS = 8  # of tokens in an example: a vocabulary has as many


def pack(ids: Tensor, attention_mask: Tensor, parts: Tensor | None = None) -> Tensor:
    """What a tokenizer gives, each `[B, T]`, as one tensor."""
    packed = ids if parts is None else ids + PART * parts
    return torch.where(attention_mask > 0, packed, PADDING)


def unpacked(packed: Tensor, padding: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """What `pack` was given: tokens, `padding` where there is none, attention mask, and parts, each int64 `[B, T]`."""
    present = packed >= 0
    ids = torch.where(present, packed.remainder(PART), padding)
    return ids, present.long(), torch.where(packed >= PART, 1, 0)


def example_texts(length: int, count: int = 2) -> Tensor:
    """Texts that mean nothing, the same every time, of which one in two is shorter: int64 `[count, length]`."""
    texts = (torch.arange(count * length) % _KINDS).view(count, length)
    texts[1::2, max(1, length - length // 3) :] = PADDING
    return texts


class TokenReader(nn.Module):
    """Unpacks what a network of transformers is called with, and publishes where real tokens are.

    Attributes:
        padding: The token that the network expects where there is none.
        parts: Whether it tells the parts of a pair apart.
        longest: Positions that it can read.
        unpacks: Whether the network takes what a tokenizer gives, or the packed texts themselves.
        present: bool `[B, T]` of the pass that runs: where a text is. None outside of one.
    """

    def __init__(self, padding: int, longest: int, *, parts: bool, unpacks: bool = True) -> None:
        super().__init__()
        self.padding, self.longest, self.parts, self.unpacks = padding, longest, parts, unpacks
        self.present: Tensor | None = None

    def before(self, network: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The hook on the network."""
        if not args or not isinstance(args[0], Tensor):
            return None
        (packed,) = args
        self.present = packed >= 0
        if not self.unpacks:
            return None
        ids, mask, parts = unpacked(packed, self.padding)
        return (), {"input_ids": ids, "attention_mask": mask, **({"token_type_ids": parts} if self.parts else {})}

    def behind(self, network: nn.Module, args: object, output: object) -> None:
        """The hook behind it: no mask outlives its pass."""
        self.present = None

    def __deepcopy__(self, memo: dict[int, object]) -> TokenReader:
        copied = TokenReader(self.padding, self.longest, parts=self.parts, unpacks=self.unpacks)
        memo[id(self)] = copied
        return copied


def read_packed(network: nn.Module, padding: int, longest: int, *, parts: bool, unpacks: bool = True) -> None:
    """Makes a network that is called with `input_ids` and more take packed texts, in place; see `TokenReader`."""
    reader = TokenReader(padding, longest, parts=parts, unpacks=unpacks)
    network.add_module(NAME, reader)
    network.register_forward_pre_hook(reader.before, with_kwargs=True)
    network.register_forward_hook(reader.behind)


def reader_of(network: nn.Module) -> TokenReader | None:
    """What reads texts for a network; None where it takes something else."""
    found = getattr(network, NAME, None)
    return found if isinstance(found, TokenReader) else None


def token_mean(x: Tensor, present: Tensor | None) -> Tensor:
    """The mean of `[B, T, F]` over a text's tokens, `[B, F]`; of what is no text over all positions (method.md 2.2).

    Args:
        x: What a layer reads or gives.
        present: See `TokenReader`; None of what is no text.
    """
    if present is None or x.dim() != 3 or x.shape[:2] != present.shape:
        x = x.flatten(1, -2)
        return x.sum(1) / x.shape[1]  # as a mean's, the gradient would be spread over the tokens before its division
    real = present.to(x.dtype)
    return (x * real[..., None]).sum(1) / real.sum(1, keepdim=True).clamp_min(1)
