import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pydantic import Field, ValidationError
from torch import Tensor, nn

from docs.generate import field_table, loss_table
from objectives import InputError
from trainer import StrictModel, TrialConfig
from trainer.config import with_loss_settings
from trainer.losses import LOSSES, LossSettings, LossSizes, LossTable
from trainer.strict_model import NonNegative

SIZES = LossSizes(num_classes=3, embedding_dim=2)


class Spread(nn.Module):
    """The mean squared norm over a margin."""

    def __init__(self, margin: float) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:  # noqa: ARG002
        return (embeddings.square().sum(1) - self.margin).relu().mean()


@pytest.fixture
def losses() -> LossTable:
    """The project's losses and one more, which is one entry."""
    table = LossTable(LOSSES)

    @table.register("spread")
    class _Spread(LossSettings):
        """Toy et al.: embeddings of small norm."""

        margin: NonNegative = Field(0.5, description="largest squared norm")

        def build(self, sizes: LossSizes) -> nn.Module:
            return Spread(self.margin * sizes.num_classes)

    return table


def test_a_new_loss_is_one_entry(losses: LossTable) -> None:
    class Base(StrictModel):
        seed: int = 0

    model = with_loss_settings(Base, losses)
    own = set(Base.model_fields)
    assert [name for name in model.model_fields if name not in own] == list(losses.fields())
    assert list(model.model_fields)[-1] == "spread_margin"
    with pytest.raises(ValidationError, match="spread_margin"):
        model.model_validate({"spread_margin": -1})
    loss = losses.find("spread").build(model.model_validate({"spread_margin": 2}), SIZES)
    assert loss(torch.tensor([[3.0, 0.0], [0.0, 1.0]]), torch.arange(2)).item() == 1.5
    assert "| `spread_margin` | largest squared norm | 0.5 |" in field_table(model, "field")
    row = "| `spread` | `spread_margin` | Toy et al.: embeddings of small norm. |"
    assert loss_table(losses).splitlines()[-1] == row
    assert "spread" not in LOSSES


ENTRY = '''
@_loss("spread")
class _Spread(LossSettings):
    """Toy et al.: embeddings of small norm."""

    margin: NonNegative = Field(0.5, description="largest squared norm")

    def build(self, sizes: LossSizes) -> nn.Module:
        from torch import nn

        return nn.TripletMarginLoss(margin=self.margin * sizes.num_classes)
'''
USE = """
from trainer import TrialConfig, build_loss
config = TrialConfig(loss="spread", spread_margin=2, weight_positive=0, weight_negative=0)
assert build_loss(config, num_classes=3).base.margin == 6
from docs.generate import _spec
assert "| `spread_margin` | largest squared norm | 0.5 |" in _spec()
"""


def test_an_entry_in_the_table_is_all_that_a_loss_needs() -> None:
    """As if the entry stood at the end of table.py."""
    add = (
        "import __future__, trainer.losses.table as table\n"
        f"entry = compile({ENTRY!r}, 'entry', 'exec', __future__.annotations.compiler_flag)\n"
        "exec(entry, vars(table))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", add + USE],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_losses_are_found_by_name() -> None:
    assert LOSSES.find("arcface").name == "arcface"
    with pytest.raises(InputError, match=r"^loss: 'margin' is not one of smooth_ap, .*") as caught:
        LOSSES.find("margin")
    assert caught.value.fields == ("loss",)


def test_a_name_or_field_that_is_there_twice_raises(losses: LossTable) -> None:
    with pytest.raises(ValueError, match=r"'arcface' is there twice; there are smooth_ap, "):
        losses.register("arcface")

    @losses.register("other", prefix="spread")
    class _Other(LossSettings):
        margin: NonNegative = 1.0

    with pytest.raises(ValueError, match="the field 'spread_margin' of loss 'other' is there"):
        losses.fields()


def test_fields_of_losses_are_fields_of_a_trial_and_hide_none() -> None:
    names = list(TrialConfig.model_fields)
    first = names.index("weight_negative") + 1
    assert names[first : first + len(LOSSES.fields())] == list(LOSSES.fields())
    assert not set(LOSSES.fields()) & {*names[:first], *TrialConfig.__annotations__}


def test_every_loss_is_explained() -> None:
    for record in LOSSES.values():
        assert record.summary.endswith("."), record.name
        assert all(field.description for field in record.settings.model_fields.values())
