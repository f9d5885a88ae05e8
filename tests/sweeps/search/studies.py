"""Study of metric learning over a small space."""

from functools import partial

from objectives import get_objective
from sweeps.search import Study, make_sampler
from sweeps.spec import Choices, Range, SearchSpace
from sweeps.spec.metric_learning import workload

PAIR = (get_objective("recall_at_1"), get_objective("opis"))
CONTROLS = 2
# Each with the default and the centre of the space.
OPENINGS = 3 * CONTROLS


def small_study(*, trials: int = 5, sampler: str = "tpe", seed: int = 0) -> Study:
    space = SearchSpace(
        {
            "loss": Choices(choices=("smooth_ap", "arcface")),
            "margin_positive": Range(low=0.3, high=0.9),
            "margin_negative": Range(low=0.2, high=0.8),
            "weight_decay": Range(low=0, high=1),
        },
        {"epochs": 2},
        config=workload.config,
        rules=workload.rules,
    )
    return Study(space, PAIR, trials=trials, sampler=partial(make_sampler, sampler, seed=seed))
