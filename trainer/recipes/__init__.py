"""Published recipes: the settings of a method, by data set and kind of backbone."""

from collections.abc import Mapping
from typing import Final

from trainer.recipes.hyp_vit import HYP_VIT
from trainer.recipes.proxy_anchor import PROXY_ANCHOR
from trainer.recipes.recall_at_k import RECALL_AT_K
from trainer.recipes.recipe import Kind, Recipe, Setting, fit_batch, kind_of
from trainer.recipes.smooth_ap import SMOOTH_AP

__all__ = ["RECIPES", "Kind", "Recipe", "Setting", "fit_batch", "kind_of"]

RECIPES: Final[Mapping[str, Recipe]] = {
    each.name: each for each in (SMOOTH_AP, RECALL_AT_K, PROXY_ANCHOR, HYP_VIT)
}
