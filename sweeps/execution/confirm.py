"""The confirmation of a sweep's picks: trained once more, and scored on the test classes once."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from objectives import InputError
from sweeps.execution.callback import RunningSweep, SweepCallback
from sweeps.execution.cluster import check_address, ray_cluster
from sweeps.execution.mirrors import mirror_of
from sweeps.execution.slots import Slots
from sweeps.execution.trials import (
    end_running,
    open_data,
    run_trials,
    surroundings_of,
    watched,
)
from sweeps.home import Home
from sweeps.results import RankedTrials, pick_trial, picks, ranked_trials, write_front
from sweeps.search import Confirmations, Suggestion
from sweeps.spec import SweepSpec
from sweeps.store import Purpose, Store, SweepRecord, SweepState, TrialState
from sweeps.tracking import MirrorThread, check_tracking_uri
from trainer import input_error

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
        KeyboardInterrupt: The user stopped it; the store says so.
    """
    if seeds < _FEWEST:
        raise InputError(f"must be {_FEWEST} or more, not {seeds}", field="seeds")
    home = home or Home()
    check_address(address)
    tracking = tracking_uri or home.tracking_uri
    check_tracking_uri(tracking)
    folder = (cache or home.cache).absolute()
    with ExitStack() as stack:
        store = stack.enter_context(Store.open(store_url or home.store_url, create=False))
        record = store.sweep(name)
        spec = _spec(record)
        attempt = _attempt(store, record, again=again)
        numbers = _numbers(ranked_trials(store, name), pick)
        stack.enter_context(ray_cluster(address, spec.resources))
        data = open_data(spec, folder, callbacks)
        facts = record.provenance["data"]
        if facts.get("fingerprint", data.fingerprint) != data.fingerprint:
            raise InputError(f"the data are not those that {name} was trained on", field="data")
        rule, known = spec.kind.rules.control, _suggested(store, name)
        runs = Confirmations(rule, known, numbers, seeds=seeds, attempt=attempt)
        watching = RunningSweep(
            name=name, store=store, objectives=record.objectives, total=0, runs=runs.total
        )
        mirror = mirror_of(store, name, tracking_uri=tracking, home=home)
        with MirrorThread(mirror) as mirroring, watched(callbacks, watching):
            try:
                run_trials(
                    spec,
                    runs,
                    {**surroundings_of(spec, data, folder), "kept": str(home.kept(name))},
                    store=store,
                    home=home,
                    slots=Slots(spec.resources, spec.budget, grows=address not in (None, "local")),
                    runs=runs.total,
                    callbacks=callbacks,
                )
            finally:
                end_running(store, name, reason="the confirmation was interrupted")
        error = mirroring.complaint
        ranked = ranked_trials(store, name)
        write_front(ranked, home.sweep(name))
    return ConfirmedSweep(ranked=ranked, numbers=numbers, mirror_error=error)


def _spec(record: SweepRecord) -> SweepSpec:
    try:
        spec = SweepSpec.model_validate(record.spec)
    except ValidationError as error:  # such as a workload that is not to be found from here
        raise input_error(error) from None
    if spec.kind.confirm is None or spec.kind.rules.control is None:
        raise InputError(f"{record.name}: what its workload trains cannot be confirmed")
    if record.state is SweepState.RUNNING:
        raise InputError(f"{record.name} is still running")
    return spec


def _attempt(store: Store, record: SweepRecord, *, again: bool) -> int:
    """Return how often a sweep was confirmed before; refuse to score the test classes twice."""
    scored = [m for m in store.measurements(record.name) if m.purpose is Purpose.CONFIRM]
    if scored and not again:
        when = min(each.recorded_at for each in scored)
        raise InputError(
            f"the test classes of {record.name} were scored on {when:%Y-%m-%d}: what is chosen "
            "after having seen them is too good on them; with again they are scored once more, "
            "and the record shows it",
            field=("again",),
        )
    before = [run for run in store.replicates(record.name) if run.purpose is Purpose.CONFIRM]
    if not again and any(run.state is TrialState.RUNNING for run in before):
        raise InputError(
            f"{record.name} is being confirmed; where that process is no more, use again",
            field=("again",),
        )
    own = {trial.number: trial.config["seed"] for trial in store.trials(record.name)}
    return Confirmations.attempts(run.seed - own[run.number] for run in before)


def _numbers(ranked: RankedTrials, wanted: Sequence[str]) -> tuple[int, ...]:
    named = wanted or list(picks(ranked.objectives))
    return tuple(dict.fromkeys(pick_trial(ranked, each).number for each in named))


def _suggested(store: Store, name: str) -> dict[int, Suggestion]:
    return {
        trial.number: Suggestion(
            number=trial.number,
            seed=trial.config["seed"],
            config=trial.config,
            sampled=trial.sampled,
            control=trial.control,
        )
        for trial in store.trials(name)
    }
