import hashlib
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from objectives import InputError
from trainer.data import Dataset, Split, SplitConfig, TensorImages, split_classes
from trainer.data.split import deal_validation


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


def test_classes_of_one_image_are_not_trained_on() -> None:
    labels = [f"c{k:02d}" for k in range(12)] * 2 + [f"single {k:02d}" for k in range(12)]
    split = split_classes(dataset(labels), SplitConfig())
    names = split.dataset.class_names

    def classes(part: Split) -> set[str]:
        return {names[label] for label in split.dataset.labels[split.indices(part)].tolist()}

    assert len(split.train) == 2 * len(classes("train"))
    assert any(name.startswith("single") for name in classes("validation"))
    assert any(name.startswith("single") for name in classes("test"))
    left_out = {*names} - classes("train") - classes("validation") - classes("test")
    assert left_out
    assert all(name.startswith("single") for name in left_out)


def test_given_parts_are_taken() -> None:
    names = [f"c{k}" for k in range(8)]
    split_of: tuple[Split, ...] = ("test", "test", "train", "validation")
    parts = {name: split_of[k // 2] for k, name in enumerate(names)}
    queries = torch.arange(16) < 3
    split = split_classes(dataset(names * 2), SplitConfig(seed=9), parts=parts, queries=queries)
    assert split.test.tolist() == [0, 1, 2, 3, 8, 9, 10, 11]
    assert split.train.tolist() == [4, 5, 12, 13]
    assert split.validation.tolist() == [6, 7, 14, 15]
    assert split.queries is queries
    with pytest.raises(InputError, match=r"^data: each part .* train 1, validation 3, test 4$"):
        split_classes(dataset(names * 2), SplitConfig(), parts={**parts, "c4": "validation"})


@given(classes=st.integers(1, 60), share=st.floats(0.01, 0.99), seed=st.integers(0, 2**40))
def test_validation_classes_are_the_first_of_the_training_classes(
    classes: int, share: float, seed: int
) -> None:
    train = [f"c{k}" for k in range(classes)]
    parts: dict[str, Split] = {"x": "test", "y": "validation"}
    for name in train:
        parts[name] = "train"
    found = deal_validation(parts, share=share, seed=seed)
    order = sorted(train, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).hexdigest())
    held_out = [name for name in order if found[name] == "validation"]
    assert held_out == order[: len(held_out)]
    assert abs(len(held_out) - share * classes) <= 0.5 + 1e-9
    assert {name: split for name, split in found.items() if name not in held_out} == {
        name: split for name, split in parts.items() if name not in held_out
    }


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)


@settings(deadline=None)
@given(
    items=st.lists(_TEXT, min_size=12, max_size=12, unique=True),
    names=st.lists(_TEXT, min_size=6, max_size=6, unique=True),
)
def test_the_fingerprint_hashes_sorted_lines_of_json(items: list[str], names: list[str]) -> None:
    split: tuple[Split, ...] = ("train", "validation", "test")
    parts = {name: split[k % 3] for k, name in enumerate(names)}
    found = split_classes(dataset(names * 2, items), SplitConfig(), parts=parts).fingerprint
    lines = [
        json.dumps([item, name, parts[name]]) for item, name in zip(items, names * 2, strict=True)
    ]
    assert found == hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def test_unknown_part() -> None:
    split = split_classes(dataset([f"c{k}" for k in range(8)] * 2), SplitConfig())
    with pytest.raises(ValueError, match="'all' is not one of"):
        split.indices("all")  # type: ignore[arg-type]


def test_unequal_or_repeated_items_are_refused() -> None:
    with pytest.raises(ValueError, match="equally many"):
        dataset(["a", "b"], ["x"])
    with pytest.raises(ValueError, match="unique"):
        dataset(["a", "b"], ["x", "x"])
