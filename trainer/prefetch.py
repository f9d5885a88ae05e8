"""Items made ahead by a thread."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar, cast

__all__ = ["prefetched"]

_Item = TypeVar("_Item")
# Enough to hide an item that takes longer than most.
_AHEAD: Final = 2
_END: Final = object()


def prefetched(items: Iterable[_Item]) -> Iterator[_Item]:
    """Yield the items in their order, while a thread makes the next two.

    What the making of an item raises is raised in its place. Where the iteration is given up, the
    thread ends after the item that it is at.
    """
    source = iter(items)
    thread = ThreadPoolExecutor(1, "prefetch")
    try:
        made = deque(thread.submit(next, source, _END) for _ in range(_AHEAD))
        while (item := made.popleft().result()) is not _END:
            made.append(thread.submit(next, source, _END))
            yield cast("_Item", item)
    finally:
        thread.shutdown(cancel_futures=True)
