"""Batches of P classes with K samples each."""

from collections.abc import Iterator

import torch
from torch import Tensor

from objectives import InputError

__all__ = ["ClassBalancedBatches"]


class ClassBalancedBatches:
    """Endless class-balanced batches; iterating once yields one epoch of them.

    An epoch is N // batch_size batches (at least one). Classes come in a fresh random order, and in
    the next one as soon as those left are too few for a batch, so that rare classes are drawn as
    often as frequent ones. A class with fewer samples than `samples_per_class` repeats some.

    Args:
        labels: N class numbers.
        batch_size: Samples in a batch, a multiple of `samples_per_class`.
        samples_per_class: Samples of each class in a batch.
        generator: Source of all randomness; its state is the sampler's state.

    Raises:
        InputError: There are fewer classes than a batch needs.
    """

    def __init__(
        self,
        labels: Tensor,
        *,
        batch_size: int,
        samples_per_class: int,
        generator: torch.Generator,
    ) -> None:
        _, counts = torch.unique(labels, return_counts=True)
        self._members = labels.argsort(stable=True).split(counts.tolist())
        self._classes_per_batch = batch_size // samples_per_class
        self._samples_per_class = samples_per_class
        self._generator = generator
        self._length = max(1, len(labels) // batch_size)
        if len(self._members) < self._classes_per_batch:
            raise InputError(
                f"{batch_size} with samples_per_class {samples_per_class} needs "
                f"{self._classes_per_batch} classes, the training split has {len(self._members)}",
                field="batch_size",
            )

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self._length

    def __iter__(self) -> Iterator[Tensor]:
        """Yield the batches of an epoch."""
        return self.take(self._length)

    def take(self, count: int) -> Iterator[Tensor]:
        """Yield so many batches, batch_size positions into the labels each.

        They begin with a fresh order of the classes, as an epoch does.
        """
        groups: list[Tensor] = []
        for _ in range(count):
            if not groups:
                groups = self._class_groups()
            yield torch.cat([self._draw(int(label)) for label in groups.pop()])

    def _class_groups(self) -> list[Tensor]:
        order = torch.randperm(len(self._members), generator=self._generator)
        whole = len(order) // self._classes_per_batch * self._classes_per_batch
        return list(order[:whole].split(self._classes_per_batch))

    def _draw(self, label: int) -> Tensor:
        members, wanted = self._members[label], self._samples_per_class
        picks = torch.randperm(len(members), generator=self._generator)[:wanted]
        if len(picks) < wanted:
            more = torch.randint(len(members), (wanted - len(picks),), generator=self._generator)
            picks = torch.cat([picks, more])
        drawn: Tensor = members[picks]
        return drawn
