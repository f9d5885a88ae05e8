"""The run of a sweep: Ray Tune runs the trials, the driver records them in the store."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shutil import rmtree
from typing import Any

from sweeps.execution.baselines import score_baselines
from sweeps.execution.callback import RunningSweep, SweepCallback
from sweeps.execution.cluster import ray_cluster
from sweeps.execution.gpu_notes import gpu_notes
from sweeps.execution.history import (
    agreed,
    check_same_data,
    past_runs,
    settle,
    spec_of,
    suggestions_of,
)
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
    WriteQueue,
    check_name,
    open_store,
)
from sweeps.tracking import MirrorThread

__all__ = ["FinishedSweep", "resume_sweep", "run_sweep"]


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
            does; its spec has to be the same, but for the budget, which may be larger, and for
            ``resources`` and ``failures``.
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
    if resume and _is_there(places, spec.name):
        return _resumed(places, spec.name, partial(agreed, spec), callbacks)
    check_name(places.store_url, spec.name)
    # Ray comes first: it knows in seconds whether a trial fits, and decoding may take hours. The
    # store comes last: what cannot start leaves no file.
    with ExitStack() as stack:
        stack.enter_context(ray_cluster(address, spec.resources))
        data = _checked_data(spec, places, callbacks)
        demand = found_demand(spec, surroundings_of(spec, data, places.decoded))
        spec = packed(spec, demand)
        store = stack.enter_context(Store.open(places.store_url))
        driver, notes = this_process(), gpu_notes(spec, demand, here=places.is_here)
        store.create_sweep(
            spec.name,
            spec=spec.model_dump(mode="json", by_alias=True),
            provenance=provenance_of(data, demand),
            objectives=spec.objective_records(),
            driver=driver,
        )
        lease = stack.enter_context(Lease(store, spec.name, driver))
        # Of an earlier sweep of that name, whose record is gone.
        rmtree(places.root.kept(spec.name), ignore_errors=True)
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

    def larger(record: SweepRecord) -> SweepSpec:
        spec = spec_of(record)
        budget = spec.budget.model_copy(update={"trials": spec.budget.trials + more_trials})
        return spec.model_copy(update={"budget": budget})

    return _resumed(places, name, larger, callbacks)


def _resumed(
    places: Places,
    name: str,
    wanted: Callable[[SweepRecord], SweepSpec],
    callbacks: Sequence[SweepCallback],
) -> FinishedSweep:
    """Go on with a sweep, under the spec that is wanted by now."""
    with ExitStack() as stack:
        store = stack.enter_context(open_store(places.store_url))
        wanted(store.sweep(name))  # refused at once, not after a wait for the lease
        lease = stack.enter_context(Lease.take(store, name, driver=this_process()))
        with lease.held():
            settle(store, name, reason="its driver is gone")
            if store.sweep(name).state is SweepState.RUNNING:  # until its data are there, it is not
                store.finish_sweep(name, SweepState.PAUSED)
        record = store.sweep(name)
        spec = wanted(record)
        if record.state is SweepState.COMPLETE and spec.budget == spec_of(record).budget:
            return _finished(store, places, name)
        stack.enter_context(ray_cluster(places.address, spec.resources))
        data = _checked_data(spec, places, callbacks)
        check_same_data(record, data)
        notes = gpu_notes(spec, None, here=places.is_here)
        with lease.held():
            store.change_spec(name, spec.model_dump(mode="json", by_alias=True))
            store.resume_sweep(name)
        return _carried_out(spec, data, store, places, lease, callbacks, notes)


def _is_there(places: Places, name: str) -> bool:
    try:
        with open_store(places.store_url) as store:
            return any(each.name == name for each in store.sweeps())
    except MissingStoreError:
        return False


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
    end = partial(_end, store, spec.name)
    with MirrorThread(mirror) as mirroring, lease.concluding(end):
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


def _end(store: Store, sweep: str, error: BaseException | None) -> None:
    """Record how a sweep ended, and leave no trial RUNNING."""
    state, reason = SweepState.FAILED, "the sweep failed"
    if error is None:
        state = SweepState.COMPLETE
    elif isinstance(error, KeyboardInterrupt):
        state, reason = SweepState.PAUSED, "the sweep was interrupted"
    settle(store, sweep, reason=reason)
    store.finish_sweep(sweep, state)


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
        runs=study.total - sum(e.ended for e in past if e.suggestion.purpose != "CONFIRM"),
        notes=notes,
    )
    writes = WriteQueue()
    with watched(callbacks, running):
        score_baselines(spec, surroundings, store, lease, writes, callbacks)
        run_trials(
            spec,
            study,
            surroundings,
            store=store,
            home=places.root,
            slots=places.slots(spec),
            lease=lease,
            writes=writes,
            callbacks=callbacks,
        )
