"""The steps of a training run, and how they are cut into epochs."""

from dataclasses import dataclass

__all__ = ["StepPlan", "plan_steps"]


@dataclass(frozen=True, kw_only=True)
class StepPlan:
    """Steps in equal epochs: epoch e, counted from 1, ends after step ``round(steps e / epochs)``.

    Attributes:
        steps: Steps of the whole run.
        epochs: Epochs of the whole run, at most as many.
    """

    steps: int
    epochs: int

    @property
    def steps_per_epoch(self) -> float:
        """Mean number of steps in an epoch."""
        return self.steps / self.epochs

    def end(self, epoch: int) -> int:
        """Return the number of steps up to the end of an epoch; 0 for epoch 0."""
        return round(self.steps * epoch / self.epochs)

    def length(self, epoch: int) -> int:
        """Return the number of steps in an epoch, counted from 1."""
        return self.end(epoch) - self.end(epoch - 1)


def plan_steps(*, epochs: int, steps: int | None, batches: int) -> StepPlan:
    """Return the plan of a run.

    Args:
        epochs: Epochs of the run.
        steps: Steps of the run; None: an epoch takes each batch of the data once.
        batches: Batches that the data hold.
    """
    return StepPlan(steps=epochs * batches if steps is None else steps, epochs=epochs)
