"""The configuration of one trial."""

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, create_model, model_validator

from trainer.losses import LOSSES, LossTable
from trainer.strict_model import Cosine, NonNegative, Positive, StrictModel

__all__ = ["ORDERED_FIELDS", "TCM_FIELDS", "TCM_WEIGHTS", "TrialConfig", "with_loss_settings"]

# (lower, upper): the first is always smaller than the second. A search space over both keeps to it.
ORDERED_FIELDS: Final = (("margin_negative", "margin_positive"),)
# The fields that are 0 in a control.
TCM_WEIGHTS: Final = ("weight_positive", "weight_negative")
# The fields that mean nothing without the TCM term.
TCM_FIELDS: Final = ("margin_positive", "margin_negative", *TCM_WEIGHTS)


def with_loss_settings(base: type[StrictModel], losses: LossTable) -> type[StrictModel]:
    """Return the model with a field more for each setting of each loss."""
    fields: dict[str, Any] = losses.fields()
    return create_model(base.__name__, __base__=base, __module__=base.__module__, **fields)


class _ModelAndLoss(StrictModel):
    backbone: str = Field(
        "test_resnet",
        description="any timm model, or `my_package.my_module:build` for one of your own (below)",
    )
    pretrained: bool = Field(False, description="load timm's pretrained weights")
    embedding_dim: Annotated[int, Field(ge=2)] = Field(128, description="D")
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
    the backbone has it, normalises each micro-batch by itself.

    Raises:
        pydantic.ValidationError: A value is out of its range, ``margin_positive`` is not greater
            than ``margin_negative``, or ``batch_size`` is not a multiple of
            ``samples_per_class``.
    """

    batch_size: Annotated[int, Field(ge=2)] = Field(
        128, description="a batch has `batch_size / samples_per_class` classes"
    )
    samples_per_class: Annotated[int, Field(ge=2)] = Field(
        4, description="samples of each class in a batch"
    )
    # Less than 3 could leave a part of one image, and BatchNorm nothing to normalise by.
    micro_batch_size: Annotated[int, Field(ge=3)] | None = Field(
        None,
        description="most images that go through the model at once, for batches that memory does "
        "not hold; the loss still sees the whole batch, and its gradients are exact, at the price "
        "of a second forward pass. BatchNorm normalises each micro-batch by itself. `null`: the "
        "whole batch at once",
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
        10, description="an epoch is N / `batch_size` batches"
    )
    learning_rate: Positive = Field(1e-3, description="AdamW's")
    proxy_learning_rate_factor: Positive = Field(
        10.0, description="how much more the class vectors of `proxy_anchor` and `arcface` get"
    )
    weight_decay: NonNegative = Field(1e-4, description="AdamW's")
    warmup_epochs: NonNegative = Field(1.0, description="linear warm-up before the cosine")
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

    @property
    def is_control(self) -> bool:
        """Whether the TCM term is switched off."""
        return all(getattr(self, weight) == 0 for weight in TCM_WEIGHTS)
