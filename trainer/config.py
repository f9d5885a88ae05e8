"""The configuration of one trial."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from trainer.losses.registry import LOSSES

__all__ = ["ORDERED_FIELDS", "TCM_FIELDS", "TCM_WEIGHTS", "TrialConfig"]

# (lower, upper): the first is always smaller than the second. A search space over both keeps to it.
ORDERED_FIELDS: Final = (("margin_negative", "margin_positive"),)
# The fields that are 0 in a control.
TCM_WEIGHTS: Final = ("weight_positive", "weight_negative")
# The fields that mean nothing without the TCM term.
TCM_FIELDS: Final = ("margin_positive", "margin_negative", *TCM_WEIGHTS)

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _known_loss(value: str) -> str:
    if value not in LOSSES:
        raise ValueError(f"{value!r} is not one of {', '.join(LOSSES)}")
    return value


_Loss = Annotated[str, AfterValidator(_known_loss)]
_Cosine = Annotated[float, Field(ge=-1, le=1)]


class TrialConfig(BaseModel):
    """Every hyperparameter of one trial; an unknown key is an error.

    Margins are cosine similarities in [-1, 1]. ``weight_positive = weight_negative = 0`` switches
    the TCM term off: such a trial is a control. The fields that begin with a loss's name matter
    only to that loss; they are handed to pytorch-metric-learning under its own meanings, except
    those of `trainer.losses.smooth_ap_loss` and `trainer.losses.recall_at_k_loss`.

    ``micro_batch_size`` bounds how many images go through the model at once (None: the whole
    batch does). The loss always sees the whole batch (`trainer.gradient_cache`); BatchNorm, where
    the backbone has it, normalises each micro-batch by itself.

    Raises:
        pydantic.ValidationError: A value is out of its range, ``margin_positive`` is not greater
            than ``margin_negative``, or ``batch_size`` is not a multiple of
            ``samples_per_class``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    # model
    backbone: str = "test_resnet"
    pretrained: bool = False
    embedding_dim: Annotated[int, Field(ge=2)] = 128
    # loss
    loss: _Loss = "smooth_ap"
    margin_positive: _Cosine = 0.9
    margin_negative: _Cosine = 0.5
    weight_positive: _NonNegative = 1.0
    weight_negative: _NonNegative = 1.0
    smooth_ap_temperature: _Positive = 0.01
    recall_at_k_temperature: _Positive = 0.01
    recall_at_k_rank_temperature: _Positive = 1.0
    recall_at_k_mixup: bool = False
    proxy_anchor_margin: _NonNegative = 0.1
    proxy_anchor_alpha: _Positive = 32.0
    arcface_margin: _NonNegative = 28.6
    arcface_scale: _Positive = 64.0
    multi_similarity_alpha: _Positive = 2.0
    multi_similarity_beta: _Positive = 50.0
    multi_similarity_base: _Cosine = 0.5
    contrastive_positive_margin: _NonNegative = 0.0
    contrastive_negative_margin: _NonNegative = 1.0
    triplet_margin: _NonNegative = 0.1
    # batches
    batch_size: Annotated[int, Field(ge=2)] = 128
    samples_per_class: Annotated[int, Field(ge=2)] = 4
    # Less than 3 could leave a part of one image, and BatchNorm nothing to normalise by.
    micro_batch_size: Annotated[int, Field(ge=3)] | None = None
    augmentation: Literal["none", "light"] = "light"
    horizontal_flip: bool = False
    # optimisation (AdamW, linear warm-up, then cosine to zero)
    epochs: Annotated[int, Field(ge=1)] = 10
    learning_rate: _Positive = 1e-3
    proxy_learning_rate_factor: _Positive = 10.0
    weight_decay: _NonNegative = 1e-4
    warmup_epochs: _NonNegative = 1.0
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0

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
