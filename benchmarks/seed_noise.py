"""Noise over seeds of several ways to measure a configuration, at what they cost.

``python -m benchmarks.seed_noise [SPEC.yaml] [--seeds N] [--json FILE]`` trains the controls and
the paper's defaults of a spec (the demo's) under N seeds, on the split of the sweep and on folds of
its classes (seed s validates on fold s modulo their number). Printed are, of the last weights, of
averaged weights and of means over the last epochs, the means and the standard deviations over
seeds, on the scale that the search works on (of shares the logit, of OPIS the logarithm), and how
sure n seconds of training make the better of control and default known: the difference over its
deviation, under common seeds and under separate ones. One training run on each core.
"""

import argparse
import copy
import json
import multiprocessing
import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from timm.utils import ModelEmaV3
from torch.optim.optimizer import register_optimizer_step_post_hook

from benchmarks.results import write_figures
from benchmarks.retrained import data_of
from objectives import Calibration, Objective
from sweeps import SweepSpec, load_spec
from sweeps.estimates import Array, scaled
from trainer import SplitDataset, TrainingRun, TrialConfig

__all__ = ["Way", "main"]

_DEMO: Final = Path(__file__).parents[1] / "examples" / "demo.yaml"
_DECAYS: Final = (0.9, 0.95, 0.98)
_LAST: Final = (2, 3)
_SPLIT, _FOLDS = "split", "folds"
_FIRST_SEED: Final = 700_000_000


@dataclass(frozen=True, kw_only=True)
class Way:
    """What one way to measure makes of one objective.

    Attributes:
        name: The way.
        objective: Name of the objective.
        control: Mean over the controls, as users see it.
        default: Mean over the defaults.
        deviation: Standard deviation over seeds of one configuration, on the objective's scale.
        difference: Mean of default less control, on that scale.
        common: Standard deviation of that difference under common seeds.
        separate: The same under separate ones.
        seconds: What one run takes.
        told: The difference over its deviation under common seeds, for the square root of a minute
            of both runs' training: the more, the fewer runs tell the two apart. Folds vary which
            classes are validated on, too; on one split that is no noise, but an error for good.
        error: Standard error of that.
    """

    name: str
    objective: str
    control: float
    default: float
    deviation: float
    difference: float
    common: float
    separate: float
    seconds: float
    told: float
    error: float


def _measured(task: tuple[str, Mapping[str, Any], str]) -> tuple[dict[str, Any], dict[str, float]]:
    """Train one run; return by name of the way its metrics, and the seconds that it takes."""
    split, config, section = task
    torch.set_num_threads(1)
    data = data_of(section)
    trial = TrialConfig.model_validate(config)
    run = TrainingRun(
        trial,
        data if split == _SPLIT else _folded(data, trial.seed),
        device=torch.device("cpu"),
        calibration=Calibration(),
    )
    averages = {decay: ModelEmaV3(run.embedder, decay=decay) for decay in _DECAYS}
    averaging = dict.fromkeys(_DECAYS, 0.0)

    def average(*_: object) -> None:
        for decay, averaged in averages.items():
            started = time.perf_counter()
            averaged.update(run.embedder)
            averaging[decay] += time.perf_counter() - started

    hook = register_optimizer_step_post_hook(average)
    started, epochs = time.perf_counter(), list[Mapping[str, float]]()
    while run.epoch < trial.epochs:
        epochs.append(run.advance().metrics)
    hook.remove()
    seconds = time.perf_counter() - started - sum(averaging.values())
    metrics: dict[str, Any] = {"last weights": epochs[-1]}
    for count in _LAST:
        held = epochs[-count:]
        metrics[f"mean of the last {count} epochs"] = {
            name: fmean(each[name] for each in held) for name in epochs[-1]
        }
    taken = dict.fromkeys(metrics, seconds)
    last = copy.deepcopy(run.embedder.state_dict())
    for decay, averaged in averages.items():
        name = f"weights averaged by {decay:g}"
        run.embedder.load_state_dict(averaged.module.state_dict())
        metrics[name], taken[name] = run.score("validation"), seconds + averaging[decay]
    run.embedder.load_state_dict(last)
    return metrics, taken


def _folded(data: SplitDataset, seed: int) -> SplitDataset:
    """Return the data with another part of the classes for validation; test classes stay apart."""
    labels = data.dataset.labels
    seen = torch.unique(labels[torch.cat([data.train, data.validation])])
    count = len(torch.unique(labels[data.validation]))
    dealt = seen[torch.randperm(len(seen), generator=torch.Generator().manual_seed(0))]
    first = seed % (len(seen) // count) * count
    held_out = torch.isin(labels, dealt[first : first + count])
    train = torch.isin(labels, seen) & ~held_out
    return replace(
        data,
        train=torch.nonzero(train).flatten(),
        validation=torch.nonzero(held_out).flatten(),
    )


def ways(spec: SweepSpec, *, seeds: int) -> Iterator[Way]:
    """Train every run, and yield what each way makes of each objective."""
    openings = spec.search_space().openings()
    configs = [
        [each.config.model_dump() for each in openings if each.role == role]
        for role in ("control", "default")
    ]
    if not configs[0] or len(configs[0]) != len(configs[1]):
        raise SystemExit("the space needs a control and a default for each base loss")
    section = json.dumps(spec.data.model_dump(mode="json"))
    seeded = range(_FIRST_SEED, _FIRST_SEED + seeds)
    tasks = [
        (split, {**config, "seed": seed}, section)
        for split in (_SPLIT, _FOLDS)
        for held in configs
        for config in held
        for seed in seeded
    ]
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=spawned) as pool:
        found = list(pool.map(_measured, tasks))
    objectives = spec.objective_records()
    for name in found[0][0]:
        values = np.array([[run[name][each.name] for each in objectives] for run, _ in found])
        seconds = fmean(taken[name] for _, taken in found)
        by_split = values.reshape(2, len(configs), -1, seeds, len(objectives))
        for label, held in zip((name, f"{name}, folds"), by_split, strict=True):
            yield from _judged(label, held, objectives, seconds=seconds)


def _judged(
    name: str, values: Array, objectives: tuple[Objective, ...], *, seconds: float
) -> Iterator[Way]:
    """Yield what a way makes of each objective; values are control and default x L x K x 2."""
    means = values.mean((1, 2))
    on_scale = scaled(values, objectives)
    deviations = np.sqrt(on_scale.var(2, ddof=1).mean((0, 1)))
    apart = on_scale[1] - on_scale[0]
    differences = apart.mean((0, 1))
    common = np.sqrt(apart.var(1, ddof=1).mean(0))
    sure = np.abs(differences) / common
    errors = np.sqrt((1 + sure**2 / 2) / apart[..., 0].size)
    of_a_minute = (60 / (2 * seconds)) ** 0.5
    for place, objective in enumerate(objectives):
        yield Way(
            name=name,
            objective=objective.name,
            control=float(means[0, place]),
            default=float(means[1, place]),
            deviation=float(deviations[place]),
            difference=float(differences[place]),
            common=float(common[place]),
            separate=float(2**0.5 * deviations[place]),
            seconds=seconds,
            told=float(sure[place] * of_a_minute),
            error=float(errors[place] * of_a_minute),
        )


def main() -> None:
    """Print a table of the ways."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spec", type=Path, nargs="?", default=_DEMO)
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--json", type=Path, default=None, help="also write the figures here")
    given = parser.parse_args()
    found = list(ways(load_spec(given.spec), seeds=given.seeds))
    title = f"Noise over {given.seeds} seeds"
    table = Table(title=title, title_justify="left")
    names = list(asdict(found[0]))
    for name in names:
        table.add_column(name, justify="left" if name in ("name", "objective") else "right")
    for way in sorted(found, key=lambda each: each.objective):
        cells = asdict(way).values()
        table.add_row(*(cell if isinstance(cell, str) else f"{cell:.3g}" for cell in cells))
    Console(width=160).print(table)
    if given.json is not None:
        write_figures(given.json, title, {"ways": [asdict(way) for way in found]})


if __name__ == "__main__":
    main()
