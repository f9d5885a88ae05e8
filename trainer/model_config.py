"""The part of a trial's configuration that says what the model is."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from objectives import InputError
from trainer.strict_model import StrictModel

__all__ = ["ModelConfig"]


class ModelConfig(StrictModel):
    """The trunk, where its weights are from, and the layers between it and the embedding.

    Raises:
        pydantic.ValidationError: A value is out of its range, or both ``pretrained`` and
            ``weights`` are set.
    """

    backbone: str = Field(
        "test_resnet",
        description="any timm model, or `my_package.my_module:build` for one of your own (below)",
    )
    pretrained: bool = Field(
        False, description="load timm's pretrained weights, downloaded once and then kept"
    )
    weights: Path | None = Field(
        None,
        description="instead of `pretrained`, a file of weights for the trunk (safetensors, or a "
        "state dict that torch saved), or a folder that holds one, such as a snapshot of the hub; "
        "what it has of a classifier is left out. Relative paths start at the spec's folder",
    )
    trunk: Literal["trained", "frozen"] = Field(
        "trained",
        description="`frozen`: train the head alone, on features that the trunk computes once for "
        "all trials of a machine (kept in the cache). It wants `pretrained` or `weights`",
    )
    views: Annotated[int, Field(ge=1, le=64)] = Field(
        1,
        description="of a frozen trunk: the augmented views of each image whose features are kept "
        "to train on, one of them at a time; 1: what evaluation sees",
    )
    embedding_dim: Annotated[int, Field(ge=2, le=65_536)] = Field(128, description="D")
    pooling: Literal["default", "gem", "avg_max"] = Field(
        "default",
        description="how the trunk's map of features becomes one vector: `default`, as the trunk "
        "itself does; `gem`, generalised mean with a learnt exponent (Radenović et al., TPAMI "
        "2019, from 3); `avg_max`, the sum of average and maximum. The last two leave out what "
        "the trunk would do after its own pooling",
    )
    head_layer_norm: bool = Field(
        False, description="a LayerNorm, with its own weights, before the linear head"
    )
    freeze_batch_norm: bool = Field(
        False,
        description="keep the statistics and weights of the trunk's 2D BatchNorms as they are "
        "loaded; `micro_batch_size` is then exact with BatchNorm too",
    )
    freeze_patch_embedding: bool = Field(
        False, description="keep a transformer's patch embedding as it is loaded"
    )

    @model_validator(mode="after")
    def _trunk_worth_freezing(self) -> "ModelConfig":
        untaught = not self.pretrained and self.weights is None and ":" not in self.backbone
        if self.trunk == "frozen" and untaught:
            raise InputError(
                "a frozen trunk needs weights; set pretrained or weights", field="trunk"
            )
        if self.views > 1 and self.trunk != "frozen":
            raise InputError(
                f"{self.views} views are kept of a frozen trunk only; set trunk: frozen",
                field="views",
            )
        return self

    @model_validator(mode="after")
    def _one_source_of_weights(self) -> "ModelConfig":
        if self.pretrained and self.weights is not None:
            raise InputError(
                "pretrained and weights are both set; weights takes the place of pretrained",
                field=("pretrained", "weights"),
            )
        return self
