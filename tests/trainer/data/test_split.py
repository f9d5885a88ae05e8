import hashlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from objectives import InputError
from trainer.data import Dataset, SplitConfig, TensorImages, split_classes


def dataset(labels: list[str], items: list[str] | None = None) -> Dataset:
    names = tuple(sorted(set(labels)))
    return Dataset(
        name="toy",
        items=tuple(items or (f"{number}.png" for number in range(len(labels)))),
        labels=torch.tensor([names.index(label) for label in labels]),
        class_names=names,
        images=TensorImages(pixels=torch.zeros(len(labels), 1, 8, 8, dtype=torch.uint8)),
        image_size=8,
    )


@settings(deadline=None, max_examples=60)
@given(classes=st.integers(8, 60), per_class=st.integers(2, 4), seed=st.integers(0, 2**40))
def test_parts_are_class_disjoint_and_whole(classes: int, per_class: int, seed: int) -> None:
    data = dataset([f"c{k}" for k in range(classes) for _ in range(per_class)])
    split = split_classes(data, SplitConfig(seed=seed))
    parts = [split.train, split.validation, split.test]
    sets = [set(data.labels[part].tolist()) for part in parts]
    assert sum(map(len, sets)) == classes
    assert set.union(*sets) == set(range(classes))
    assert torch.cat(parts).sort().values.tolist() == list(range(len(data.items)))
    assert abs(len(sets[0]) - classes / 2) <= 0.5
    assert abs(len(sets[1]) - classes / 4) <= 1
    assert all(torch.equal(part, part.sort().values) for part in parts)


def test_classes_are_dealt_by_hash() -> None:
    names = [f"c{k}" for k in range(8)]
    split = split_classes(dataset(names * 2), SplitConfig(seed=3))
    order = sorted(names, key=lambda name: hashlib.sha256(f"3:{name}".encode()).hexdigest())
    found = {names[label] for label in split.dataset.labels[split.indices("train")].tolist()}
    assert found == set(order[:4])
    assert split.class_count("test") == 2


def test_fingerprint_sees_items_labels_and_split_but_not_order() -> None:
    labels = [f"c{k}" for k in range(12) for _ in range(3)]
    items = [f"{label}/{number}.png" for number, label in enumerate(labels)]
    base = split_classes(dataset(labels, items), SplitConfig()).fingerprint
    backwards = dataset(labels[::-1], items[::-1])
    assert split_classes(backwards, SplitConfig()).fingerprint == base
    relabelled = ["c1", *labels[1:]]
    renamed = ["other.png", *items[1:]]
    assert split_classes(dataset(relabelled, items), SplitConfig()).fingerprint != base
    assert split_classes(dataset(labels, renamed), SplitConfig()).fingerprint != base
    assert split_classes(dataset(labels, items), SplitConfig(seed=1)).fingerprint != base


@settings(deadline=None, max_examples=40)
@given(at=st.integers(0, 35), to=st.integers(0, 11))
def test_any_relabelling_changes_the_fingerprint(at: int, to: int) -> None:
    labels = [f"c{k}" for k in range(12) for _ in range(3)]
    changed = [*labels]
    changed[at] = f"c{to}"
    base = split_classes(dataset(labels), SplitConfig()).fingerprint
    moved = split_classes(dataset(changed), SplitConfig()).fingerprint
    assert (moved == base) == (changed == labels)


def test_too_few_classes() -> None:
    with pytest.raises(InputError, match=r"^data\.split: each part needs at least 2 classes") as e:
        split_classes(dataset(["a", "b", "c", "d", "e"] * 2), SplitConfig())
    assert "of the 5 classes of toy the parts get train 3, validation 1, test 1" in str(e.value)


def test_classes_of_one_image_do_not_count() -> None:
    labels = [f"c{k}" for k in range(8)]
    split_classes(dataset(labels * 2), SplitConfig())
    with pytest.raises(InputError, match=r"train 0, validation 0, test 0"):
        split_classes(dataset(labels), SplitConfig())


def test_unknown_part() -> None:
    split = split_classes(dataset([f"c{k}" for k in range(8)] * 2), SplitConfig())
    with pytest.raises(ValueError, match="'all' is not one of"):
        split.indices("all")  # type: ignore[arg-type]


def test_unequal_or_repeated_items_are_refused() -> None:
    with pytest.raises(ValueError, match="equally many"):
        dataset(["a", "b"], ["x"])
    with pytest.raises(ValueError, match="unique"):
        dataset(["a", "b"], ["x", "x"])
