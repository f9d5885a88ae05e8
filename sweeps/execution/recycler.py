"""Recycling of actors: a process that holds more and more of its GPU runs no further trial."""

from typing import Any

from ray import tune

__all__ = ["Recycler"]


class Recycler(tune.Callback):  # type: ignore[misc]  # Ray has no types
    """Keeps Ray Tune from reusing an actor whose trial says ``worn_out`` in its last result.

    Ray Tune has no word for that: an actor that refuses the next trial costs that trial. But of the
    actors of trials that ended it keeps only those that hold what a waiting trial asks for, and
    stops the others. So the trial that ended, which asks for nothing any more, is said to have held
    what no other trial will ask for.
    """

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Let the actor of a trial go, where it is worn out; Ray is about to decide on it."""
        if trial.last_result.get("worn_out"):
            held = trial.placement_group_factory.required_resources
            trial.placement_group_factory = tune.PlacementGroupFactory([{**held, "worn_out": 1}])
