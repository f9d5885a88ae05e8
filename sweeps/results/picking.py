"""Picks: which trial of a front is exported, and whether noise explains what it is worth."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from objectives import InputError, Objective
from sweeps.results.limits import keeps
from sweeps.results.pairs import Pair
from sweeps.results.ranking import RankedTrial, RankedTrials, knee_of

__all__ = [
    "KNEE",
    "advice",
    "is_judged",
    "pick_trial",
    "picked_first",
    "picks",
    "unproven",
    "verdict_on",
]

KNEE: Final = "knee"
_NO_LIMITS: Final[Mapping[str, float]] = MappingProxyType({})


def picks(objectives: tuple[Objective, Objective]) -> tuple[str, ...]:
    """Return what can be picked: the knee, or the best of an objective by its aspect or name."""
    names = [name for objective in objectives for name in (objective.aspect, objective.name)]
    return (KNEE, *dict.fromkeys(names))


def pick_trial(
    ranked: RankedTrials, pick: str, *, limits: Mapping[str, float] = _NO_LIMITS
) -> RankedTrial:
    """Return the trial that a pick means: of the front, or any completed one by its number.

    Args:
        ranked: The trials of a sweep.
        pick: One of `picks`, or a number; what has a number need not keep the sweep's own limits.
        limits: By objective, how bad the pick may be, instead of the sweep's own limits.

    Raises:
        InputError: The pick is unknown, no trial has finished, or none on the front keeps the
            limits.
    """
    if not ranked.front:
        raise InputError(f"{ranked.sweep}: no trial has completed, so there is nothing to export")
    if pick.isdigit():
        chosen = next((trial for trial in ranked.trials if trial.number == int(pick)), None)
        if chosen is None:
            raise InputError(f"trial {pick} of {ranked.sweep} has not completed", field="pick")
        if limits and not keeps(chosen.values, ranked.objectives, limits):
            raise InputError(f"trial {pick} of {ranked.sweep} does not keep the limits")
        return chosen
    if pick not in picks(ranked.objectives):
        known = ", ".join(picks(ranked.objectives))
        raise InputError(f"{pick!r} is not one of {known}, nor a trial's number", field="pick")
    kept = _kept(ranked, limits)
    if pick == KNEE:
        number = knee_of(kept, ranked.objectives, _NO_LIMITS)
        return next(trial for trial in kept if trial.number == number)
    objective = next(o for o in ranked.objectives if pick in (o.aspect, o.name))
    # On a front the best of one objective is one trial, or several equal ones.
    return min(kept, key=lambda trial: objective.sign * trial.searched[objective.name])


def _kept(ranked: RankedTrials, limits: Mapping[str, float]) -> list[RankedTrial]:
    """Return the members of the front that keep the limits."""
    held = {**ranked.limits, **limits}
    kept = [trial for trial in ranked.front if keeps(trial.searched, ranked.objectives, held)]
    if kept:
        return kept
    bounds = [
        f"{o.label} {'at least' if o.sign < 0 else 'at most'} {held.get(o.name, o.reference):.4g}"
        for o in ranked.objectives
    ]
    raise InputError(
        f"{ranked.sweep}: no trial of the front has {' and '.join(bounds)}; "
        "relax the limits, or pick a trial by its number"
    )


def picked_first(ranked: RankedTrials) -> tuple[int, ...]:
    """Return the front's members by number: the knee, the best of each objective, the others."""
    if not ranked.front:
        return ()
    numbers: dict[int, None] = {}
    for pick in picks(ranked.objectives):
        try:
            numbers[pick_trial(ranked, pick).number] = None
        except InputError:  # nothing keeps the limits
            continue
    return tuple(numbers | dict.fromkeys(trial.number for trial in ranked.front))


def unproven(ranked: RankedTrials, trial: RankedTrial) -> str | None:
    """Return a sentence where noise explains what a trial gains over its references, else None.

    It does where in no objective the whole interval of the difference to the control is on the
    better side; and a trial is not worth its tuning where the default is better in one objective
    and worse in none. Without fresh seeds of both nothing is known of it.
    """
    for pair in _judged(ranked, trial):
        better, worse = pair.better(ranked.objectives), pair.worse(ranked.objectives)
        if pair.role == "control" and not better:
            why = f"noise explains what trial {trial.number} gains over its control"
        elif pair.role == "default" and worse and not better:
            why = f"the default, trial {pair.number}, beats trial {trial.number}"
        else:
            continue
        told = ", ".join(
            f"{o.label} {pair.differences[o.name]}"
            for o in ranked.objectives
            if o.name in pair.differences
        )
        seeds = "one fresh seed" if len(pair.seeds) == 1 else f"{len(pair.seeds)} fresh seeds"
        return f"{why} (difference in {told} under {seeds})"
    return None


def is_judged(ranked: RankedTrials, trial: RankedTrial) -> bool:
    """Whether fresh seeds tell how a trial stands to its control."""
    return any(pair.role == "control" for pair in _judged(ranked, trial))


def _judged(ranked: RankedTrials, trial: RankedTrial) -> list[Pair]:
    """Return the pairs that a trial is judged by: of the test classes, or else of fresh seeds."""
    for held in (ranked.confirmed, ranked.pairs):
        pairs = [
            pair
            for pair in held.get(trial.number, ())
            if any(each.is_known for each in pair.differences.values())
        ]
        if pairs:
            return pairs
    return []


def advice(ranked: RankedTrials) -> str:
    """Return what to do about a pick that noise explains: a clause, which names better ones."""
    proven = [
        f"trial {trial.number}"
        for trial in ranked.front
        if not trial.control and is_judged(ranked, trial) and unproven(ranked, trial) is None
    ]
    tried = "`sweeps confirm` tries it under more seeds"
    return (
        f"{tried}; of the front, noise does not explain {' and '.join(proven)}" if proven else tried
    )


def verdict_on(ranked: RankedTrials, number: int) -> str:
    """Return a sentence on whether the test classes say that a trial was worth its tuning."""
    said = []
    for pair in ranked.confirmed[number]:
        sides = {"better": pair.better(ranked.objectives), "worse": pair.worse(ranked.objectives)}
        parts = [
            f"{side} in {' and '.join(o.label for o in found)}"
            for side, found in sides.items()
            if found
        ]
        told = ", ".join(parts) or "no difference that noise does not explain"
        said.append(f"against the {pair.role}: {told}")
    return f"trial {number}, on the test classes, {'; '.join(said)}"
