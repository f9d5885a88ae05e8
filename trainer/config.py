"""The configuration of one trial."""

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, create_model, model_validator

from objectives import InputError
from trainer.losses import LOSSES, LossTable
from trainer.model_config import ModelConfig
from trainer.strict_model import Cosine, NonNegative, Positive, StrictModel

__all__ = ["ORDERED_FIELDS", "TCM_FIELDS", "TCM_WEIGHTS", "TrialConfig", "with_loss_settings"]

# (lower, upper): the first is always smaller than the second. A search space over both keeps to it.
ORDERED_FIELDS: Final = (("margin_negative", "margin_positive"),)
# The fields that are 0 in a control.
TCM_WEIGHTS: Final = ("weight_positive", "weight_negative")
# The fields that mean nothing without the TCM term.
TCM_FIELDS: Final = ("margin_positive", "margin_negative", *TCM_WEIGHTS)

_Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


def with_loss_settings(base: type[StrictModel], losses: LossTable) -> type[StrictModel]:
    """Return the model with a field more for each setting of each loss."""
    fields: dict[str, Any] = losses.fields()
    return create_model(base.__name__, __base__=base, __module__=base.__module__, **fields)


class _ModelAndLoss(ModelConfig):
    loss: Annotated[str, AfterValidator(LOSSES.check)] = Field(
        "smooth_ap", description="the base loss, one of those below"
    )
    margin_positive: Cosine = Field(
        0.9, description="TCM's margin that positive pairs are pulled above, a cosine similarity"
    )
    margin_negative: Cosine = Field(
        0.5, description="TCM's margin that negative pairs are pushed below, a cosine similarity"
    )
    weight_positive: NonNegative = Field(
        1.0, description="TCM's weight of positive pairs; both weights 0 switch it off"
    )
    weight_negative: NonNegative = Field(1.0, description="TCM's weight of negative pairs")


if TYPE_CHECKING:

    class _WithLossSettings(_ModelAndLoss): ...

else:
    _WithLossSettings = with_loss_settings(_ModelAndLoss, LOSSES)


class TrialConfig(_WithLossSettings):
    """Every hyperparameter of one trial; an unknown key is an error.

    Margins are cosine similarities in [-1, 1]. ``weight_positive = weight_negative = 0`` switches
    the TCM term off: such a trial is a control. The fields that begin with a loss's name matter
    only to that loss; the table of losses (`trainer.losses.LOSSES`) makes them.

    ``micro_batch_size`` bounds how many images go through the model at once (None: the whole
    batch does). The loss always sees the whole batch (`trainer.gradient_cache`); BatchNorm, where
    the backbone has it and it is not frozen, normalises each micro-batch by itself.

    ``steps`` is how long a trial trains, whatever its batch size; an epoch is then one of
    ``epochs`` equal parts of it (`trainer.step_plan`).

    Raises:
        pydantic.ValidationError: A value is out of its range, ``margin_positive`` is not greater
            than ``margin_negative``, ``batch_size`` is not a multiple of ``samples_per_class``,
            there are fewer ``steps`` than ``epochs``, ``schedule: step`` has no ``step_epochs``, or
            as `ModelConfig`.
    """

    batch_size: Annotated[int, Field(ge=2, le=65_536)] = Field(
        128, description="a batch has `batch_size / samples_per_class` classes"
    )
    samples_per_class: Annotated[int, Field(ge=2, le=65_536)] = Field(
        4, description="samples of each class in a batch"
    )
    # Less than 3 could leave a part of one image, and BatchNorm nothing to normalise by.
    micro_batch_size: Annotated[int, Field(ge=3)] | None = Field(
        None,
        description="most images that go through the model at once, for batches that memory does "
        "not hold; the loss still sees the whole batch, and its gradients are exact, at the price "
        "of a second forward pass. BatchNorm normalises each micro-batch by itself, unless it is "
        "frozen. `null`: the whole batch at once",
    )
    compile_trunk: bool = Field(
        False,
        description="compile the trunk (`torch.compile`), for quicker steps after a minute "
        "or two at the start of each trial",
    )
    augmentation: Literal["none", "light", "standard"] = Field(
        "light",
        description="`standard` (random resized crop), `light` (of what evaluation sees: shift, "
        "scale, rotation, tint) or `none`",
    )
    crop_scale_min: Annotated[float, Field(gt=0, le=1)] = Field(
        0.16, description="`standard`: the least share of the image's area that is cut out"
    )
    crop_ratio_max: Annotated[float, Field(ge=1, le=100)] = Field(
        4 / 3, description="`standard`: the most that a crop's sides differ by, as a ratio"
    )
    horizontal_flip: bool = Field(
        False, description="mirror half of the images, where they are augmented"
    )
    epochs: Annotated[int, Field(ge=1)] = Field(
        10, description="an epoch is N / `batch_size` batches, or a part of `steps`"
    )
    steps: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="training steps in all, of which an epoch is an equal part: so the batch size "
        "does not decide how long a trial trains. `null`: as many as its epochs take",
    )
    evaluate_every: Annotated[int, Field(ge=1)] = Field(
        1, description="epochs between measurements; the last epoch is always measured"
    )
    optimizer: Literal["adamw", "adam", "sgd"] = Field(
        "adamw",
        description="`adamw`; or `adam` or `sgd`, which add the weight decay to the gradient",
    )
    momentum: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = Field(
        0.9, description="of `sgd`"
    )
    learning_rate: Positive = Field(1e-3, description="the optimizer's, of the head")
    trunk_learning_rate_factor: Positive = Field(
        1.0, description="how much more, or less, the trunk gets than the head"
    )
    proxy_learning_rate_factor: Positive = Field(
        10.0, description="how much more the class vectors of `proxy_anchor` and `arcface` get"
    )
    weight_decay: NonNegative = Field(
        1e-4, description="the optimizer's; biases, norms and class vectors have none"
    )
    schedule: Literal["cosine", "step", "constant"] = Field(
        "cosine",
        description="of the learning rates: `cosine` to 0, `step` (times `step_factor` after each "
        "of `step_epochs`) or `constant`",
    )
    step_epochs: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (), description="epochs after which `schedule: step` lowers the rates"
    )
    step_factor: _Share = Field(0.1, description="what `schedule: step` multiplies the rates by")
    warmup_epochs: NonNegative = Field(1.0, description="linear warm-up before the schedule")
    head_warmup_epochs: Annotated[int, Field(ge=0)] = Field(
        0, description="epochs at the beginning in which the trunk is frozen, as in evaluation"
    )
    clip_value: Positive | None = Field(
        None, description="clip each component of the gradient to at most this, either way"
    )
    clip_norm: Positive | None = Field(
        None, description="clip the gradient of all parameters to at most this norm, after values"
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(
        0, description="of weights, batches and augmentation"
    )

    @model_validator(mode="after")
    def _check(self) -> "TrialConfig":
        for lower, upper in ORDERED_FIELDS:
            low, high = getattr(self, lower), getattr(self, upper)
            if low >= high:
                raise ValueError(f"{upper} ({high}) must be greater than {lower} ({low})")
        if self.batch_size % self.samples_per_class or self.batch_size == self.samples_per_class:
            raise ValueError(
                f"batch_size ({self.batch_size}) must be a multiple of samples_per_class "
                f"({self.samples_per_class}), and hold two classes or more"
            )
        return self

    @model_validator(mode="after")
    def _check_course(self) -> "TrialConfig":
        if self.steps is not None and self.steps < self.epochs:
            raise InputError(
                f"steps ({self.steps}) must be at least epochs ({self.epochs})",
                field=("steps", "epochs"),
            )
        if self.schedule == "step" and not self.step_epochs:
            raise InputError("schedule step needs step_epochs", field=("schedule", "step_epochs"))
        if self.trunk == "trained" and self.head_warmup_epochs >= self.epochs:
            raise InputError(
                f"head_warmup_epochs ({self.head_warmup_epochs}) must be fewer than epochs "
                f"({self.epochs}), or the trunk is never trained; trunk: frozen says so",
                field=("head_warmup_epochs", "epochs"),
            )
        return self

    @property
    def is_control(self) -> bool:
        """Whether the TCM term is switched off."""
        return all(getattr(self, weight) == 0 for weight in TCM_WEIGHTS)
