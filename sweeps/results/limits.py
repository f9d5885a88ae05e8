"""Limits that a pick keeps: what is consistent because it has learnt nothing is not picked."""

from collections.abc import Iterable, Mapping

from objectives import Objective

__all__ = ["default_limits", "keeps"]


def default_limits(
    objectives: Iterable[Objective], controls: Iterable[Mapping[str, float]]
) -> dict[str, float]:
    """Return how bad a pick may be, by objective: what the best control has, less the tolerance.

    Args:
        objectives: Of which those without a tolerance have no limit.
        controls: What each control scored; without any there is no limit.
    """
    held = tuple(controls)
    limits: dict[str, float] = {}
    for objective in objectives:
        if held and objective.tolerance is not None:
            best = min(objective.sign * values[objective.name] for values in held)
            limits[objective.name] = objective.sign * (best + objective.tolerance)
    return limits


def keeps(
    values: Mapping[str, float], objectives: Iterable[Objective], limits: Mapping[str, float]
) -> bool:
    """Whether values are better than both references, and no worse than any limit."""
    for objective in objectives:
        value, worst = values[objective.name], limits.get(objective.name, objective.reference)
        if objective.sign * (value - objective.reference) >= 0:
            return False
        if objective.sign * (value - worst) > 0:
            return False
    return True
