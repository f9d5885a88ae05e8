"""Files of a front: JSON, CSV, an interactive page and a picture."""

import csv
import io
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from sweeps.files import write_whole
from sweeps.results.confirmed_fronts import ConfirmedFronts, fronts_of_confirmed
from sweeps.results.final_values import SPLIT
from sweeps.results.pairs import Pair
from sweeps.results.picking import is_judged, unproven
from sweeps.results.ranking import RankedTrial, RankedTrials
from sweeps.results.verdict import certainty, undertrained

__all__ = ["front_document", "write_front"]

_COLUMNS: Final = (
    "number",
    "control",
    "default",
    "rank",
    "chance",
    "runs",
    "hypervolume_contribution",
)


def front_document(ranked: RankedTrials) -> dict[str, Any]:
    """Return ranked trials as plain JSON data: the contents of ``front.json``."""
    knee = ranked.knee_trial
    return {
        "sweep": ranked.sweep,
        "split": SPLIT,
        "objectives": [
            {"name": o.name, "label": o.label, "direction": o.direction, "worst": o.reference}
            for o in ranked.objectives
        ],
        "hypervolume": ranked.hypervolume,
        "told_from_noise": ranked.told_from_noise,
        "certainty": certainty(ranked),
        "expected_false": ranked.expected_false,
        "knee": ranked.knee,
        "limits": dict(ranked.limits),
        "judged": knee is not None and is_judged(ranked, knee),
        "unproven": knee and unproven(ranked, knee),
        "undertrained": undertrained(ranked),
        "confirmed_fronts": _confirmed_document(fronts_of_confirmed(ranked)),
        "band": _band_document(ranked),
        "baselines": [
            {"name": b.name, "label": b.label, "fields": dict(b.fields)}
            | {"values": None if b.metrics is None else dict(b.metrics), "reason": b.reason}
            for b in ranked.baselines
        ],
        "trials": [
            {column: getattr(trial, column) for column in _COLUMNS}
            | {"values": dict(trial.values), "searched": dict(trial.searched)}
            | {"means": dict(trial.means), "seeds": list(trial.seeds)}
            | {"intervals": {name: list(ends) for name, ends in trial.intervals.items()}}
            | {"sampled": dict(trial.sampled)}
            | {"config": dict(trial.config)}
            | {"pairs": [_pair_document(p) for p in ranked.pairs.get(trial.number, ())]}
            | {"confirmed": [_pair_document(p) for p in ranked.confirmed.get(trial.number, ())]}
            for trial in ranked.trials
        ],
    }


def write_front(ranked: RankedTrials, folder: Path) -> tuple[Path, ...]:
    """Write ``front.json``, ``front.csv``, ``front.html`` and ``front.png``, each atomically.

    The HTML file holds its own copy of plotly.js and needs no network.

    Returns:
        The four paths.
    """
    from sweeps.results.plots import front_html, front_png  # plotly and matplotlib are slow

    contents = {
        "front.json": (json.dumps(front_document(ranked), indent=2) + "\n").encode(),
        "front.csv": _front_csv(ranked).encode(),
        "front.html": front_html(ranked).encode(),
        "front.png": front_png(ranked),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        write_whole(folder / name, content)
    return tuple(folder / name for name in contents)


def _band_document(ranked: RankedTrials) -> dict[str, Any] | None:
    """Return where the true front runs, as plain JSON data: null where nothing is attained."""
    if ranked.band is None:
        return None
    first, second = (objective.name for objective in ranked.objectives)
    ends = {"best": ranked.band.best, "worst": ranked.band.worst}
    return {first: list(ranked.band.first)} | {
        f"{second}_{end}": [value if math.isfinite(value) else None for value in values]
        for end, values in ends.items()
    }


def _confirmed_document(fronts: ConfirmedFronts | None) -> dict[str, Any] | None:
    """Return what the test classes make of the front, as plain JSON data."""
    if fronts is None:
        return None
    low, high = fronts.hypervolumes
    return {
        "optimistic": {"trials": list(fronts.optimistic), "hypervolume": high},
        "pessimistic": {"trials": list(fronts.pessimistic), "hypervolume": low},
    }


def _pair_document(pair: Pair) -> dict[str, Any]:
    """Return a pair as plain JSON data."""
    document = asdict(pair)
    return {**document, "seeds": list(pair.seeds)}


def _front_csv(ranked: RankedTrials) -> str:
    values = dict.fromkeys(name for trial in ranked.trials for name in trial.values)
    values |= dict.fromkeys(name for trial in ranked.trials for name in _certainty(trial))
    sampled = dict.fromkeys(name for trial in ranked.trials for name in trial.sampled)
    scored = [each for each in ranked.baselines if each.metrics is not None]
    values |= dict.fromkeys(name for each in scored for name in each.metrics or ())
    # The objectives come first, and are there even when no trial is.
    metrics = dict.fromkeys(o.name for o in ranked.objectives) | values
    out = io.StringIO()
    writer = csv.DictWriter(
        out, [*_COLUMNS, *["baseline"] * bool(scored), *metrics, *sampled], lineterminator="\n"
    )
    writer.writeheader()
    for trial in ranked.trials:
        head = {column: getattr(trial, column) for column in _COLUMNS}
        writer.writerow({**trial.sampled, **trial.values, **_certainty(trial), **head})
    # Below the trials, without a number; of what they depend on, what the trials sampled too.
    for each in scored:
        fields = {name: value for name, value in each.fields.items() if name in sampled}
        writer.writerow({**fields, **(each.metrics or {}), "baseline": each.name})
    return out.getvalue()


def _certainty(trial: RankedTrial) -> dict[str, float]:
    """Return what stands beside the estimates of the objectives, by column."""
    columns: dict[str, float] = {}
    for name, (low, high) in trial.intervals.items():
        columns |= {f"{name}_low": low, f"{name}_high": high, f"{name}_mean": trial.means[name]}
    return columns
