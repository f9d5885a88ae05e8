"""Queue of writes over a store of numbers; the time is the tests' own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.store import WriteQueue

from .factories import Time, fault


class Record:
    """A store of numbers that is at fault while ``fault`` says so."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.asked = 0
        self.fault: Exception | None = None

    def add(self, number: int) -> None:
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        self.numbers.append(number)


def state(queue: WriteQueue) -> tuple[int, bool]:
    return queue.pending, queue.trouble is not None


def test_a_write_is_done_at_once(queue: WriteQueue) -> None:
    record = Record()
    queue.write(record.add, number=3)
    assert record.numbers == [3]
    assert state(queue) == (0, False)
    assert queue.flush(0)


def test_what_waits_is_done_in_order_when_the_store_is_back(queue: WriteQueue, time: Time) -> None:
    record = Record()
    record.fault = fault()
    for number in range(4):
        queue.write(record.add, number)
    assert record.asked == 1  # those after the first have not asked a store that is at fault
    assert queue.pending == 4
    assert queue.trouble == "the store takes no writes: database is locked"
    record.fault = None
    queue.poll()
    assert record.numbers == []
    time.now += 1
    queue.write(record.add, 4)
    assert record.numbers == [0, 1, 2, 3, 4]
    assert state(queue) == (0, False)


def test_pauses_double_up_to_half_a_minute_and_begin_anew(queue: WriteQueue, time: Time) -> None:
    record = Record()
    record.fault = fault()
    queue.write(record.add, 0)
    assert not queue.flush(150)
    assert time.slept == [2, 4, 8, 16, 30, 30, 30, 30]
    record.fault = None
    assert queue.flush(0)
    record.fault, time.slept = fault(), []
    queue.write(record.add, 1)
    assert not queue.flush(3)
    assert time.slept == [2, 1]
    assert record.numbers == [0]


def test_flush_returns_as_soon_as_all_is_done(queue: WriteQueue, time: Time) -> None:
    record = Record()
    record.fault = fault()

    def mend() -> None:
        record.fault = None if time.now >= 114 else record.fault

    time.woken = mend
    queue.write(record.add, 0)
    assert queue.flush(1000)
    assert time.slept == [2, 4, 8]


def test_a_mistake_is_raised_and_dropped_and_the_rest_stays(queue: WriteQueue, time: Time) -> None:
    record = Record()

    def mistake() -> None:
        if record.fault is not None:
            raise record.fault
        raise ValueError("trial 0 is COMPLETE")

    with pytest.raises(ValueError, match="COMPLETE"):
        queue.write(mistake)
    assert state(queue) == (0, False)
    record.fault = fault()
    queue.write(record.add, 0)
    queue.write(mistake)
    queue.write(record.add, 1)
    record.fault = None
    time.now += 1
    with pytest.raises(ValueError, match="COMPLETE"):
        queue.poll()
    assert (record.numbers, queue.pending) == ([0], 1)
    queue.poll()
    assert (record.numbers, queue.pending) == ([0, 1], 0)


def test_an_interruption_loses_nothing(queue: WriteQueue) -> None:
    numbers: list[int] = []

    def interrupted_once() -> None:
        numbers.append(0)
        if len(numbers) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        queue.write(interrupted_once)
    assert queue.pending == 1
    assert queue.flush(0)


def test_the_trouble_holds_no_password(queue: WriteQueue) -> None:
    record = Record()
    record.fault = fault("no route to postgresql://me:S3cret@host/db\nand more of it")
    queue.write(record.add, 0)
    said = "the store takes no writes: no route to postgresql://me:***@host/db"
    assert queue.trouble == said


@given(steps=st.lists(st.sampled_from(["write", "break", "mend", "wait", "poll", "flush"])))
def test_nothing_is_lost_doubled_or_out_of_order(steps: list[str]) -> None:
    time, record, handed = Time(), Record(), 0
    queue = WriteQueue(clock=time, sleep=time.sleep)
    for step in steps:
        if step == "write":
            queue.write(record.add, handed)
            handed += 1
        elif step == "wait":
            time.now += 3
        elif step == "poll":
            queue.poll()
        elif step == "flush":
            assert queue.flush(5) is (record.fault is None or queue.pending == 0)
        else:
            record.fault = fault() if step == "break" else None
        assert record.numbers == list(range(handed - queue.pending))
        assert (queue.trouble is None) is (queue.pending == 0)
    record.fault = None
    assert queue.flush(0)
    assert record.numbers == list(range(handed))
