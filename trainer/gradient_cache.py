"""Gradients of a batch that is larger than what fits through the model at once."""

from collections.abc import Callable
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn

__all__ = ["backward_in_micro_batches"]

_STATISTICS: Final = ("running_mean", "running_var", "num_batches_tracked")

# Of the processor, and of the CUDA device where there is one.
_RandomState = tuple[Tensor, Tensor | None]


def backward_in_micro_batches(
    model: nn.Module,
    embed: Callable[[slice], Tensor],
    loss: Callable[[Tensor], Tensor],
    *,
    batch_size: int,
    micro_batch_size: int,
) -> Tensor:
    """Do what ``loss(embed(slice(0, batch_size))).backward()`` does, in the memory of a part of it.

    Gradient caching (Gao et al., RepL4NLP 2021, arXiv 2101.06983). The parts are embedded without a
    graph; the loss of all B embeddings gives the gradient of each of them, and the gradients of its
    own parameters; then each part is embedded again, with a graph, and sent its gradients back. The
    loss sees the whole batch, and the gradients are those of the whole batch up to rounding. The
    price is a second forward pass; the memory is that of one part, and B x D twice.

    The parts are of equal size, give or take one. A random layer sees the same draws in both
    passes, and afterwards the generators stand as if each part had been embedded once. BatchNorm
    is the exception to "those of the whole batch": it normalises each part by itself, unless it is
    frozen, and so no more than a scale and a shift. Its running statistics move once: by the mean
    of what each part alone would have made of them, weighed by its rows. Other layers that change
    in a forward pass, such as spectral norm, are not provided for.

    Args:
        model: The module that ``embed`` calls, on one device.
        embed: Embeds those rows of the batch: R x D.
        loss: Maps B x D embeddings to a scalar.
        batch_size: B.
        micro_batch_size: Most rows that ``embed`` is asked for at once, >= 1.

    Returns:
        The loss, without its graph.
    """
    parts = _parts(batch_size, micro_batch_size)
    device = next(model.parameters()).device
    statistics = _RunningStatistics(model)
    states: list[_RandomState] = []
    embedded: list[Tensor] = []
    with torch.no_grad():
        for rows in parts:
            states.append(_random_state(device))
            embedded.append(embed(rows))
            statistics.count((rows.stop - rows.start) / batch_size)
    embeddings = torch.cat(embedded).requires_grad_()
    value = loss(embeddings)
    value.backward()
    gradient = torch.zeros_like(embeddings) if embeddings.grad is None else embeddings.grad
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        for rows, state in zip(parts, states, strict=True):
            _restore(state, device)
            embed(rows).backward(gradient[rows])
            statistics.rewind()
    statistics.settle()
    return value.detach()


def _parts(batch_size: int, micro_batch_size: int) -> list[slice]:
    """Split evenly: a last part of one row would leave BatchNorm nothing to normalise by."""
    count = -(-batch_size // micro_batch_size)
    ends = [batch_size * number // count for number in range(count + 1)]
    return [slice(start, stop) for start, stop in pairwise(ends)]


def _random_state(device: torch.device) -> _RandomState:
    cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return torch.get_rng_state(), cuda


def _restore(state: _RandomState, device: torch.device) -> None:
    processor, cuda = state
    torch.set_rng_state(processor)
    if cuda is not None:
        torch.cuda.set_rng_state(cuda, device)


class _RunningStatistics:
    """The running statistics of a model's norms; every part moves them from the same start."""

    def __init__(self, model: nn.Module) -> None:
        named = model.named_buffers()
        self._live = [buffer for name, buffer in named if name.split(".")[-1] in _STATISTICS]
        self._start = [buffer.clone() for buffer in self._live]
        self._moves = [torch.zeros_like(buffer) for buffer in self._live]

    def count(self, share: float) -> None:
        """Count by this share how far they are from the start, and go back to it."""
        for live, start, move in zip(self._live, self._start, self._moves, strict=True):
            if live.is_floating_point():
                move.add_(live - start, alpha=share)
            else:
                move.copy_(live - start)
        self.rewind()

    def rewind(self) -> None:
        """Go back to the start."""
        for live, start in zip(self._live, self._start, strict=True):
            live.copy_(start)

    def settle(self) -> None:
        """Move them by what was counted."""
        for live, move in zip(self._live, self._moves, strict=True):
            live.add_(move)
