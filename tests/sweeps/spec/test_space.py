import random
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import optuna
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from objectives import InputError
from sweeps.search import make_sampler
from sweeps.spec import Choices, Data, Range, Scalar
from sweeps.spec import SearchSpace as AnySpace
from sweeps.spec.metric_learning import workload
from trainer import TCM_FIELDS, TCM_WEIGHTS, TrialConfig

GAP = 0.01


class SearchSpace(AnySpace):
    """A space of metric learning."""

    def __init__(self, parameters: Mapping[str, Choices | Range], fixed: Mapping[str, Any]) -> None:
        super().__init__(parameters, fixed, config=workload.config, rules=workload.rules)

    def config(self, sampled: Mapping[str, Scalar]) -> TrialConfig:
        return cast(TrialConfig, super().config(sampled))

    def controls(self) -> list[tuple[dict[str, Scalar], Any]]:
        return [*super().controls()]


LOSSES = ("smooth_ap", "triplet_margin", "multi_similarity")
Raw = Mapping[str, Choices | Range]


class Dice:
    """A random sampler that likes the ends."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.asked: dict[str, tuple[Any, ...]] = {}

    def suggest_categorical(self, name: str, choices: Sequence[Scalar]) -> Scalar:
        self._note(name, tuple(choices))
        return self._random.choice(choices)

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        self._note(name, (low, high, step, log))
        assert isinstance(low, int)
        return self._random.choice(range(low, high + 1, step))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        self._note(name, (low, high, step, log))
        assert low <= high
        assert low > 0 or not log
        share = self._random.choice([0.0, 1.0, self._random.random()])
        if step is not None:
            return low + round(share * (high - low) / step) * step
        return low + share * (high - low)

    def _note(self, name: str, distribution: tuple[Any, ...]) -> None:
        assert name not in self.asked
        self.asked[name] = distribution


def cosines(low: float = -1, high: float = 1) -> st.SearchStrategy[float]:
    return st.floats(low, high).map(lambda value: round(value, 3))


def plain_ranges() -> st.SearchStrategy[Range]:
    ends = st.tuples(cosines(), cosines()).filter(lambda pair: pair[0] != pair[1])
    return ends.map(lambda pair: Range(low=min(pair), high=max(pair)))


def margins() -> st.SearchStrategy[Choices | Range | float | None]:
    when = {"loss": LOSSES[:1]}
    choices = st.lists(cosines(), min_size=1, max_size=3, unique=True)
    return st.one_of(
        st.none(),
        cosines(),
        plain_ranges(),
        plain_ranges(),
        plain_ranges().map(lambda r: r.model_copy(update={"when": when})),
        choices.map(lambda values: Choices(choices=tuple(values))),
        choices.map(lambda values: Choices(choices=tuple(values), when=when)),
        st.tuples(cosines(0.01, 0.5), cosines(0.51, 1)).map(
            lambda pair: Range(low=pair[0], high=pair[1], log=True)
        ),
        st.integers(1, 8).map(lambda n: Range(low=0.1, high=0.1 + n * 0.1, step=0.1)),
    )


@st.composite
def spaces(draw: st.DrawFn) -> tuple[dict[str, Choices | Range], dict[str, Any]]:
    sampled: dict[str, Choices | Range] = {"loss": Choices(choices=LOSSES)}
    fixed: dict[str, Any] = {}
    for name in ("margin_positive", "margin_negative"):
        match draw(margins()):
            case None:
                pass
            case float(value):
                fixed[name] = value
            case Choices() | Range() as parameter:
                sampled[name] = parameter
    others: dict[str, Choices | Range] = {
        "learning_rate": Range(low=1e-5, high=1e-1, log=True),
        "weight_decay": Range(low=0, high=0.4, step=0.1),
        "embedding_dim": Range(low=8, high=64, step=8),
        "epochs": Range(low=1, high=100, log=True),
        "weight_positive": Range(low=0.1, high=10, log=True),
        "batch_size": Choices(choices=(32, 64)),
        "horizontal_flip": Choices(choices=(True, False)),
        "triplet_margin": Range(low=0, high=1, when={"loss": ("triplet_margin",)}),
        "multi_similarity_alpha": Choices(choices=(1, 2), when={"loss": LOSSES[1:]}),
    }
    names = draw(st.lists(st.sampled_from(sorted(others)), unique=True))
    sampled |= {name: others[name] for name in names}
    order = draw(st.permutations(list(sampled)))
    return {name: sampled[name] for name in order}, fixed


def within(value: Scalar, parameter: Choices | Range) -> bool:
    if isinstance(parameter, Choices):
        return value in parameter.choices
    assert not isinstance(value, str)
    return parameter.low - 1e-12 <= value <= parameter.high + 1e-12


def check_sample(space: SearchSpace, raw: Raw, sampled: Mapping[str, Scalar]) -> TrialConfig:
    config = space.config(sampled)
    assert config.margin_positive > config.margin_negative
    for name, parameter in raw.items():
        met = all(getattr(config, key) in values for key, values in parameter.when.items())
        assert (name in sampled) is met
        if met:
            assert within(sampled[name], parameter), name
            assert getattr(config, name) == sampled[name]
            assert type(getattr(config, name)) is type(sampled[name])
    assert sampled.keys() <= raw.keys()
    return config


@settings(max_examples=400, deadline=None)
@given(spaces(), st.integers(0, 2**32))
def test_every_sample_of_an_accepted_space_is_valid(
    space_and_fixed: tuple[dict[str, Choices | Range], dict[str, Any]], seed: int
) -> None:
    raw, fixed = space_and_fixed
    if not _accepted(raw, fixed):
        assert not (isinstance(raw.get("margin_positive"), Range) and _roomy(raw, fixed))
        return
    space = SearchSpace(raw, fixed)
    for number in range(5):
        config = check_sample(space, raw, space.suggest(Dice(seed + number)))
        assert all(getattr(config, name) == value for name, value in fixed.items())


def _accepted(raw: Raw, fixed: Mapping[str, Any]) -> bool:
    try:
        SearchSpace(raw, fixed)
    except InputError:
        return False
    return True


def _roomy(raw: Raw, fixed: Mapping[str, Any]) -> bool:
    """Whether two plain ranges, or a plain one and a fixed value, can keep their order."""
    upper, lower = raw["margin_positive"], raw.get("margin_negative")
    assert isinstance(upper, Range)
    plain = [p for p in (upper, lower) if p]
    if any(not isinstance(p, Range) or p.when or p.log or p.step for p in plain):
        return False
    least = lower.low if isinstance(lower, Range) else fixed.get("margin_negative", 0.5)
    return bool(upper.high >= least + GAP + 1e-6)


@settings(max_examples=200, deadline=None)
@given(spaces())
def test_controls_are_one_for_each_loss_and_know_no_tcm(
    space_and_fixed: tuple[dict[str, Choices | Range], dict[str, Any]],
) -> None:
    raw, fixed = space_and_fixed
    assume(_accepted(raw, fixed))
    controls = SearchSpace(raw, fixed).controls()
    assert tuple(config.loss for _, config in controls) == raw["loss"].ends
    for sampled, config in controls:
        assert config.is_control
        assert not sampled.keys() & set(TCM_FIELDS)
        assert all(getattr(config, name) == value for name, value in sampled.items())
        assert all(within(value, raw[name]) for name, value in sampled.items())


def test_a_control_keeps_to_the_defaults_where_the_space_has_them() -> None:
    space = SearchSpace(
        {
            "learning_rate": Range(low=1e-4, high=1, log=True),  # has the default, 1e-3
            "weight_decay": Range(low=0.1, high=0.3),  # has not
            "warmup_epochs": Range(low=4, high=16, log=True),
            "embedding_dim": Range(low=8, high=64, step=8),
            "batch_size": Choices(choices=(64, 128)),
            "augmentation": Choices(choices=("none",)),
        },
        {"loss": "arcface", "weight_positive": 3.0},
    )
    [(sampled, config)] = space.controls()
    assert config.loss == "arcface"
    assert config.weight_positive == 0
    assert sampled == {
        "learning_rate": 1e-3,
        "weight_decay": pytest.approx(0.2),
        "warmup_epochs": pytest.approx(8.0),
        "embedding_dim": 40,
        "batch_size": 128,
        "augmentation": "none",
    }


def test_conditional_fields_follow_the_sampled_loss() -> None:
    raw: Raw = {
        "triplet_margin": Range(low=0.2, high=0.3, when={"loss": ("triplet_margin",)}),
        "loss": Choices(choices=LOSSES),
    }
    space = SearchSpace(raw, {})
    samples = [space.suggest(Dice(seed)) for seed in range(30)]
    assert {sample["loss"] for sample in samples} == set(LOSSES)
    assert all(("triplet_margin" in s) is (s["loss"] == "triplet_margin") for s in samples)
    unmet = next(s for s in samples if s["loss"] == "smooth_ap")
    assert space.config(unmet).model_dump()["triplet_margin"] == 0.1


def test_combinations_are_those_that_can_be_sampled() -> None:
    raw: Raw = {
        "backbone": Choices(choices=("test_resnet", "test_vit", "resnet18")),
        "pooling": Choices(choices=("gem", "avg_max"), when={"backbone": ("test_resnet",)}),
        "loss": Choices(choices=LOSSES),
    }
    space = SearchSpace(raw, {"pretrained": True})
    assert space.combinations("backbone", "pretrained", "pooling") == [
        {"backbone": "test_resnet", "pretrained": True, "pooling": "gem"},
        {"backbone": "test_resnet", "pretrained": True, "pooling": "avg_max"},
        {"backbone": "test_vit", "pretrained": True, "pooling": "default"},
        {"backbone": "resnet18", "pretrained": True, "pooling": "default"},
    ]
    pooled = [combination["pooling"] for combination in space.combinations("pooling")]
    assert sorted(pooled) == ["avg_max", "default", "gem"]
    sampled = [space.config(space.suggest(Dice(seed))) for seed in range(40)]
    found = {(c.model_dump()["backbone"], c.model_dump()["pooling"]) for c in sampled}
    known = space.combinations("backbone", "pooling")
    assert found == {(c["backbone"], c["pooling"]) for c in known}


def test_the_sampler_is_asked_by_type_scale_and_step() -> None:
    dice = Dice(0)
    SearchSpace(
        {
            "epochs": Range(low=2, high=9, log=True),
            "embedding_dim": Range(low=8, high=64, step=8),
            "learning_rate": Range(low=1e-4, high=1e-2, log=True),
            "weight_decay": Range(low=0, high=1, step=0.25),
            "loss": Choices(choices=LOSSES),
        },
        {},
    ).suggest(dice)
    assert dice.asked == {
        "epochs": (2, 9, 1, True),
        "embedding_dim": (8, 64, 8, False),
        "learning_rate": (1e-4, 1e-2, None, True),
        "weight_decay": (0, 1, 0.25, False),
        "loss": LOSSES,
    }


def test_margins_that_can_cross_are_asked_as_a_box() -> None:
    raw = {
        "margin_positive": Range(low=0.3, high=0.9),
        "margin_negative": Range(low=0.2, high=0.95),
    }
    dice = Dice(0)
    SearchSpace(raw, {}).suggest(dice)
    assert list(dice.asked) == ["margin_negative", "margin_positive_share"]
    assert dice.asked["margin_negative"] == (0.2, pytest.approx(0.89), None, False)
    assert dice.asked["margin_positive_share"] == (0.0, 1.0, None, False)


def test_margins_that_cannot_cross_are_asked_as_they_are() -> None:
    raw = {
        "margin_positive": Range(low=0.6, high=0.9),
        "margin_negative": Range(low=0.2, high=0.5),
    }
    dice = Dice(0)
    SearchSpace(raw, {}).suggest(dice)
    assert dice.asked["margin_positive"] == (0.6, 0.9, None, False)


def test_values_are_given_their_fields_types() -> None:
    space = SearchSpace(
        {"learning_rate": Choices(choices=("1e-3", 1)), "batch_size": Choices(choices=("64", 32))},
        {"weight_decay": "1e-2", "samples_per_class": "2"},
    )
    sampled = space.suggest(Dice(0))
    assert sampled["learning_rate"] in (0.001, 1.0)
    assert type(sampled["learning_rate"]) is float
    assert type(sampled["batch_size"]) is int
    assert space.config(sampled).weight_decay == 0.01
    assert max(space.values("batch_size")) // min(space.values("samples_per_class")) == 32


@pytest.mark.parametrize("sampler", ["tpe", "nsgaii", "random"])
def test_with_optuna(sampler: str) -> None:
    raw: Raw = {
        "margin_positive": Range(low=0.3, high=0.9),
        "margin_negative": Range(low=0.2, high=0.95),
        "learning_rate": Range(low=1e-4, high=1e-2, log=True),
        "embedding_dim": Range(low=8, high=64, step=8),
        "weight_decay": Range(low=0, high=0.3, step=0.1),
        "loss": Choices(choices=LOSSES),
        "triplet_margin": Range(low=0, high=1, when={"loss": ("triplet_margin",)}),
    }
    space = SearchSpace(raw, {})
    study = optuna.create_study(
        directions=["maximize", "minimize"], sampler=make_sampler(sampler, seed=1)
    )
    for _ in range(60):
        trial = study.ask()
        config = check_sample(space, raw, space.suggest(trial))
        study.tell(trial, [config.margin_positive, config.margin_negative])
    assert len({t.params["margin_negative"] for t in study.trials}) > 50


def test_values_and_the_most_classes_of_a_batch() -> None:
    space = SearchSpace(
        {
            "batch_size": Range(low=32, high=96, step=32),
            "samples_per_class": Choices(choices=(4, 8), when={"loss": ("smooth_ap",)}),
            "loss": Choices(choices=LOSSES),
        },
        {},
    )
    assert list(space.values("batch_size")) == [32, 64, 96]
    assert list(space.values("samples_per_class")) == [4, 8, 4]
    assert space.values("backbone") == (TrialConfig().backbone,)
    images = SimpleNamespace(channels=1)
    content = SimpleNamespace(dataset=SimpleNamespace(images=images, image_size=32))
    workload.check(space, Data(facts={"train_classes": 24}, content=content))
    with pytest.raises(InputError, match=r"^batch_size: a batch of this space can need 24 classes"):
        workload.check(space, Data(facts={"train_classes": 23}, content=content))


@pytest.mark.parametrize(
    ("raw", "fixed", "said"),
    [
        ({"margin_postive": Choices(choices=(1,))}, {}, "space.margin_postive: unknown key; "),
        ({}, {"learning_rte": 1}, "trial.learning_rte: unknown key; near: learning_rate, "),
        ({}, {"learning_rate": "fast"}, "trial.learning_rate: must be a number, not 'fast'"),
        ({}, {"epochs": 1.5}, "trial.epochs: must be a whole number, not 1.5"),
        ({}, {"epochs": None}, "trial.epochs: must be a whole number, not None"),
        ({}, {"horizontal_flip": "maybe"}, "trial.horizontal_flip: must be true or false, "),
        ({"epochs": Range(low=1.5, high=3)}, {}, "space.epochs: must be a whole number, not 1.5"),
        (
            {"epochs": Range(low=1, high=4, step=1.5)},
            {},
            "space.epochs.step: must be a whole number, not 1.5",
        ),
        ({"loss": Choices(choices=("x",))}, {}, "space.loss: 'x' is not one of smooth_ap, "),
        ({"loss": Range(low=0, high=1)}, {}, "space.loss: must be a text, not 0.0"),
        (
            {"horizontal_flip": Range(low=0, high=1)},
            {},
            "space.horizontal_flip: takes no range; list its choices",
        ),
        ({"margin_positive": Range(low=0.6, high=1.2)}, {}, "space.margin_positive: must be 1 or"),
        (
            {"epochs": Choices(choices=(1,))},
            {"epochs": 2},
            "space.epochs: also fixed under 'trial'; keep one of the two",
        ),
        (
            {"margin_positive": Range(low=0.1, high=0.3)},
            {},
            "margin_positive: must be greater than margin_negative by 0.01 or more, but it is at "
            "most 0.3, and margin_negative at least 0.5",
        ),
        ({}, {"margin_positive": 0.5}, "margin_positive: must be greater than margin_negative"),
        (
            {"margin_positive": Choices(choices=(0.4, 0.9))},
            {},
            "margin_positive: can be as low as 0.4, and margin_negative as high as 0.5; where they "
            "can cross, both must be fixed or plain ranges, without choices, log, step or when",
        ),
        (
            {"margin_positive": Range(low=0.3, high=0.9, step=0.1)},
            {},
            "margin_positive: can be as low as 0.3, and margin_negative as high as 0.5; ",
        ),
        (
            {"margin_negative": Range(low=0.3, high=0.9, step=0.1)},
            {"margin_positive": 0.8},
            "margin_positive: can be as low as 0.8, and margin_negative as high as 0.9; ",
        ),
        (
            # Without smooth_ap margin_positive is 0.9, and below margin_negative.
            {
                "loss": Choices(choices=LOSSES),
                "margin_positive": Range(low=0.95, high=1, when={"loss": LOSSES[:1]}),
                "margin_negative": Range(low=0.91, high=0.94),
            },
            {},
            "margin_positive: can be as low as 0.9, and margin_negative as high as 0.94",
        ),
        ({}, {"batch_size": 30}, "batch_size: 30 is not a multiple of samples_per_class (4)"),
        ({}, {"batch_size": 4}, "batch_size: 4 holds one class of samples_per_class (4); "),
        (
            {"batch_size": Range(low=32, high=64)},
            {},
            "batch_size: 33 is not a multiple of samples_per_class (4); every combination",
        ),
        (
            {"batch_size": Choices(choices=(12, 64)), "samples_per_class": Choices(choices=(4, 8))},
            {},
            "batch_size: 12 is not a multiple of samples_per_class (8); every combination",
        ),
        (
            {"triplet_margin": Range(low=0, high=1, when={"loss": ("triplet_margin",)})},
            {},
            "space.triplet_margin.when: 'loss' must be in the space as a list of choices",
        ),
        (
            {
                "loss": Choices(choices=LOSSES),
                "triplet_margin": Range(low=0, high=1, when={"loss": ("arcface",)}),
            },
            {},
            "space.triplet_margin.when.loss: must be some of ['smooth_ap', 'triplet_margin', "
            "'multi_similarity'], not ['arcface']",
        ),
        (
            {
                "loss": Choices(choices=LOSSES, when={"epochs": (1,)}),
                "epochs": Choices(choices=(1, 2)),
            },
            {},
            "space.loss.when: every loss has its control, so none is conditional",
        ),
        (
            {
                "epochs": Choices(choices=(1, 2)),
                "embedding_dim": Choices(choices=(8, 16), when={"epochs": (1,)}),
                "seed": Choices(choices=(8, 16), when={"embedding_dim": (8,)}),
            },
            {},
            "space.seed.when: 'embedding_dim' must be in the space as a list of choices without",
        ),
    ],
)
def test_what_is_refused(raw: Raw, fixed: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as raised:
        SearchSpace(raw, fixed)
    assert str(raised.value).startswith(said)
    assert "\n" not in str(raised.value)


def test_a_micro_batch_is_fixed_or_listed() -> None:
    for value in (None, 32):
        space = SearchSpace({"batch_size": Choices(choices=(64,))}, {"micro_batch_size": value})
        assert space.config({"batch_size": 64}).micro_batch_size == value
    listed = SearchSpace({"micro_batch_size": Choices(choices=(32, 64))}, {})
    assert listed.suggest(Dice(0))["micro_batch_size"] in (32, 64)
    with pytest.raises(InputError, match=r"^space\.micro_batch_size: takes no range; list its"):
        SearchSpace({"micro_batch_size": Range(low=32, high=64)}, {})


def test_a_control_has_its_weights_off_whatever_is_fixed() -> None:
    for _, config in SearchSpace({}, {"weight_positive": 2.0, "loss": "arcface"}).controls():
        assert [getattr(config, name) for name in TCM_WEIGHTS] == [0, 0]


def test_a_condition_keeps_choices_together() -> None:
    frozen = {"trunk": ("frozen",)}
    space = SearchSpace(
        {
            "trunk": Choices(choices=("trained", "frozen")),
            "views": Range(low=2, high=8, when=frozen),
            "weights": Choices(choices=("a.pt", "b.pt")),
        },
        {},
    )
    variants = space.variants(("trunk", "weights"))
    assert {config.model_dump()["views"] for _, config in variants} == {1, 5}
