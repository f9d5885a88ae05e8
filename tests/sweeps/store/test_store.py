"""One contract suite for every backend: SQLite, and a real PostgreSQL."""

import itertools
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from sqlalchemy.exc import StatementError

from objectives.errors import InputError
from sweeps.store import Outbox, Purpose, Store, SweepState, TrialState
from sweeps.store.database import open_database
from sweeps.store.store import utc_now

ROOT = Path(__file__).parents[3]
START = datetime(2024, 2, 29, 12, 0, 0, 123456, tzinfo=UTC)
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED)


class Clock:
    """A second later each time, told in a zone nine hours ahead of UTC."""

    def __init__(self) -> None:
        self.ticks = itertools.count()

    def __call__(self) -> datetime:
        return (START + timedelta(seconds=next(self.ticks))).astimezone(
            timezone(timedelta(hours=9))
        )


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store.open(url, clock=Clock())
    yield opened
    opened.close()


@pytest.fixture
def sweep(store: Store) -> str:
    return store.create_sweep("birds", spec={}, provenance={}).name


def baseline(store: Store, sweep: str, number: int, **changes: object) -> None:
    content: dict[str, Any] = {
        "name": f"b{number}",
        "label": "untouched trunk",
        "fields": {"backbone": "resnet18"},
        "split": "validation",
        "metrics": {"recall_at_1": 0.5},
    }
    store.record_baseline(sweep, number, **content | changes)


def add(store: Store, sweep: str, number: int, **changes: object) -> None:
    content: dict[str, Any] = {"config": {"loss": "x"}, "sampled": {}, "control": False} | changes
    store.add_trial(sweep, number, **content)


def measure(store: Store, sweep: str, number: int, epoch: int = 1, **changes: object) -> None:
    content: dict[str, Any] = {"seed": 0, "split": "validation", "metrics": {"opis": 0.1}} | changes
    store.record_measurement(sweep, number, epoch=epoch, **content)


# Sweeps


def test_sweep_is_read_back_as_created(store: Store) -> None:
    spec = {"trials": 3, "nested": {"margin": [0.1, 0.30000000000000004], "é": None}}
    created = store.create_sweep("birds", spec=MappingProxyType(spec), provenance={"torch": "2"})
    assert created == store.sweep("birds")
    assert created.spec == spec
    assert created.provenance == {"torch": "2"}
    assert created.state is SweepState.RUNNING
    assert created.created_at == START
    assert created.created_at.tzinfo is UTC
    assert created.finished_at is None


def test_sweeps_are_listed_with_the_newest_last(store: Store) -> None:
    assert store.sweeps() == ()
    for name in ("b", "a", "c"):
        store.create_sweep(name, spec={}, provenance={})
    assert [sweep.name for sweep in store.sweeps()] == ["b", "a", "c"]


def test_name_can_be_taken_once(store: Store, sweep: str) -> None:
    with pytest.raises(InputError, match="a sweep called 'birds' exists already"):
        store.create_sweep(sweep, spec={"other": 1}, provenance={})
    assert store.sweep(sweep).spec == {}


def test_long_name_is_refused(store: Store) -> None:
    store.create_sweep("x" * 200, spec={}, provenance={})
    with pytest.raises(InputError, match="more than 200"):
        store.create_sweep("x" * 201, spec={}, provenance={})


@pytest.mark.parametrize("bad", [{"x": float("nan")}, {"x": {1, 2}}])
def test_spec_must_be_json(store: Store, bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="JSON"):
        store.create_sweep("birds", spec=bad, provenance={})
    assert store.sweeps() == ()


def test_unknown_sweep_is_named_with_those_there_are(store: Store) -> None:
    store.create_sweep("birds", spec={}, provenance={})
    store.create_sweep("cars", spec={}, provenance={})
    calls: list[Callable[[], object]] = [
        lambda: store.sweep("x"),
        lambda: store.finish_sweep("x", SweepState.COMPLETE),
        lambda: store.resume_sweep("x"),
        lambda: add(store, "x", 0),
        lambda: store.finish_trial("x", 0, TrialState.FAILED),
        lambda: store.trials("x"),
        lambda: measure(store, "x", 0),
        lambda: store.measurements("x"),
        lambda: store.unmirrored("x"),
        lambda: store.mark_mirrored("x", Outbox(trials=(), measurements=())),
    ]
    for call in calls:
        with pytest.raises(InputError, match="'x'; there are: birds, cars"):
            call()


def test_finishing_again_keeps_the_first_moment_and_resuming_clears_it(
    store: Store, sweep: str
) -> None:
    store.finish_sweep(sweep, SweepState.PAUSED)
    first = store.sweep(sweep)
    assert first.state is SweepState.PAUSED
    assert first.finished_at == START + timedelta(seconds=1)
    store.finish_sweep(sweep, SweepState.PAUSED)
    assert store.sweep(sweep) == first
    store.resume_sweep(sweep)
    assert store.sweep(sweep).state is SweepState.RUNNING
    assert store.sweep(sweep).finished_at is None
    with pytest.raises(ValueError, match="RUNNING"):
        store.finish_sweep(sweep, SweepState.RUNNING)


def test_naive_clock_is_refused(url: str) -> None:
    store = Store.open(url, clock=lambda: datetime(2024, 1, 1))
    with pytest.raises(StatementError, match="no time zone"):
        store.create_sweep("birds", spec={}, provenance={})
    store.close()


def test_utc_now_is_aware() -> None:
    assert utc_now().tzinfo is UTC


# Trials


def test_trials_are_read_back_by_number(store: Store, sweep: str) -> None:
    add(store, sweep, 1, control=True)
    add(store, sweep, 0, config={"loss": "y", "margin": 0.1 + 0.2}, sampled={"margin": 0.1 + 0.2})
    first, second = store.trials(sweep)
    assert (first.number, second.number) == (0, 1)
    assert (first.control, second.control) == (False, True)
    assert first.config == {"loss": "y", "margin": 0.1 + 0.2}
    assert first.sampled == {"margin": 0.1 + 0.2}
    assert first.state is TrialState.RUNNING
    assert first.started_at == START + timedelta(seconds=2)
    assert first.started_at.tzinfo is UTC
    assert (first.reason, first.finished_at) == (None, None)


def test_trials_of_two_sweeps_do_not_mix(store: Store, sweep: str) -> None:
    store.create_sweep("cars", spec={}, provenance={})
    add(store, sweep, 0)
    add(store, "cars", 0, control=True)
    measure(store, "cars", 0)
    measure(store, sweep, 0)
    store.finish_trial("cars", 0, TrialState.PRUNED, "slow")
    store.mark_mirrored("cars", store.unmirrored("cars"))
    assert [trial.state for trial in store.trials(sweep)] == [TrialState.RUNNING]
    assert len(store.measurements(sweep)) == 1
    assert len(store.unmirrored(sweep).trials) == 1
    assert len(store.unmirrored(sweep).measurements) == 1
    assert not store.unmirrored("cars")


def test_same_trial_again_changes_nothing(store: Store, sweep: str) -> None:
    add(store, sweep, 0, config={"pair": (1, 2.0)})
    before = store.trials(sweep)
    add(store, sweep, 0, config={"pair": [1, 2.0]})
    assert store.trials(sweep) == before


@pytest.mark.parametrize(
    "changes", [{"config": {"loss": "z"}}, {"sampled": {"a": 1}}, {"control": True}]
)
def test_other_content_under_a_taken_number_is_refused(
    store: Store, sweep: str, changes: dict[str, object]
) -> None:
    add(store, sweep, 0)
    before = store.trials(sweep)
    with pytest.raises(ValueError, match="trial 0 of sweep 'birds' exists with other content"):
        add(store, sweep, 0, **changes)
    assert store.trials(sweep) == before


@pytest.mark.parametrize("state", FINISHED)
def test_finished_trial_never_changes(store: Store, sweep: str, state: TrialState) -> None:
    add(store, sweep, 0)
    store.finish_trial(sweep, 0, state, "first")
    before = store.trials(sweep)
    assert (before[0].state, before[0].reason) == (state, "first")
    assert before[0].finished_at == START + timedelta(seconds=2)
    store.finish_trial(sweep, 0, state, "second")
    for other in set(FINISHED) - {state}:
        with pytest.raises(ValueError, match=f"is {state}, not {other}"):
            store.finish_trial(sweep, 0, other)
    add(store, sweep, 0)
    assert store.trials(sweep) == before


def test_finishing_needs_a_trial_and_an_end(store: Store, sweep: str) -> None:
    with pytest.raises(ValueError, match="no trial 7"):
        store.finish_trial(sweep, 7, TrialState.COMPLETE)
    add(store, sweep, 0)
    with pytest.raises(ValueError, match="RUNNING"):
        store.finish_trial(sweep, 0, TrialState.RUNNING)


def test_reason_may_hold_what_databases_refuse(store: Store, sweep: str) -> None:
    add(store, sweep, 0)
    store.finish_trial(sweep, 0, TrialState.FAILED, "NUL \0 and \udc80, ü stays")
    assert store.trials(sweep)[0].reason == "NUL  and ?, ü stays"


# Measurements


def test_measurements_are_read_back_in_order(store: Store, sweep: str) -> None:
    keys = [(0, 2, 0, "test"), (1, 1, 0, "test"), (0, 1, 2**32, "test"), (0, 2, 0, "a"), (0, 1, 1, "a")]  # fmt: skip  # noqa: E501
    for number in (0, 1):
        add(store, sweep, number)
    for number, epoch, seed, split in keys:
        metrics = {"opis": 0.1 + 0.2, "count": 1}
        measure(store, sweep, number, epoch, seed=seed, split=split, metrics=metrics)
    read = store.measurements(sweep)
    assert [(m.number, m.epoch, m.seed, m.split) for m in read] == sorted(keys)
    assert read[0].metrics == {"opis": 0.1 + 0.2, "count": 1.0}
    assert isinstance(read[0].metrics["count"], float)
    assert read[0].recorded_at == START + timedelta(seconds=7)
    assert read[0].recorded_at.tzinfo is UTC


def test_first_measurement_of_a_key_stays(store: Store, sweep: str) -> None:
    add(store, sweep, 0)
    measure(store, sweep, 0)
    before = store.measurements(sweep)
    measure(store, sweep, 0, metrics={"opis": 0.9})
    assert store.measurements(sweep) == before


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_metrics_must_be_finite(store: Store, sweep: str, value: float) -> None:
    add(store, sweep, 0)
    with pytest.raises(ValueError, match=r"trial 0 .* not finite: \{'opis'"):
        measure(store, sweep, 0, metrics={"recall": 1.0, "opis": value})
    assert store.measurements(sweep) == ()


def test_measurement_needs_its_trial(store: Store, sweep: str) -> None:
    with pytest.raises(ValueError, match="no trial 3"):
        measure(store, sweep, 3)


# Outbox


def test_outbox_empties_when_marked(store: Store, sweep: str) -> None:
    assert not store.unmirrored(sweep)
    add(store, sweep, 0)
    measure(store, sweep, 0)
    outbox = store.unmirrored(sweep)
    assert outbox == Outbox(trials=store.trials(sweep), measurements=store.measurements(sweep))
    assert store.unmirrored(sweep) == outbox
    store.mark_mirrored(sweep, outbox)
    assert not store.unmirrored(sweep)


def test_what_changes_between_reading_and_marking_stays_in_the_outbox(
    store: Store, sweep: str
) -> None:
    for number in (0, 1):
        add(store, sweep, number)
    measure(store, sweep, 0)
    outbox = store.unmirrored(sweep)
    store.finish_trial(sweep, 1, TrialState.PRUNED, "dominated")
    measure(store, sweep, 0, epoch=2)
    add(store, sweep, 2)
    store.mark_mirrored(sweep, outbox)
    left = store.unmirrored(sweep)
    assert [(t.number, t.state) for t in left.trials] == [
        (1, TrialState.PRUNED),
        (2, TrialState.RUNNING),
    ]
    assert [m.epoch for m in left.measurements] == [2]


def test_outbox_has_the_trial_of_each_measurement_whenever_they_are_written(url: str) -> None:
    """A trial and its measurement arrive just after the first of the outbox's two queries."""
    engine, writer = open_database(url, create=True), Store.open(url)
    reader = Store(engine)
    writer.create_sweep("birds", spec={}, provenance={})
    arrived: list[str] = []

    def arrive(*arguments: object) -> None:
        if "FROM sweep_" in str(arguments[2]) and not arrived:
            arrived.append(str(arguments[2]))
            add(writer, "birds", 0)
            measure(writer, "birds", 0)

    event.listen(engine, "after_cursor_execute", arrive)
    outbox = reader.unmirrored("birds")
    assert arrived
    assert {m.number for m in outbox.measurements} <= {t.number for t in outbox.trials}
    reader.mark_mirrored("birds", outbox)
    left = reader.unmirrored("birds")
    assert len(outbox.trials + left.trials) == 1
    assert len(outbox.measurements + left.measurements) == 1
    reader.close()
    writer.close()


def test_outbox_outlives_the_process(url: str) -> None:
    with_trial = Store.open(url)
    with_trial.create_sweep("birds", spec={}, provenance={})
    add(with_trial, "birds", 0)
    with_trial.close()
    again = Store.open(url, create=False)
    assert [trial.number for trial in again.unmirrored("birds").trials] == [0]
    again.close()


Step = tuple[str, int, int]
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "finish", "measure", "read", "mark"]),
        st.integers(0, 2),
        st.integers(1, 2),
    ),
    max_size=25,
)
_NAMES = itertools.count()


@given(steps=_STEPS)
@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_outbox_holds_what_a_model_says(store: Store, steps: list[Step]) -> None:
    """Against sets: what was written, and what of it a marked reading had seen."""
    sweep = f"sweep {next(_NAMES)}"
    store.create_sweep(sweep, spec={}, provenance={})
    states: dict[int, TrialState] = {}
    mirrored: dict[int, TrialState] = {}
    unseen: set[tuple[int, int]] = set()
    outbox = Outbox(trials=(), measurements=())
    for action, number, epoch in steps:
        if action == "add" and number not in states:
            add(store, sweep, number)
            states[number] = TrialState.RUNNING
        elif action == "finish" and states.get(number) is TrialState.RUNNING:
            states[number] = FINISHED[epoch]
            store.finish_trial(sweep, number, states[number])
        elif action == "measure" and number in states:
            known = {(m.number, m.epoch) for m in store.measurements(sweep)}
            unseen |= {(number, epoch)} - known
            measure(store, sweep, number, epoch)
        elif action == "read":
            outbox = store.unmirrored(sweep)
        elif action == "mark":
            store.mark_mirrored(sweep, outbox)
            mirrored |= {trial.number: trial.state for trial in outbox.trials}
            unseen -= {(m.number, m.epoch) for m in outbox.measurements}
        now = store.unmirrored(sweep)
        assert {(m.number, m.epoch) for m in now.measurements} == unseen
        assert {t.number: t.state for t in now.trials} == {
            n: state for n, state in states.items() if mirrored.get(n) != state
        }


# Concurrency


def write(store: Store, sweep: str, trials: int, epochs: int) -> None:
    for number in range(trials):
        add(store, sweep, number)
        for epoch in range(1, epochs + 1):
            measure(store, sweep, number, epoch)
        store.finish_trial(sweep, number, FINISHED[number % 3])


def test_mirror_thread_sees_everything_once_while_the_driver_writes(url: str) -> None:
    store = Store.open(url)
    sweep = store.create_sweep("birds", spec={}, provenance={}).name
    seen: Counter[tuple[int, int]] = Counter()
    states: dict[int, TrialState] = {}
    orphans: list[int] = []
    done = threading.Event()
    errors: list[BaseException] = []

    def mirror() -> None:
        try:
            while True:
                last = done.is_set()
                outbox = store.unmirrored(sweep)
                states.update({trial.number: trial.state for trial in outbox.trials})
                seen.update((m.number, m.epoch) for m in outbox.measurements)
                orphans.extend(m.number for m in outbox.measurements if m.number not in states)
                store.mark_mirrored(sweep, outbox)
                if last:
                    return
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=mirror)
    thread.start()
    try:
        write(store, sweep, trials=12, epochs=5)
    finally:
        done.set()
        thread.join()
    assert errors == []
    assert orphans == []
    assert seen == Counter({(n, e): 1 for n in range(12) for e in range(1, 6)})
    assert states == {n: FINISHED[n % 3] for n in range(12)}
    assert not store.unmirrored(sweep)
    store.close()


_RACER = """
import sys
from objectives.errors import InputError
from sweeps.store import Store
print("ready", flush=True)
sys.stdin.readline()
store = Store.open(sys.argv[1])
try:
    store.create_sweep("birds", spec={"who": sys.argv[2]}, provenance={})
    print("won")
except InputError as error:
    print("exists already" in str(error) and "lost")
store.close()
"""


def test_of_two_processes_one_gets_the_name_and_one_builds_the_schema(url: str) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", _RACER, url, who],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for who in "ab"
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("\n")
        racer.stdin.flush()
    results = [racer.communicate(timeout=60) for racer in racers]
    words = [out.strip() for out, _ in results]
    assert sorted(words) == ["lost", "won"], results
    store = Store.open(url, create=False)
    assert store.sweep("birds").spec == {"who": "ab"[words.index("won")]}
    store.close()


# Baselines


def test_replicates_are_read_back_in_their_order(store: Store, sweep: str) -> None:
    for number in (1, 0):
        add(store, sweep, number)
    store.add_replicate(sweep, 1, seed=3)
    store.add_replicate(sweep, 0, seed=7)
    store.add_replicate(sweep, 0, seed=2, purpose=Purpose.REPORT)
    assert [(r.number, r.seed, r.purpose) for r in store.replicates(sweep)] == [
        (0, 7, Purpose.SEARCH),
        (0, 2, Purpose.REPORT),
        (1, 3, Purpose.SEARCH),
    ]
    assert {(r.state, r.reason, r.finished_at) for r in store.replicates(sweep)} == {
        (TrialState.RUNNING, None, None)
    }
    assert all(each.started_at.tzinfo is UTC for each in store.replicates(sweep))


def test_a_replicate_ends_once(store: Store, sweep: str) -> None:
    add(store, sweep, 0)
    store.add_replicate(sweep, 0, seed=0)
    store.add_replicate(sweep, 0, seed=1)
    store.finish_replicate(sweep, 0, seed=1, state=TrialState.FAILED, reason="not\0 finite")
    [first, second] = store.replicates(sweep)
    assert (first.state, second.state) == (TrialState.RUNNING, TrialState.FAILED)
    assert second.reason == "not finite"
    assert second.finished_at is not None
    # Neither the start nor the end can be told again.
    store.add_replicate(sweep, 0, seed=1)
    store.finish_replicate(sweep, 0, seed=1, state=TrialState.COMPLETE)
    assert store.replicates(sweep) == (first, second)
    assert store.trials(sweep)[0].state is TrialState.RUNNING


def test_a_replicate_needs_its_trial_and_an_end(store: Store, sweep: str) -> None:
    with pytest.raises(ValueError, match="there is no trial 4"):
        store.add_replicate(sweep, 4, seed=0)
    with pytest.raises(ValueError, match="cannot finish as RUNNING"):
        store.finish_replicate(sweep, 4, seed=0, state=TrialState.RUNNING)
    for wanted in (store.replicates, lambda name: store.add_replicate(name, 0, seed=0)):
        with pytest.raises(InputError, match="no sweep called 'absent'"):
            wanted("absent")


def test_baselines_are_read_back_in_their_order(store: Store, sweep: str) -> None:
    baseline(store, sweep, 1, metrics=None, reason="no weights\0 [here]")
    baseline(store, sweep, 0, split="test")
    baseline(store, sweep, 0, metrics={"recall_at_1": 1})
    found = store.baselines(sweep)
    assert [(each.number, each.split) for each in found] == [
        (0, "test"),
        (0, "validation"),
        (1, "validation"),
    ]
    assert found[1].metrics == {"recall_at_1": 1.0}
    assert (found[1].name, found[1].label) == ("b0", "untouched trunk")
    assert (found[1].fields, found[1].reason) == ({"backbone": "resnet18"}, None)
    assert (found[2].metrics, found[2].reason) == (None, "no weights [here]")
    assert found[2].recorded_at < found[0].recorded_at
    assert found[0].recorded_at.tzinfo is UTC


def test_of_two_baselines_of_a_number_the_first_stays(store: Store, sweep: str) -> None:
    baseline(store, sweep, 0)
    before = store.baselines(sweep)
    baseline(store, sweep, 0, metrics={"recall_at_1": 0.9})
    assert store.baselines(sweep) == before


@pytest.mark.parametrize(
    "changes",
    [
        {"metrics": None},
        {"reason": "both"},
        {"metrics": {"opis": float("nan")}},
        {"fields": {"a": object()}},
    ],
)
def test_a_baseline_that_no_record_can_hold(
    store: Store, sweep: str, changes: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match=r"baseline 0 |not plain JSON"):
        baseline(store, sweep, 0, **changes)
    assert store.baselines(sweep) == ()


def test_baselines_are_in_the_outbox_until_they_are_marked(store: Store, sweep: str) -> None:
    baseline(store, sweep, 0)
    outbox = store.unmirrored(sweep)
    assert outbox
    assert outbox.baselines == store.baselines(sweep)
    baseline(store, sweep, 1)
    store.mark_mirrored(sweep, outbox)
    assert [each.number for each in store.unmirrored(sweep).baselines] == [1]
