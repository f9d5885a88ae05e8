"""Trials on Ray: the runs that are asked for, one after another and side by side, recorded."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from ray import tune

from objectives import InputError
from sweeps.execution.callback import RunningSweep, SweepCallback
from sweeps.execution.endings import Endings
from sweeps.execution.lease import Lease
from sweeps.execution.recorder import Recorder, Told
from sweeps.execution.recycler import Recycler
from sweeps.execution.scheduler import Scheduler
from sweeps.execution.searcher import Asked, StudySearcher
from sweeps.execution.slots import Slots
from sweeps.execution.stopper import Stopper
from sweeps.execution.trainable import TrialTrainable
from sweeps.home import Home
from sweeps.search import Suggestion
from sweeps.spec import Cache, Data, SweepSpec
from sweeps.store import Store, WriteQueue

__all__ = ["open_data", "run_trials", "surroundings_of", "watched"]

# The sections of a spec that a trial's process needs.
_FOR_ACTORS: Final = ("workload", "data", "scoring", "objectives", "resources", "failures")

# So long the end of a sweep waits for a store that takes nothing.
_PATIENCE_SECONDS: Final = 60.0


def open_data(spec: SweepSpec, cache: Path, callbacks: Sequence[SweepCallback]) -> Data:
    """Open a sweep's data on the driver; the callbacks see how it gets on."""

    def tell(share: float) -> None:
        for callback in callbacks:
            callback.on_data_progress(share)

    return spec.kind.open_data(spec.data, Cache(folder=cache, progress=tell))


def surroundings_of(spec: SweepSpec, data: Data, cache: Path) -> dict[str, Any]:
    """Return what the processes of trials need beside a configuration, as plain data."""
    plain = spec.model_dump(mode="json", by_alias=True)
    sections = {name: plain[name] for name in _FOR_ACTORS}
    return {**sections, "fingerprint": data.fingerprint, "cache": str(cache)}


@contextmanager
def watched(callbacks: Sequence[SweepCallback], sweep: RunningSweep) -> Iterator[None]:
    """Let the callbacks watch a sweep until the block ends."""
    with ExitStack() as ends:
        for callback in callbacks:
            callback.on_sweep_start(sweep)
            ends.callback(callback.on_sweep_end)
        yield


class _Study(Asked, Told, Protocol):
    """Study that is asked for runs, and told how they end."""


def run_trials(
    spec: SweepSpec,
    study: _Study,
    surroundings: Mapping[str, Any],
    *,
    store: Store,
    home: Home,
    slots: Slots,
    lease: Lease,
    writes: WriteQueue,
    callbacks: Sequence[SweepCallback],
) -> None:
    """Carry out all runs that a study asks for, and record them.

    Args:
        spec: The sweep's.
        study: Is asked for runs; nothing else may ask it.
        surroundings: As `TrialTrainable` takes them.
        store: The record.
        home: Where Ray keeps what it writes of trials.
        slots: How many runs there may be at a time.
        lease: This process's, of the sweep.
        writes: Keeps what the store cannot take for a while; empty at the end.
        callbacks: Called after each event.

    Raises:
        InputError: It was stopped, by another process or for what would befall every run.
    """
    endings = Endings(spec.failures)
    stopper = Stopper(spec.name, endings, lease.lost)
    checkpoints = home.checkpoints(spec.name)
    begun_at = store.sweep(spec.name).created_at.isoformat()

    def wanted() -> int:
        return 0 if endings.settling else slots.wanted()

    def known(run: Suggestion) -> dict[str, Any]:
        attempt, measured = store.tried(spec.name, run.number, seed=run.seed)
        return {"attempt": attempt, "measured": list(measured)}

    recorder = Recorder(
        store,
        spec.name,
        spec.kind,
        search=study,
        endings=endings,
        writes=writes,
        lease=lease,
        checkpoints=checkpoints,
        callbacks=callbacks,
    )
    try:
        # Not Tuner: it pickles its callbacks, for a restore that is not used here.
        tune.run(
            TrialTrainable,
            name=spec.name,
            config={
                **surroundings,
                "checkpoints": str(checkpoints),
                "kept": str(home.kept(spec.name)),
                "begun_at": begun_at,
            },
            search_alg=StudySearcher(study, wanted, known, writes),
            scheduler=Scheduler(),
            num_samples=-1,
            stop=stopper,
            resources_per_trial=spec.resources.model_dump(),
            reuse_actors=True,
            trial_dirname_creator=lambda trial: "{number:04d}-{seed}-{attempt}".format_map(
                trial.config
            ),
            callbacks=[recorder, Recycler()],
            storage_path=str(home.ray),
            raise_on_failed_trial=False,
            verbose=0,
        )
    finally:
        if not writes.flush(_PATIENCE_SECONDS):
            raise InputError(f"{spec.name} was stopped: {writes.trouble}")
    stopper.check()
