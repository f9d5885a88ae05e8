"""A recipe: the published settings of a method, each with where it is from."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

__all__ = ["Kind", "Recipe", "Setting", "fit_batch", "kind_of"]

Kind = Literal["resnet", "vit"]

# Names in timm of transformers whose features are tokens, not a map.
_TOKENS: Final = re.compile(
    r"(test_)?(vit|deit|beit|eva|flexivit|naflexvit|cait|xcit)(v?\d|_|\.|$)"
)


def kind_of(backbone: str) -> Kind:
    """Return which of the published kinds a backbone is set like: a plain ViT, or a ResNet-50."""
    return "vit" if _TOKENS.match(backbone) else "resnet"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One field of a recipe.

    Attributes:
        value: Its value, as plain JSON data.
        cases: Its value in particular cases: on a data set (``sop``), with a kind of backbone
            (``vit``) or both (``sop vit``). The narrowest holds, and a data set before a kind.
        source: Where it is published.
        otherwise: What is done otherwise here, and why.
    """

    value: Any
    source: str
    cases: Mapping[str, Any] = field(default_factory=dict)
    otherwise: str = ""

    def choose(self, *, data_set: str, kind: Kind) -> Any:
        """Return the value on a data set with a kind of backbone."""
        for case in (f"{data_set} {kind}", data_set, kind):
            if case in self.cases:
                return self.cases[case]
        return self.value


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The published settings of a method.

    Attributes:
        name: The name that a spec takes.
        paper: Authors, venue and arXiv number.
        code: The authors' repository.
        published: The data sets that the settings are published for.
        settings: By field of `trainer.TrialConfig`.
        notes: What the authors do that is no field, and what is done here.
    """

    name: str
    paper: str
    code: str
    published: tuple[str, ...]
    settings: Mapping[str, Setting]
    notes: tuple[str, ...] = ()

    def fields(self, *, data_set: str | None, backbone: str | None) -> dict[str, Any]:
        """Return the recipe's fields of a configuration, as plain JSON data.

        Args:
            data_set: ``cub``, ``cars``, ``sop``, ``inaturalist``, ``in_shop``, or any other.
            backbone: The backbone that is trained; None: the recipe's own.
        """
        kind = kind_of(backbone or self.settings["backbone"].value)
        return {
            name: setting.choose(data_set=data_set or "", kind=kind)
            for name, setting in self.settings.items()
        }


def fit_batch(batch_size: int, *, samples_per_class: int, classes: int | None = None) -> int:
    """Return a published batch size cut to whole classes, and to as many as there are.

    Args:
        batch_size: As published.
        samples_per_class: Samples of each class in a batch.
        classes: Training classes; None where that is not known.
    """
    whole = batch_size // samples_per_class
    return samples_per_class * max(2, whole if classes is None else min(whole, classes))
