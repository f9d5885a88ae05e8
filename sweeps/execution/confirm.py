"""The confirmation of a sweep's picks: trained once more, and scored on the test classes once."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Final

from objectives import InputError
from sweeps.execution.callback import RunningSweep, SweepCallback
from sweeps.execution.cluster import ray_cluster
from sweeps.execution.history import (
    check_same_data,
    past_runs,
    settle,
    spec_of,
    suggestions_of,
)
from sweeps.execution.lease import Lease, this_process
from sweeps.execution.mirrors import mirror_of
from sweeps.execution.places import Places
from sweeps.execution.trials import open_data, run_trials, surroundings_of, watched
from sweeps.home import Home
from sweeps.results import RankedTrials, pick_trial, picks, ranked_trials, write_front
from sweeps.search import Confirmations
from sweeps.spec import SweepSpec
from sweeps.store import Purpose, Store, SweepRecord, SweepState, WriteQueue
from sweeps.tracking import MirrorThread

__all__ = ["ConfirmedSweep", "confirm_sweep"]


# One seed of each tells nothing of the noise.
_FEWEST: Final = 2


@dataclass(frozen=True, kw_only=True)
class ConfirmedSweep:
    """A sweep some of whose trials have been confirmed.

    Attributes:
        ranked: Its trials; ``confirmed`` has what the test classes said.
        numbers: The trials that this confirmation was about.
        mirror_error: Why MLflow is not level with the store; None if it is.
    """

    ranked: RankedTrials
    numbers: tuple[int, ...]
    mirror_error: str | None


def confirm_sweep(
    name: str,
    *,
    pick: Sequence[str] = (),
    seeds: int = 5,
    again: bool = False,
    home: Home | None = None,
    store_url: str | None = None,
    tracking_uri: str | None = None,
    address: str | None = None,
    cache: Path | None = None,
    callbacks: Sequence[SweepCallback] = (),
) -> ConfirmedSweep:
    """Train picks and their references on all classes but the test classes, and score these.

    Each pick, its control and its default are trained under the same fresh seeds. What the test
    classes say is in the store then, and in what `sweeps.export_margins` makes. Of each pick the
    weights of the first run are kept under the home, where the process of that run can write there;
    to keep the best run's would be to choose by the test classes.

    Args:
        name: The sweep.
        pick: As `sweeps.results.pick_trial`; the knee and the best of each objective if empty.
        seeds: Fresh seeds of each.
        again: Whether test classes that were scored before may be so once more.
        home: As `sweeps.run_sweep`, like all that follow.
        store_url: SQLAlchemy URL of the store.
        tracking_uri: MLflow's.
        address: A Ray cluster's address.
        cache: Folder of decoded data.
        callbacks: Called as it goes on.

    Raises:
        InputError: There is no such sweep or pick, it is not over, its trials cannot be confirmed,
            its data are other ones, or its test classes were scored before.
        KeyboardInterrupt: The user stopped it; the same call goes on with it.
    """
    if seeds < _FEWEST:
        raise InputError(f"must be {_FEWEST} or more, not {seeds}", field="seeds")
    places = Places(home=home, store=store_url, tracking=tracking_uri, address=address, cache=cache)
    with ExitStack() as stack:
        store = stack.enter_context(Store.open(places.store_url, create=False))
        _spec(store.sweep(name))  # refused at once, not after a wait for the lease
        lease = stack.enter_context(Lease.take(store, name, driver=this_process()))
        record = store.sweep(name)
        spec = _spec(record)
        with lease.held():
            settle(store, name, reason="its driver is gone")
        numbers = _numbers(ranked_trials(store, name), pick)
        runs = _confirmations(store, spec, numbers, seeds=seeds, again=again)
        stack.enter_context(ray_cluster(address, spec.resources))
        data = open_data(spec, places.decoded, callbacks)
        check_same_data(record, data)
        watching = RunningSweep(
            name=name, store=store, objectives=record.objectives, total=0, runs=runs.total
        )
        mirror = mirror_of(store, name, tracking_uri=places.tracking_uri, home=places.root)

        def end(_: BaseException | None) -> None:
            settle(store, name, reason="the confirmation was interrupted")

        with MirrorThread(mirror) as mirroring, watched(callbacks, watching), lease.concluding(end):
            run_trials(
                spec,
                runs,
                surroundings_of(spec, data, places.decoded),
                store=store,
                home=places.root,
                slots=places.slots(spec),
                lease=lease,
                writes=WriteQueue(),
                callbacks=callbacks,
            )
        rmtree(places.root.checkpoints(name), ignore_errors=True)
        error = mirroring.complaint
        ranked = ranked_trials(store, name)
        write_front(ranked, places.root.sweep(name))
    return ConfirmedSweep(ranked=ranked, numbers=numbers, mirror_error=error)


def _spec(record: SweepRecord) -> SweepSpec:
    spec = spec_of(record)
    if spec.kind.confirm is None or spec.kind.rules.control is None:
        raise InputError(f"{record.name}: what its workload trains cannot be confirmed")
    if record.state is not SweepState.COMPLETE:
        state = record.state.value
        raise InputError(f"{record.name} is not over but {state}: it is to be resumed first")
    return spec


def _confirmations(
    store: Store, spec: SweepSpec, numbers: tuple[int, ...], *, seeds: int, again: bool
) -> Confirmations:
    """Return what is to be run: the rest of an interrupted confirmation, or a whole one.

    Raises:
        InputError: The test classes were scored before, by a confirmation that was not interrupted
            or was about something else, and ``again`` is not set.
    """
    known, rule = suggestions_of(store, spec.name), spec.kind.rules.control
    past = past_runs(store, spec.name, known)
    before = [each for each in past if each.suggestion.purpose == "CONFIRM"]
    attempts = Confirmations.attempts(known, (each.suggestion.seed for each in before))
    if any(not each.ended for each in before):
        rest = Confirmations(rule, known, numbers, seeds=seeds, attempt=attempts - 1, past=before)
        if rest.goes_on:
            return rest
    scored = [m for m in store.measurements(spec.name) if m.purpose is Purpose.CONFIRM]
    if scored and not again:
        when = min(each.recorded_at for each in scored)
        raise InputError(
            f"the test classes of {spec.name} were scored on {when:%Y-%m-%d}: what is chosen "
            "after having seen them is too good on them; with again they are scored once more, "
            "and the record shows it",
            field=("again",),
        )
    return Confirmations(rule, known, numbers, seeds=seeds, attempt=attempts)


def _numbers(ranked: RankedTrials, wanted: Sequence[str]) -> tuple[int, ...]:
    named = wanted or list(picks(ranked.objectives))
    return tuple(dict.fromkeys(pick_trial(ranked, each).number for each in named))
