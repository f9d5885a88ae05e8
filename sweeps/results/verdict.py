"""Verdicts on a sweep: whether its trials beat what needs no training, and how sure they are."""

from objectives import Objective
from sweeps.results.ranking import LIKELY, RankedTrials
from sweeps.store import BaselineRecord

__all__ = ["accuracy_of", "certainty", "undertrained"]


def accuracy_of(ranked: RankedTrials) -> Objective | None:
    """Return the objective in which trials have to beat the baselines; None where there is none.

    That is the first of the two that is to be maximised: what is to be minimised, such as an
    inconsistency between classes, a net that has learnt nothing can be good at.
    """
    return next((each for each in ranked.objectives if each.direction == "maximize"), None)


def undertrained(ranked: RankedTrials) -> str | None:
    """Return a sentence with the figures where the trials are undertrained, else None.

    They are where no finished trial beats the best baseline in accuracy (`accuracy_of`), or else
    where the knee, which is what is exported, does not. To beat is to be better, not as good.
    """
    accuracy, knee = accuracy_of(ranked), ranked.knee_trial
    held = [each for each in ranked.baselines if each.metrics is not None]
    if accuracy is None or not ranked.trials or not held:
        return None
    best = max(ranked.trials, key=lambda trial: trial.values[accuracy.name])
    bar = max(held, key=lambda each: _value(each, accuracy))
    [other] = [each for each in ranked.objectives if each is not accuracy]
    for trial, whose in ((best, "no trial beats"), (knee or best, "the knee does not beat")):
        mine, its = trial.values[accuracy.name], _value(bar, accuracy)
        if mine <= its:
            return (
                f"undertrained: {whose} {bar.label} in {accuracy.label} ({its:.4g}; trial "
                f"{trial.number} has {mine:.4g}), so {other.label} says little"
            )
    return None


def certainty(ranked: RankedTrials) -> str | None:
    """Return a sentence on what the values of trials are, and are not; None without a trial."""
    if not ranked.trials:
        return None
    if not ranked.told_from_noise:
        return (
            "one run a trial: this front is not told from noise, and its values are too good by "
            "luck (seeds: auto trains again where that decides)"
        )
    said = (
        "values are estimates ± half their 95 % interval (in brackets the mean over runs): what "
        "the noise of seeds explains is taken back, for the best of many means is best by luck, too"
    )
    chances = [trial.chance for trial in ranked.front if trial.chance is not None]
    if max(chances) < LIKELY:
        return (
            f"{said}; no trial is rather on the front than not: the likeliest stands for those "
            "that noise does not tell from it (more budget.replicates would)"
        )
    if len(chances) == 1:
        return said
    return (
        f"{said}; by P(front), about {ranked.expected_false:.1f} of the {len(ranked.front)} "
        "members are truly dominated by another trial"
    )


def _value(baseline: BaselineRecord, objective: Objective) -> float:
    return (baseline.metrics or {})[objective.name]
