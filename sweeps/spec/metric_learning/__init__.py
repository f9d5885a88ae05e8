"""Metric learning as a workload: the one package of `sweeps` that knows what a trial is made of."""

from sweeps.spec.metric_learning.record import workload

__all__ = ["workload"]
