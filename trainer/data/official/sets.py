"""The table of official data sets: a further one is an entry here, and its name in the config."""

from typing import Final

from trainer.data.official.cars import CARS
from trainer.data.official.cub import CUB
from trainer.data.official.in_shop import IN_SHOP
from trainer.data.official.inaturalist import INATURALIST
from trainer.data.official.record import OfficialSet
from trainer.data.official.sop import SOP

__all__ = ["OFFICIAL_SETS"]

# By the name of `trainer.data.DataConfig`.
OFFICIAL_SETS: Final[dict[str, OfficialSet]] = {
    "cub": CUB,
    "cars": CARS,
    "sop": SOP,
    "inaturalist": INATURALIST,
    "in_shop": IN_SHOP,
}
