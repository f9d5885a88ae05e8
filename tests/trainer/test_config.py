import math
from pathlib import Path

import pytest
from pydantic import ValidationError

from trainer import TrialConfig
from trainer.config import ORDERED_FIELDS, TCM_FIELDS, TCM_WEIGHTS
from trainer.losses import LOSSES


def refusal(**changes: object) -> tuple[tuple[object, ...], str]:
    """Where the one fault of a configuration is, and what is said of it."""
    with pytest.raises(ValidationError) as caught:
        TrialConfig.model_validate(changes)
    (fault,) = caught.value.errors()
    return fault["loc"], fault["msg"]


def test_defaults_are_the_papers_margins() -> None:
    config = TrialConfig()
    assert [getattr(config, name) for name in TCM_FIELDS] == [0.9, 0.5, 1.0, 1.0]
    assert not config.is_control


@pytest.mark.parametrize("key", ["margin_postive", "lr", "Loss", "base", ""])
def test_unknown_keys_are_refused(key: str) -> None:
    assert refusal(**{key: 0.5}) == ((key,), "Extra inputs are not permitted")


@pytest.mark.parametrize(("positive", "negative"), [(0.4, 0.6), (0.5, 0.5), (-1.0, 1.0)])
def test_margins_must_be_in_order(positive: float, negative: float) -> None:
    where, message = refusal(margin_positive=positive, margin_negative=negative)
    assert where == ()
    assert f"margin_positive ({positive}) must be greater than margin_negative" in message
    assert f"({negative})" in message


def test_a_control_keeps_its_margins_in_order_too() -> None:
    refusal(margin_positive=0.1, margin_negative=0.2, weight_positive=0, weight_negative=0)


@pytest.mark.parametrize(("batch", "per_class"), [(10, 4), (4, 8), (4, 4), (2, 2), (127, 2)])
def test_a_batch_must_hold_two_classes_or_more_whole(batch: int, per_class: int) -> None:
    _, message = refusal(batch_size=batch, samples_per_class=per_class)
    assert f"batch_size ({batch}) must be a multiple of samples_per_class ({per_class})" in message


@pytest.mark.parametrize("loss", ["SmoothAP", "smoothap", "", "tcm"])
def test_an_unknown_loss_is_told_the_known_ones(loss: str) -> None:
    where, message = refusal(loss=loss)
    assert where == ("loss",)
    assert repr(loss) in message
    assert all(name in message for name in LOSSES)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "name",
    [name for name, field in TrialConfig.model_fields.items() if field.annotation is float],
)
def test_numbers_that_are_not_finite_are_refused(name: str, value: float) -> None:
    where, _ = refusal(**{name: value})
    assert where == (name,)


def test_every_number_is_bounded_below() -> None:
    numbers = [n for n, f in TrialConfig.model_fields.items() if f.annotation in (int, float)]
    assert len(numbers) >= 20
    for name in numbers:
        assert refusal(**{name: -2})[0] == (name,)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("margin_positive", 1.01),
        ("margin_negative", -1.01),
        ("learning_rate", 0),
        ("smooth_ap_temperature", 0),
        ("samples_per_class", 1),
        ("epochs", 0),
        ("epochs", 2.5),
        ("embedding_dim", 1),
        ("micro_batch_size", 2),
        ("micro_batch_size", 2.5),
        ("augmentation", "heavy"),
        ("crop_scale_min", 1.5),
        ("crop_ratio_max", 0.9),
        ("pooling", "max"),
        ("optimizer", "lion"),
        ("momentum", 1),
        ("schedule", "linear"),
        ("step_factor", 0),
        ("trunk_learning_rate_factor", 0),
        ("clip_norm", 0),
        ("clip_value", -1),
        ("steps", 0),
        ("evaluate_every", 0),
        ("head_warmup_epochs", -1),
        ("seed", 2**63),
    ],
)
def test_values_out_of_range_are_refused(name: str, value: object) -> None:
    assert refusal(**{name: value})[0] == (name,)


@pytest.mark.parametrize("size", [None, 3, 7, 128, 4000])
def test_a_micro_batch_need_not_divide_the_batch(size: int | None) -> None:
    assert TrialConfig(micro_batch_size=size).micro_batch_size == size


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"steps": 9}, "steps (9) must be at least epochs (10)"),
        ({"schedule": "step"}, "schedule step needs step_epochs"),
        (
            {"head_warmup_epochs": 10},
            "head_warmup_epochs (10) must be fewer than epochs (10), or the trunk is never "
            "trained; trunk: frozen says so",
        ),
        ({"pretrained": True, "weights": "a.pt"}, "pretrained and weights are both set; "),
    ],
)
def test_what_does_not_go_together(changes: dict[str, object], said: str) -> None:
    where, message = refusal(**changes)
    assert where == ()
    assert said in message


def test_a_control_has_both_weights_at_zero() -> None:
    assert TrialConfig(weight_positive=0, weight_negative=0).is_control
    assert not TrialConfig(weight_positive=0).is_control
    assert not TrialConfig(weight_negative=0).is_control


def test_the_tables_name_fields() -> None:
    names = [*TCM_FIELDS, *TCM_WEIGHTS, *(name for pair in ORDERED_FIELDS for name in pair)]
    assert set(names) <= set(TrialConfig.model_fields)
    for lower, upper in ORDERED_FIELDS:
        refusal(**{lower: 0.7, upper: 0.6})


def test_a_configuration_cannot_be_changed_and_survives_a_dump() -> None:
    config = TrialConfig(
        margin_positive=0.8, loss="arcface", seed=3, weights=Path("a.pt"), step_epochs=(2, 3)
    )
    with pytest.raises(ValidationError, match="frozen"):
        config.seed = 4  # type: ignore[misc]
    assert TrialConfig.model_validate(config.model_dump()) == config
    assert TrialConfig.model_validate_json(config.model_dump_json()) == config
