"""The file of tuned margins, which a sweep exports and a training script loads."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from trainer.config import TrialConfig
from trainer.embedding_loss import EmbeddingLoss, build_loss
from trainer.strict_model import Finite, StrictModel
from trainer.yaml_files import load_model

__all__ = [
    "Comparison",
    "Difference",
    "OperatingPoint",
    "TunedData",
    "TunedMargins",
    "load_tuned_margins",
    "read_tuned_margins",
]


NOT_KEPT: Final = "a model that was not kept: calibrate yours with `sweeps score`"


class OperatingPoint(StrictModel):
    """The one threshold to deploy behind, measured on the classes of `split`.

    Attributes:
        of: The model whose threshold it is.
        distance: Accept a pair at this Euclidean distance of unit embeddings or less.
        cosine_similarity: The same threshold as a similarity, s = 1 - d^2 / 2.
        far: Share of negative pairs that it accepts: measured, mean over classes; of files of the
            first format the share that was wanted.
        frr: Share of positive pairs that it rejects, likewise; None where it was not measured.
        d_min: Lower end of the distances over which consistency was judged.
        d_max: Upper end.
        split: Whose classes it was measured on.
    """

    of: str = NOT_KEPT
    distance: Finite
    cosine_similarity: Finite
    far: Finite
    frr: Finite | None = None
    d_min: Finite
    d_max: Finite
    split: str


class Difference(StrictModel):
    """Difference of two means over the same seeds.

    Attributes:
        value: The tuned one's less the other's.
        low: Lower end of its 95 % interval; None where nothing tells how noisy it is.
        high: Upper end.
    """

    value: float
    low: float | None
    high: float | None


class Comparison(StrictModel):
    """Comparison with another trial that is alike in all but TCM, under the same seeds.

    The seeds had no part in choosing the trial, so nothing here is too good by luck.

    Attributes:
        trial: Its number.
        seeds: That both were trained under.
        split: Whose classes both were scored on.
        metrics: Its metrics, means over the seeds.
        tuned: The trial's metrics, means over the same seeds.
        difference: By metric.
    """

    trial: int
    seeds: tuple[int, ...]
    split: str
    metrics: Mapping[str, float]
    tuned: Mapping[str, float]
    difference: Mapping[str, Difference]


class TunedData(StrictModel):
    """The data set that the margins were tuned for.

    Attributes:
        source: Its ``data`` section in the spec.
        fingerprint: SHA-256 of items, labels and split.
        train_classes: Number of classes that the trial trained on.
    """

    source: Mapping[str, Any]
    fingerprint: str
    train_classes: Annotated[int, Field(ge=1)]


class TunedMargins(StrictModel):
    """Tuned margins with all that is known of them.

    Attributes:
        format: Version of this file's layout.
        sweep: Name of the sweep.
        trial: Number of the trial.
        pick: Why this trial: the knee, or the best of one objective.
        loss: Name of the base loss.
        margin_positive: Cosine similarity that positives are pulled above.
        margin_negative: Cosine similarity that negatives are pushed below.
        weight_positive: Weight of the positive term.
        weight_negative: Weight of the negative term.
        batch_size: Samples in a batch.
        samples_per_class: Samples of each class in a batch.
        config: Every hyperparameter of the trial.
        metrics: What it scored: of the objectives the estimates, of others means over the seeds.
        intervals: Of the objectives the 95 % intervals of the estimates; none of a sweep of single
            runs, which cannot tell noise.
        split: Whose classes it was scored on.
        epoch: After how many epochs.
        seeds: Seeds of the training runs that were averaged.
        control: The same with TCM weight 0; None where no seed was trained with both.
        default: The same with the paper's default margins and weights; likewise.
        confirmed: What the test classes said, by ``control`` and ``default``, after training on all
            others under fresh seeds; empty where that was not done.
        weights: Name of the file beside this one with the weights of the first of these runs, which
            `load_embedder` reads; None where none is.
        unproven: Why noise explains what these margins gain, where they were exported all the same.
        operating_point: The threshold to deploy behind.
        data: What it was tuned on.
        provenance: Versions, times, and the sweep's objectives and hypervolume.
    """

    format: Literal[2] = 2
    sweep: str
    trial: int
    pick: str
    loss: str
    margin_positive: float
    margin_negative: float
    weight_positive: float
    weight_negative: float
    batch_size: int
    samples_per_class: int
    config: TrialConfig
    metrics: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]] = {}
    split: str
    epoch: int
    seeds: tuple[int, ...]
    control: Comparison | None
    default: Comparison | None = None
    confirmed: Mapping[str, Comparison] = {}
    weights: str | None = None
    unproven: str | None = None
    operating_point: OperatingPoint
    data: TunedData
    provenance: Mapping[str, Any]

    @model_validator(mode="before")
    @classmethod
    def _of_the_first_format(cls, raw: Any) -> Any:
        # Its control was another one: in other fields, under other seeds.
        if isinstance(raw, dict) and raw.get("format") == 1:
            return {**raw, "format": 2, "control": None}
        return raw

    @model_validator(mode="after")
    def _agree(self) -> "TunedMargins":
        # The short list at the top is what people read and edit; the loss is built from `config`.
        for name in _SHORT_LIST:
            if getattr(self, name) != getattr(self.config, name):
                raise ValueError(
                    f"{name} is {getattr(self, name)} but config.{name} is "
                    f"{getattr(self.config, name)}"
                )
        return self

    def __str__(self) -> str:
        if self.config.is_control:
            return "a control, without TCM"
        margins = (self.margin_positive, self.margin_negative)
        return "margin_positive {:.3f}, margin_negative {:.3f}".format(*margins)

    def build_loss(self, *, num_classes: int | None = None) -> EmbeddingLoss:
        """Return the base loss with its TCM term.

        Args:
            num_classes: Classes of your own training set, for the losses that learn proxies; the
                number that the trial trained on if None.

        Raises:
            ValueError: ``num_classes`` is less than 1.
        """
        classes = self.data.train_classes if num_classes is None else num_classes
        return build_loss(self.config, num_classes=classes)


_SHORT_LIST = (
    "loss",
    "margin_positive",
    "margin_negative",
    "weight_positive",
    "weight_negative",
    "batch_size",
    "samples_per_class",
)


def read_tuned_margins(path: str | Path) -> TunedMargins:
    """Read what ``sweeps export`` wrote.

    Raises:
        InputError: The file cannot be read, or is not such a file.
    """
    return load_model(Path(path), TunedMargins, kind="a YAML file of tuned margins")


def load_tuned_margins(path: str | Path, *, num_classes: int | None = None) -> EmbeddingLoss:
    """Return the tuned loss that ``sweeps export`` wrote, ready to train with.

    The loss takes B x D embeddings and B class numbers and returns a scalar::

        loss = load_tuned_margins("margins.yaml")
        loss(model(images), labels).backward()

    Args:
        path: The exported file.
        num_classes: As `TunedMargins.build_loss`.

    Raises:
        InputError: As `read_tuned_margins`.
    """
    return read_tuned_margins(path).build_loss(num_classes=num_classes)
