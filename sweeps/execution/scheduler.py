"""Scheduler of trials: which of those that wait gets the actor that another one leaves."""

from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler

__all__ = ["Scheduler"]


class Scheduler(FIFOScheduler):  # type: ignore[misc]  # Ray has no types
    """Runs trials in their order, and lets every actor that is starting become ready.

    Ray Tune's own gives an actor that has become free to the trial that waits longest, and stops
    the one that is starting for it. Where a process takes longer to start than a trial to run, no
    second one is ever ready, and the trials run one after another. And of the actors that are idle
    while the search waits for results it keeps a single one. Ray Tune has no word for either, so
    this reads, and changes, what its controller keeps to itself. Nor does it see that an idle actor
    dies: it hands it out, which costs the trial.
    """

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Let one more idle actor be kept."""
        cache = tune_controller._tune_controller._actor_cache
        cache.increase_max(trial.placement_group_factory)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Where an actor died, let the idle ones go: they may have been on the same node."""
        actor = tune_controller._trial_to_actor.get(trial)
        if actor is None or tune_controller._actor_manager.is_actor_failed(actor):
            tune_controller._cleanup_cached_actors(force_all=True)

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """Return the first trial that waits and whose own actor is not starting, or None."""
        controller = tune_controller._tune_controller
        # From these it would give an actor that is left to any trial.
        controller._resources_to_pending_trials.clear()
        waiting = (
            trial
            for trial in controller.get_live_trials()
            if trial.status == Trial.PENDING and not _has_process(controller, trial)
        )
        return min(waiting, key=lambda trial: trial.config["number"], default=None)


def _has_process(controller: Any, trial: Any) -> bool:
    actor = controller._trial_to_actor.get(trial)
    return actor is not None and bool(controller._actor_manager.is_actor_started(actor))
