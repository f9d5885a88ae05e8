"""A finished sweep, made by hand."""

from pathlib import Path

from objectives import get_objective
from sweeps.home import Home
from sweeps.store import Store, SweepState, TrialState
from trainer import TrialConfig

__all__ = ["home_of"]

PAIR = (get_objective("recall_at_1"), get_objective("opis"))
FACTS = {"data": {"fingerprint": "abc", "train_classes": 5}}
OFF = {"weight_positive": 0.0, "weight_negative": 0.0}


def home_of(folder: Path, *points: tuple[float, float]) -> Home:
    """Make a finished sweep whose first trial is its control."""
    home = Home(path=folder)
    spec = {"data": {"name": "digits"}, "scoring": {"operating_far": 0.05}}
    with Store.open(home.store_url) as store:
        store.create_sweep("own", spec=spec, provenance=FACTS, objectives=PAIR, driver="me")
        for number, (recall, opis) in enumerate(points):
            config = TrialConfig(**({} if number else OFF)).model_dump()
            store.add_trial(
                "own", number, config=config, sampled={}, control=not number, last_epoch=1
            )
            store.add_replicate("own", number, seed=0)
            known = {"recall_at_1": recall, "opis": opis, "operating_threshold": 0.8}
            store.record_measurement(
                "own",
                number,
                epoch=1,
                seed=0,
                split="validation",
                metrics={**known, "d_min": 0.5, "d_max": 0.9},
            )
            store.finish_replicate("own", number, seed=0, state=TrialState.COMPLETE)
        store.finish_sweep("own", SweepState.COMPLETE)
    return home
