import threading
from collections.abc import Iterator

import pytest

from trainer.prefetch import prefetched


def test_all_items_in_their_order() -> None:
    assert list(prefetched(range(7))) == list(range(7))
    assert list(prefetched([])) == []
    assert list(prefetched([None, None])) == [None, None]


def test_one_other_thread_makes_them_two_ahead() -> None:
    made: list[int] = []
    makers = set[int]()
    third = threading.Event()

    def items() -> Iterator[int]:
        for number in range(6):
            makers.add(threading.get_ident())
            made.append(number)
            if number == 2:
                third.set()
            yield number

    found = prefetched(items())
    assert next(found) == 0
    assert third.wait(5)
    assert list(found) == [1, 2, 3, 4, 5]
    assert len(makers) == 1
    assert threading.get_ident() not in makers
    found = prefetched(items())
    made.clear()
    next(found)
    found.close()  # type: ignore[attr-defined]
    assert len(made) <= 3


def test_what_an_item_raises_comes_in_its_place() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("the second")

    found = prefetched(items())
    assert next(found) == 1
    with pytest.raises(ValueError, match="the second"):
        next(found)
    assert list(found) == []


def test_no_thread_is_left() -> None:
    before = threading.active_count()
    found = prefetched(iter(range(100)))
    next(found)
    assert threading.active_count() == before + 1
    found.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
