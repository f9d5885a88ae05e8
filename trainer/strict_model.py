"""The base of all strict models, and the numbers that their fields are made of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Cosine", "Finite", "NonNegative", "Positive", "StrictModel"]

Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
# A cosine similarity.
Cosine = Annotated[float, Field(ge=-1, le=1)]


class StrictModel(BaseModel):
    """A pydantic model that refuses unknown keys and cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)
