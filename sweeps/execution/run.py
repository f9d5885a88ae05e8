"""The run of a sweep: Ray Tune runs the trials, the driver records them in the store."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any, Final

from pydantic import ValidationError

from objectives import InputError
from sweeps.execution.baselines import score_baselines
from sweeps.execution.callback import RunningSweep, SweepCallback
from sweeps.execution.cluster import ray_cluster
from sweeps.execution.gpu_notes import gpu_notes
from sweeps.execution.history import past_runs, settle, suggestions_of
from sweeps.execution.lease import Lease, this_process
from sweeps.execution.mirrors import mirror_of
from sweeps.execution.packing import found_demand, packed
from sweeps.execution.places import Places
from sweeps.execution.provenance import provenance_of
from sweeps.execution.trials import open_data, run_trials, surroundings_of, watched
from sweeps.home import Home
from sweeps.results import RankedTrials, picked_first, ranked_trials, write_front
from sweeps.search import study_of
from sweeps.spec import Data, SweepSpec
from sweeps.store import (
    MissingStoreError,
    Store,
    SweepRecord,
    SweepState,
    check_name,
    is_operational,
    open_store,
)
from sweeps.tracking import MirrorThread
from trainer import input_error

__all__ = ["FinishedSweep", "resume_sweep", "run_sweep", "spec_of"]

# What a trial holds may have been found by a probe.
_MAY_CHANGE: Final = ("budget", "resources")


@dataclass(frozen=True, kw_only=True)
class FinishedSweep:
    """A sweep that has been carried out.

    Attributes:
        ranked: All trials that completed, ranked.
        files: front.json, front.csv, front.html and front.png.
        mirror_error: Why MLflow is not level with the store; None if it is.
    """

    ranked: RankedTrials
    files: tuple[Path, ...]
    mirror_error: str | None


def run_sweep(
    spec: SweepSpec,
    *,
    resume: bool = False,
    home: Home | None = None,
    store_url: str | None = None,
    tracking_uri: str | None = None,
    address: str | None = None,
    cache: Path | None = None,
    callbacks: Sequence[SweepCallback] = (),
) -> FinishedSweep:
    """Carry out a sweep: decode, sample, train, score, record, mirror; then draw its front.

    Args:
        spec: What to do.
        resume: Whether to go on with the sweep of that name where there is one, as `resume_sweep`
            does; its spec has to be the same, but for the budget, which may be larger.
        home: Where everything is written that has no other place; ``.sweeps`` if None.
        store_url: SQLAlchemy URL of the store; SQLite under the home if None.
        tracking_uri: MLflow's; SQLite under the home if None.
        address: A Ray cluster's address; a local Ray is started for the run if None.
        cache: Folder of decoded data, which sweeps may share; under the home if None. On a cluster
            every node has its own at that path.
        callbacks: Called as the sweep goes on.

    Raises:
        InputError: The data cannot be loaded or split, the workload refuses them, the name is
            taken, or the store or the cluster cannot be reached; or so many runs in a row were lost
            that the sweep was stopped, which `resume_sweep` goes on with.
        KeyboardInterrupt: The user stopped it; it is PAUSED.
    """
    places = Places(home=home, store=store_url, tracking=tracking_uri, address=address, cache=cache)
    if resume and (record := _there(places, spec.name)) is not None:
        return _resumed(places, _agreed(spec, record), callbacks)
    check_name(places.store_url, spec.name)
    # Ray comes first: it knows in seconds whether a trial fits, and decoding may take hours. The
    # store comes last: what cannot start leaves no file.
    with ExitStack() as stack:
        stack.enter_context(ray_cluster(address, spec.resources))
        data = _checked_data(spec, places, callbacks)
        demand = found_demand(spec, surroundings_of(spec, data, places.decoded))
        spec = packed(spec, demand)
        store = stack.enter_context(Store.open(places.store_url))
        driver = this_process()
        store.create_sweep(
            spec.name,
            spec=spec.model_dump(mode="json", by_alias=True),
            provenance=provenance_of(data, demand),
            objectives=spec.objective_records(),
            driver=driver,
        )
        lease = stack.enter_context(Lease(store, spec.name, driver))
        notes = gpu_notes(spec, demand, here=places.is_here)
        return _carried_out(spec, data, store, places, lease, callbacks, notes)


def resume_sweep(
    name: str,
    *,
    more_trials: int = 0,
    home: Home | None = None,
    store_url: str | None = None,
    tracking_uri: str | None = None,
    address: str | None = None,
    cache: Path | None = None,
    callbacks: Sequence[SweepCallback] = (),
) -> FinishedSweep:
    """Go on with a sweep that was stopped, or died, as if it never had been.

    Runs that were under way come first, from their checkpoints. What has ended is not run again.

    Args:
        name: The sweep.
        more_trials: By how many sampled trials it is to be larger.
        home: As `run_sweep`, like all that follow.
        store_url: SQLAlchemy URL of the store.
        tracking_uri: MLflow's.
        address: A Ray cluster's address.
        cache: Folder of decoded data.
        callbacks: Called as the sweep goes on.

    Raises:
        InputError: There is no such sweep, another process carries it out, its data are other ones
            by now, or as `run_sweep`.
        KeyboardInterrupt: The user stopped it; it is PAUSED.
    """
    places = Places(home=home, store=store_url, tracking=tracking_uri, address=address, cache=cache)
    with open_store(places.store_url) as store:
        spec = spec_of(store.sweep(name))
    budget = spec.budget.model_copy(update={"trials": spec.budget.trials + more_trials})
    return _resumed(places, spec.model_copy(update={"budget": budget}), callbacks)


def _resumed(places: Places, spec: SweepSpec, callbacks: Sequence[SweepCallback]) -> FinishedSweep:
    """Go on with a sweep whose spec is this one by now."""
    name = spec.name
    with ExitStack() as stack:
        store = stack.enter_context(open_store(places.store_url))
        lease = stack.enter_context(Lease.take(store, name, driver=this_process()))
        settle(store, name, reason="its driver is gone")
        record = store.sweep(name)
        if record.state is SweepState.COMPLETE and spec.budget == spec_of(record).budget:
            return _finished(store, places, name)
        stack.enter_context(ray_cluster(places.address, spec.resources))
        data = _checked_data(spec, places, callbacks)
        check_same_data(record, data)
        store.change_spec(name, spec.model_dump(mode="json", by_alias=True))
        store.resume_sweep(name)
        notes = gpu_notes(spec, None, here=places.is_here)
        return _carried_out(spec, data, store, places, lease, callbacks, notes)


def _there(places: Places, name: str) -> SweepRecord | None:
    try:
        with open_store(places.store_url) as store:
            return next((each for each in store.sweeps() if each.name == name), None)
    except MissingStoreError:
        return None


def _agreed(spec: SweepSpec, record: SweepRecord) -> SweepSpec:
    """Return the spec that a sweep began with, under a new budget.

    Raises:
        InputError: Anything else is different.
    """
    old, new = spec_of(record), spec.model_dump(mode="json", by_alias=True)
    before = old.model_dump(mode="json", by_alias=True)
    for key in new:
        if key not in _MAY_CHANGE and new[key] != before[key]:
            raise InputError(
                f"is not what {record.name} began with; choose another name", field=key
            )
    return old.model_copy(update={"budget": spec.budget})


def spec_of(record: SweepRecord) -> SweepSpec:
    """Return the spec of a sweep.

    Raises:
        InputError: It is not valid here, such as one whose workload is not to be found.
    """
    try:
        return SweepSpec.model_validate(record.spec)
    except ValidationError as error:
        raise input_error(error) from None


def check_same_data(record: SweepRecord, data: Data) -> None:
    """Refuse data that are not those that a sweep began with.

    Raises:
        InputError: They are not.
    """
    facts = record.provenance.get("data", {})
    if facts.get("fingerprint", data.fingerprint) != data.fingerprint:
        raise InputError(f"the data are not those that {record.name} was trained on", field="data")


def _checked_data(spec: SweepSpec, places: Places, callbacks: Sequence[SweepCallback]) -> Data:
    data = open_data(spec, places.decoded, callbacks)
    spec.kind.check(spec.search_space(), data)
    return data


def _carried_out(
    spec: SweepSpec,
    data: Data,
    store: Store,
    places: Places,
    lease: Lease,
    callbacks: Sequence[SweepCallback],
    notes: tuple[str, ...],
) -> FinishedSweep:
    """Carry out what is left of a sweep, mirror it, and draw its front."""
    mirror = mirror_of(store, spec.name, tracking_uri=places.tracking_uri, home=places.root)
    with MirrorThread(mirror) as mirroring, _final_state(store, spec.name, lease):
        surroundings = surroundings_of(spec, data, places.decoded)
        _tune(spec, surroundings, store, places, lease, callbacks, notes)
    # Of a run that was lost for good one is left.
    rmtree(places.root.checkpoints(spec.name), ignore_errors=True)
    return _finished(store, places, spec.name, mirror_error=mirroring.complaint)


def _finished(
    store: Store, places: Places, name: str, *, mirror_error: str | None = None
) -> FinishedSweep:
    ranked = ranked_trials(store, name)
    files = write_front(ranked, places.root.sweep(name))
    return FinishedSweep(ranked=ranked, files=files, mirror_error=mirror_error)


@contextmanager
def _final_state(store: Store, sweep: str, lease: Lease) -> Iterator[None]:
    """Record how the sweep ended, and leave no trial RUNNING, unless it is another's by now."""
    state, reason = SweepState.FAILED, "the sweep failed"
    try:
        yield
        state = SweepState.COMPLETE
    except KeyboardInterrupt:
        state, reason = SweepState.PAUSED, "the sweep was interrupted"
        raise
    finally:
        if not lease.lost.is_set():
            _end(store, sweep, state, reason)


def _end(store: Store, sweep: str, state: SweepState, reason: str) -> None:
    try:
        settle(store, sweep, reason=reason)
        store.finish_sweep(sweep, state)
    except Exception as error:
        if not is_operational(error):  # else who resumes the sweep settles it
            raise


def _tune(
    spec: SweepSpec,
    surroundings: Mapping[str, Any],
    store: Store,
    places: Places,
    lease: Lease,
    callbacks: Sequence[SweepCallback],
    notes: tuple[str, ...],
) -> None:
    """Score the baselines, then run the trials that have not ended."""
    study = study_of(spec, chosen=lambda: picked_first(ranked_trials(store, spec.name)))
    known = suggestions_of(store, spec.name)
    past = past_runs(store, spec.name, known)
    study.restore(known, past)
    running = RunningSweep(
        name=spec.name,
        store=store,
        objectives=spec.objective_records(),
        total=study.configurations,
        runs=study.total - sum(each.ended for each in past),
        notes=notes,
    )
    with watched(callbacks, running):
        score_baselines(spec, surroundings, store, callbacks)
        run_trials(
            spec,
            study,
            surroundings,
            store=store,
            home=places.root,
            slots=places.slots(spec),
            lost=lease.lost,
            callbacks=callbacks,
        )
