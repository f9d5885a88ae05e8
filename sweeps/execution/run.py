"""The run of a sweep: Ray Tune runs the trials, the driver records them in the store."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeps.execution.baselines import score_baselines
from sweeps.execution.callback import RunningSweep, SweepCallback
from sweeps.execution.cluster import check_address, ray_cluster
from sweeps.execution.gpu_notes import gpu_notes
from sweeps.execution.mirrors import mirror_of
from sweeps.execution.packing import found_demand, packed
from sweeps.execution.provenance import provenance_of
from sweeps.execution.slots import Slots
from sweeps.execution.trials import (
    end_running,
    open_data,
    run_trials,
    surroundings_of,
    watched,
)
from sweeps.home import Home
from sweeps.results import RankedTrials, picked_first, ranked_trials, write_front
from sweeps.search import study_of
from sweeps.spec import SweepSpec
from sweeps.store import Store, SweepState, check_name
from sweeps.tracking import MirrorThread, check_tracking_uri

__all__ = ["FinishedSweep", "run_sweep"]


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
        home: Where everything is written that has no other place; ``.sweeps`` if None.
        store_url: SQLAlchemy URL of the store; SQLite under the home if None.
        tracking_uri: MLflow's; SQLite under the home if None.
        address: A Ray cluster's address; a local Ray is started for the run if None.
        cache: Folder of decoded data, which sweeps may share; under the home if None. On a cluster
            every node has its own at that path.
        callbacks: Called as the sweep goes on.

    Raises:
        InputError: The data cannot be loaded or split, the workload refuses them, the name is
            taken, or the store or the cluster cannot be reached.
        KeyboardInterrupt: The user stopped it; the store says so.
    """
    home = home or Home()
    check_address(address)
    tracking = tracking_uri or home.tracking_uri
    check_tracking_uri(tracking)
    check_name(store_url or home.store_url, spec.name)
    folder = (cache or home.cache).absolute()
    # Ray comes first: it knows in seconds whether a trial fits, and decoding may take hours. The
    # store comes last: what cannot start leaves no file.
    with ExitStack() as stack:
        stack.enter_context(ray_cluster(address, spec.resources))
        data = open_data(spec, folder, callbacks)
        spec.kind.check(spec.search_space(), data)
        demand = found_demand(spec, surroundings_of(spec, data, folder))
        spec = packed(spec, demand)
        store = stack.enter_context(Store.open(store_url or home.store_url))
        store.create_sweep(
            spec.name,
            spec=spec.model_dump(mode="json", by_alias=True),
            provenance=provenance_of(data, demand),
            objectives=spec.objective_records(),
        )
        mirror = mirror_of(store, spec.name, tracking_uri=tracking, home=home)
        with MirrorThread(mirror) as mirroring, _final_state(store, spec.name):
            here = address in (None, "local")
            slots = Slots(spec.resources, spec.budget, grows=not here)
            notes = gpu_notes(spec, demand, here=here)
            _tune(spec, surroundings_of(spec, data, folder), store, home, callbacks, notes, slots)
        ranked = ranked_trials(store, spec.name)
        error = mirroring.complaint
        return FinishedSweep(
            ranked=ranked,
            files=write_front(ranked, home.sweep(spec.name)),
            mirror_error=error,
        )


@contextmanager
def _final_state(store: Store, sweep: str) -> Iterator[None]:
    """Record how the sweep ended, and leave no trial RUNNING."""
    state, reason = SweepState.FAILED, "the sweep failed"
    try:
        yield
        state = SweepState.COMPLETE
    except KeyboardInterrupt:
        state, reason = SweepState.INTERRUPTED, "the sweep was interrupted"
        raise
    finally:
        end_running(store, sweep, reason=reason)
        store.finish_sweep(sweep, state)


def _tune(
    spec: SweepSpec,
    surroundings: Mapping[str, Any],
    store: Store,
    home: Home,
    callbacks: Sequence[SweepCallback],
    notes: tuple[str, ...],
    slots: Slots,
) -> None:
    """Score the baselines, then run the trials."""
    study = study_of(spec, chosen=lambda: picked_first(ranked_trials(store, spec.name)))
    running = RunningSweep(
        name=spec.name,
        store=store,
        objectives=spec.objective_records(),
        total=study.configurations,
        runs=study.total,
        notes=notes,
    )
    with watched(callbacks, running):
        score_baselines(spec, surroundings, store, callbacks)
        run_trials(
            spec,
            study,
            surroundings,
            store=store,
            home=home,
            slots=slots,
            runs=study.total,
            callbacks=callbacks,
        )
