"""Limits that a pick keeps: what is consistent because it has learnt nothing is not picked."""

from collections.abc import Iterable, Mapping

from objectives import Objective

__all__ = ["default_limits", "keeps"]


def default_limits(
    objectives: Iterable[Objective],
    controls: Iterable[tuple[Mapping[str, float], Mapping[str, tuple[float, float]]]],
) -> dict[str, float]:
    """Return how bad a pick may be, by objective: as the best control, as far as that is known.

    Args:
        objectives: Of which those without a tolerance have no limit.
        controls: What each control scored, and the 95 % intervals of that, half of which a pick
            may be worse by; where there are none, the tolerance. Without controls there is no
            limit.
    """
    held = tuple(controls)
    limits: dict[str, float] = {}
    for objective in objectives:
        if held and objective.tolerance is not None:
            name, sign = objective.name, objective.sign
            values, intervals = min(held, key=lambda control: sign * control[0][name])
            low, high = intervals.get(name, (0.0, 2 * objective.tolerance))
            limits[name] = values[name] + sign * (high - low) / 2
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
