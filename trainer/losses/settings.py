"""Settings of a base loss, and the table in which losses are registered by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import Field

from objectives import InputError
from trainer.strict_model import StrictModel

if TYPE_CHECKING:
    from torch import nn  # takes a second, which readers of a configuration need not wait

__all__ = ["LossRecord", "LossSettings", "LossSizes", "LossTable"]


@dataclass(frozen=True, kw_only=True)
class LossSizes:
    """Sizes that a loss is built for.

    Attributes:
        num_classes: Number of training classes, >= 1; a proxy loss learns one proxy for each.
        embedding_dim: D.
        max_positives: Upper bound of a sample's positives in a batch; None where it is not known.
    """

    num_classes: int
    embedding_dim: int
    max_positives: int | None = None


class LossSettings(StrictModel):
    """Settings of a base loss: its fields, each with its range, default and explanation.

    The first line of a loss's docstring says which loss it is in the reference of the spec.
    """

    def build(self, sizes: LossSizes) -> nn.Module:
        """Return the loss, a module from (``B x D`` embeddings, ``B`` labels) to a scalar."""
        raise NotImplementedError


_Settings = TypeVar("_Settings", bound=LossSettings)


@dataclass(frozen=True, kw_only=True)
class LossRecord:
    """One base loss of a table.

    Attributes:
        name: The name that ``TrialConfig.loss`` takes.
        prefix: What its fields in a configuration begin with.
        settings: Its settings.
    """

    name: str
    prefix: str
    settings: type[LossSettings]

    @property
    def summary(self) -> str:
        """The first line of the settings' docstring."""
        return (self.settings.__doc__ or "").strip().partition("\n")[0]

    def fields(self) -> dict[str, str]:
        """Return the name in a configuration of each setting's field, with the setting."""
        return {f"{self.prefix}_{setting}": setting for setting in self.settings.model_fields}

    def build(self, config: object, sizes: LossSizes) -> nn.Module:
        """Return the loss under the settings that a configuration's fields hold."""
        values = {setting: getattr(config, name) for name, setting in self.fields().items()}
        return self.settings.model_validate(values).build(sizes)


class LossTable(Mapping[str, LossRecord]):
    """Base losses by their names, in the order of their registration.

    Args:
        records: Losses to begin with.
    """

    def __init__(self, records: Mapping[str, LossRecord] | None = None) -> None:
        self._records = dict(records or {})

    def register(
        self, name: str, *, prefix: str | None = None
    ) -> Callable[[type[_Settings]], type[_Settings]]:
        """Return what enters settings under a name; their fields begin with it, or the prefix.

        Raises:
            ValueError: The name is there already.
        """
        if name in self._records:
            raise ValueError(f"loss {name!r} is there twice; there are {', '.join(self)}")

        def enter(settings: type[_Settings]) -> type[_Settings]:
            record = LossRecord(name=name, prefix=prefix or name, settings=settings)
            self._records[name] = record
            return settings

        return enter

    def check(self, name: str) -> str:
        """Return the name.

        Raises:
            ValueError: There is no loss of that name; the message lists those there are.
        """
        if name not in self:
            raise ValueError(f"{name!r} is not one of {', '.join(self)}")
        return name

    def find(self, name: str) -> LossRecord:
        """Return the record of that name.

        Raises:
            InputError: As `check`.
        """
        try:
            return self[self.check(name)]
        except ValueError as error:
            raise InputError(str(error), field="loss") from None

    def fields(self) -> dict[str, tuple[Any, Any]]:
        """Return the type and default of every loss's fields, as ``pydantic.create_model`` wants.

        Raises:
            ValueError: Two losses have a field of the same name.
        """
        found: dict[str, tuple[Any, Any]] = {}
        for record in self.values():
            for name, setting in record.fields().items():
                if name in found:
                    raise ValueError(f"the field {name!r} of loss {record.name!r} is there twice")
                field = record.settings.model_fields[setting]
                explained = Field(field.default, description=field.description)
                found[name] = (field.rebuild_annotation(), explained)
        return found

    def __getitem__(self, name: str) -> LossRecord:
        return self._records[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)
