"""Export of metric learning: the tuned margins of a picked trial."""

from sweeps.spec.workload import PickedTrial, Reference
from trainer import (
    Comparison,
    Difference,
    OperatingPoint,
    TrialConfig,
    TunedData,
    TunedMargins,
)

__all__ = ["tuned_margins"]


def tuned_margins(trial: PickedTrial) -> TunedMargins:
    """Return what a training script needs of a trial, and what is known of it."""
    config = TrialConfig.model_validate(trial.config)
    references = {role: _comparison(each) for role, each in trial.references.items()}
    return TunedMargins(
        sweep=trial.sweep,
        trial=trial.number,
        pick=trial.pick,
        loss=config.loss,
        margin_positive=config.margin_positive,
        margin_negative=config.margin_negative,
        weight_positive=config.weight_positive,
        weight_negative=config.weight_negative,
        batch_size=config.batch_size,
        samples_per_class=config.samples_per_class,
        config=config,
        metrics=trial.metrics,
        intervals=trial.intervals,
        split=trial.split,
        epoch=trial.epoch,
        seeds=trial.seeds,
        control=references.get("control"),
        default=references.get("default"),
        confirmed={role: _comparison(each) for role, each in trial.confirmed.items()},
        weights=trial.kept.file if trial.kept else None,
        unproven=trial.unproven,
        operating_point=_operating_point(trial),
        data=TunedData(
            source=trial.spec["data"],
            fingerprint=trial.provenance["data"]["fingerprint"],
            train_classes=trial.provenance["data"]["train_classes"],
        ),
        provenance=trial.provenance,
    )


def _comparison(reference: Reference) -> Comparison:
    return Comparison(
        trial=reference.number,
        seeds=reference.seeds,
        split=reference.split,
        metrics=reference.metrics,
        tuned=reference.tuned,
        difference={
            name: Difference(value=value, low=low, high=high)
            for name, (value, low, high) in reference.difference.items()
        },
    )


def _operating_point(trial: PickedTrial) -> OperatingPoint:
    """Return the threshold of the weights that were kept, or else the mean of the runs' own."""
    kept = trial.kept
    metrics, split = (kept.metrics, kept.split) if kept else (trial.metrics, trial.split)
    distance = metrics["operating_threshold"]
    wanted = trial.spec["scoring"]["operating_far"]
    of = {"of": f"the weights of {kept.file} (seed {kept.seed})"} if kept else {}
    return OperatingPoint(
        distance=distance,
        cosine_similarity=1 - distance**2 / 2,
        far=metrics.get("operating_far", wanted),
        frr=metrics.get("operating_frr"),
        d_min=metrics["d_min"],
        d_max=metrics["d_max"],
        split=split,
        **of,
    )
