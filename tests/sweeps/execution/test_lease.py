import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from objectives import InputError
from sweeps.execution.lease import Lease, TakenOverError, this_process
from sweeps.store import Store
from tests.sweeps.store.factories import fault

HERE = this_process().split(":")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/sweeps.db") as opened:
        opened.create_sweep("birds", spec={}, provenance={})
        yield opened


def drive(store: Store, driver: str) -> None:
    assert store.take_sweep("birds", driver, instead_of=store.sweep("birds"))


def never(_: float) -> None:
    pytest.fail("waited")


def take(store: Store, wait: Callable[[float], None] = never) -> Lease:
    return Lease.take(store, "birds", driver="me", silence=30, wait=wait)


def test_what_nobody_drives_is_taken_at_once(store: Store) -> None:
    with take(store):
        assert store.sweep("birds").driver == "me"
    assert store.sweep("birds").driver is None


def test_of_a_process_of_this_machine_that_is_gone_it_is_taken_at_once(store: Store) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    drive(store, f"{HERE[0]}:{ended.pid}:{HERE[2]}")
    take(store)
    assert store.sweep("birds").driver == "me"


@pytest.mark.parametrize(
    "driver",
    [
        "elsewhere:12",
        f"{HERE[0]}:{os.getppid()}:{HERE[2]}",
        f"{HERE[0]}:999999999",  # of another container of that name, perhaps
        f"{HERE[0]}:999999999:another start/4026531836",
        f"{HERE[0]}:odd:{HERE[2]}",
    ],
)
def test_of_one_that_is_silent_it_is_taken_after_a_while(store: Store, driver: str) -> None:
    drive(store, driver)
    waited: list[float] = []
    take(store, waited.append)
    assert waited == [30]
    assert store.sweep("birds").driver == "me"


def test_of_one_that_gives_a_sign_of_life_it_is_not_taken(store: Store) -> None:
    drive(store, "elsewhere:12")

    def meanwhile(_: float) -> None:
        assert store.renew_driver("birds", "elsewhere:12")

    with pytest.raises(InputError, match=r"birds is being carried out by another process \(elsew"):
        take(store, meanwhile)
    assert store.sweep("birds").driver == "elsewhere:12"


def test_of_two_that_take_it_one_gets_it(store: Store) -> None:
    drive(store, "elsewhere:12")
    with pytest.raises(InputError, match=r"another process \(other:1\)"):
        take(store, lambda _: drive(store, "other:1"))


def test_one_that_left_while_it_was_waited_for_is_no_obstacle(store: Store) -> None:
    drive(store, "elsewhere:12")
    take(store, lambda _: store.leave_sweep("birds", "elsewhere:12"))
    assert store.sweep("birds").driver == "me"


def test_what_it_concludes_with_is_written_however_it_ends(store: Store) -> None:
    said: list[BaseException | None] = []
    mine = take(store)
    with mine.concluding(said.append):
        pass
    error = KeyError("no such thing")
    with pytest.raises(KeyError), mine.concluding(said.append):
        raise error
    assert said == [None, error]


def test_who_is_superseded_concludes_nothing(store: Store) -> None:
    said: list[BaseException | None] = []
    mine = take(store)
    drive(store, "other:1")
    taken = pytest.raises(TakenOverError, match=r"^birds was taken over by another process$")
    with taken, mine.concluding(said.append):
        pass
    with pytest.raises(KeyError), mine.concluding(said.append):
        raise KeyError("no such thing")  # which says more
    assert said == []


def test_a_store_that_is_gone_hides_no_error(store: Store) -> None:
    mine = take(store)

    def gone(_: object) -> None:
        raise fault("disk I/O error")

    with pytest.raises(KeyboardInterrupt), mine.concluding(gone):
        raise KeyboardInterrupt
    refused = pytest.raises(InputError, match=r"^birds is to be resumed: the store takes no writes")
    with refused, mine.concluding(gone, patience=0):
        pass


def test_who_is_superseded_hears_of_it(store: Store) -> None:
    drive(store, "me")
    with Lease(store, "birds", "me", interval=0.01) as lease:
        assert not lease.lost.is_set()
        store.leave_sweep("birds", "me")
        assert lease.lost.wait(10)
        drive(store, "other:1")
    assert store.sweep("birds").driver == "other:1"


def test_it_gives_signs_of_life(store: Store) -> None:
    drive(store, this_process())
    first = store.sweep("birds").seen_at
    with Lease(store, "birds", this_process(), interval=0.01) as lease:
        for _ in range(1000):
            if store.sweep("birds").seen_at != first:
                break
            assert not lease.lost.wait(0.01)
        assert store.sweep("birds").seen_at != first
