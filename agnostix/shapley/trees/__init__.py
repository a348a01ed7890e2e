"""Exact interventional Shapley values of tree ensembles.

- `values`: rows and background rows on their way down the trees; `plans`: trees as blocks of a few levels.
- `leaves`: what a leaf gives to the players on the way to it; `weights`: the weights of its game.
"""

from agnostix.shapley.trees.values import forecast_seconds, tree_values

__all__ = ["forecast_seconds", "tree_values"]
