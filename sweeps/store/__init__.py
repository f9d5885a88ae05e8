"""Store of sweeps, trials and measurements: the record that all else is made from."""

from sweeps.store.database import MissingStoreError, is_database_url
from sweeps.store.faults import is_operational
from sweeps.store.queue import WriteQueue
from sweeps.store.records import (
    AttemptRecord,
    BaselineRecord,
    MeasurementRecord,
    Outbox,
    Purpose,
    ReplicateRecord,
    SweepRecord,
    SweepState,
    TrialRecord,
    TrialState,
)
from sweeps.store.redaction import redacted
from sweeps.store.store import Store, check_name, open_store

__all__ = [
    "AttemptRecord",
    "BaselineRecord",
    "MeasurementRecord",
    "MissingStoreError",
    "Outbox",
    "Purpose",
    "ReplicateRecord",
    "Store",
    "SweepRecord",
    "SweepState",
    "TrialRecord",
    "TrialState",
    "WriteQueue",
    "check_name",
    "is_database_url",
    "is_operational",
    "open_store",
    "redacted",
]
