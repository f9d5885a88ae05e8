"""Weights of a trained embedder, kept in a file of their own, from which it is built again."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import torch
from pydantic import ConfigDict, Field, ValidationError
from torch import Tensor

from objectives import InputError
from trainer.atomic import written_whole
from trainer.config import TrialConfig
from trainer.embedder import Embedder, build_embedder
from trainer.rehearsal import without_weights
from trainer.strict_model import StrictModel
from trainer.trunk_input import TrunkInput
from trainer.validation import input_error
from trainer.weights import describe_misfit

__all__ = ["KeptWeights", "load_embedder", "read_kept_weights"]

_FORMAT: Final = 1
_ANOTHER_KIND: Final = "is no file of kept weights"


@dataclass(frozen=True, kw_only=True, eq=False)
class KeptWeights:
    """An embedder that was trained, with how it was, and what it scored.

    Attributes:
        config: The configuration, as it was asked for.
        trunk_input: Scaling and cropping of images as evaluation saw them.
        metrics: What it scored, ``operating_threshold`` (a distance) with it.
        embedder: The model; no loss, nor the class vectors of one.
    """

    config: TrialConfig
    trunk_input: TrunkInput
    metrics: Mapping[str, float]
    embedder: Embedder

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all.

        Raises:
            OSError: The folder is not there, or cannot be written to.
        """
        content = {
            "format": _FORMAT,
            "config": self.config.model_dump(mode="json"),
            "channels": self.embedder.channels,
            "image_size": self.embedder.image_size,
            "trunk_input": asdict(self.trunk_input),
            "metrics": dict(self.metrics),
            "embedder": {name: each.cpu() for name, each in self.embedder.state_dict().items()},
        }
        with written_whole(path) as file:
            torch.save(content, file)


def load_embedder(path: str | Path) -> Embedder:
    """Return the embedder of a file of kept weights, in evaluation mode, on the CPU.

    It maps B x C x S x S float images in [0, 1] to B x D unit vectors, and itself takes off the
    mean and divides by the standard deviation that its trunk is used to. What it saw of an image
    was the centre: the short side resized to S / ``crop_share``, of which S x S are cut out (where
    ``crop_mode`` is ``squash``, both sides are resized to that)::

        embedder = load_embedder("weights.pt")
        seen, size = embedder.trunk_input, embedder.image_size
        prepare = Compose(  # of torchvision.transforms
            [
                Resize(int(size / seen.crop_share), InterpolationMode(seen.interpolation)),
                CenterCrop(size),
                ToTensor(),
            ]
        )
        with torch.inference_mode():
            embeddings = embedder(torch.stack([prepare(image) for image in images]))

    Images have ``embedder.channels`` channels: 3 for RGB, 1 for grey.

    Raises:
        InputError: As `read_kept_weights`.
    """
    return read_kept_weights(path).embedder


def read_kept_weights(path: str | Path) -> KeptWeights:
    """Read a file that `KeptWeights.save` wrote; nothing is downloaded, and nothing in it is run.

    A trunk of the user's own making is imported by its reference ``module:name``, as ever.

    Raises:
        InputError: There is no such file, it is another kind of file or of another format, or its
            model cannot be built here.
    """
    path = Path(path)
    content = _content(path)
    try:
        embedder = build_embedder(
            without_weights(content.config),
            channels=content.channels,
            image_size=content.image_size,
            trunk_input=content.trunk_input,
        )
    except InputError as error:
        raise InputError(f"its model cannot be built: {error}", file=path) from error
    misfit = describe_misfit(content.embedder, embedder)
    if misfit:
        raise InputError(f"does not fit its own configuration: it {misfit}", file=path)
    embedder.load_state_dict(content.embedder)
    return KeptWeights(
        config=content.config,
        trunk_input=content.trunk_input,
        metrics=content.metrics,
        embedder=embedder.eval(),
    )


class _Content(StrictModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    format: Literal[1]
    config: TrialConfig
    channels: Annotated[int, Field(ge=1)]
    image_size: Annotated[int, Field(ge=1)]
    trunk_input: TrunkInput
    metrics: Mapping[str, float]
    embedder: dict[str, Tensor]


def _content(path: Path) -> _Content:
    found = _read(path)
    if not isinstance(found, Mapping) or not {"format", "embedder"} <= found.keys():
        raise InputError(_ANOTHER_KIND, file=path)
    if found["format"] != _FORMAT:
        raise InputError(
            f"is of format {found['format']!r}, and this version reads format {_FORMAT} only",
            file=path,
        )
    try:
        return _Content.model_validate(found)
    except ValidationError as error:
        raise input_error(error, file=path) from None


def _read(path: Path) -> Any:
    if not path.is_file():
        raise InputError("there is no such file", file=path)
    try:
        return torch.load(path, weights_only=True, map_location="cpu")
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", file=path) from None
    except Exception as error:  # each kind of damage has its own
        raise InputError(_ANOTHER_KIND, file=path) from error
