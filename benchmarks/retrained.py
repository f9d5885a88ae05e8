"""Fronts trained again: what sweeps claim of their members, beside fresh seeds of these.

``python -m benchmarks.retrained [SPEC.yaml] [--sweeps N] [--seeds N] [--json FILE]`` carries out
sweeps of a spec (the demo's), each under another seed of the sampler and under other training
seeds, trains each member of their fronts under fresh seeds that no sweep has used, and prints what
share of the claimed 95 % intervals hold the mean over these, and by how much the claims are too
good: also those by the search's runs alone, without the ones that report on what it chose. One
training run on each core.
"""

import argparse
import json
import math
import multiprocessing
import os
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Final

import torch

from benchmarks.results import write_figures
from objectives import Calibration
from sweeps import Home, RankedTrial, SweepSpec, load_spec, open_store, ranked_trials, run_sweep
from trainer import DataConfig, SplitDataset, TrainingRun, TrialConfig, load_data

__all__ = ["Claim", "data_of", "main"]

_DEMO: Final = Path(__file__).parents[1] / "examples" / "demo.yaml"
# Standard errors of a fresh mean on either side of it, with 95 %.
_WIDE: Final = 2.0
# More than a sweep, or what reports on it, adds to a seed.
_OF_A_SWEEP: Final = 10_000_000
_FRESH: Final = 900_000_000


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a sweep claims of a member of its front, and what fresh seeds say.

    Attributes:
        sweep: Seed of the sampler.
        number: The trial.
        knee: Whether it is the knee.
        objective: Name of the objective.
        claimed: The estimate.
        low: Lower end of its 95 % interval.
        high: Upper end.
        fresh: Mean over the fresh seeds.
        error: Standard error of that mean.
        too_good: How much better the claim is: of OPIS as a share of the fresh mean.
        searched: How much better it is by the search's runs alone.
    """

    sweep: int
    number: int
    knee: bool
    objective: str
    claimed: float
    low: float
    high: float
    fresh: float
    error: float
    too_good: float
    searched: float

    @property
    def holds(self) -> bool:
        """Whether the interval holds the mean over the fresh seeds."""
        return self.low <= self.fresh <= self.high

    @property
    def agrees(self) -> bool:
        """Whether it does so once the fresh mean's own error is allowed for.

        The surer a claim is, the less often its interval holds a mean of few seeds by itself.
        """
        half = (self.high if self.fresh > self.claimed else self.low) - self.claimed
        return abs(self.fresh - self.claimed) <= math.hypot(half, _WIDE * self.error)


def claims(spec: SweepSpec, *, sweep: int, seeds: int) -> Iterator[Claim]:
    """Carry out a sweep, and train the members of its front under fresh seeds of its own."""
    trial_seed = (1 + sweep) * _OF_A_SWEEP
    changes = {"seed": sweep, "trial": {**spec.trial, "seed": trial_seed}}
    with tempfile.TemporaryDirectory() as folder:
        home = Home(path=Path(folder))
        run_sweep(spec.model_copy(update=changes), home=home)
        with open_store(home.store_url) as store:
            ranked = ranked_trials(store, spec.name)
    data, scoring = spec.data.model_dump(mode="json"), asdict(spec.scoring)
    # Sweeps find the same members: under common seeds one lucky seed would count in all of them.
    tasks = [
        ({**trial.config, "seed": _FRESH + sweep * seeds + k}, data, scoring)
        for trial in ranked.front
        for k in range(seeds)
    ]
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=spawned) as pool:
        scored = list(pool.map(_trained, tasks))
    for place, trial in enumerate(ranked.front):
        own = scored[place * seeds : (place + 1) * seeds]
        for objective in ranked.objectives:
            values = [metrics[objective.name] for metrics in own]
            yield _claim(sweep, trial, objective.name, values, knee=trial.number == ranked.knee)


def _claim(sweep: int, trial: RankedTrial, name: str, values: list[float], *, knee: bool) -> Claim:
    fresh, claimed = fmean(values), trial.values[name]
    low, high = trial.intervals[name]

    def too_good(value: float) -> float:
        return 1 - value / fresh if name.startswith("opis") else value - fresh

    return Claim(
        sweep=sweep,
        number=trial.number,
        knee=knee,
        objective=name,
        claimed=claimed,
        low=low,
        high=high,
        fresh=fresh,
        error=stdev(values) / len(values) ** 0.5,
        too_good=too_good(claimed),
        searched=too_good(trial.searched[name]),
    )


def _trained(task: tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]) -> Any:
    config, data, scoring = task
    torch.set_num_threads(1)
    run = TrainingRun(
        TrialConfig.model_validate(config),
        data_of(json.dumps(data)),
        device=torch.device("cpu"),
        calibration=Calibration(**scoring),
    )
    metrics: Mapping[str, float] = {}
    while run.epoch < run.config.epochs:
        metrics = run.advance().metrics
    return metrics


@lru_cache(maxsize=1)
def data_of(section: str) -> SplitDataset:
    """Load the data of a spec's section, as JSON, once in a process."""
    return load_data(DataConfig.model_validate(json.loads(section)))


def main() -> None:
    """Print the claims, and the figures that they come to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spec", type=Path, nargs="?", default=_DEMO)
    parser.add_argument("--sweeps", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--json", type=Path, default=None, help="also write the figures here")
    given = parser.parse_args()
    found: list[Claim] = []
    for sweep in range(given.sweeps):
        for claim in claims(load_spec(given.spec), sweep=sweep, seeds=given.seeds):
            found.append(claim)
            print(
                f"sweep {claim.sweep} trial {claim.number}{' (knee)' * claim.knee} "
                f"{claim.objective}: {claim.claimed:.4g} [{claim.low:.4g}, {claim.high:.4g}], "
                f"fresh {claim.fresh:.4g} ± {claim.error:.2g}, too good by {claim.too_good:+.2g} "
                f"(by the search alone {claim.searched:+.2g})"
                f"{'' if claim.holds else '  MISSED'}",
                flush=True,
            )
    figures: dict[str, float] = {
        "held": fmean(claim.holds for claim in found),
        "held, the fresh means' error allowed for": fmean(claim.agrees for claim in found),
    }
    for name in dict.fromkeys(claim.objective for claim in found):
        of = [claim for claim in found if claim.objective == name]
        figures[f"{name} too good"] = fmean(claim.too_good for claim in of)
        figures[f"{name} by the search too good"] = fmean(claim.searched for claim in of)
        knees = [claim.too_good for claim in of if claim.knee]
        figures[f"{name} of knees too good"] = fmean(knees) if knees else float("nan")
    for name, value in figures.items():
        print(f"{name}: {value:.3g}")
    if given.json is not None:
        document = {"figures": figures, "claims": [asdict(claim) for claim in found]}
        write_figures(given.json, "Fronts trained again", document)


if __name__ == "__main__":
    main()
