"""Exact interventional Shapley values of tree ensembles.

- `values`: of rows over a background; `background`: that in parts, and at the leaves of small trees.
- `sums`: rows and background rows on their way down the trees; `plans`: trees as blocks of a few levels;
  `prepared`: small trees that the background has passed.
- `leaves`: patterns of rows at leaves; `weights`: what a leaf gives to the players on the way to it.
- `forecast`: what it takes. `interactions`: of pairs of players, under four indices.
"""

from agnostix.shapley.trees.background import TreeBackground
from agnostix.shapley.trees.forecast import TreeForecast, forecast_trees, seconds_per_row
from agnostix.shapley.trees.interactions import INDICES, tree_interactions
from agnostix.shapley.trees.values import tree_values, values_over

__all__ = [
    "INDICES",
    "TreeBackground",
    "TreeForecast",
    "forecast_trees",
    "seconds_per_row",
    "tree_interactions",
    "tree_values",
    "values_over",
]
