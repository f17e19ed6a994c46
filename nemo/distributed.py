"""What the workers of one training share: the whole batch's masks, sums, and one set of BatchNorm statistics.

Every worker computes the objective on the masks of the *whole* batch, its own with gradient and the others' as
constants. DDP averages gradients over the workers, so each worker's loss is multiplied by their number and the
average is exactly the gradient that one worker would have computed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn


@dataclass(frozen=True)
class Workers:
    """One worker's place among the workers of a training; the default is a worker on its own.

    With `world` above 1 the default process group of torch.distributed must be initialised.
    """

    rank: int = 0
    world: int = 1

    def wrap(self, network: nn.Module) -> nn.Module:
        """DDP where there is more than one worker."""
        if self.world == 1:
            return network
        device = next(network.parameters()).device
        # Training mode does not read the running statistics; `share_buffers` hands them round once an epoch.
        ids = [device] if device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(network, device_ids=ids, broadcast_buffers=False)

    def gather(self, masks: list[Tensor], labels: Tensor, counts: tuple[int, ...]) -> tuple[list[Tensor], Tensor]:
        """Puts the shares of a batch together, in the order of the workers.

        Args:
            masks: This worker's masks, a list of `[b, K_l]`.
            labels: This worker's labels, int64 `[b]`.
            counts: Images of each worker that count; `b` may exceed the own count (a phantom share).

        Returns:
            The batch's masks, a list of `[B, K_l]` with gradient through the own rows, and labels `[B]`.
        """
        if self.world == 1 or not masks:
            return masks, labels
        own = counts[self.rank]
        widths = [mask.shape[1] for mask in masks]
        flat = torch.cat([mask[:own].float() for mask in masks], 1)
        parts = self._all_gather(flat.detach(), counts)
        parts[self.rank] = flat
        names = self._all_gather(labels[:own, None], counts)
        return list(torch.cat(parts).split(widths, 1)), torch.cat(names).squeeze(1)

    def _all_gather(self, rows: Tensor, counts: tuple[int, ...]) -> list[Tensor]:
        padded = rows.new_zeros(max(counts), rows.shape[1])
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in counts]
        distributed.all_gather(parts, padded)
        return [part[:count] for part, count in zip(parts, counts, strict=True)]

    def sum(self, values: Tensor) -> Tensor:
        """Adds up a tensor over the workers, in place."""
        if self.world > 1:
            distributed.all_reduce(values)
        return values

    def share_buffers(self, network: nn.Module) -> None:
        """Gives every worker the first one's BatchNorm statistics, so that all evaluate the same network."""
        if self.world > 1:
            for buffer in network.buffers():
                distributed.broadcast(buffer, 0)
