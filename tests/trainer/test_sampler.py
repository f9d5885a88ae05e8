from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from objectives import InputError
from trainer.sampler import ClassBalancedBatches


def batches(
    labels: Tensor, *, batch_size: int = 8, samples_per_class: int = 4, seed: int = 0
) -> ClassBalancedBatches:
    return ClassBalancedBatches(
        labels,
        batch_size=batch_size,
        samples_per_class=samples_per_class,
        generator=torch.Generator().manual_seed(seed),
    )


def epochs(sampler: ClassBalancedBatches, count: int = 1) -> list[list[int]]:
    return [batch.tolist() for _ in range(count) for batch in sampler]


@st.composite
def layouts(draw: st.DrawFn) -> tuple[list[int], int, int]:
    """Class sizes, classes per batch, samples per class."""
    sizes = draw(st.lists(st.integers(1, 9), min_size=1, max_size=12))
    return sizes, draw(st.integers(1, len(sizes))), draw(st.integers(1, 6))


@settings(deadline=None, max_examples=60)
@given(layout=layouts(), seed=st.integers(0, 2**60), stride=st.integers(1, 7))
def test_every_batch_has_p_classes_of_k_samples(
    layout: tuple[list[int], int, int], seed: int, stride: int
) -> None:
    sizes, p, k = layout
    labels = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes)) * stride
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]
    sampler = batches(labels, batch_size=p * k, samples_per_class=k, seed=seed)
    found = epochs(sampler, 2)
    assert len(found) == 2 * len(sampler) == 2 * max(1, len(labels) // (p * k))
    for batch in found:
        assert list(Counter(labels[batch].tolist()).values()) == [k] * p
        for label in set(labels[batch].tolist()):
            drawn = {index for index in batch if labels[index] == label}
            assert len(drawn) == min(k, sizes[label // stride])


def test_all_classes_come_before_one_comes_again() -> None:
    labels = torch.arange(12).repeat_interleave(8)
    for seed in range(5):
        found = epochs(batches(labels, batch_size=16, seed=seed))
        assert len(found) == 6
        for round_ in (found[:3], found[3:]):
            assert sorted({label for batch in round_ for label in labels[batch].tolist()}) == [
                *range(12)
            ]


def test_all_classes_and_samples_are_seen_where_a_batch_does_not_divide_them() -> None:
    labels = torch.arange(10).repeat_interleave(5)
    found = epochs(batches(labels, batch_size=16, samples_per_class=2), 40)
    counts = Counter(index for batch in found for index in batch)
    assert set(counts) == set(range(50))
    per_class = Counter(labels[[i for batch in found for i in batch]].tolist())
    assert max(per_class.values()) < 1.3 * min(per_class.values())


def test_rare_classes_are_drawn_as_often_as_frequent_ones() -> None:
    labels = torch.tensor([0] * 40 + [1] * 40 + [2] * 2 + [3] * 2)
    found = epochs(batches(labels))
    counts = Counter(label for batch in found for label in labels[batch].tolist())
    assert counts == {0: 20, 1: 20, 2: 20, 3: 20}


def test_samples_and_classes_come_in_random_order() -> None:
    labels = torch.arange(12).repeat_interleave(4)
    found = epochs(batches(labels, batch_size=16, samples_per_class=4), 2)
    assert [labels[batch].tolist() for batch in found[:3]] != [
        labels[batch].tolist() for batch in found[3:]
    ]
    assert any(batch != sorted(batch) for batch in found)


def test_the_generators_state_is_the_samplers_state() -> None:
    labels = torch.arange(9).repeat(3)
    generator = torch.Generator().manual_seed(5)
    sampler = ClassBalancedBatches(labels, batch_size=8, samples_per_class=4, generator=generator)
    epochs(sampler)
    state = generator.get_state()
    later = epochs(sampler, 2)
    torch.rand(7)
    other = torch.Generator()
    other.set_state(state)
    again = ClassBalancedBatches(labels, batch_size=8, samples_per_class=4, generator=other)
    assert epochs(again, 2) == later
    assert epochs(batches(labels, seed=6)) != epochs(batches(labels, seed=5))


def test_members_of_scattered_classes_are_found() -> None:
    labels = torch.randint(9, (200,), generator=torch.Generator().manual_seed(2)) * 5
    members = batches(labels)._members
    assert [found.tolist() for found in members] == [
        [place for place in range(200) if labels[place] == label] for label in range(0, 45, 5)
    ]


def test_an_epoch_is_at_least_one_batch() -> None:
    labels = torch.tensor([3, 3, 8, 8])
    assert len(batches(labels, batch_size=100, samples_per_class=50)) == 1
    assert len(batches(torch.arange(4).repeat(5), batch_size=8)) == 2


@pytest.mark.parametrize("classes", [0, 1, 7])
def test_too_few_classes(classes: int) -> None:
    labels = torch.arange(classes).repeat(9)
    with pytest.raises(InputError, match=r"^batch_size: 32 with samples_per_class 4 needs 8 ") as e:
        batches(labels, batch_size=32)
    assert str(e.value).endswith(f"the training split has {classes}")
