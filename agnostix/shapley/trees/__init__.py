"""Exact interventional Shapley values of tree ensembles.

- `values`: rows and background rows on their way down the trees; `plans`: trees as blocks of a few levels.
- `leaves`: patterns of rows at leaves; `weights`: what a leaf gives to the players on the way to it.
- `interactions`: of pairs of players, under four indices.
"""

from agnostix.shapley.trees.interactions import INDICES, tree_interactions
from agnostix.shapley.trees.values import forecast_seconds, tree_values

__all__ = ["INDICES", "forecast_seconds", "tree_interactions", "tree_values"]
