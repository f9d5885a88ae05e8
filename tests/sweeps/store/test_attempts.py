"""Attempts at runs, and who drives a sweep, on every backend."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import create_engine, text

from sweeps.store import Purpose, Store, TrialState

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    moments = iter(NOW + timedelta(seconds=k) for k in range(10_000))
    with Store.open(url, clock=lambda: next(moments)) as opened:
        opened.create_sweep("birds", spec={}, provenance={})
        yield opened


def begin(store: Store, *, seed: int = 7, attempt: int = 0) -> None:
    drawn = {"params": {"share": 0.5}, "distributions": {}, "attributes": {}}
    with store.together():
        store.add_trial(
            "birds", 0, config={"seed": 7}, sampled={}, control=False, last_epoch=2, drawn=drawn
        )
        store.add_replicate("birds", 0, seed=seed, attempt=attempt)


def states(store: Store) -> tuple[list[str], list[str], list[str]]:
    return (
        [each.state.value for each in store.trials("birds")],
        [each.state.value for each in store.replicates("birds")],
        [each.state.value for each in store.attempts("birds")],
    )


def test_what_the_sampler_drew_is_read_back(store: Store) -> None:
    begin(store)
    [trial] = store.trials("birds")
    assert trial.drawn == {"params": {"share": 0.5}, "distributions": {}, "attributes": {}}


def test_a_lost_run_is_running_again_with_its_next_attempt(store: Store) -> None:
    begin(store)
    store.lose_running("birds", reason="its driver is gone")
    assert states(store) == (["LOST"], ["LOST"], ["LOST"])
    assert store.trials("birds")[0].reason == "its driver is gone"
    begin(store, attempt=1)
    begin(store, attempt=1)
    assert states(store) == (["RUNNING"], ["RUNNING"], ["LOST", "RUNNING"])
    [trial], [run] = store.trials("birds"), store.replicates("birds")
    assert (trial.reason, trial.finished_at, run.reason, run.finished_at) == (None,) * 4
    store.finish_replicate("birds", 0, seed=7, state=TrialState.COMPLETE, node="10.0.0.2")
    store.finish_trial("birds", 0, TrialState.COMPLETE)
    begin(store, attempt=1)
    store.lose_running("birds", reason="too late")
    assert states(store) == (["COMPLETE"], ["COMPLETE"], ["LOST", "COMPLETE"])
    assert [each.node for each in store.attempts("birds")] == [None, "10.0.0.2"]


def test_a_run_of_an_older_store_which_kept_no_attempts_goes_on(url: str, store: Store) -> None:
    begin(store)
    store.record_measurement("birds", 0, epoch=1, seed=7, split="validation", metrics={"opis": 0.1})
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM sweep_attempts"))
    engine.dispose()
    store.lose_running("birds", reason="gone")
    assert store.tried("birds", 0, seed=7) == (0, (1,))
    begin(store)
    assert states(store) == (["RUNNING"],) * 3


def test_a_trial_is_as_its_first_run_is(store: Store) -> None:
    begin(store)
    store.finish_replicate("birds", 0, seed=7, state=TrialState.COMPLETE)
    store.finish_trial("birds", 0, TrialState.COMPLETE)
    begin(store, seed=8)
    store.lose_running("birds", reason="gone")
    begin(store, seed=8, attempt=1)
    assert states(store) == (
        ["COMPLETE"],
        ["COMPLETE", "RUNNING"],
        ["COMPLETE", "LOST", "RUNNING"],
    )


def test_a_failure_keeps_its_kind_and_its_stack(store: Store) -> None:
    begin(store)
    store.finish_replicate(
        "birds",
        0,
        seed=7,
        state=TrialState.FAILED,
        reason="no such thing",
        kind="error",
        traceback="Traceback\0 ...",
    )
    [attempt] = store.attempts("birds")
    assert (attempt.kind, attempt.reason) == ("error", "no such thing")
    assert attempt.traceback == "Traceback ..."


def test_what_was_tried_and_measured_of_a_run(store: Store) -> None:
    assert store.tried("birds", 0, seed=7) == (0, ())
    begin(store)
    begin(store, seed=8)
    for epoch in (1, 2):
        store.record_measurement(
            "birds", 0, epoch=epoch, seed=7, split="validation", metrics={"opis": 0.1}
        )
    store.lose_running("birds", reason="gone")
    begin(store, attempt=1)
    assert store.tried("birds", 0, seed=7) == (2, (1, 2))
    assert store.tried("birds", 0, seed=8) == (1, ())


def test_together_is_all_or_nothing(store: Store) -> None:
    def broken() -> None:
        with store.together():
            store.add_trial("birds", 0, config={"seed": 7}, sampled={}, control=False)
            store.add_replicate("birds", 0, seed=7, purpose=Purpose.REPORT)
            assert states(store) == (["RUNNING"],) * 3
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert states(store) == ([], [], [])
    begin(store)
    assert states(store) == (["RUNNING"],) * 3


def test_a_taken_key_leaves_the_rest_of_what_is_written_together(store: Store) -> None:
    begin(store)
    with store.together():
        store.add_trial("birds", 1, config={"seed": 1}, sampled={}, control=False)
        store.add_replicate("birds", 0, seed=7)
        store.add_replicate("birds", 1, seed=1)
    assert len(store.attempts("birds")) == 2


def test_one_process_at_a_time_drives_a_sweep(store: Store) -> None:
    free = store.sweep("birds")
    assert (free.driver, free.seen_at) == (None, None)
    assert store.take_sweep("birds", "one", instead_of=free)
    assert not store.take_sweep("birds", "two", instead_of=free)
    held = store.sweep("birds")
    assert held.driver == "one"
    assert store.renew_driver("birds", "one")
    assert not store.renew_driver("birds", "two")
    # Of a driver that has given a sign of life since, nobody takes over.
    assert not store.take_sweep("birds", "two", instead_of=held)
    assert store.take_sweep("birds", "two", instead_of=store.sweep("birds"))
    assert not store.renew_driver("birds", "one")
    store.leave_sweep("birds", "one")
    assert store.sweep("birds").driver == "two"
    store.leave_sweep("birds", "two")
    assert store.sweep("birds").driver is None


def test_a_spec_may_grow(store: Store) -> None:
    store.change_spec("birds", {"budget": {"trials": 9}})
    assert store.sweep("birds").spec == {"budget": {"trials": 9}}
