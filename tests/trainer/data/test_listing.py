from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from objectives import InputError
from trainer.data.listing import Listing
from trainer.data.split_names import Split


def listing(labels: list[str], queries: list[bool] | None = None) -> Listing:
    items = [f"{label}/{number}.png" for number, label in enumerate(labels)]
    parts: dict[str, Split] = dict.fromkeys(labels, "train")
    return Listing.ordered(
        Path("root"), files=items, items=items, labels=labels, parts=parts, queries=queries
    )


def test_everything_is_in_the_order_of_the_items() -> None:
    found = Listing.ordered(
        Path("root"),
        files=["x", "y", "z"],
        items=["c", "a", "b"],
        labels=["second", "first", "second"],
        queries=[True, False, False],
    )
    assert found.items == ("a", "b", "c")
    assert found.files == ("y", "z", "x")
    assert found.class_names == ("first", "second")
    assert found.labels.tolist() == [0, 1, 1]
    assert found.labels.dtype == torch.int64
    assert found.queries is not None
    assert found.queries.tolist() == [False, False, True]
    assert found.parts is None


def test_items_are_unique() -> None:
    with pytest.raises(InputError, match=r"^root: a is listed twice$"):
        Listing.ordered(
            Path("root"), files=["1", "2", "3"], items=["a", "b", "a"], labels=["x"] * 3
        )


@given(counts=st.lists(st.integers(1, 5), min_size=1, max_size=12), least=st.integers(1, 6))
def test_small_classes_are_left_out_wholly(counts: list[int], least: int) -> None:
    labels = [f"c{k:02d}" for k, count in enumerate(counts) for _ in range(count)]
    whole = listing(labels, queries=[number % 3 == 0 for number in range(len(labels))])
    kept = [k for k, label in enumerate(labels) if labels.count(label) >= least]
    if not kept:
        with pytest.raises(InputError, match=rf"^data\.min_images_per_class: .* {least} images$"):
            whole.without_small_classes(least)
        return
    found = whole.without_small_classes(least)
    assert found.items == tuple(sorted(f"{labels[k]}/{k}.png" for k in kept))
    assert [found.class_names[label] for label in found.labels.tolist()] == [
        item.split("/")[0] for item in found.items
    ]
    assert set(found.class_names) == {labels[k] for k in kept}
    assert found.queries is not None
    assert found.queries.tolist() == [
        int(item.split("/")[1].removesuffix(".png")) % 3 == 0 for item in found.items
    ]
    assert found.files == found.items
