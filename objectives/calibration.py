"""Calibration: the distance thresholds at which consistency is judged."""

from dataclasses import dataclass
from typing import Final, Literal

from objectives.errors import InputError

__all__ = ["DEFAULT_CALIBRATION", "Calibration"]


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Distance thresholds at which consistency is judged, and what a class is compared with.

    Attributes:
        far_min: FAR pooled over all negative pairs at the lower end of the calibration range.
        far_max: The same at the upper end.
        d_min: Lower end as an explicit distance in [0, 2]; then `d_max` must be given too, and
            the two FARs are not used.
        d_max: Upper end as an explicit distance.
        thresholds: Number of thresholds, uniform in distance over the range; 101 to 10 001.
        operating_far: Pooled FAR at the operating threshold.
        mean: What OPIS compares each class with: the mean utility over classes, or the utility
            of the pooled pairs.
        min_samples_per_class: Samples that a class must have to count in OPIS's noise floor and in
            OPIS corrected for it; at least 4, for of fewer no floor can be estimated.

    Raises:
        InputError: A value is out of its range.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  (for pydantic models that hold one)

    far_min: float = 0.01
    far_max: float = 0.10
    d_min: float | None = None
    d_max: float | None = None
    thresholds: int = 101
    operating_far: float = 0.05
    mean: Literal["classes", "pooled"] = "classes"
    min_samples_per_class: int = 4

    def __post_init__(self) -> None:
        if not 0 < self.far_min < self.far_max < 1:
            raise InputError(
                f"far_min ({self.far_min}) and far_max ({self.far_max}) must satisfy "
                "0 < far_min < far_max < 1",
                field=("far_min", "far_max"),
            )
        if not 0 < self.operating_far < 1:
            raise InputError(
                f"operating_far ({self.operating_far}) must lie between 0 and 1",
                field=("operating_far",),
            )
        if self.mean not in ("classes", "pooled"):
            raise InputError(f"mean ({self.mean!r}) must be 'classes' or 'pooled'", field=("mean",))
        if not 101 <= self.thresholds <= 10_001:
            raise InputError(
                f"thresholds ({self.thresholds}) must lie between 101 and 10001",
                field=("thresholds",),
            )
        if self.min_samples_per_class < 4:
            raise InputError(
                f"min_samples_per_class ({self.min_samples_per_class}) must be at least 4",
                field=("min_samples_per_class",),
            )
        if (self.d_min is None) != (self.d_max is None):
            raise InputError("d_min and d_max must be given together", field=("d_min", "d_max"))
        if (
            self.d_min is not None
            and self.d_max is not None
            and not 0 <= self.d_min < self.d_max <= 2
        ):
            raise InputError(
                f"d_min ({self.d_min}) and d_max ({self.d_max}) must satisfy "
                "0 <= d_min < d_max <= 2",
                field=("d_min", "d_max"),
            )

    @property
    def span(self) -> tuple[float, float] | None:
        """The explicit range, None where it follows from the FARs."""
        if self.d_min is None or self.d_max is None:
            return None
        return self.d_min, self.d_max


DEFAULT_CALIBRATION: Final = Calibration()
